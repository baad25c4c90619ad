"""The gates file: the shipped one is the seed's conditions, and every mistake in another is told with its line."""

import subprocess
from pathlib import Path

import pytest

from mmctl.cli.guarded import read_look
from mmctl.fleet.errors import ConfigRefused
from mmctl.release.gates import read_gates
from mmctl.remote import guard
from mmctl.remote.layout import Layout
from mmctl.watch.gates import GatesWrong, parse
from mmctl.watch.rules import Rule
from tests.needs import ROOT

SHIPPED = ROOT / "configs" / "gates.yaml"


def faults(text: str) -> list[str]:
    with pytest.raises(GatesWrong) as wrong:
        parse(text, "g.yaml", {"mm_feed_age_seconds", "mm_quoting"})
    return str(wrong.value).splitlines()


def test_the_shipped_file_is_the_four_conditions_of_an_automatic_rollback() -> None:
    _, found = read_gates(SHIPPED)
    assert found.rules == (
        Rule("health", "health", below=1.0, consecutive=3, share=1.0),
        Rule("latency", "order_latency_p95", above=0.2, for_s=300.0),
        Rule("memory", "memory", above=2.0 * 2**30, consecutive=3, share=1.0),
        Rule("halted", "breaker", equal=3.0, consecutive=3, share=1.0),
    )
    assert (found.interval, found.rollback_within) == (5.0, 86_400.0)


def test_what_the_shipped_file_shows_in_comments_is_taken() -> None:
    text = SHIPPED.read_text()
    for line in ("  # feed:", "# channels:", "#   oncall:"):
        assert line in text
        text = text.replace(line, line.replace("# ", "", 1))
    found = parse(text, "g.yaml", {"mm_feed_age_seconds"})
    assert [rule.name for rule in found.rules][-1] == "feed"
    assert [channel.name for channel in found.channels] == ["oncall"]


def test_every_fault_at_once_with_its_line_and_the_nearest_key() -> None:
    found = faults(
        "intervall: 5s\n"
        "rollback_within: 24\n"
        "gates:\n"
        "  health: {measure: helth, consecutive: 3}\n"
        "  latency: {measure: order_latency_p95, above: 200, for: 5m}\n"
        "  memory: {measure: memory, above: 2 gigs, consecutive: three}\n"
        "  halted: {measure: breaker, is: HALTD, consecutive: 3}\n"
        "  both: {measure: health, consecutive: 3, for: 5m}\n"
        "  none: {measure: health}\n"
        "  bare: 3\n"
        "  quoting: {measure: mm_quotng, below: 1, consecutiv: 3}\n"
    )
    assert [line.split(":")[1] for line in found] == ["1", "2", "4", "5", "6", "6", "7", "8", "9", "10", "11", "11"]
    text = "\n".join(found)
    for words in ("did you mean interval?", "did you mean health?", "did you mean mm_quoting?", "800MB or 2GiB",
                  "did you mean consecutive?", "CLOSED, HALF_OPEN, OPEN, HALTED"):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    "text",
    ["", "gates: {}\n", "gates: [health]\n", "- a\n", "gates: {a: {measure: health, consecutive: 0}}\n",
     "gates: {a: {measure: health, consecutive: true}}\n", "gates: {a: {measure: memory, consecutive: 3}}\n",
     "gates: {a: {measure: memory, above: 1GB, below: 2GB, consecutive: 3}}\n",
     "interval: 5ms\ngates: {a: {measure: health, consecutive: 3}}\n",
     "gates: {a: {measure: order_latency_p95, above: 1s, for: 6s}}\n",
     "gates: {a: {measure: order_latency_p95, above: 1s, for: 6m, share: 2}}\n",
     "gates: {a: {measure: health, consecutive: 3, share: 0.9}}\n",
     "gates:\n\ta: 1\n", "channels: {x: {kind: pigeon}}\ngates: {a: {measure: health, consecutive: 3}}\n"],
)  # fmt: skip
def test_a_file_that_would_watch_nothing_or_something_else_is_refused(text: str) -> None:
    assert all(line.startswith("g.yaml") for line in faults(text))


def test_a_file_from_an_editor_of_windows_is_the_same() -> None:
    plain = parse(SHIPPED.read_text(), "g.yaml")
    assert parse("\ufeff" + SHIPPED.read_text().replace("\n", "\r\n"), "g.yaml") == plain


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=r"cannot read the gates .*none\.yaml: No such file"):
        read_gates(tmp_path / "none.yaml")


LOOK = """current=20260101T000000Z-aaaaaaaaaaaa
port=8080
begun=20260101T000000Z-bbbbbbbbbbbb 20260101T000000Z-aaaaaaaaaaaa done 900
alive=20260101T000000Z-aaaaaaaaaaaa 35 none
ActiveState=failed
ExecMainStatus=70
lock="""


def sh(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=30, check=False)


def test_of_two_guards_one_has_the_claim_and_the_other_sees_that_it_is_under_way(tmp_path: Path) -> None:
    layout = Layout(root=str(tmp_path), units=str(tmp_path))
    first, second = sh(guard.begin(layout, "r1")), sh(guard.begin(layout, "r1"))
    assert (first.returncode, second.returncode) == (0, guard.BEGUN)
    seen = read_look(sh(guard.look(layout, "python3")).stdout)
    assert seen.begun == (("r1", "-", "begun"),)
    assert "another guard" in seen.busy
    assert sh(guard.settle(layout, "r1", "r0", "done")).returncode == 0
    seen = read_look(sh(guard.look(layout, "python3")).stdout)
    assert (seen.begun, seen.busy) == ((("r1", "r0", "done"),), "")
    assert sh(guard.withdraw(layout, "r1")).returncode == 0
    assert sh(guard.begin(layout, "r1")).returncode == 0


def test_what_a_host_says_is_read_and_what_it_leaves_out_is_missing() -> None:
    found = read_look(LOOK + "free\n")
    assert (found.release, found.port, found.active, found.status) == (
        "20260101T000000Z-aaaaaaaaaaaa", 8080, "failed", 70,
    )  # fmt: skip
    assert found.begun == (("20260101T000000Z-bbbbbbbbbbbb", "20260101T000000Z-aaaaaaaaaaaa", "done"),)
    assert not found.busy
    record = '{"operator": "ann", "command": "mmctl deploy", "acquired": "now"}\n'
    assert "ann runs `mmctl deploy`" in read_look(LOOK + "held 80 3\n" + record).busy
    assert read_look(LOOK + "held never 3\n").busy
    assert not read_look(LOOK + "held -5 3\n" + record).busy, "it has expired with its holder"
    begun = "begun=20260101T000000Z-aaaaaaaaaaaa - begun "
    assert "another guard" in read_look(begun + "5\nlock=free\n").busy
    assert not read_look(begun + "500\nlock=free\n").busy, "that guard has died in the middle of it"
    assert read_look("").release == ""
    assert read_look("current=\nbegun=x\nlock=held\n").begun == (("x", "-", "-"),)
