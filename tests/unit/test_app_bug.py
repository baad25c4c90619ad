"""A bug that comes with every frame ends the process, and is told once."""

import logging

import pytest

from engine.run.stop import StopRequest


async def test_the_same_bug_is_logged_once_and_the_first_is_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    stop, off = StopRequest(), list[str]()
    stop.quoting_off = off.append
    with caplog.at_level(logging.CRITICAL):
        for text in ("one", "one", "two", "one"):
            stop.broken("the path of a tick failed", ValueError(text))
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"the path of a tick failed: ValueError: {text}" for text in ("one", "two")]
    assert stop.reason == told[0]
    assert off == [told[0]] * 4, "quoting goes off every time, whatever was turned on meanwhile"
    assert stop.asked.is_set()
