"""What nearly every test runs through, compiled before any of them and by one process at a time: the others load it.

``python -m tests.kernels`` does it; a test whose own deadline must not hold a compilation calls ``compile_once``.
"""

import fcntl
import functools
import subprocess
import sys

from engine.compiled import use_cache
from tests.needs import ROOT

WARM_S = 600.0
MATCHING = """
from engine.sandbox.matching import matcher as matching
from engine.venue.paper import exchange as paper_exchange
matching.warm()
paper_exchange.warm()
"""


@functools.cache
def compile_once() -> None:
    """Compile the kernels of a tick, of the sandbox and of paper, unless the cache for these sources has them."""
    with open(use_cache() / "compiled-for-tests", "a+") as done_before:
        fcntl.flock(done_before, fcntl.LOCK_EX)
        done_before.seek(0)
        if done_before.read():
            return
        for words in (["-c", MATCHING], ["-m", "engine", "warm", "--config", "configs/config.yaml"]):
            command = [sys.executable, *words]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WARM_S)
            assert done.returncode == 0, done.stdout + done.stderr
        done_before.write("all of it\n")


if __name__ == "__main__":
    compile_once()
