"""Free ports for servers that a test starts as a program: no two test processes are ever given the same one.

A port that the kernel hands out may be handed out again, to any connection on this machine, before the program that
was told of it listens. So each process locks a block of ports below those the kernel hands out, and walks through it.
"""

import fcntl
import functools
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

FIRST, LAST, BLOCK = 12_000, 32_000, 100  # Linux hands out 32,768 and above
_locks: list[IO[str]] = []  # held as long as this process lives


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, given to nobody else."""
    ports = _walk()
    for _ in range(BLOCK):
        port = next(ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("every port of this process's block is in use")


@functools.cache
def _walk() -> Iterator[int]:
    start = _claim()
    return itertools.cycle(range(start, start + BLOCK))


def _claim() -> int:
    folder = Path(tempfile.gettempdir()) / f"mm-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for start in range(FIRST, LAST, BLOCK):
        lock = open(folder / str(start), "w")  # noqa: SIM115 - the lock is the open file
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return start
    raise RuntimeError(f"other test processes hold every block of ports from {FIRST} to {LAST}")
