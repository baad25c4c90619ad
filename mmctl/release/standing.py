"""What stands on a host now, beside what stood there before: looked at, never assumed."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mmctl.fleet.errors import OperatorError
from mmctl.fleet.parallel import on_each
from mmctl.fleet.transport import Transport
from mmctl.release.facts import Facts
from mmctl.remote import units
from mmctl.remote.layout import Layout, q

LOOK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One look at one host. ``active`` is in systemd's words; ``clean``: the service ended without a failure."""

    current: str
    active: str
    clean: bool
    boot: str

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it: it ended well and nothing starts it again."""
        return self.active == "inactive" and self.clean


def look(transport: Transport, layout: Layout) -> Standing:
    """Raises OperatorError where the host cannot be asked."""
    text = "\n".join([
        f'echo "current=$(basename "$(readlink {q(layout.current)} 2>/dev/null)" 2>/dev/null)"',
        'echo "boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"',
        units.state(layout, sys.executable),
    ]) + "\n"  # fmt: skip
    said = transport.run(text, LOOK_SECONDS).checked(f"{transport.name}: cannot see what runs there").out
    fields = dict(line.partition("=")[::2] for line in said.splitlines())
    clean = fields.get("Result", "success") == "success" and fields.get("ExecMainStatus", "0") == "0"
    return Standing(fields.get("current", ""), fields.get("ActiveState", "unknown"), clean, fields.get("boot", ""))


def tell(host: str, before: Facts, now: "Standing | None", *, touched: bool = False) -> str:
    """One sentence on what runs on ``host``; None: it could not be asked. ``touched``: we started or stopped it."""
    if now is None:
        return f"{host}: cannot be asked now, so what runs there is not known (before: {_before(before)})"
    if not now.current:
        return (
            f"{host}: there was no release before, so none runs" if not before.current else f"{host}: none is current"
        )
    again = ", started again since: the machine was restarted" if before.boot and now.boot != before.boot else ""
    if now.active == "active":
        same = now.current == before.current and not again
        was = before.active == "active"
        word = ("runs again" if touched else "still runs") if same and was else "runs"
        return f"{host}: {now.current} {word}{again}"
    if before.active != "active":
        return f"{host}: {now.current} is current and is not running, as before{again}"
    how = "somebody stopped it meanwhile" if now.stopped else f"it is {now.active}"
    return f"{host}: {now.current} is current and does NOT run any more: {how}{again and '; the machine was restarted'}"


def tell_all(
    transports: Mapping[str, Transport], layout: Layout, before: Mapping[str, Facts], touched: Collection[str] = ()
) -> str:
    """The sentences of every host in ``before``, looked at now and all at once."""
    outcomes = on_each(
        {name: transports[name] for name in before}, lambda _, transport: look(transport, layout), LOOK_SECONDS + 2
    )
    lines = []
    for name, outcome in outcomes.items():
        if outcome.error is not None and not isinstance(outcome.error, OperatorError):
            raise outcome.error
        lines.append(tell(name, before[name], outcome.value, touched=name in touched))
    return "\n".join(lines)


def _before(facts: Facts) -> str:
    if not facts.current:
        return "nothing was deployed"
    return f"{facts.current} {'ran' if facts.active == 'active' else 'was not running'}"
