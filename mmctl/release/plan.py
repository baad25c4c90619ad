"""From what a host is and what it shall run to the steps between: the exact scripts, in order, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mmctl.fleet.errors import CONFIG, FAILED
from mmctl.release.desired import Desired
from mmctl.release.facts import Facts
from mmctl.release.wheelhouse import Wheel
from mmctl.remote import beside, files, layout, ledger, python, units, users
from mmctl.remote.layout import Layout, q, script

STEPS = (
    "environment", "build", "config", "upload", "systemd", "permissions", "log directory",
    "first start and verification",
)  # fmt: skip
ENVIRONMENT, BUILD, CONFIGURE, UPLOAD, SYSTEMD, PERMISSIONS, LOGS, START = range(1, 9)

UPLOAD_SECONDS = 600.0
INSTALL_SECONDS = 300.0
QUICK_SECONDS = 30.0
# Compiling every kernel from nothing, on a slow host.
WARM_SECONDS = 300.0
CHECK_SECONDS = 60.0
# Whatever is warm ends, the new one starts, and the old one hands over or is ended.
ACTIVATE_SECONDS = units.START_SECONDS + 2 * units.STOP_SECONDS + beside.HAND_OVER_SECONDS + 15.0


class Feed(Enum):
    """What a command reads from stdin: never on a command line, where other users could see it."""

    NOTHING = "nothing"
    WHEELS = "wheels"
    RELEASE = "release"
    SECRETS = "secrets"
    VARIABLES = "variables"


@dataclass(frozen=True)
class Command:
    """One script on the host. ``switches``: it acts on the running engine; all others only prepare."""

    what: str
    script: str
    deadline: float
    feed: Feed = Feed.NOTHING
    switches: bool = False
    exit_code: int = FAILED


@dataclass(frozen=True)
class Step:
    """One of the eight. Without commands there is nothing to do on this host; ``note`` says what was found."""

    number: int
    note: str
    commands: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """The step's name in the table of steps."""
        return STEPS[self.number - 1]


@dataclass(frozen=True)
class Ground:
    """What the plan of one host rests on. ``release`` is the id it will have there; ``wheels`` are its dependencies
    (empty on the local target, which runs in the operator's own environment with the interpreter ``operator``)."""

    facts: Facts
    layout: Layout
    desired: Desired
    release: str
    env: str
    wheels: tuple[Wheel, ...]
    operator: str
    run: str

    @property
    def installed(self) -> tuple[Wheel, ...]:
        """What this deploy installs: the project's wheel, uv, and the others where their environment is not there."""
        present = self.env in self.facts.envs
        return (*(w for w in self.wheels if not present or w.name == "uv"), self.desired.wheel)

    @property
    def missing(self) -> tuple[Wheel, ...]:
        """What must be uploaded."""
        return tuple(w for w in self.installed if w.sha256 not in self.facts.wheels)

    @property
    def content(self) -> str:
        """What is deployed, by its content and its secrets': under this name a host remembers what did not come up."""
        return f"{self.desired.sha}-{self.desired.environment_sha256[:12] or 'host'}"

    @property
    def staged(self) -> bool:
        """Whether the release is complete on the host already."""
        found = self.facts.release(self.release)
        return found is not None and found.complete

    @property
    def secrets_differ(self) -> bool:
        """Whether an environment file is to be sent and the host has another one."""
        wanted = self.desired.environment_sha256
        return bool(wanted) and wanted != self.facts.env_sha256

    @property
    def unchanged(self) -> bool:
        """Whether the host runs exactly this, proven good."""
        found = self.facts.release(self.release)
        running = self.facts.active == "active" and self.facts.current == self.release
        # A reload, or somebody's editor, may have put another config in its place since.
        running = running and self.facts.config_sha256 == self.desired.config_sha256
        return running and found is not None and found.good and not found.bad and not self.secrets_differ


