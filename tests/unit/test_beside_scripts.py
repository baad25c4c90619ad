"""The scripts that let one engine take over from another: what they are on a host is in tests/hosts."""

import subprocess

import pytest

from mmctl.remote import beside
from mmctl.remote.layout import Layout

RELEASE = "20260101T000000Z-0123456789ab"
HOST = Layout()
START = 'systemctl start "$new"'
SWITCH = "switch-current"


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("run", [False, True])
def test_every_way_is_a_script_that_sh_can_read(back: bool, keep: bool, run: bool) -> None:
    text = beside.take_over(HOST, RELEASE, SWITCH, START, back=back, keep=keep, run=run)
    checked = subprocess.run(["dash", "-n"], input=text, text=True, capture_output=True, timeout=10, check=False)
    assert checked.stderr == ""


def test_the_new_engine_is_ready_before_anything_points_at_it_and_the_old_one_hands_over_last() -> None:
    text = beside.take_over(HOST, RELEASE, SWITCH, START)
    together = text[text.index('if [ -n "$beside" ]') : text.index("\nelse\n")]
    order = [together.index(words) for words in (START, SWITCH, "instances/current.new", "--signal=USR1")]
    assert order == sorted(order)
    assert "systemctl stop" not in together[: together.index("--signal=USR1")]


def test_an_engine_that_does_not_know_of_others_is_never_sent_the_signal() -> None:
    text = beside.take_over(HOST, RELEASE, SWITCH, START)
    apart = text[text.index("\nelse\n") :]
    assert "USR1" not in apart
    assert apart.index("systemctl stop") < apart.index(SWITCH) < apart.index(START)
    assert text.count("MM_INSTANCE_LINK") == 2


def test_what_is_gone_back_from_after_a_failure_is_ended_not_kept() -> None:
    text = beside.take_over(HOST, RELEASE, SWITCH, START, back=True, keep=False)
    assert "USR1" not in text
    assert 'systemctl stop "$old"' in text
