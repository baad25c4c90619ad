"""``mmctl watch``: the guard. Looks at the engines of a target every interval, and goes back when a gate fails.

0 every gate passed at the end · 1 a gate failed and the software was kept (paged) · 4 rolled back · 5 the rollback or
the halt failed, or is unknown · 6 inconclusive: no data, or somebody at work.
"""

import time
from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.deploy import site
from mmctl.cli.guard_acts import Acts
from mmctl.cli.guarded import Watched
from mmctl.cli.reach import TargetArg
from mmctl.cli.run import Run, current, seconds
from mmctl.client.site import site_of
from mmctl.fleet.channels import Channel
from mmctl.fleet.errors import FAILED, INCONCLUSIVE, OK, LockHeld, OperatorError
from mmctl.fleet.inventory import load_fleet
from mmctl.fleet.parallel import on_each
from mmctl.release import runs
from mmctl.release.gates import gates_path, read_gates
from mmctl.remote import guard as remote
from mmctl.watch.gates import GatesFile
from mmctl.watch.guard import Act, Decision, decide

#: A watch that is paused for so long ends as inconclusive, seconds.
PATIENCE_S = 60.0
#: What one look at one host may take at most, seconds.
LOOK_S = 25.0
#: A halt that was not proved is tried again after this time, seconds.
AGAIN_S = 60.0


def watch(
    target: TargetArg = None,
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="How long to watch (10m, 1h).")] = "10m",
    gates: Annotated[Path | None, typer.Option("--gates", help="The gates file; default: the target's.")] = None,
    always: Annotated[
        bool, typer.Option("--always", help="Watch until stopped, as market-maker-guard.service does.")
    ] = False,
) -> None:
    """The guard: gates after a deploy, one automatic rollback, then halt and page."""
    run = current()
    end = time.monotonic() + seconds(length)
    with site(run, target, quotes=True) as hosts:
        file = read_gates(gates or gates_path(hosts.target))[1]
        channels = file.channels or _fleet_channels(run)
        code = watch_site(run, hosts, file, Acts(run, hosts, channels), None if always else end)
    if code:
        raise typer.Exit(code)


def _fleet_channels(run: Run) -> tuple[Channel, ...]:
    return load_fleet(run.fleet).monitoring.channels


def watch_site(run: Run, hosts: runs.Site, file: GatesFile, acts: Acts, end: float | None) -> int:
    """Watch until ``end`` (monotonic seconds; None: until stopped). Returns the exit code."""
    watched = [
        Watched(name, line, site_of(hosts.target.at_host(name)), file, end is None)
        for name, line in hosts.transports.items()
    ]
    loop = Loop(run, acts, watched, file, end is None)
    while True:
        begun = time.monotonic()
        code = loop.round(begun)
        if code is not None and end is not None:
            return code
        now = time.monotonic()
        if end is not None and now >= end:
            return loop.outcome()
        if run.deadline_s is not None:
            run.remaining(1.0)
        time.sleep(max(0.0, min(begun + file.interval, end or now + file.interval) - now))


