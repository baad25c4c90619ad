"""Which of a host's engines is meant to lead: while a release is handed over two stand ready, and a link names one."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

NAME: Final = "MM_INSTANCE"
LINK: Final = "MM_INSTANCE_LINK"
WARM: Final = "warm"  # how the status of one begins that sends nothing and is not named


class Instance:
    """This process among the engines of its host. Without a link nobody is named, and every engine tries to lead.

    An engine that is not named leaves the lease alone even where nobody holds it: the one that was handed over from
    would else take it back while the other restarts. One that leads goes on leading until it is told to hand over.
    """

    def __init__(self, name: str, link: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self._link, self._clock = name, link, clock
        self._named_at = clock()

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Instance":
        """As whoever started us says: ``MM_INSTANCE`` its name, ``MM_INSTANCE_LINK`` the link that names the leader."""
        name, link = env.get(NAME, ""), env.get(LINK, "")
        return cls(name, Path(link) if name and link else None)

    @property
    def beside(self) -> bool:
        """Whether another one may run beside this one, on the same ports."""
        return self._link is not None

    def named(self) -> bool:
        """Whether this one is to lead. A link that cannot be read names nobody: asked again at the next try."""
        if self._link is not None:
            try:
                if os.path.basename(os.readlink(self._link)) != self.name:
                    return False
            except OSError:
                return False
        self._named_at = self._clock()
        return True

    def unnamed_s(self) -> float:
        """Seconds since it was named last, or since it began."""
        return self._clock() - self._named_at
