"""Compiled kernels from one release to the next: only of code whose own source, and all it uses, is the same.

``python -m mmctl.release.carry OLD NEW`` runs on the host with two release folders. numba judges a cached function by
its own file alone, although what it calls is compiled into it; so a file's compiled code is taken over only when every
project module it imports, directly or not, is byte for byte the same in both releases.
"""

import ast
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "engine"


def package_of(release: Path) -> Path:
    """The folder of the package in a release, as Python would name it when it runs there."""
    places = [*sorted(release.glob("venv/lib/python3*/site-packages")), release / "site"]
    return next(place / PACKAGE for place in places if (place / PACKAGE).is_dir())


def cache_folder(release: Path, source: Path) -> Path:
    """Where numba keeps what it compiled from ``source`` (its UserProvidedCacheLocator, under NUMBA_CACHE_DIR)."""
    folder = source.parent
    digest = hashlib.sha1(str(folder).encode(), usedforsecurity=False).hexdigest()
    return release / "cache" / "numba" / f"{folder.name}_{digest}"


def imported(source: str) -> Iterator[str]:
    """Dotted names of the package's modules that ``source`` may import; some may be names in a module instead."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.ImportFrom():
                yield "*relative*"


def modules(package: Path) -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def closures(known: dict[str, Path]) -> dict[str, frozenset[str] | None]:
    """For every module, all modules of the package its code may use, itself included; None where that is unknown."""
    direct: dict[str, set[str] | None] = {}
    for name, path in known.items():
        try:
            names = set(imported(path.read_text(encoding="utf-8")))
        except (SyntaxError, UnicodeDecodeError):
            direct[name] = None
            continue
        direct[name] = None if "*relative*" in names else {n for n in names if n in known}
    return {name: _reach(name, direct) for name in known}


def _reach(name: str, direct: dict[str, set[str] | None]) -> frozenset[str] | None:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        uses = direct[here]
        if uses is None:
            return None
        waiting += uses
    return frozenset(seen)


def carry(old: Path, new: Path) -> tuple[int, int]:
    """Copy what may be copied; returns (modules carried, modules that will be compiled afresh)."""
    before, after = modules(package_of(old)), modules(package_of(new))
    same = {name for name in after if name in before and before[name].read_bytes() == after[name].read_bytes()}
    reach = closures(after)
    carried = fresh = 0
    for name, path in after.items():
        if name not in before:
            continue
        compiled = sorted(cache_folder(old, before[name]).glob(f"{path.stem}.*.nb[ic]"))
        if not compiled:
            continue
        uses = reach[name]
        if uses is None or not uses <= same:
            fresh += 1
            continue
        target = cache_folder(new, path)
        target.mkdir(parents=True, exist_ok=True)
        for file in compiled:
            _copy(file, target / file.name)
        carried += 1
    return carried, fresh


def _copy(source: Path, target: Path) -> None:
    """A plain file of its own and nothing else: root reads here what the service's user may write, and must not be led
    to a file that only root may read."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return  # compiled afresh
    with os.fdopen(descriptor, "rb") as read:
        facts = os.fstat(read.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            return
        with target.open("wb") as write:
            shutil.copyfileobj(read, write)
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def main() -> int:
    """``python carry.py FROM TO`` on the host; returns the exit code."""
    carried, fresh = carry(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"compiled code of {carried} modules carried, of {fresh} to be made again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
