"""Every key of the configuration is read by something that runs: one that nothing reads is a promise nobody keeps.

Read means: the programs' text takes the key from its own section, on the way from a configuration, as in
``config.store.queue``, or ``store = config.store`` and then ``store.queue``. The same word of another object
(``market``, ``path``) does not count, nor do the files of the configuration's own package that only check and show.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config.errors import ConfigErrors
from engine.config.load import load_text
from engine.config.schema import Config
from engine.config.show import keys, section_of
from tests.needs import ROOT
from tests.unit.test_config_load import ENV, GOOD

Place = tuple[str, ...]
"""A section by its names from the top: ``()`` is the whole configuration."""

#: What holds a configuration, by its name. ``chosen`` and the like are followed from where they are assigned.
CONFIGURATIONS = {"config", "_config", "wanted", "fresh"}
#: Refused in every value but the default until their part of the engine is there.
TO_COME = {
    "hedge.enabled": ("hedge: {enabled: true}", "cannot hedge yet"),
    "hedge.symbol": ("hedge: {symbol: BTCUSDT}", "cannot hedge yet"),
    "hedge.band": ("hedge: {band: 100}", "cannot hedge yet"),
    "signals.models": ("signals: {models: /srv/models}", "no signals from trained models yet"),
}
#: Files of engine/config that check and show a configuration, and hand nothing of it to what runs.
ONLY_CHECKS = {"__init__", "schema", "load", "rules", "show", "diff", "strategy"}
#: A person's word that the check asks for: without it the check refuses what it permits.
ASKED_FOR_BY_THE_CHECK = {"monitoring.tls_in_front"}
#: What the operator's side reads from the file as it is written, so that it can where the file does not load.
AS_WRITTEN = ("mmctl/client/site.py", "_of")
SECTIONS = {
    field.annotation.__name__: (name,)
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and section_of((name,)) is not None
}


class Readings(ast.NodeVisitor):
    """The keys that one file takes from configurations, as dotted names; methods of ``Config`` by their own name."""

    def __init__(self, tree: ast.AST, itself: bool = False) -> None:
        self.found: set[str] = set()
        self.methods: set[str] = set()
        self._places: dict[str, Place] = {"self": ()} if itself else {}
        for _ in range(2):  # a name may be used above the line that gives it its meaning
            self.visit(tree)

    def place(self, node: ast.AST) -> Place | None:
        """The section that the expression gives, None where it gives none."""
        match node:
            case ast.Name(id=name):
                return self._places.get(name, () if name in CONFIGURATIONS else None)
            case ast.Attribute(attr=name) if name in CONFIGURATIONS:
                return ()
            case ast.Attribute(value=value, attr=name):
                before = self.place(value)
                inner = None if before is None else (*before, name)
                return inner if inner is not None and section_of(inner) is not None else None
        return None

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer = dict(self._places)
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            written = ast.unparse(argument.annotation).strip("\"'") if argument.annotation else ""
            if written in SECTIONS:
                self._places[argument.arg] = SECTIONS[written]
            elif argument.arg in self._places and argument.arg != "self":
                del self._places[argument.arg]
        self._by_name(node)
        self.generic_visit(node)
        self._places = {**self._places, **outer}

    visit_AsyncFunctionDef = visit_FunctionDef

    def _by_name(self, function: ast.AST) -> None:
        """``getattr(section, name)``: every name written in the function that is a key of the section."""
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "getattr":
                place = self.place(call.args[0])
                words = {
                    n.value for n in ast.walk(function) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                }
                self.found |= {".".join((*place, w)) for w in words} if place else set()

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for name, value in pairs:
                place = self.place(value)
                if isinstance(name, ast.Name) and place is not None:
                    self._places[name.id] = place

    def visit_Attribute(self, node: ast.Attribute) -> None:
        place = self.place(node.value)
        if place is not None:
            self.found.add(".".join((*place, node.attr)))
            if not place and isinstance(getattr(Config, node.attr, None), type(Config.lease_path)):
                self.methods.add(node.attr)
        self.generic_visit(node)


def programs() -> Iterator[Path]:
    for folder in ("engine", "mmctl"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.parent != ROOT / "engine/config" or path.stem not in ONLY_CHECKS:
                yield path


def schema_methods() -> dict[str, set[str]]:
    """What each method of ``Config`` reads, by its name."""
    tree = ast.parse((ROOT / "engine/config/schema.py").read_text())
    whole = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Config")
    return {m.name: Readings(m, itself=True).found for m in whole.body if isinstance(m, ast.FunctionDef)}


def as_written() -> set[str]:
    file, function = AS_WRITTEN
    calls = [n for n in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(n, ast.Call)]
    paths = [call.args[1:] for call in calls if ast.unparse(call.func) == function]
    written = (path for path in paths if all(isinstance(part, ast.Constant) for part in path))
    return {".".join(ast.literal_eval(part) for part in path) for path in written}


@pytest.fixture(scope="module")
def read() -> set[str]:
    found = as_written()
    methods = schema_methods()
    for path in programs():
        text = path.read_text()
        readings = Readings(ast.parse(text))
        found |= readings.found
        for name in readings.methods:
            found |= methods.get(name, set())
    return found


@pytest.mark.parametrize("key", [info.path for info in keys()])
def test_every_key_is_read_by_what_runs(read: set[str], key: str) -> None:
    if key in TO_COME:
        assert key not in read, "it is read now: let the check pass it"
    elif key in ASKED_FOR_BY_THE_CHECK:
        assert key in Readings(ast.parse((ROOT / "engine/config/rules.py").read_text())).found
    else:
        assert key in read


@pytest.mark.parametrize("key", TO_COME)
def test_a_key_of_what_is_to_come_is_refused_with_that_reason(key: str) -> None:
    text, reason = TO_COME[key]
    with pytest.raises(ConfigErrors) as caught:
        load_text(GOOD + text + "\n", "c.yaml", ENV)
    assert [error.path for error in caught.value.errors] == [key]
    error = caught.value.errors[0]
    assert reason in error.message
    assert error.suggestion, "it says what to do"
    assert error.line == GOOD.count("\n") + 1


def test_the_search_tells_a_key_from_the_same_word_elsewhere() -> None:
    text = "def f(config, other):\n    store = config.store\n    return store.queue, other.max_lag, config.lease.ttl\n"
    assert Readings(ast.parse(text)).found == {"store", "store.queue", "lease", "lease.ttl"}
