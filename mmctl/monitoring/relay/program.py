"""The relay's own source, for a monitoring host on which nothing of ours is installed: its modules and no others."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import mmctl

START: Final = "mmctl.monitoring.relay.__main__"
FOLDER: Final = "relay/program"
_ROOT: Final = Path(mmctl.__file__).parents[1]
_OURS: Final = "mmctl"


def files() -> dict[str, str]:
    """Path below the pushed files -> text, of every module that the relay imports, whatever else it could do."""
    wanted, found = [START], dict[str, str]()
    while wanted:
        module = wanted.pop()
        path = _source(module)
        if path is None or (key := f"{FOLDER}/{path.relative_to(_ROOT).as_posix()}") in found:
            continue
        found[key] = path.read_text(encoding="utf-8")
        wanted += [*_parents(module), *_imported(ast.parse(found[key]))]
    return dict(sorted(found.items()))


def _source(module: str) -> Path | None:
    at = _ROOT.joinpath(*module.split("."))
    return next((path for path in (at.with_suffix(".py"), at / "__init__.py") if path.is_file()), None)


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _imported(tree: ast.Module) -> Iterator[str]:
    """Every module of ours that is imported anywhere, a name of it that may be a module too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == _OURS)
