"""Work with a user's strategy in a process of its own, which can be killed: by a deadline, by Ctrl-C, or by itself.

The file may loop where nothing of ours counts, crash, use up memory or end its process; whoever waits here learns of it
as a ``StrategyError`` with the file and, where it is known, the line. ``python -m engine.isolation.process FOLDER`` is
the child.
"""

import contextlib
import faulthandler
import importlib
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from engine.isolation.cells import Seen, mapped, read
from engine.isolation.parent import ends_with
from engine.strategy.parameters import Parameter, StrategyError

_R = TypeVar("_R")

STUCK_S: Final = 20.0  # a decision that has not returned for so long never will
LOAD_S: Final = 180.0  # a file that is not loaded, compiled and tried by then never will be
POLL_S: Final = 0.2
_MEMORY: Final = 0.8  # share of the machine's memory the child may take


def apart(work: Callable[..., _R], *arguments: Any, file: Path, limit_s: float | None = None) -> _R:
    """``work(*arguments)`` in a child process; both and the result are pickled. Raises what ``work`` raises.

    ``limit_s``: how long all of it may take. Without one only a decision that does not return ends it.
    """
    with tempfile.TemporaryDirectory(prefix="mmctl-strategy-") as name:
        folder = Path(name)
        mapped(folder / "cells", {"file": str(file)})
        job = (work.__module__, work.__qualname__, arguments, os.getpid())
        (folder / "job").write_bytes(pickle.dumps(job))
        with (folder / "said").open("wb") as said:
            command = [sys.executable, "-P", "-m", "engine.isolation.process", name]
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            try:
                _wait(child, folder, file, limit_s)
            finally:
                child.kill()
                child.wait()
        found: _R = _result(child, folder, file)
        return found


def described(file: Path, name: str) -> tuple[Parameter, ...]:
    """The parameters of the strategy in ``file``, after it has been loaded, compiled and tried in a process of its own.

    Raises StrategyError.
    """
    return apart(_parameters, file, name, file=file, limit_s=LOAD_S)


def _parameters(file: Path, name: str) -> tuple[Parameter, ...]:
    from engine.strategy.own import from_file

    return from_file(file, name).parameters


def _wait(child: "subprocess.Popen[bytes]", folder: Path, file: Path, limit_s: float | None) -> None:
    """Until the child has ended. Raises StrategyError where it will not end by itself."""
    began = moved = time.monotonic()
    before: Seen | None = None
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL_S)
            return
        now, seen = time.monotonic(), read(folder / "cells")
        if seen is None or not seen.since_ns or before is None or seen.count != before.count:
            before, moved = seen, now
        elif now - moved > STUCK_S:
            raise StrategyError(f"{seen.place}: a decision did not return within {STUCK_S:g} s")
        if limit_s is not None and now - began > limit_s:
            child.send_signal(signal.SIGUSR1)  # it says where it is, whatever it is doing
            time.sleep(POLL_S)
            line = _line(folder, file)
            raise StrategyError(f"{file}:{line}: it was not loaded and tried within {limit_s:g} s")


def _result(child: "subprocess.Popen[bytes]", folder: Path, file: Path) -> Any:
    result = folder / "result"
    if result.exists():
        said = (folder / "said").read_text(errors="replace")
        if said.strip():
            sys.stderr.write(said)
        kind, value = pickle.loads(result.read_bytes())  # noqa: S301 - our own child's, in a folder of ours alone
        if kind == "error":
            raise value
        return value
    seen = read(folder / "cells")
    line = seen.line if seen is not None and seen.since_ns else _line(folder, file)
    code = child.returncode
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended itself with exit code {code}"
    raise StrategyError(f"{file}:{line}: the process that ran it {how}")


def _line(folder: Path, file: Path) -> int:
    """The innermost line of ``file`` in what the child said when it was ended, 1 if none."""
    said = (folder / "said").read_text(errors="replace")
    found = re.search(rf'File "{re.escape(str(file))}", line (\d+)', said)
    return int(found[1]) if found else 1


# --- the child ---


def _main(folder: Path) -> None:
    module, name, arguments, parent = pickle.loads((folder / "job").read_bytes())  # noqa: S301 - our parent's
    if not ends_with(parent):
        return  # nobody waits any more
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    memory = int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    from engine.compiled import use_cache

    use_cache()
    from engine.strategy.own import use_cells

    before = read(folder / "cells")
    use_cells(mapped(folder / "cells", before.facts if before is not None else {}))
    work: Any = importlib.import_module(module)
    for part in name.split("."):
        work = getattr(work, part)
    try:
        found = ("value", work(*arguments))
    except Exception as error:  # noqa: BLE001 - the parent raises it
        found = ("error", error)
    try:
        data = pickle.dumps(found)
    except Exception as error:  # noqa: BLE001 - an exception that cannot cross keeps its words
        data = pickle.dumps(("error", RuntimeError(f"{type(found[1]).__name__}: {found[1]} ({error})")))
    fresh = folder / "result.new"
    fresh.write_bytes(data)
    fresh.rename(folder / "result")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
