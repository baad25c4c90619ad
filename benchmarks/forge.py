"""A process that has done an engine's imports and loaded its kernels, and forks an engine for every line it reads.

``python -m benchmarks.forge CONFIG LOG`` answers each line on stdin with the new engine's process id. What is measured
on such an engine leaves out Python's start and the imports; cold processes are measured beside it.
"""

import logging
import os
import signal
import sys
from pathlib import Path

from engine.compiled import use_cache

log = logging.getLogger("forge")


def load(config: Path) -> None:
    """Everything an engine imports and compiles before its first question to the exchange."""
    import uvloop

    import engine.daemon
    from engine.config.load import load as read
    from engine.live.start.warm import warm
    from engine.live.strategy.arrays import strategy_of
    from engine.venue.binance import gateway, rest

    chosen = read(config, deep=True)
    warm(strategy_of(chosen), chosen.strategy.symbol)
    rest._client_class(lambda headers: None)
    log.debug("loaded %s %s %s", engine.daemon.__name__, uvloop.__name__, gateway.__name__)


def become_engine(config: Path, log: Path) -> None:
    """In the child: an engine until it ends."""
    from engine.daemon import run

    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = run(config, None)
    finally:
        os._exit(code)


def main(argv: list[str]) -> int:
    config, log = Path(argv[0]), Path(argv[1])
    use_cache()
    load(config)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for the engines
    print("ready", flush=True)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            become_engine(config, log)
        print(child, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
