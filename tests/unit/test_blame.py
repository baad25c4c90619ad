"""Why a start failed, read from what the service manager and the service said in this very start."""

import json

import pytest

from mmctl.release.blame import blame
from mmctl.release.facts import Facts, parse
from mmctl.release.standing import Standing, tell

ENDED = "Result=exit-code\nExecMainCode=1\nExecMainStatus={}\n"


def lines(*words: tuple[str, str]) -> str:
    return "".join(json.dumps({"ts": "t", "level": level, "message": text}) + "\n" for level, text in words)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (ENDED.format(3), "it ended with exit code 3; it printed nothing"),
        ("Result=signal\nExecMainCode=2\nExecMainStatus=11\n", "killed by signal 11 (SIGSEGV); it printed nothing"),
        ("Result=watchdog\nExecMainCode=3\nExecMainStatus=6\n", "by the watchdog"),
        ("Result=oom-kill\nExecMainCode=2\nExecMainStatus=9\n", "for want of memory"),
        ("Result=timeout\nExecMainCode=1\nExecMainStatus=0\nstarting\n", "starting; it did not say READY in time"),
        (ENDED.format(243), "CREDENTIALS"),
        (ENDED.format(1) + lines(("info", "stopping")), "it gave no reason; the last it said: stopping"),
        (ENDED.format(1) + lines(("error", "no lease"), ("info", "stopped")), "no lease; it ended with exit code 1"),
        (ENDED.format(1) + "Traceback (most recent call last):\n  File x\nKeyError: 'a'\n", "KeyError: 'a'; it"),
        (ENDED.format(1) + "2026-01-01T00:00:00Z ERROR    engine: \x1b[31mno disk\x1b[0m\n", "no disk; it ended"),
        (ENDED.format(10) + "config.yaml:3: a\nconfig.yaml:9: b\n", "config.yaml:3: a; config.yaml:9: b; it ended"),
        ("", "it said nothing"),
    ],
)  # fmt: skip
def test_a_failed_start_is_told_by_its_own_words(said: str, text: str) -> None:
    assert text in blame(said).text


def test_the_first_critical_line_is_the_reason_however_much_follows_it() -> None:
    words = lines(
        ("critical", "another engine leads this account (x): this engine ends"),
        ("error", "the journal was not emptied"),
        ("critical", "STOPPED WITHOUT PROOF of zero open orders"),
        ("info", "ended"),
    )
    found = blame(ENDED.format(5) + words)
    assert found.text.startswith("another engine leads this account (x): this engine ends; then: STOPPED WITHOUT PROOF")
    assert found.outside


@pytest.mark.parametrize(("status", "outside"), [(7, True), (10, True), (12, True), (13, True), (70, True), (1, False)])
def test_what_lies_outside_a_release_is_told_apart(status: int, outside: bool) -> None:
    assert blame(ENDED.format(status)).outside is outside
    # A signal's number is no exit code.
    assert not blame(f"Result=signal\nExecMainCode=2\nExecMainStatus={status}\n").outside


def found(active: str) -> Facts:
    return parse(f"current=old\nactive={active}\nboot=one\n", 0.0)


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("active", Standing("old", "active", True, "one"), "old still runs"),
        ("active", Standing("old", "active", True, "two"), "old runs, started again since: the machine was restarted"),
        ("active", Standing("old", "inactive", True, "one"), "does NOT run any more: somebody stopped it"),
        ("active", Standing("old", "failed", False, "one"), "does NOT run any more: it is failed"),
        ("active", None, "what runs there is not known"),
        ("inactive", Standing("old", "inactive", True, "one"), "old is current and is not running, as before"),
        ("inactive", Standing("", "inactive", True, "one"), "none is current"),
    ],
)
def test_what_runs_is_told_as_it_was_seen(before: str, now: Standing | None, said: str) -> None:
    told = tell("h", found(before), now)
    assert said in told
    assert told.startswith("h: ")


def test_a_port_belongs_to_its_release_and_condemned_content_is_read_with_its_reason() -> None:
    facts = parse(
        "release=r1 complete good env:e port:8080\nrelease=r2 complete env:e port:\ncondemned=ab-cd it died\n", 0
    )
    assert (facts.port_of("r1", 9), facts.port_of("r2", 9), facts.port_of("r3", 9)) == (8080, 9, 9)
    assert facts.condemned == {"ab-cd": "it died"}
