"""The engine knows whether its sentinel watches, by the sentinel's own questions."""

import aiohttp
import pytest

from engine.telemetry.exporter import Exporter
from engine.telemetry.http import Listener
from engine.telemetry.sentinel_seen import BLIND_S, HEADER, LATE_S, SentinelSeen
from mmctl.cli.health import _with_engine
from mmctl.client.engine import Client
from mmctl.watch.health import Facts
from tests.unit.test_http import Engine


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_sentinel_that_never_looked_or_ceased_to_look_or_is_blind_is_no_guard() -> None:
    clock = Clock()
    seen = SentinelSeen(0.1, clock=clock)
    part = seen.part()
    assert part is not None
    assert (part["ok"], part["age_s"]) == (False, None)
    seen.looked("0.5")
    part = seen.part()
    assert part is not None
    assert (part["ok"], part["age_s"]) == (True, 0.0)
    clock.now += LATE_S + 1
    part = seen.part()
    assert part is not None
    assert (part["ok"], part["message"]) == (False, "the sentinel has not looked for 6 s")
    seen.looked(str(BLIND_S + 1))
    part = seen.part()
    assert part is not None
    assert not part["ok"]
    assert "has not seen the exchange for 16 s" in part["message"]


@pytest.mark.parametrize("said", ["", "nan", "-1", "inf", "x" * 1000])
def test_what_is_no_number_of_seconds_is_blindness_and_not_an_error(said: str) -> None:
    seen = SentinelSeen(0.1, clock=Clock())
    seen.looked(said)
    part = seen.part()
    assert part is not None
    assert not part["ok"]


def test_an_interval_that_is_long_is_waited_for_and_where_none_is_wanted_nothing_is_said() -> None:
    clock = Clock()
    seen = SentinelSeen(2.0, clock=clock)
    seen.looked("0")
    clock.now += 19.0
    part = seen.part()
    assert part is not None
    assert part["ok"], "ten of its rounds have not passed"
    assert SentinelSeen(2.0, wanted=False).part() is None


async def test_a_question_of_somebody_else_is_not_taken_for_the_sentinels() -> None:
    seen = SentinelSeen(0.5)
    listener = Listener(Engine(), Exporter(), None, sentinel=seen)
    await listener.start(port=0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.port}") as client:
            await client.get("/health")
            part = seen.part()
            assert part is not None
            assert part["age_s"] is None
            await client.get("/health", headers={HEADER: "0.3"})
            part = seen.part()
            assert part is not None
            assert part["ok"]
    finally:
        await listener.stop()


def test_mmctl_takes_over_what_the_engine_says_of_it() -> None:
    document = {"components": {"sentinel": {"ok": False, "message": "gone", "age_s": 7}}}
    client = Client(None, 8080)  # type: ignore[arg-type]
    facts = _with_engine(Facts("mm1"), {}, document, None, client)
    assert (facts.sentinel_ok, facts.sentinel_message, facts.sentinel_age_s) == (False, "gone", 7.0)
    assert _with_engine(Facts("mm1"), {}, {"components": {}}, None, client).sentinel_ok is None
