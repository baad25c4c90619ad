"""What the guard does once it has decided: go back, halt, page. Each act is in the audit trail before it is done."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mmctl.cli.errors import describe
from mmctl.cli.guarded import Watched
from mmctl.cli.run import Run
from mmctl.client.engine import Client, pick
from mmctl.fleet.channels import Channel
from mmctl.fleet.errors import ROLLED_BACK, UNKNOWN, LockHeld, OperatorError
from mmctl.ledger.audit import Trail
from mmctl.release import runs
from mmctl.remote import beside
from mmctl.remote import guard as remote
from mmctl.remote import layout as layouts
from mmctl.watch.guard import HALTED, Decision

CALL_SECONDS: Final = 15.0
CHANNEL_SECONDS: Final = 20.0
HALT_SECONDS: Final = 60.0
AWAY_SECONDS: Final = 40.0
#: How long the other guard's rollback is waited for, seconds.
OTHER_SECONDS: Final = 120.0


@dataclass(slots=True)
class Acts:
    """The means: the hosts of the run, the fleet file for what runs beside, and who is paged. ``told``: what was."""

    run: Run
    hosts: runs.Site
    channels: tuple[Channel, ...]
    told: set[str] = field(default_factory=set)

    def record(self, decision: Decision, on: Watched, ok: bool | None = None, **more: Any) -> None:
        """The intent of an act (``ok`` None) or its outcome. An intent that cannot be written ends nothing: what stops
        a bad release does not wait for its record, and says that it has none."""
        trail = Trail(self.run.run_id, "watch", self.hosts.target.name, self.hosts.transports, self.hosts.layout)
        detail = {"act": decision.act.value, "reason": decision.reason, "release": on.seen.release, "host": on.name}
        try:
            faults = trail.intent(**detail) if ok is None else trail.outcome(ok, **detail, **more)
        except (OSError, OperatorError) as error:
            faults = [f"NOT RECORDED: {error}"]
        self.hosts.tell(faults)

    def page(self, title: str, text: str) -> list[str]:
        """Tell people by every channel; the same title of one run once. Returns what could not be told."""
        self.run.out.event("page", title=title, message=text)
        self.run.out.problem(f"PAGE: {title}: {text}")
        if title in self.told:
            return []
        self.told.add(title)
        from mmctl.monitoring.send.deliver import send

        faults = []
        for channel in self.channels:
            try:
                receipt = send(channel, title, text, deadline_s=CHANNEL_SECONDS)
                self.run.out.event("sent", channel=channel.name, proves=receipt.proves)
            except OperatorError as error:
                faults.append(f"channel {channel.name}: {error.what}")
        if not self.channels:
            faults.append("no channel is named in gates.yaml or the fleet file: nobody was paged but this log")
        for fault in faults:
            self.run.out.problem(fault)
        return faults

    def roll_back(self, watched: Sequence[Watched], on: Watched, decision: Decision) -> int:
        """Back to the last good release on every host, once. Returns the exit code: 4 done, 5 failed or unknown.

        Raises LockHeld where somebody is at work: then nothing was begun.
        """
        release = on.seen.release
        claimed: list[Watched] = []
        for one in sorted(watched, key=lambda w: w.name):
            if not self._claim(one, release):
                for mine in claimed:
                    mine.transport.run(remote.withdraw(mine.site.layout, release), CALL_SECONDS)
                return self._by_another(one, release)
            claimed.append(one)
        self.record(decision, on)
        port = on.seen.port or on.site.port
        try:
            steps = runs.rollback(self.hosts, None, port, self.run.out.progress)
        except LockHeld:
            for mine in claimed:
                mine.transport.run(remote.withdraw(mine.site.layout, release), CALL_SECONDS)
            self.record(decision, on, False, error="the lock is held; nothing was begun")
            raise
        except OperatorError as error:
            return self._failed(claimed, on, decision, error)
        to = steps[0].to if steps else "-"
        self._settle(claimed, release, to, "done")
        self._condemn(claimed, release, decision.reason)
        still = self._still_halted(watched) if decision.halted else ""
        self.record(decision, on, not still, to=to)
        text = f"{decision.reason}. {release} was left for {to}. {still}".strip()
        self.page(f"{self.hosts.target.name}: rolled back by the guard", text)
        return UNKNOWN if still else ROLLED_BACK

    def _claim(self, one: Watched, release: str) -> bool:
        said = one.transport.run(remote.begin(one.site.layout, release), CALL_SECONDS)
        if said.rc == remote.BEGUN:
            return False
        said.checked(f"{one.name}: the guard cannot note what it does")
        return True

    def _by_another(self, one: Watched, release: str) -> int:
        """Another guard acts: wait for its outcome."""
        self.run.out.progress(f"{one.name}: another guard is rolling {release} back")
        end = time.monotonic() + OTHER_SECONDS
        while time.monotonic() < end:
            one.look(time.monotonic())
            how = next((how for was, _, how in one.seen.begun if was == release), "")
            if how and how != "begun":
                return ROLLED_BACK if how == "done" else UNKNOWN
            time.sleep(1.0)
        self.page(f"{self.hosts.target.name}: a rollback does not end", f"{one.name}: begun by another guard")
        return UNKNOWN

    def _failed(self, claimed: Sequence[Watched], on: Watched, decision: Decision, error: OperatorError) -> int:
        self._settle(claimed, on.seen.release, "-", "failed")
        self.record(decision, on, False, error=error.what, exit_code=error.exit_code)
        text = f"{decision.reason}. The rollback failed: {error.what}"
        self.page(f"{self.hosts.target.name}: ROLLBACK FAILED", text)
        return UNKNOWN

    def _settle(self, claimed: Sequence[Watched], release: str, to: str, outcome: str) -> None:
        for one in claimed:
            text = remote.settle(one.site.layout, release, to, outcome)
            try:
                one.transport.run(text, CALL_SECONDS).checked(f"{one.name}: the outcome cannot be noted")
            except OperatorError as error:
                self.run.out.problem(error.what)

    def _condemn(self, claimed: Sequence[Watched], release: str, reason: str) -> None:
        """What failed its gates is bad: no rollback goes there again, a deploy of it makes a new release, and its
        engine does not stay warm beside the one that was gone back to."""
        for one in claimed:
            where = one.site.layout
            gone = beside.let_go(where) if where.managed else ""
            text = layouts.script(layouts.mark(where, release, "bad", f"the guard: {reason}"), gone)
            try:
                one.transport.run(text, AWAY_SECONDS).checked(f"{one.name}: cannot put {release} away")
            except OperatorError as error:
                self.run.out.problem(error.what)

    def _still_halted(self, watched: Sequence[Watched]) -> str:
        """Empty where every engine is HALTED after the rollback as before; else it is halted, and what came of that."""
        for one in watched:
            client = Client(one.transport, one.seen.port or one.site.port)
            try:
                if pick(client.risk(), "breaker", "code") == HALTED:
                    continue
                said = "it is no longer HALTED"
            except OperatorError as error:
                said = error.what
            failed = self.halt("it was HALTED before the rollback")
            return f"{one.name}: {said}; " + (f"NOT halted again: {failed}" if failed else "it was halted again")
        return ""

    def halt(self, reason: str) -> str:
        """``mmctl halt`` of the target, which works with the engine dead. Returns why it is not proved, else empty."""
        account = ",".join(dict.fromkeys(self.hosts.target.at_host(name).account for name in self.hosts.transports))
        fleet = ["--fleet", str(self.run.fleet)] if self.run.fleet else []
        name = self.hosts.target.name
        if len(self.hosts.target.members) > len(self.hosts.target.hosts):
            name += f":{self.hosts.target.hosts[0].name}"
        words = [*fleet, "halt", name, "--confirm", account, "--reason", f"the guard: {reason}"]
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "mmctl", *words], timeout=HALT_SECONDS, capture_output=True, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return describe(error)[1]
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()
            return last[-1] if last else f"exit code {done.returncode}"
        return ""

    def halt_and_page(self, on: Watched, decision: Decision) -> int:
        """Stop quoting and tell people. Returns the exit code 5: a person must look."""
        self.record(decision, on)
        # Told before it is done: a halt past a dead engine takes its time, and a person may be quicker.
        self.page(f"{self.hosts.target.name}: the guard halts it", f"{on.name}: {decision.reason}")
        failed = self.halt(decision.reason[:200])
        self.record(decision, on, not failed, error=failed)
        ending = f"HALT NOT PROVED: {failed}" if failed else "Halted: no order is open."
        self.page(f"{self.hosts.target.name}: halted by the guard", f"{on.name}: {decision.reason}. {ending}")
        return UNKNOWN

    def only_page(self, on: Watched, decision: Decision) -> None:
        """Tell people, and keep everything as it is."""
        title = f"{self.hosts.target.name}: {on.name}: a gate has failed on {on.seen.release}"
        if title not in self.told:
            self.record(decision, on)
        self.page(title, f"{decision.reason}. Nothing was changed.")
