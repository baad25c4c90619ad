"""Giving running engines another configuration: judged, put in place, answered by the engine, and taken back when it
refuses, so that the next restart comes up with what runs."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mmctl.fleet.errors import (
    MIXED,
    AuthenticationRefused,
    ConfigRefused,
    OperatorError,
    Refused,
    Unproved,
    Unreachable,
)
from mmctl.fleet.inventory import Target
from mmctl.fleet.transport import Transport
from mmctl.release.desired import read_environment, read_settings
from mmctl.release.kept import look
from mmctl.release.plan import CHECK_SECONDS
from mmctl.release.service import current_release
from mmctl.remote import python, units
from mmctl.remote.layout import Layout, q, script

ASK_SECONDS = 15.0
#: How long an engine may take to answer a reload: it reads, judges and applies within one round of its loop.
ANSWER_SECONDS = 15.0
PAUSE_SECONDS = 0.1
#: HTTP: the engine judged the file and does not take it; from 500 on what became of it is not known.
INVALID, SERVER_ERROR = 422, 500
SAME = "the config is the same; nothing was changed"


class Asked(Protocol):
    """The part of an engine's client that a reload needs."""

    def state(self) -> dict[str, Any]:
        """The engine's state document."""

    def control(self, verb: str, body: Mapping[str, object], deadline: float) -> dict[str, Any]:
        """The engine's answer to ``verb``; raises ``OperatorError`` after ``deadline`` seconds."""


@dataclass(frozen=True)
class Place:
    """One engine: its host, its layout there, and its HTTP client."""

    transport: Transport
    layout: Layout
    client: Asked

    @property
    def name(self) -> str:
        """The host's name in the inventory."""
        return self.transport.name


class Mixed(OperatorError):
    """Hosts run different configurations; ``what`` says which runs what."""

    exit_code = MIXED


def reload_all(
    places: Mapping[str, Place], target: Target, previous: bool, run: str, say: Callable[[str], None]
) -> dict[str, str]:
    """The target's config, or with ``previous`` the one before, on every engine or on none; a sentence for each host.

    Raises ConfigRefused with the engine's words, Unproved where its answer did not come, Mixed where the hosts that
    had taken it could not be put back. A host whose engine cannot be asked beforehand ends it before anything changes.
    """
    counts = {name: _standing(place)[1] for name, place in places.items()}
    if not previous:
        for place in places.values():
            _candidate(place, target)
    done: dict[str, str] = {}
    for name, place in places.items():
        try:
            done[name] = _one(place, previous, counts[name], f"{run}-reload")
        except (Exception, KeyboardInterrupt) as error:
            changed = [host for host, said in done.items() if said != SAME]
            _undo({host: places[host] for host in changed}, run, error)
            raise
        say(f"{name}: {done[name]}")
    for place in places.values():
        place.transport.run(_forget(place.layout), ASK_SECONDS)
    return done


def _one(place: Place, previous: bool, count: int, key: str) -> str:
    """Put the file in its place and let the engine judge it; whatever it does not take does not stay there."""
    said = place.transport.run(_swap(place.layout) if previous else _adopt(place.layout), ASK_SECONDS)
    if said.rc == Refused.exit_code:
        raise Refused(f"{place.name}: there is no previous config to go back to")
    said.checked(f"{place.name}: cannot put the config in its place")
    word, _, digest = said.out.strip().partition(" ")
    if word == "same" and _standing(place)[0] in (digest, ""):
        return SAME
    try:
        return _answer(place, digest, count, key)
    except BaseException as error:
        if word != "same":
            _put_back(place, error)
        raise


def _answer(place: Place, digest: str, count: int, key: str) -> str:
    """What the engine makes of the file with ``digest``. Raises ConfigRefused with its words, Unproved without any."""
    from mmctl.client.engine import ControlRefused

    try:
        answer = place.client.control("reload", {"reason": "operator", "idempotency_key": key}, ANSWER_SECONDS)
    except ControlRefused as refused:
        if refused.status == INVALID:
            raise _refused(place, str(refused.document.get("error") or refused.what)) from None
        if refused.status < SERVER_ERROR:
            raise  # it was not even looked at: too many commands, or a command it does not know
        return _wait(place, digest, count)
    except (AuthenticationRefused, Unreachable):
        # Without a control token the engine is signalled, and tells in its state what it made of it.
        text = units.reload(place.layout, sys.executable)
        place.transport.run(text, ASK_SECONDS).checked(f"{place.name}: the engine cannot be signalled")
        return _wait(place, digest, count)
    except OperatorError:
        return _wait(place, digest, count)
    return str(answer.get("message") or answer.get("effect") or "applied")


def _wait(place: Place, digest: str, count: int) -> str:
    """Until the engine's state tells of a reload of this very file."""
    end = time.monotonic() + ANSWER_SECONDS
    last = "it does not tell what it made of it"
    while time.monotonic() < end:
        try:
            engine = place.client.state().get("engine") or {}
            told = engine.get("reload")
            if isinstance(told, Mapping) and told.get("file_sha256") == digest and int(told.get("count", 0)) > count:
                if told.get("applied") is not True:
                    raise _refused(place, str(told.get("message")))
                return str(told.get("message") or "applied")
        except ConfigRefused:
            raise
        except OperatorError as error:
            last = error.what
        time.sleep(PAUSE_SECONDS)
    raise Unproved(
        f"{place.name}: the reload was sent and no answer came within {ANSWER_SECONDS:g} s: {last}",
        "`mmctl status` says whether the engine runs with the file that is on the host",
    )


