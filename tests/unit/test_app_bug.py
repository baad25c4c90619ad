"""A bug that comes with every frame ends the process, and is told once."""

import asyncio
import logging

import pytest

from engine.app import App


async def test_the_same_bug_is_logged_once_and_the_first_is_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    app = App.__new__(App)  # only what a bug touches: the whole needs an exchange
    app.ended, app._bugs, app.session, app.stop = "", set(), None, asyncio.Event()
    with caplog.at_level(logging.CRITICAL):
        for text in ("one", "one", "two", "one"):
            app._broken("the path of a tick failed", ValueError(text))
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"the path of a tick failed: ValueError: {text}" for text in ("one", "two")]
    assert app.ended == told[0]
    assert app.stop.is_set()
