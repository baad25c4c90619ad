"""A process that works for another one and has no purpose without it ends with it, however that one ended."""

import ctypes
import os
import signal
from typing import Final

_DEATH: Final = 1  # PR_SET_PDEATHSIG


def ends_with(parent: int) -> bool:
    """Have the kernel kill this process when ``parent``, which started it, ends. False where it has ended already.

    What counts is the thread that started us (prctl(2)): start such a process from one that lives as long.
    """
    ctypes.CDLL(None).prctl(_DEATH, signal.SIGKILL)
    return os.getppid() == parent
