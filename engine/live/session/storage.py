"""Where a run writes down what must outlive it."""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.live.memory import Memory

if TYPE_CHECKING:
    from engine.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Storage:
    """The journal, the account's small files, and the one thread that writes those in order, never on the loop."""

    journal: "Journal"
    memory: Memory
    disk: Executor