class Loop:
    """The rounds of one watch: look at every host, decide, act once."""

    def __init__(self, run: Run, acts: Acts, watched: list[Watched], file: GatesFile, always: bool) -> None:
        self._run, self._acts, self._watched, self._always = run, acts, watched, always
        self._interval = file.interval
        self._paused_since: float | None = None
        self._said: dict[str, str] = {}
        self._halted_at = -AGAIN_S
        self._judged = {one.name: "" for one in watched}

    def round(self, now: float) -> int | None:
        """One look at every host and what follows; an exit code where the watch of a person ends by it."""
        lines = {one.name: one for one in self._watched}
        on_each(lines, lambda _, one: one.look(time.monotonic()), min(LOOK_S, max(5.0, self._interval * 3)))
        decisions = {one.name: decide(one.gates, one.situation) for one in self._watched}
        for one in self._watched:
            self._tell(one, decisions[one.name])
        code = self._left(lines)
        if code is not None:
            return code
        for act in (Act.ROLL_BACK, Act.HALT, Act.PAGE):
            for one in self._watched:
                if decisions[one.name].act is act:
                    return self._act(one, decisions[one.name], now)
        return self._pause(now, decisions)

    def _left(self, lines: dict[str, Watched]) -> int | None:
        """Another guard, or a person, has moved the release that this watch judges: it ends, the unit goes on."""
        for name, one in lines.items():
            was, is_now = self._judged[name], one.seen.release
            how = next((how for left, _, how in one.seen.begun if left == was), "")
            if how == "begun" and one.situation.busy:
                continue  # another guard has switched and not yet proved what it went to
            self._judged[name] = is_now or was
            if was and is_now and was != is_now and not self._always:
                self._run.out.progress(f"{name}: {was} was left for {is_now}{' by the guard' if how else ''}")
                return {"done": 4, "begun": 5, "failed": 5}.get(how, INCONCLUSIVE)
        return None

    def _act(self, one: Watched, decision: Decision, now: float) -> int | None:
        match decision.act:
            case Act.ROLL_BACK:
                try:
                    code = self._acts.roll_back(self._watched, one, decision)
                except (LockHeld, OperatorError) as error:
                    self._run.out.progress(f"{one.name}: waits: {error.what}")
                    return None
                for each in self._watched:
                    each.gates = each.gates.fresh()
                return code
            case Act.HALT:
                if now - self._halted_at < AGAIN_S:
                    return None
                self._halted_at = now
                return self._acts.halt_and_page(one, decision)
            case _:
                self._acts.only_page(one, decision)
                return FAILED

    def _pause(self, now: float, decisions: dict[str, Decision]) -> int | None:
        paused = [name for name, decision in decisions.items() if decision.act is Act.PAUSE]
        if not paused:
            self._paused_since = None
            return None
        self._paused_since = now if self._paused_since is None else self._paused_since
        if now - self._paused_since < PATIENCE_S:
            return None
        if self._always:
            silent = [one for one in self._watched if one.situation.silent]
            if silent:
                self._acts.page(f"{self._acts.hosts.target.name}: the guard has no data", silent[0].situation.silent)
            return None
        self._run.out.problem(f"inconclusive: {decisions[paused[0]].reason}")
        return INCONCLUSIVE

    def _tell(self, one: Watched, decision: Decision) -> None:
        """What changed since the last round; and for the unit, on its host, that it lives."""
        verdicts = " ".join(f"{track.rule.name}={track.verdict.value}" for track in one.gates.tracks)
        said = f"{verdicts}{': ' + decision.reason if decision.reason else ''}"
        rows = {track.rule.name: {"verdict": track.verdict.value, "value": track.value} for track in one.gates.tracks}
        if self._said.get(one.name) != said:
            self._said[one.name] = said
            self._run.out.event(
                "gates", host=one.name, release=one.seen.release, act=decision.act.value, reason=decision.reason,
                gates=rows,
            )  # fmt: skip
            self._run.out.progress(f"{one.name}: {one.seen.release or 'no release'}: {said}")
        if self._always and one.seen.release:
            text = f"{one.seen.release} {one.watched_s:.0f} {decision.act.value}"
            try:
                one.transport.run(remote.beat(one.site.layout, text), 5.0).checked(f"{one.name}: no sign of life")
            except OperatorError as error:
                self._run.out.problem(error.what)

    def outcome(self) -> int:
        """How a watch that came to its end ended: 0 where every gate of every host passes, 6 where one does not."""
        left = [(one.name, track) for one in self._watched for track in one.gates.unproved]
        for name, track in left:
            self._run.out.problem(f"{name}: gate {track.rule.name}: {track.verdict.value}")
        code = INCONCLUSIVE if left else OK
        self._run.out.result(passed=not left, exit_code=code, hosts=sorted(one.name for one in self._watched))
        if not left:
            self._run.out.styled("every gate passed", "green")
        return code
