"""Carrying out a plan: stage on all hosts, then switch host by host; any failure leaves what ran before running."""

import json
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from mmctl.fleet.errors import (
    DEADLINE,
    FAILED,
    REFUSED,
    ROLLED_BACK,
    UNKNOWN,
    CommandFailed,
    DeadlineExceeded,
    OperatorError,
    Unreachable,
)
from mmctl.fleet.parallel import on_each
from mmctl.fleet.transport import Transport
from mmctl.release import plan as planning
from mmctl.release import standing
from mmctl.release.activate import NotReady, StoppedMeanwhile, switch_back, verify
from mmctl.release.blame import blame
from mmctl.release.desired import release_files
from mmctl.release.facts import Facts
from mmctl.release.plan import START, UPLOAD, Command, Feed, Ground, Step
from mmctl.release.prepare import Event, Prepared, Progress
from mmctl.release.wheelhouse import digest_of
from mmctl.remote import files, ledger
from mmctl.remote import layout as remote
from mmctl.remote.layout import script

STAGE_SECONDS = 1500.0
CLEAN_SECONDS = 60.0
CHUNK = 1 << 20


class DeployFailed(OperatorError):
    """A deploy that did not reach its end; ``exit_code`` says in what state it left the hosts."""

    def __init__(self, what: str, exit_code: int, hint: str = "") -> None:
        super().__init__(what, hint)
        self.exit_code = exit_code


class StartFailed(CommandFailed):
    """The release was started and ended: its own fault."""


class OutsideReason(StartFailed):
    """It ended for a reason that does not lie in it."""


@dataclass(frozen=True)
class Applied:
    """What a deploy did: bytes sent to all hosts, seconds per host and step, faults that did not matter."""

    release: str
    changed: bool
    uploaded: int
    seconds: Mapping[str, Mapping[str, float]]


