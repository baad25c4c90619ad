"""A verb that goes on until somebody ends it has to end with its terminal, also where no signal tells of the loss.

The kernel sends SIGHUP to the leader of a session, which may be a shell that ignores it, or none of ours at all. What
stays true for everybody is that the terminal's file reports a hangup, and that is what is waited for here.
"""

import os
import select
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def _devices() -> list[int]:
    """The standard streams that may be a terminal. One that is lost already does not say any more that it was one."""
    found = []
    for number in (0, 1, 2):
        with suppress(OSError):  # closed
            if stat.S_ISCHR(os.fstat(number).st_mode):
                found.append(number)
    return found


def _tell(devices: list[int], over: int, signum: int) -> None:
    """Wait until a terminal hangs up, or until ``over`` does because the verb has ended."""
    waiting = select.poll()
    for number in (*devices, over):
        waiting.register(number, 0)  # a hangup is reported without being asked for, and nothing else is
    gone = [number for number, _ in waiting.poll()]
    if over not in gone:
        os.kill(os.getpid(), signum)


@contextmanager
def ending_with_the_terminal(signum: int = signal.SIGHUP) -> Iterator[None]:
    """While inside, a lost terminal is ``signum`` to this process. Streams that are no terminal are left alone."""
    devices = _devices()
    if not devices:
        yield
        return
    over, end = os.pipe()
    watch = threading.Thread(target=_tell, args=(devices, over, signum), name="terminal", daemon=True)
    watch.start()
    try:
        yield
    finally:
        os.close(end)
        watch.join()
        os.close(over)
