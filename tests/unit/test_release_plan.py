"""From facts to a plan: only what differs is done, nothing secret is in it, and unfit hosts are told why."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mmctl.release.desired import Desired, Settings
from mmctl.release.facts import Facts, obstacles, parse
from mmctl.release.origin import revision
from mmctl.release.plan import START, Feed, Ground, Step, plan
from mmctl.release.wheelhouse import Wheel
from mmctl.remote.layout import Layout

SHA = "0123456789ab"
RELEASE = f"20260101T000000Z-{SHA}"
FIT = (
    "uid=0\nmachine=x86_64\nkernel=Linux\nclock=100\npython_version=3.11.2\nimplementation=cpython\nlibc=glibc-2.36\n"
    "systemd=252\nmemory_mb=4000\ndisk_mb=9000\nwritable=yes\nport_used=no\nactive=inactive\nuser=\n"
)


def wheel(name: str, digit: str, size: int = 1000) -> Wheel:
    return Wheel(name, f"{name}-1-py3-none-any.whl", digit * 64, size, Path("/none"))


NUMPY, UV, OWN = wheel("numpy", "1"), wheel("uv", "2"), wheel("mmctl", "3", 500)
SECRETS = b"KEY=very-secret\n"


def desired(environment: bytes | None = SECRETS) -> Desired:
    settings = Settings("environment: sandbox\n", 8080, "sandbox", True)
    units = {"market-maker.service": "[Service]\n"}
    return Desired(SHA, OWN, settings, units, "{}", environment)


def ground(more: str = "", environment: bytes | None = SECRETS) -> Ground:
    wanted = desired(environment)
    return Ground(parse(FIT + more, 100.0), Layout(), wanted, RELEASE, "env1", (NUMPY, UV), "python3", "run1")


def with_work(steps: tuple[Step, ...]) -> list[int]:
    return [step.number for step in steps if step.commands]


def test_a_pristine_host_gets_every_step_and_every_wheel() -> None:
    steps = plan(ground())
    assert [step.number for step in steps] == list(range(1, 9))
    assert with_work(steps) == [4, 5, 6, 7, 8]
    assert ground().missing == (NUMPY, UV, OWN)


def test_only_the_last_command_of_the_last_step_touches_the_running_engine() -> None:
    commands = [command for step in plan(ground()) for command in step.commands]
    assert [command.switches for command in commands] == [False] * (len(commands) - 1) + [True]
    assert not any("systemctl restart" in c.script or "/current\n" in c.script for c in commands if not c.switches)


def test_no_script_holds_a_secret_and_what_does_goes_by_stdin() -> None:
    commands = [command for step in plan(ground()) for command in step.commands]
    assert not any("very-secret" in command.script for command in commands)
    assert "very-secret" not in repr(desired())
    assert {command.feed for command in commands} >= {Feed.SECRETS, Feed.VARIABLES}


def test_every_script_that_changes_something_checks_the_lock_first() -> None:
    for step in plan(ground()):
        for command in step.commands:
            head = command.script.splitlines()[:3]
            assert head[1].startswith("exec 8>>/opt/market-maker/.mmctl/work.guard; flock -w 30 8 || ")
            assert head[2].startswith('[ "$(cat /opt/market-maker/.mmctl/lock/run 2>/dev/null)" = run1 ] || ')


def test_what_the_host_has_is_not_sent_again() -> None:
    known = f"wheel={NUMPY.sha256}\nwheel={UV.sha256}\n"
    assert ground(known).missing == (OWN,)
    # Once the environment is made, its wheels are not needed any more; uv installs the project itself.
    assert ground(f"env=env1\nwheel={UV.sha256}\n").missing == (OWN,)
    assert ground("env=env1\n").missing == (UV, OWN)


RUNNING = (
    f"config_sha256={desired().config_sha256}\n"
    f"env=env1\nwheel={UV.sha256}\nwheel={OWN.sha256}\nrelease={RELEASE} complete good env:env1\ncurrent={RELEASE}\n"
)


def same_secrets() -> str:
    import hashlib

    return f"env_sha256={hashlib.sha256(SECRETS).hexdigest()}\n"


def test_a_host_that_runs_exactly_this_gets_nothing() -> None:
    there = ground(RUNNING + same_secrets() + "active=active\n")
    assert there.unchanged
    assert with_work(plan(there)) == []


def test_a_stopped_host_only_gets_its_start() -> None:
    assert with_work(plan(ground(RUNNING + same_secrets()))) == [START]


def test_new_secrets_are_put_there_and_the_engine_restarted() -> None:
    there = ground(RUNNING + "env_sha256=00\nactive=active\n")
    assert with_work(plan(there)) == [6, START]


def test_a_host_that_keeps_its_own_secrets_is_not_given_any() -> None:
    there = ground(RUNNING + "env_sha256=00\nactive=active\n", None)
    assert there.unchanged
    feeds = [c.feed for step in plan(ground(environment=None)) for c in step.commands]
    assert Feed.SECRETS not in feeds


def test_a_release_marked_bad_does_not_count_as_running_well() -> None:
    there = ground(RUNNING.replace("complete good", "complete bad") + same_secrets() + "active=active\n")
    assert not there.unchanged


def facts(**changes: object) -> Facts:
    return replace(parse(FIT, 100.0), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"python": None}, "no python3"),
        ({"python": (3, 9, 2)}, "cpython 3.9.2"),
        ({"implementation": "pypy"}, "pypy"),
        ({"glibc": None}, "not glibc"),
        ({"uid": 1000}, "not root"),
        ({"systemd": 0}, "has none"),
        ({"systemd": 241}, "has 241"),
        ({"kernel": "Darwin"}, "Darwin"),
        ({"writable": False}, "cannot be written"),
        ({"memory_mb": 100}, "100 MB of memory"),
        ({"disk_mb": 300}, "300 MB of disk"),
        ({"clock_offset": -9.0}, "off by -9.0 s"),
        ({"port_used": True}, "port is taken"),
    ],
)
def test_an_unfit_host_is_told_its_reason(changes: dict[str, object], said: str) -> None:
    (reason,) = obstacles(facts(**changes), Layout(), 100, False)
    assert said in reason


def test_a_fit_host_has_no_obstacle_and_its_own_engine_may_hold_the_port() -> None:
    assert obstacles(facts(), Layout(), 100, False) == []
    assert obstacles(facts(port_used=True, active="active"), Layout(), 100, False) == []


def test_every_obstacle_is_told_at_once() -> None:
    assert len(obstacles(facts(python=None, uid=5, disk_mb=1), Layout(), 100, False)) == 3


def test_a_config_put_in_place_by_a_reload_or_by_hand_is_not_what_we_put_there() -> None:
    there = ground(RUNNING.replace("config_sha256=", "config_sha256=00") + same_secrets() + "active=active\n")
    assert not there.unchanged
    assert with_work(plan(there)) == [START]


def test_a_release_says_when_it_was_made_by_whom_and_from_which_revision() -> None:
    told = '{ "release": "x", "by": "ann@desk", "revision": "abc123+changes", "api_port": 8080 }'
    facts = parse(
        f"release={RELEASE} complete env:e port:8080\nabout={RELEASE} {told}\nrelease=odd\nabout=odd {{\n", 0.0
    )
    known, odd = facts.release(RELEASE), facts.release("odd")
    assert known is not None
    assert odd is not None
    assert (known.by, known.revision, known.port) == ("ann@desk", "abc123+changes", 8080)
    assert known.made.endswith("Z")
    assert (odd.by, odd.revision, odd.made) == ("", "", "")


def test_the_revision_of_a_checkout_says_whether_it_was_changed(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *author, "-C", str(tmp_path), *words], check=True, capture_output=True)

    assert revision(tmp_path) == ""
    (tmp_path / "file").write_text("one")
    git("init", "-q")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    clean = revision(tmp_path)
    assert len(clean) == 12
    (tmp_path / "file").write_text("two")
    assert revision(tmp_path) == f"{clean}+changes"
