"""Recording without a screen: whatever the engines do it goes on, says what happens, and ends when it is told to."""

import threading
from pathlib import Path

import pytest

from mmctl.cli.app import run
from mmctl.tui.recording import headless
from mmctl.tui.recording.bounds import Bounds
from mmctl.tui.recording.reader import Recording
from mmctl.tui.recording.recorder import Recorder
from tests.ptys import wait
from tests.ui.bench import FakeSource


def test_every_engine_is_recorded_also_while_another_is_gone(tmp_path: Path) -> None:
    first, second = FakeSource("mm1"), FakeSource("mm2")
    second.error = OSError("connection refused")
    recorder = Recorder(tmp_path / "two.rec", "pair", Bounds(pace_s=0.0))
    over, told = threading.Event(), []

    def tell(event: str, what: str, engine: str = "") -> None:
        told.append((event, engine, what))
        if event == "silent":
            second.error = None

    recording = threading.Thread(target=headless.record, args=([first, second], recorder, 0.01, over, tell))
    recording.start()
    wait(lambda: ("answers", "mm2", "it answers again") in told, lambda: told)
    over.set()
    recording.join()
    recorder.close()
    assert told == [("silent", "mm2", "connection refused"), ("answers", "mm2", "it answers again")]
    found = Recording(tmp_path / "two.rec")
    begin, end = found.span()
    failures = [frame.failures for ns in found.times("mm2", begin, end) if (frame := found.frame("mm2", ns))]
    assert failures[:3] == [1, 2, 3]
    assert failures[-1] == 0
    assert len(found.times("mm1", begin, end)) >= 3


@pytest.mark.parametrize("interval", ["0", "nan", "inf", "1e9"])
def test_polls_that_would_never_come_are_refused(
    tmp_path: Path, interval: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "never.rec"
    assert run(["tui", "--headless", "--record", str(file), "--interval", interval]) == 2
    assert "--interval" in capsys.readouterr().err
    assert not file.exists()
