"""Break engine/orders and engine/risk on purpose, one small change at a time, and see whether a test notices.

    python scripts/mutation.py DIRECTORY [PATTERN ...]

Works in DIRECTORY, on a copy of the files git knows, never in the checkout. Functions are changed by mutmut; what is
written outside functions (tables, thresholds, defaults), which mutmut leaves alone, is changed here. A change no test
notices must be named, with its reason, in docs/mutation.md: the run ends with exit code 1 while one is not.
A PATTERN (``engine/risk/*``) limits the run to some files.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst import metadata
from mutmut.mutation.file_mutation import MutatedFile, mutate_file_contents

PACKAGES = ("engine/orders", "engine/risk", "engine/venue/throttle.py")
TESTS = {
    "engine/orders": (
        "client_ids",
        "fill_book",
        "order_edges",
        "order_exposure",
        "order_fills",
        "order_manager",
        "order_proof",
        "order_record*",
        "order_states",
        "reconcile*",
    ),
    "engine/risk": ("risk_*",),
    "engine/venue/throttle.py": ("throttle*",),
}
"""Stems of the files in tests/unit that run: a few seconds in all, since every change costs a run."""
QUICK = ["--noconftest", "-p", "no:unraisableexception", "-p", "no:threadexception", "-p", "no:cov", "-p", "no:xdist"]
EXPLAINED = Path("docs/mutation.md")
CONSTANT_DEADLINE_S = 60
CHECKOUT = Path.cwd()
FIGURES = ("killed", "timed out", "survived", "without tests")
Figures = dict[str, int]


@dataclass(frozen=True)
class Survivor:
    """A change that no test noticed (or that had no test at all), as a line of the original file and its new text."""

    file: str
    line: int
    old: str
    new: str

    @property
    def row(self) -> str:
        old, new = (re.sub(r"\s+", " ", text).replace("|", "\\|").strip() for text in (self.old, self.new))
        return f"| {self.file}:{self.line} | `{old}` | `{new}` |"

    def is_explained(self, table: str) -> bool:
        """``table``: the rows explained, with or without reasons. Lines move, so their numbers do not count."""
        return _unnumbered(self.row) in _unnumbered(table)


def _unnumbered(rows: str) -> str:
    return re.sub(r"\.py:\d+ \|", ".py |", rows)


def copy_checkout(target: Path) -> None:
    """The files git knows, as they are now, without what an earlier run left in ``target``."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    if target.exists():
        shutil.rmtree(target)
    for name in filter(None, listed.split("\0")):
        if Path(name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, target / name)


def sources(root: Path, patterns: list[str]) -> list[str]:
    found = [
        str(path.relative_to(root))
        for package in (root / name for name in PACKAGES)
        for path in ([package] if package.is_file() else sorted(package.glob("*.py")))
    ]
    return [name for name in found if not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]


def tests_of(root: Path, package: str) -> list[str]:
    names = [path for stem in TESTS[package] for path in sorted((root / "tests/unit").glob(f"test_{stem}.py"))]
    return [str(path.relative_to(root)) for path in dict.fromkeys(names)]


def write_properties_as_methods(source: str) -> str:
    """``@property def x`` as ``def read_x`` and ``x = property(read_x)``: mutmut passes over decorated functions."""
    written: list[str] = []
    lines = iter(source.split("\n"))
    name = ""
    for line in lines:
        if name and line and not line.startswith("        "):
            while not written[-1]:
                written.pop()
            written += ["", f"    {name} = property(read_{name})", ""]
            name = ""
        if line != "    @property":
            written.append(line)
            continue
        head = next(lines)
        if head.endswith("..."):  # a Protocol's
            written += [line, head]
            continue
        name = head.split("(")[0].removeprefix("    def ")
        written.append(head.replace(f"def {name}(", f"def read_{name}(", 1))
    if name:
        written += ["", f"    {name} = property(read_{name})", ""]
    return "\n".join(written)


def run_functions(root: Path, names: list[str]) -> tuple[Figures, list[Survivor]]:
    """Changes inside functions, as mutmut makes them: it writes all of them into one file and switches between them."""
    changes: dict[str, tuple[str, str]] = {}
    written: dict[str, MutatedFile] = {}
    with (root / "pyproject.toml").open("a") as file:
        file.write('\n[tool.mutmut]\nsource_paths = ["engine"]\n')
    os.chdir(root)
    for name in names:
        source = write_properties_as_methods(Path(name).read_text())
        written[name] = mutate_file_contents(name, source)
        Path(name).write_text(written[name].code)
        module = name.removesuffix(".py").replace("/", ".")
        changes |= {f"{module}.{change}": (name, change) for change in written[name].mutant_names}
    results = root / "results.json"
    (root / "changes.json").write_text(json.dumps(list(changes)))
    environment = {
        **os.environ,
        "CHANGES": str(root / "changes.json"),
        "RESULTS": str(results),
        "PYTHONPATH": os.pathsep.join([str(root), str(CHECKOUT / "scripts")]),
    }
    tests = [test for package in PACKAGES for test in tests_of(root, package)]
    command = [sys.executable, "-m", "pytest", "--tb=no", *QUICK, "-p", "mutation_session", *tests]
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if not results.exists():
        raise SystemExit(f"the tests could not be run without a change:\n{ended.stdout}{ended.stderr}")
    became = json.loads(results.read_text())
    figures = {what: sum(found == what for found in became.values()) for what in FIGURES}
    survivors = [_inside(*changes[key], written) for key, found in became.items() if found in FIGURES[2:]]
    return figures, survivors


