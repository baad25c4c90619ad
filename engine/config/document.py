"""A YAML file as plain values that remember where they stand, with the environment put in.

Scalars follow ``values.scalar``; duplicate keys, keys that are not text and aliases that loop are errors.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from engine.config.errors import ConfigError
from engine.config.values import Expanded, scalar

Path = tuple[str | int, ...]

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 20_000  # aliases multiply nodes: a small file must not become a large one
MAX_DEPTH: Final = 20
_LONGEST_KEY: Final = 32
_ORDINARY_KEY: Final = re.compile(r"(?!\d{5,}\Z)[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
_NAME_OF_KEY: Final = re.compile(r"[A-Za-z_]+")
_QUOTED: Final = re.compile(r"'[^'<]{2,}'")  # of YAML's own words: an anchor's or a tag's name may be a secret
_VARIABLE: Final = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<broken>\$\{)")


@dataclass(slots=True)
class Document:
    """``data`` is the tree; ``key_lines`` and ``value_lines`` give the line (from 1) of each path."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    key_lines: dict[Path, int] = field(default_factory=dict)
    value_lines: dict[Path, int] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The number of the line of ``path``, or of the nearest parent that is in the file."""
        while path:
            if path in self.value_lines:
                return self.key_lines.get(path, self.value_lines[path])
            path = path[:-1]
        return 1 if self.value_lines else 0

    def value(self, path: Path) -> Any:
        """The value at ``path``, None where there is none."""
        here: Any = self.data
        for part in path:
            try:
                here = here[part]
            except (KeyError, IndexError, TypeError):
                return None
        return here

    def add(self, path: Path, line: int, message: str, suggestion: str = "") -> None:
        """Note what is wrong at ``path``; reading goes on, so that all errors are shown at once."""
        self.errors.append(ConfigError(self.file, line, dotted(path), message, suggestion))


def dotted(path: Path) -> str:
    """``("risk", "steps", 0)`` as ``risk.steps[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{_shown(part)}" if text else _shown(part))
    return text


def _shown(name: str) -> str:
    """A key as a message may show it: where a colon or a blank is missing, a secret has become part of the key."""
    if _ORDINARY_KEY.fullmatch(name):
        return name
    known = _NAME_OF_KEY.match(name)
    return f"{known[0]}…" if known and len(known[0]) <= _LONGEST_KEY else "…"


def read(text: str, file: str, lookup: Callable[[str], str | None]) -> Document:
    """Parse ``text``; ``lookup`` gives an environment variable or None. Never raises for what the file holds."""
    document = Document(file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _QUOTED.sub("'…'", error.problem or "syntax error")
        document.add((), mark.line + 1 if mark else 0, f"this is not valid YAML: {problem}")
        return document
    except yaml.YAMLError:
        document.add((), 0, "this is not valid YAML: it holds a character that YAML does not allow")
        return document
    except RecursionError:
        document.add((), 0, "this is not valid YAML: it is nested too deeply")
        return document
    if root is None:
        document.add((), 0, "the file is empty", "`mmctl init DIR` writes a complete one")
        return document
    if not isinstance(root, yaml.MappingNode):
        document.add((), root.start_mark.line + 1, "expected sections such as `exchange:`, found something else")
        return document
    _Builder(document, lookup).build_root(root)
    return document


class _Builder:
    def __init__(self, document: Document, lookup: Callable[[str], str | None]) -> None:
        self.document, self.lookup, self.nodes = document, lookup, 0

    def build_root(self, root: yaml.MappingNode) -> None:
        self.document.value_lines[()] = root.start_mark.line + 1
        built = self.build(root, ())
        self.document.data = built if isinstance(built, dict) else {}

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            if not any("too many values" in error.message for error in self.document.errors):
                self.document.add((), line, "the file holds too many values, or an alias that contains itself")
            return None
        self.document.value_lines[path] = line
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self.text(node, path, line) if isinstance(node, yaml.ScalarNode) else None

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
                self.document.add(path, line, "expected a key that is plain text")
                continue
            key = key_node.value
            here = (*path, key)
            if key in values:
                first = self.document.key_lines[here]
                self.document.add(here, line, f"this key is already set on line {first}", "keep one of the two")
                continue
            self.document.key_lines[here] = line
            values[key] = self.build(value_node, here)
        return values

    def text(self, node: yaml.ScalarNode, path: Path, line: int) -> Any:
        raw: str = node.value
        if "$" in raw:
            expanded, changed = expand(
                raw, self.lookup, lambda message, hint: self.document.add(path, line, message, hint)
            )
            if changed:
                return Expanded(expanded)
            raw = expanded
        return scalar(raw) if not node.style else raw


def expand(raw: str, lookup: Callable[[str], str | None], complain: Callable[[str, str], None]) -> tuple[str, bool]:
    """``raw`` with ``${NAME}`` and ``${NAME:-default}`` replaced (``$$`` is one ``$``), and whether any was."""
    changed = False

    def replace(found: re.Match[str]) -> str:
        nonlocal changed
        name = found["name"]
        if found["broken"]:
            complain(
                "`${` without a name and a closing `}`", "write ${NAME}, ${NAME:-default}, or $${ for the text itself"
            )
            return ""
        if name is None:
            return "$"
        changed = True
        value = lookup(name)
        if value:
            return value
        default = found["default"]
        if default is not None:
            return default
        state = "is not set" if value is None else "is empty"
        complain(
            f"the environment variable {name} {state}", f"set it in the environment file, or write ${{{name}:-default}}"
        )
        return ""

    return _VARIABLE.sub(replace, raw), changed


def environment_lookup(env: Mapping[str, str]) -> Callable[[str], str | None]:
    """What ``env`` has under a name, None where it has none."""
    return env.get