def plan(ground: Ground) -> tuple[Step, ...]:
    """All eight steps for one host; those with nothing to do have no commands."""
    facts, desired = ground.facts, ground.desired
    python_there = ".".join(map(str, facts.python)) if facts.python else "none"
    about = f"Python {python_there}, {facts.memory_mb} MB memory and {facts.disk_mb} MB disk free"
    build_note = f"{desired.wheel.file} {desired.wheel.size / 1e6:.2f} MB, content {desired.sha}"
    found = [
        Step(ENVIRONMENT, about),
        Step(BUILD, build_note),
        Step(CONFIGURE, f"account {desired.settings.account}, port {desired.settings.api_port}: right"),
    ]
    if ground.unchanged:
        return (*found, *(Step(number, "unchanged") for number in range(UPLOAD, START + 1)))
    size = sum(w.size for w in ground.missing)
    note = f"{len(ground.missing)} files, {size / 1e6:.2f} MB" if ground.missing else "nothing to upload"
    found.append(Step(UPLOAD, note, tuple(_upload(ground))))
    if ground.staged:
        found += [Step(SYSTEMD, "unchanged"), Step(PERMISSIONS, "unchanged", tuple(_secrets(ground)))]
        found.append(Step(LOGS, "unchanged"))
    else:
        found.append(Step(SYSTEMD, ", ".join(desired.unit_files), (_units(ground),)))
        found.append(Step(PERMISSIONS, _owner(ground), (_own(ground), *_secrets(ground))))
        found.append(Step(LOGS, ground.layout.logs, (_logs(ground),)))
    found.append(Step(START, ground.release, tuple(_start(ground))))
    return tuple(found)


def _owner(ground: Ground) -> str:
    return f"run by {ground.layout.user}" if ground.layout.user else "run by yourself"


def _guarded(ground: Ground, text: str) -> str:
    """Nothing is written on a host whose lock has become another run's."""
    return script(ledger.held_by(ground.layout, ground.run), text)


def _upload(ground: Ground) -> Iterator[Command]:
    where, release = ground.layout, ground.release
    if ground.missing:
        text = script(layout.make(where), users.ensure(where), files.receive(where))
        size = sum(w.size for w in ground.missing)
        yield Command(
            f"upload {len(ground.missing)} files ({size / 1e6:.1f} MB)",
            _guarded(ground, text),
            UPLOAD_SECONDS,
            Feed.WHEELS,
        )
    if ground.staged:
        return
    own = ground.desired.wheel.file
    parts = [layout.make(where), users.ensure(where), files.unpack_release(where, release)]
    parts.append(python.stage_wheels(where, release, tuple((w.sha256, w.file) for w in ground.installed)))
    if ground.wheels:
        uv_wheel = next(w for w in ground.wheels if w.name == "uv")
        uv = python.uv_path(where, uv_wheel.sha256)
        parts.append(python.ensure_uv(where, release, uv_wheel.sha256, uv_wheel.file))
        if ground.env not in ground.facts.envs:
            dependencies = tuple(w.file for w in ground.wheels)
            parts.append(python.build_env(where, release, ground.env, uv, dependencies))
        parts.append(python.install_release(where, release, ground.env, uv, own))
    else:
        parts.append(python.borrow_environment(where, release, ground.operator, own))
    parts.append(python.unstage(where, release))
    source = _kernels_from(ground)
    if source:
        parts.append(python.carry_kernels(where, source, release))
    yield Command("install the release offline", _guarded(ground, _each(parts)), INSTALL_SECONDS, Feed.RELEASE)


def _kernels_from(ground: Ground) -> str:
    """The release whose compiled kernels come nearest: the one that runs, else the newest, with the same numba."""
    fit = [r.id for r in ground.facts.releases if r.complete and r.env == ground.env and r.id != ground.release]
    return ground.facts.current if ground.facts.current in fit else (fit[-1] if fit else "")


def _each(parts: list[str]) -> str:
    """Scripts that may end early, one after the other: each in a subshell, the first failure ends all."""
    return script(*(f"(\n{part.removeprefix(layout.HEADER)})" for part in parts))


def _units(ground: Ground) -> Command:
    text = _guarded(ground, units.verify(ground.layout, ground.release))
    return Command("let systemd judge the unit files", text, QUICK_SECONDS)


def _own(ground: Ground) -> Command:
    text = _guarded(ground, users.own(ground.layout, ground.release))
    return Command("set owners and modes", text, QUICK_SECONDS)


def _secrets(ground: Ground) -> Iterator[Command]:
    if ground.secrets_differ:
        text = _guarded(ground, files.stage_secrets(ground.layout))
        yield Command(f"put the secrets beside {ground.layout.env_file}", text, QUICK_SECONDS, Feed.SECRETS)