def _inside(name: str, change: str, written: dict[str, MutatedFile]) -> Survivor:
    """Find the line mutmut changed, and where it stands in the checkout."""
    lines, spans = written[name].code.split("\n"), written[name].line_span_by_function_name
    base = change.rpartition("__mutmut_")[0]
    function = re.split("ǁ|^x_", base)[-1]
    before, after = (
        [line.strip().replace(key, function) for line in lines[spans[key].start - 1 : spans[key].end]]
        for key in (f"{base}__mutmut_orig", change)
    )
    head = next(i for i, (a, b) in enumerate(zip([*before, ""], [*after, ""], strict=False)) if a != b)
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = " ".join(before[head : len(before) - tail]), " ".join(after[head : len(after) - tail])
    original = (CHECKOUT / name).read_text().split("\n")
    known = re.compile(rf"def ({re.escape(function)}|{re.escape(function.removeprefix('read_'))})\(")
    begin = next((i for i, line in enumerate(original) if known.search(line)), 0)
    key = before[head] if head < len(before) else ""
    same = [i for i, line in enumerate(original[begin:], begin) if line.strip() == key]
    at = min(same, key=lambda i: abs(i - begin - head), default=begin)
    return Survivor(name, at + 1, old, new)


class _Outside(cst.CSTVisitor):
    """Every change of what stands outside functions: numbers by one, truth values, entries of tables left out."""

    METADATA_DEPENDENCIES = (metadata.PositionProvider,)

    def __init__(self) -> None:
        self.changes: list[tuple[int, cst.CSTNode, cst.CSTNode]] = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False

    def visit_Annotation(self, node: cst.Annotation) -> bool:
        return False

    def visit_Decorator(self, node: cst.Decorator) -> bool:
        return False

    def visit_Assign(self, node: cst.Assign) -> bool:
        target = node.targets[0].target
        return not (isinstance(target, cst.Name) and target.value == "__slots__")

    def visit_Integer(self, node: cst.Integer) -> None:
        self._change(node, node.with_changes(value=str(node.evaluated_value + 1)))

    def visit_Float(self, node: cst.Float) -> None:
        self._change(node, node.with_changes(value=str(node.evaluated_value + 1.0)))

    def visit_Name(self, node: cst.Name) -> None:
        if node.value in ("True", "False"):
            self._change(node, node.with_changes(value=str(node.value == "False")))

    def visit_Dict(self, node: cst.Dict) -> None:
        self._leave_out(node)

    def visit_Set(self, node: cst.Set) -> None:
        self._leave_out(node)

    def _leave_out(self, node: cst.Dict | cst.Set) -> None:
        if len(node.elements) > 1:
            for element in node.elements:
                self._change(node, node.with_changes(elements=[e for e in node.elements if e is not element]), element)

    def _change(self, node: cst.CSTNode, new: cst.CSTNode, at: cst.CSTNode | None = None) -> None:
        line = self.get_metadata(metadata.PositionProvider, at or node).start.line
        self.changes.append((line, node, new))


def outside_functions(source: str) -> Iterator[tuple[int, str]]:
    """(line, whole changed source) of each change."""
    wrapper = metadata.MetadataWrapper(cst.parse_module(source))
    visitor = _Outside()
    wrapper.visit(visitor)
    for line, node, new in visitor.changes:
        yield line, cst.ensure_type(wrapper.module.deep_replace(node, new), cst.Module).code


def run_constants(root: Path, names: list[str]) -> tuple[Figures, list[Survivor]]:
    figures = dict.fromkeys(FIGURES, 0)
    survivors = []
    environment = {**os.environ, "PYTHONPATH": str(root)}
    age = int(time.time())
    for name in names:
        source = (CHECKOUT / name).read_text()
        own = Path(name).stem.removesuffix("s")
        tests = sorted(tests_of(root, str(Path(name).parent)), key=lambda test: own not in test)  # its own tests first
        for line, changed in outside_functions(source):
            (root / name).write_text(changed)
            age += 1
            os.utime(root / name, (age, age))  # compiled files are told apart by the second
            try:
                code = subprocess.run(
                    [sys.executable, "-m", "pytest", "-x", "-q", *QUICK, *tests],
                    cwd=root,
                    env=environment,
                    capture_output=True,
                    timeout=CONSTANT_DEADLINE_S,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                figures["timed out"] += 1
                continue
            if code != 0:
                figures["killed"] += 1
                continue
            figures["survived"] += 1
            old, new = source.split("\n")[line - 1], changed.split("\n")[line - 1]
            gone = len(changed.split("\n")) < len(source.split("\n"))
            survivors.append(Survivor(name, line, old.strip(), "(left out)" if gone else new.strip()))
        (root / name).write_text(source)
        os.utime(root / name, (age + 1, age + 1))
    return figures, survivors


def main(arguments: list[str]) -> int:
    if not arguments:
        raise SystemExit(__doc__)
    root, patterns = Path(arguments[0]).resolve(), arguments[1:]
    if root == CHECKOUT or CHECKOUT in root.parents:
        raise SystemExit("the copy must lie outside the checkout: name another directory")
    unexplained: list[Survivor] = []
    table = EXPLAINED.read_text() if EXPLAINED.exists() else ""
    for title, run in (("outside functions", run_constants), ("in functions", run_functions)):
        began = time.monotonic()
        os.chdir(CHECKOUT)
        copy_checkout(root)
        figures, survivors = run(root, sources(root, patterns))
        shown = ", ".join(f"{count} {what}" for what, count in figures.items())
        print(f"{title}: {sum(figures.values())} changes, {shown} ({time.monotonic() - began:.0f} s)", flush=True)
        unexplained += [found for found in survivors if not found.is_explained(table)]
    for found in unexplained:
        print(found.row)
    print(f"{len(unexplained)} not explained in {EXPLAINED}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