def wheels_stream(ground: Ground) -> Iterator[bytes]:
    """The missing wheels as one tar stream, read piece by piece. Raises OperatorError for one that is damaged here."""
    for wheel in ground.missing:
        if digest_of(wheel.path) != wheel.sha256:
            wheel.path.unlink(missing_ok=True)
            raise OperatorError(
                f"{wheel.path} is not the file it was: its digest is another; it was removed",
                "deploy again: it is downloaded, or built, anew",
            )
        info = tarfile.TarInfo(f"{wheel.sha256}/{wheel.file}")
        info.size, info.mode = wheel.size, 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        with open(wheel.path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
        if wheel.size % tarfile.BLOCKSIZE:
            yield b"\0" * (tarfile.BLOCKSIZE - wheel.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


class Deployment:
    """One run of a prepared deploy over its hosts."""

    def __init__(self, prepared: Prepared, transports: Mapping[str, Transport], run: str, progress: Progress) -> None:
        self.prepared, self.transports, self.run, self.progress = prepared, transports, run, progress
        self.uploaded = 0
        self.seconds: dict[str, dict[str, float]] = {name: {} for name in prepared.grounds}

    def apply(self) -> Applied:
        """Raises DeployFailed, or the error of the step that failed, after putting back what was changed."""
        hosts = [name for name, ground in self.prepared.grounds.items() if not ground.unchanged]
        for name in self.prepared.grounds:
            if name not in hosts:
                for step in self.prepared.plans[name][UPLOAD - 1 :]:
                    self.progress(Event(name, step.number, "unchanged", 0.0, step.note))
        if hosts:
            self._stage(hosts)
            self._switch(hosts)
        return Applied(self.prepared.release, bool(hosts), self.uploaded, self.seconds)

    # --- staging: every host at once, the running engine is not touched

    def _stage(self, hosts: list[str]) -> None:
        outcomes = on_each({name: name for name in hosts}, lambda name, _: self._stage_host(name), STAGE_SECONDS)
        failed = {name: outcome.error for name, outcome in outcomes.items() if outcome.error is not None}
        if not failed:
            return
        for name in hosts:
            ground = self.prepared.grounds[name]
            with suppress(OperatorError):
                text = planning.discard(ground.layout, ground.release, ground.env if ground.wheels else "")
                self.transports[name].run(text, CLEAN_SECONDS)
        first = next(iter(failed.values()))
        assert first is not None
        if isinstance(first, OperatorError):
            code, hint = first.exit_code, first.hint
        else:
            code, hint = FAILED, "run again with -v"
        what = "\n".join(str(error.what if isinstance(error, OperatorError) else error) for error in failed.values())
        so = standing.tell_all(self.transports, self.prepared.layout, self._before(hosts))
        raise DeployFailed(f"{what}\nnothing was switched\n{so}", code, hint)

    def _before(self, hosts: list[str]) -> dict[str, Facts]:
        return {name: self.prepared.grounds[name].facts for name in hosts}

    def _stage_host(self, name: str) -> None:
        for step in self.prepared.plans[name][UPLOAD - 1 :]:
            commands = [command for command in step.commands if not command.switches]
            if step.number != START:
                self._step(name, step, commands)
            elif commands:
                self.progress(Event(name, START, "running", 0.0, "config and kernels"))
                self._run_all(name, step, commands)

    def _step(self, name: str, step: Step, commands: list[Command]) -> None:
        if not commands:
            self.progress(Event(name, step.number, "unchanged", 0.0, step.note))
            return
        self.progress(Event(name, step.number, "running", 0.0, step.note))
        seconds = self._run_all(name, step, commands)
        self.progress(Event(name, step.number, "done", seconds, step.note))

    def _run_all(self, name: str, step: Step, commands: list[Command]) -> float:
        begun = time.monotonic()
        try:
            for command in commands:
                self._command(name, step, command)
        except OperatorError as error:
            self.progress(Event(name, step.number, "failed", time.monotonic() - begun, error.what))
            raise
        finally:
            self.seconds[name][step.name] = self.seconds[name].get(step.name, 0.0) + time.monotonic() - begun
        return time.monotonic() - begun

    def _command(self, name: str, step: Step, command: Command) -> None:
        ground = self.prepared.grounds[name]
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        note = json.dumps({"ts": moment, "run": self.run, "step": step.name, "did": command.what})
        text = command.script
        if not command.switches:
            text += ledger.journal_step(ground.layout, ground.release, note) + "\n"
        result = self.transports[name].run(text, command.deadline, self._feed(ground, command.feed))
        if result.rc:
            said = result.err.strip() or result.out.strip() or f"it ended with code {result.rc}"
            if command.switches:
                why = blame(said)
                kind = OutsideReason if why.outside else StartFailed
                failed = kind(f"{name}: could not {command.what}: {why.text}", result.rc, said)
                failed.exit_code = ledger.LOCKED if result.rc == ledger.LOCKED else FAILED
                raise failed
            last = said if command.exit_code != FAILED else said.splitlines()[-1]
            failure = CommandFailed(f"{name}: could not {command.what}: {last}", result.rc, said)
            # A script of ours that refuses says so by its code; any other code is the command's own.
            failure.exit_code = result.rc if result.rc in (ledger.LOCKED, REFUSED) else command.exit_code
            raise failure

    def _feed(self, ground: Ground, feed: Feed) -> "bytes | Iterator[bytes]":
        match feed:
            case Feed.WHEELS:
                self.uploaded += sum(wheel.size for wheel in ground.missing)
                return wheels_stream(ground)
            case Feed.RELEASE:
                data = release_files(ground.desired, ground.release, ground.env)
                self.uploaded += len(data)
                return data
            case Feed.SECRETS:
                return ground.desired.environment or b""
            case Feed.VARIABLES:
                return ground.desired.variables
            case Feed.NOTHING:
                return b""

    # --- switching: one host after the other, and back on all when one fails

    def _switch(self, hosts: list[str]) -> None:
        switched: list[str] = []
        for name in hosts:
            try:
                self._still_as_found(name)
                switched.append(name)
                self._switch_host(name)
            except OperatorError as error:
                self._all_back(switched, hosts, error)
        for name in hosts:
            ground = self.prepared.grounds[name]
            text = remote.mark(ground.layout, ground.release, "good", datetime.now(UTC).isoformat(timespec="seconds"))
            text = script(text, remote.acquit(ground.layout, ground.content), files.forget_secrets(ground.layout))
            self.transports[name].run(text, CLEAN_SECONDS).checked(f"{name}: cannot mark the release good")

    def _still_as_found(self, name: str) -> None:
        """An engine that ran when the deploy began and was stopped since is not started against whoever stopped it."""
        ground = self.prepared.grounds[name]
        now = standing.look(self.transports[name], ground.layout)
        if ground.facts.active == "active" and now.stopped:
            raise StoppedMeanwhile(
                f"{name}: somebody stopped the engine while this deploy was staged; it is not started against that",
                "`mmctl deploy` again switches and starts",
            )

    def _switch_host(self, name: str) -> None:
        ground, step = self.prepared.grounds[name], self.prepared.plans[name][START - 1]
        begun = time.monotonic()
        self.progress(Event(name, START, "running", 0.0, "start"))
        self._run_all(name, step, [command for command in step.commands if command.switches])
        port = ground.desired.settings.api_port
        try:
            said = verify(self.transports[name], ground.layout, port, ground.release)
        except OperatorError as error:
            self.progress(Event(name, START, "failed", time.monotonic() - begun, error.what))
            raise
        self.seconds[name]["verification"] = time.monotonic() - begun
        self.progress(Event(name, START, "done", self.seconds[name][step.name], said))

    def _all_back(self, switched: list[str], hosts: list[str], error: OperatorError) -> None:
        """Put every switched host back; raises DeployFailed that says how that ended and what runs now."""
        reason = error.what.replace("\n", " ")[:400]
        guilty = is_its_fault(error)
        lost = []
        for name in reversed(switched):
            # Only the host it happened on, which was switched last, has somebody's stop to respect.
            start = not (isinstance(error, StoppedMeanwhile) and name == switched[-1])
            ground = self.prepared.grounds[name]
            try:
                switch_back(self.transports[name], ground, reason, its_fault=guilty, start=start)
            except OperatorError as second:
                lost.append(f"{name}: could not go back: {second.what}")
        so = standing.tell_all(self.transports, self.prepared.layout, self._before(hosts), switched)
        if lost:
            hint = "look at once: `mmctl status`; `mmctl halt` stops what quotes"
            raise DeployFailed("\n".join([error.what, *lost, so]), UNKNOWN, hint) from None
        raise DeployFailed(
            "\n".join([error.what, self._verdict(switched, guilty), so]), self._code(switched, error), error.hint
        ) from None

    def _verdict(self, switched: list[str], guilty: bool) -> str:
        if not switched:
            return "nothing was switched"
        if guilty:
            return f"{self.prepared.release} is marked bad; the same content is deployed again only with --force"
        return f"{self.prepared.release} is not marked bad: the reason does not lie in it"

    def _code(self, switched: list[str], error: OperatorError) -> int:
        if isinstance(error, Unreachable):
            return UNKNOWN
        if not switched:
            return error.exit_code
        before = self.prepared.grounds[switched[-1]].facts.current
        return DEADLINE if isinstance(error, DeadlineExceeded) and not before else ROLLED_BACK


def is_its_fault(error: OperatorError) -> bool:
    """Whether a failed start speaks against the release: not where the line, the lock or its surroundings failed."""
    if isinstance(error, NotReady):
        return not error.outside
    return isinstance(error, StartFailed) and not isinstance(error, OutsideReason) and error.exit_code == FAILED