def _refused(place: Place, words: str) -> ConfigRefused:
    return ConfigRefused(f"{place.name}: the engine refuses it: {words}", "both file and engine are as before")


def _standing(place: Place) -> tuple[str, int]:
    """The digest of the file the engine runs with ("" where it does not say), and how many reloads it has answered."""
    engine = place.client.state().get("engine") or {}
    told = engine.get("reload")
    return str(engine.get("config_sha256") or ""), int(told.get("count", 0)) if isinstance(told, Mapping) else 0


def _put_back(place: Place, error: BaseException) -> None:
    """The file that was there before is there again. Where that fails the error says so and becomes Unproved."""
    try:
        place.transport.run(_restore(place.layout), ASK_SECONDS).checked("cannot be put back")
    except OperatorError as second:
        what = error.what if isinstance(error, OperatorError) else str(error)
        raise Unproved(
            f"{what}\n{place.name}: the file before it could not be put back ({second.what}): "
            "the next restart may come up with the new one",
            "`mmctl reload` again, or `mmctl status`, when the host can be reached",
        ) from None


def _undo(places: Mapping[str, Place], run: str, error: BaseException) -> None:
    """Hosts that took it go back to what they ran with; Mixed names those that do not."""
    left = []
    for name, place in places.items():
        try:
            count = _standing(place)[1]
            place.transport.run(_restore(place.layout), ASK_SECONDS).checked(f"{name}: cannot be put back")
            _answer(place, _digest(place), count, f"{run}-undo")
        except OperatorError as second:
            left.append(f"{name} runs the new config, or may: {second.what}")
    if left:
        what = error.what if isinstance(error, OperatorError) else str(error)
        raise Mixed("\n".join([what, *left, "the others run as before"]), "`mmctl status` shows each") from None


def _candidate(place: Place, target: Target) -> None:
    """The new file beside the live one, judged by the release's own code on the host. Nothing else changes."""
    transport, layout = place.transport, place.layout
    release = current_release(transport, layout)
    environment, values = read_environment(target, look(transport, layout).own)
    settings = read_settings(target, values)
    file = _candidate_of(layout)
    transport.put(settings.text.encode(), layout.release(release, "configs", "candidate.yaml"), 0o640, ASK_SECONDS)
    check = python.check_config(layout, release, from_host=environment is None, config="candidate.yaml")
    owner = script(f"chgrp {q(layout.user)} {q(file)}") if layout.user else ""
    result = transport.run(script(owner, check), CHECK_SECONDS, environment or b"")
    if result.rc:
        transport.run(f"rm -f {q(file)}", ASK_SECONDS)
        said = result.err.strip() or result.out.strip()
        raise ConfigRefused(f"{transport.name}: the running release refuses this config: {said}")


def _candidate_of(layout: Layout) -> str:
    return f"{layout.current}/configs/candidate.yaml"


def _digest(place: Place) -> str:
    found = place.transport.run(f"sha256sum < {q(place.layout.config)}", ASK_SECONDS)
    return found.checked(f"{place.name}: cannot read its config").out.split()[0]


def _keep(layout: Layout) -> tuple[str, ...]:
    """Lines that keep both files as they are, for :func:`_restore`."""
    live, previous = layout.config, layout.config + ".previous"
    return (
        f"cp -p {q(live)} {q(live + '.before')}",
        f"rm -f {q(previous + '.before')}",
        f"[ ! -e {q(previous)} ] || cp -p {q(previous)} {q(previous + '.before')}",
    )


def _adopt(layout: Layout) -> str:
    """The candidate becomes the live file, the live one ``.previous``; prints ``new`` or ``same`` and its digest."""
    candidate, live = q(_candidate_of(layout)), q(layout.config)
    digest = f"$(sha256sum < {live} | cut -c1-64)"
    return script(
        f'if cmp -s {candidate} {live}; then rm -f {candidate}; echo "same {digest}"; exit 0; fi',
        *_keep(layout),
        f"cp -p {live} {q(layout.config + '.previous')}",
        f"mv -f {candidate} {live}",
        f'echo "new {digest}"',
    )


def _swap(layout: Layout) -> str:
    """The config before the last one becomes the live one again, and the live one the previous."""
    live, previous, swap = q(layout.config), q(layout.config + ".previous"), q(layout.config + ".swap")
    return script(
        f"[ -e {previous} ] || {{ echo 'there is no previous config' >&2; exit {Refused.exit_code}; }}",
        *_keep(layout),
        f"cp -p {live} {swap}",
        f"mv -f {previous} {live}",
        f"mv -f {swap} {previous}",
        f'echo "new $(sha256sum < {live} | cut -c1-64)"',
    )


def _restore(layout: Layout) -> str:
    """Both files as they were before the last :func:`_adopt` or :func:`_swap`."""
    live, previous = layout.config, layout.config + ".previous"
    return script(
        f"[ ! -e {q(live + '.before')} ] || mv -f {q(live + '.before')} {q(live)}",
        f"if [ -e {q(previous + '.before')} ]; then mv -f {q(previous + '.before')} {q(previous)}; "
        f"else rm -f {q(previous)}; fi",
    )


def _forget(layout: Layout) -> str:
    return script(f"rm -f {q(layout.config + '.before')} {q(layout.config + '.previous.before')}")