def _logs(ground: Ground) -> Command:
    return Command("make the log folder", _guarded(ground, users.log_folder(ground.layout)), QUICK_SECONDS)


def _start(ground: Ground) -> Iterator[Command]:
    where, release = ground.layout, ground.release
    if not ground.staged:
        what = "check the config with the release's own code"
        check = _guarded(ground, python.check_config(where, release, from_host=ground.desired.environment is None))
        yield Command(what, check, CHECK_SECONDS, Feed.VARIABLES, exit_code=CONFIG)
        done = layout.mark(where, release, "complete", ground.desired.sha)
        warm = _each([python.warm(where, release, from_host=ground.desired.environment is None), done])
        yield Command("compile the kernels", _guarded(ground, warm), WARM_SECONDS, Feed.VARIABLES)
    yield Command(
        "switch and start",
        _guarded(ground, activate(where, release, ground.operator, _extras(ground), secrets=True)),
        ACTIVATE_SECONDS,
        switches=True,
    )


def _extras(ground: Ground) -> tuple[str, ...]:
    wanted = ground.desired.settings
    recorder = (units.RECORDER,) if wanted.recorder else ()
    return (*units.TIMERS, units.GUARD, *((units.SENTINEL,) if wanted.sentinel else ()), *recorder)


def activate(
    where: Layout, release: str, operator: str, extras: tuple[str, ...] = (), *, secrets: bool = False,
    back: bool = False,
) -> str:  # fmt: skip
    """Make ``release`` the one that runs: its secrets, config and units, then ``current``, then the engine itself.

    Under systemd the new engine starts beside the one that quotes and takes over from it. ``back``: one of ``release``
    that is warm still does so without a start.
    """
    guard = q(where.at("shared", "configs", "host.yaml"))
    return script(
        f"[ -e {q(where.release(release, '.complete'))} ] || {{ echo 'the release is not complete' >&2; exit 1; }}",
        files.adopt_secrets(where) if secrets else "",
        files.adopt_config(where, release),
        f"cp -p {q(where.release(release, 'configs', 'host.yaml'))} {guard}",
        units.install(where, release),
        switch(where, release, operator, back=back),
        units.enable(where, extras),
        units.retire(where, units.RECORDER) if extras and units.RECORDER not in extras else "",
    )


def switch(
    where: Layout, release: str, operator: str, *, back: bool = False, keep: bool = True, run: bool = True
) -> str:
    """``release`` becomes current and its engine the one that quotes: see ``beside.take_over``."""
    current = layout.switch(where, release)
    if where.managed:
        start = units.begin("start", "unit=$new")
        return beside.take_over(where, release, current, start, back=back, keep=keep, run=run)
    return script(current, units.restart(where, operator) if run else units.stop(where, operator))


def deactivate(where: Layout, release: str, operator: str) -> str:
    """There is nothing to go back to: stop what does not work, and leave no ``current`` that points at it."""
    return script(
        units.stop(where, operator) + " || true",
        f'[ "$(basename "$(readlink {q(where.current)} 2>/dev/null)")" != {q(release)} ] || rm -f {q(where.current)}',
        files.restore_secrets(where),
        files.forget_secrets(where),
    )


def go_back(where: Layout, release: str, operator: str, *, running: bool) -> str:
    """Make the release that was there before run again, with the secrets and the config it ran with."""
    return script(
        files.restore_secrets(where),
        files.forget_secrets(where),
        files.adopt_config(where, release),
        f"cp -p {q(where.release(release, 'configs', 'host.yaml'))} {q(where.at('shared', 'configs', 'host.yaml'))}",
        units.install(where, release),
        switch(where, release, operator, back=True, keep=False, run=running),
    )


def discard(where: Layout, release: str, env: str) -> str:
    """Remove what an unfinished staging left: a release that is not complete, an environment that is not."""
    return script(
        files.forget_secrets(where),
        f"[ -e {q(where.release(release, '.complete'))} ] || rm -rf {q(where.release(release))}",
        f"[ -e {q(where.at('shared', 'envs', env, '.complete'))} ] || rm -rf {q(where.at('shared', 'envs', env))}"
        if env
        else "",
        f"rm -f {q(where.at('shared', 'wheels'))}/.part-*",
    )
