"""Where numba keeps compiled code: a folder of its own for exactly these sources, on this machine, with this compiler.

Numba looks only at the file a function stands in. What is compiled into it from another file may have changed since,
and the old machine code would go on running; so the folder's name is a digest of everything that decides the code.
Imports no numba: ``use_cache`` must run before anything does. A release has its folder already (its launcher sets
NUMBA_CACHE_DIR to one inside the release, whose sources never change) and keeps it.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
VARIABLE: Final = "NUMBA_CACHE_DIR"
FAMILY: Final = "market-maker-kernels"  # the folder under the user's cache that holds one folder a digest
#: What marks a source whose text decides machine code: it compiles functions, or holds the numbers they use.
MARKS: Final = (b"numba", b"engine.kernel.jit")
ALWAYS: Final = ("kernel", "strategy")
COMPILERS: Final = ("numba", "llvmlite", "numpy")
KEPT: Final = 4
KEPT_S: Final = 3 * 86_400  # no folder younger than this is removed: a running process may still add to it


def use_cache(package: Path = PACKAGE) -> Path:
    """Point numba at the folder for today's sources, and remove folders long out of use. Returns the folder.

    A NUMBA_CACHE_DIR set from outside is left alone; one inherited from another of our processes is worked out anew.
    """
    given = os.environ.get(VARIABLE)
    if given and Path(given).parent.name != FAMILY:
        return Path(given)
    folder = _writable(digest(package))
    os.environ[VARIABLE] = str(folder)
    config = sys.modules.get("numba.core.config")
    if config is not None:  # too late for the environment
        config.__dict__["CACHE_DIR"] = str(folder)
    prune(folder)
    return folder


def sources(package: Path = PACKAGE) -> list[Path]:
    """The files whose text decides what is compiled, in a fixed order."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).parts[0] in ALWAYS
        if inside or any(mark in path.read_bytes() for mark in MARKS):
            found.append(path)
    return found


def digest(package: Path = PACKAGE) -> str:
    """16 hex digits of the sources, the compiler's versions and settings, Python and the processor's features."""
    total = hashlib.sha256()
    for path in sources(package):
        total.update(f"{path.relative_to(package)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
    settings = [setting for setting in settings if not setting.startswith(VARIABLE)]
    facts = [str(package), sys.version, platform.machine(), _processor(), *map(_version, COMPILERS), *settings]
    total.update("\0".join(facts).encode())
    return total.hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name


def _processor() -> str:
    """The first processor's model and features as Linux tells them; "" elsewhere (numba's own index has them too)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0].splitlines()
    except OSError:
        return ""
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))


def _writable(name: str) -> Path:
    """The folder under the user's cache; where that cannot be written, one under the temporary folder."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    for base in (Path(home), Path(tempfile.gettempdir()) / f"market-maker-{os.getuid()}"):
        folder = base / FAMILY / name
        with contextlib.suppress(OSError):
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            if base.stat().st_uid != os.getuid() or base.stat().st_mode & 0o022:
                continue  # machine code is loaded from here: nobody else may write it
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            os.utime(folder)
            return folder
    return Path(tempfile.mkdtemp(prefix="market-maker-")) / FAMILY / name


def prune(current: Path, now_s: float | None = None) -> int:
    """Remove the folders beside ``current`` that are neither among the newest nor young; returns how many went."""
    now = time.time() if now_s is None else now_s
    aged = []
    with contextlib.suppress(OSError):
        aged = [(path.stat().st_mtime, path) for path in current.parent.iterdir() if path != current]
    removed = 0
    for used, path in sorted(aged, reverse=True)[KEPT - 1 :]:
        if now - used > KEPT_S:
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed
