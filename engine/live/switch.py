"""The operator's switch: whether quoting was turned off by a person, by whom, when and why. Only ``resume`` ends it.

It stands in a file beside the risk state, which the sentinel can write for a dead engine, and in the journal. The later
of the two counts; a file that is there and cannot be read counts as off.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

SWITCH_STATE: Final = "switch"  # its name in the journal
_VERBS: Final = {"cancel": "cancelled", "flatten": "flattened"}


@dataclass(frozen=True, slots=True)
class Switch:
    """``verb``: what turned quoting off (``cancel``, ``flatten``), empty when it is on."""

    verb: str
    ns: int
    actor: str
    reason: str = ""

    @property
    def off(self) -> bool:
        """Whether the operator has switched quoting off."""
        return bool(self.verb)

    @property
    def text(self) -> str:
        """For people; empty when quoting is on."""
        if not self.off:
            return ""
        when = datetime.fromtimestamp(self.ns / 1e9, UTC).strftime(" at %Y-%m-%d %H:%M:%SZ") if self.ns else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{_VERBS.get(self.verb, self.verb)} by {self.actor}{when}{why}; resume to quote again"

    def as_dict(self) -> dict[str, Any]:
        """The switch as its file and the journal keep it."""
        return {"verb": self.verb, "ns": self.ns, "actor": self.actor, "reason": self.reason}

    @classmethod
    def read(cls, found: object) -> "Switch":
        """What ``as_dict`` made. Anything else is off: it was meant to say something."""
        match found:
            case {"verb": str(verb), "ns": int(ns), "actor": str(actor), "reason": str(reason)}:
                return cls(verb, ns, actor, reason)
        return unreadable("the record is damaged")

    def after(self, verb: str, actor: str, reason: str) -> "Switch":
        """The next setting; later than this one whatever the clock did."""
        return Switch(verb, max(time.time_ns(), self.ns + 1), actor, reason)


ON: Final = Switch("", 0, "")


def unreadable(why: str) -> Switch:
    """A switch that counts as off, because what the operator last said cannot be read."""
    return Switch("switched off", 0, "an unknown person", f"the operator's switch cannot be read ({why})")


def standing(file: Switch | None, stored: Mapping[str, Any]) -> Switch:
    """How the switch stands at a start: by its file (None: there is none) and by the journal's state."""
    kept = Switch.read(stored[SWITCH_STATE]) if SWITCH_STATE in stored else None
    known = [switch for switch in (file, kept) if switch is not None]
    if any(switch.off and not switch.ns for switch in known):
        return next(switch for switch in known if switch.off and not switch.ns)
    return max(known, key=lambda switch: switch.ns, default=ON)
