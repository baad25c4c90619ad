"""The engine's HTTP listener over real sockets: paths, codes, bodies, and commands with token, key and audit."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any

import aiohttp
import numpy as np
import pytest

from engine.telemetry.control import ControlDesk
from engine.telemetry.exporter import Exporter
from engine.telemetry.http import Listener, ListenError
from engine.telemetry.state import ControlRecord, ControlRefused, Json

TOKEN = "the-right-token-0123456789"


class Engine:
    """A state source that says what the test wants, and a control that remembers."""

    def __init__(self) -> None:
        self.status = "ok"
        self.is_ready = (True, "")
        self.now_role = "primary"
        self.commands: list[tuple[str, Mapping[str, Any], str]] = []
        self.gate: asyncio.Event | None = None
        self.started = asyncio.Event()
        self.fails: Exception | None = None

    def health(self) -> Json:
        return {"status": self.status, "components": {"feed": {"ok": True, "message": "", "age_s": 0.1}}}

    def ready(self) -> tuple[bool, str]:
        return self.is_ready

    def role(self) -> str:
        return self.now_role

    def state(self) -> Json:
        return {"exact": Decimal("0.100"), "nan": float("nan"), "lots": np.int64(7), "array": np.array([1.5])}

    def risk(self) -> Json:
        return {"level": 0}

    def orders(self) -> Json:
        raise RuntimeError("a bug with a secret in it")

    def events(self, since: int) -> Json:
        return {"events": [{"seq": since + 1}]}

    def why(self) -> Json:
        return {"why": []}

    async def control(self, verb: str, body: Mapping[str, Any], actor: str) -> Json:
        self.commands.append((verb, body, actor))
        self.started.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return {"cancelled": 2}


class Site:
    """A listener on a free port with its client."""

    def __init__(
        self, engine: Engine, client: aiohttp.ClientSession, listener: Listener, audit: list[ControlRecord]
    ) -> None:
        self.engine, self.client, self.listener, self.audit = engine, client, listener, audit

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.client.get(path) as answer:
            return answer.status, await answer.json()

    async def post(self, verb: str, body: Any = None, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
        given = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "key-00000001", "X-Actor": "ann"}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        data = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        async with self.client.post(f"/api/control/{verb}", data=data, headers=given) as answer:
            return answer.status, await answer.json(), answer.headers


async def _site(*, token: str | None = TOKEN, rate: float = 1000.0, deadline_s: float = 5.0, audit: Any = None) -> Site:
    engine, exporter = Engine(), Exporter()
    records: list[ControlRecord] = []
    desk = ControlDesk(engine, token, audit or records.append, rate=rate, deadline_s=deadline_s)
    listener = Listener(engine, exporter, desk, max_body=1024)
    await listener.start(port=0, metrics_port=0)
    client = aiohttp.ClientSession(f"http://127.0.0.1:{listener.port}")
    return Site(engine, client, listener, records)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = await _site()
    yield made
    await made.client.close()
    await made.listener.stop()


async def test_health_is_200_while_it_can_quote_or_nearly_and_503_when_failed(site: Site) -> None:
    for status, code in (("ok", 200), ("degraded", 200), ("failed", 503)):
        site.engine.status = status
        found, body = await site.get("/health")
        assert (found, body["status"]) == (code, status)


async def test_role_is_in_the_path_and_the_body_is_one(site: Site) -> None:
    codes = {path: await site.get(path) for path in ("/primary", "/standby", "/liveness", "/readiness")}
    assert {path: code for path, (code, _) in codes.items()} == {
        "/primary": 200,
        "/standby": 503,
        "/liveness": 200,
        "/readiness": 200,
    }
    assert len({json.dumps(body) for _, body in codes.values()}) == 1
    site.engine.now_role = "standby"
    assert [(await site.get(path))[0] for path in ("/primary", "/standby")] == [503, 200]


async def test_readiness_says_why_not(site: Site) -> None:
    site.engine.is_ready = (False, "not reconciled")
    assert await site.get("/readiness") == (503, {"role": "primary", "ready": False, "reason": "not reconciled"})
    assert (await site.get("/liveness"))[0] == 200


async def test_numbers_stay_exact_and_nan_becomes_null(site: Site) -> None:
    async with site.client.get("/api/state") as answer:
        assert await answer.read() == b'{"exact":0.100,"nan":null,"lots":7,"array":[1.5]}'
        assert answer.headers["Cache-Control"] == "no-store"


async def test_the_other_readings_answer(site: Site) -> None:
    assert await site.get("/api/risk/status") == (200, {"level": 0})
    assert await site.get("/api/why") == (200, {"why": []})
    assert await site.get("/api/events?since=41") == (200, {"events": [{"seq": 42}]})
    assert await site.get("/api/events") == (200, {"events": [{"seq": 1}]})


@pytest.mark.parametrize("since", ["-1", "x", "9" * 40, "1.5"])
async def test_a_senseless_since_is_refused(site: Site, since: str) -> None:
    assert (await site.get(f"/api/events?since={since}"))[0] == 400


@pytest.mark.parametrize("path", ["/api/events?sinse=1", "/api/state?x=1", "/api/why?since=1h", "/metrics?grop=key"])
async def test_a_parameter_that_is_not_known_is_refused_by_name(site: Site, path: str) -> None:
    status, said = await site.get(path)
    assert status == 400
    assert f"unknown parameter {path.partition('?')[2].partition('=')[0]}; " in said["error"]


async def test_a_bug_in_an_answer_is_a_503_in_json_without_its_text(site: Site) -> None:
    code, body = await site.get("/api/orders")
    assert code == 503
    assert "RuntimeError" in body["error"]
    assert "secret" not in body["error"]


async def test_unknown_paths_and_methods_are_refused_in_json(site: Site) -> None:
    assert (await site.get("/nothing"))[0] == 404
    async with site.client.delete("/health") as answer:
        assert (answer.status, "error" in await answer.json()) == (405, True)
    async with site.client.get("/api/control/halt") as answer:
        assert answer.status == 405


async def test_metrics_are_on_both_ports_and_nothing_else_is_on_the_second(site: Site) -> None:
    second = f"http://127.0.0.1:{site.listener.metrics_port}"
    for base in ("", second):
        async with site.client.get(f"{base}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert "# TYPE mm_circuit_breaker_state gauge" in await answer.text()
    async with site.client.get(f"{second}/api/state") as answer:
        assert answer.status == 404
    async with site.client.get("/metrics") as answer:
        assert 'mm_http_requests_total{code="4xx"} 1.0' in await answer.text()


async def test_metrics_come_by_group_and_in_the_format_that_is_asked_for(site: Site) -> None:
    async with site.client.get("/metrics?group=slow") as answer:
        text = await answer.text()
        assert "# TYPE mm_memory_bytes gauge" in text
        assert "mm_circuit_breaker_state" not in text
    for path in ("/metrics?group=hourly", "/metrics?group=", "/metrics?group=key&group=slow"):
        async with site.client.get(path) as answer:
            assert answer.status == 400
            assert "group is one of key, slow" in (await answer.json())["error"]
    async with site.client.get("/metrics?group=key", headers={"Accept": "application/openmetrics-text"}) as answer:
        assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert answer.headers["Vary"] == "Accept"
        text = await answer.text()
        assert text.endswith("# EOF\n")
        assert "# TYPE mm_orders counter" in text
    async with site.client.get("/metrics?group=key") as answer:
        assert "# EOF" not in await answer.text(), "each kind of page is kept for itself"


async def test_a_taken_port_is_said_in_words_and_leaves_nothing_open() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listener = Listener(Engine(), Exporter(), None)
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}"):
            await listener.start(port=0, metrics_port=port)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", listener.port)) != 0


async def test_a_command_is_done_recorded_and_acknowledged(site: Site) -> None:
    code, body, _ = await site.post("cancel", {"symbol": "ETHUSDC"}, X_Actor="ann\tb<c>")
    assert (code, body) == (200, {"verb": "cancel", "key": "key-00000001", "cancelled": 2})
    assert site.engine.commands == [("cancel", {"symbol": "ETHUSDC"}, "ann?b?c?")]
    assert [(r.outcome, r.verb, r.actor, r.peer) for r in site.audit] == [
        ("intent", "cancel", "ann?b?c?", "127.0.0.1"),
        ("done", "cancel", "ann?b?c?", "127.0.0.1"),
    ]


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff"])
async def test_without_the_right_token_nothing_is_done(site: Site, given: str) -> None:
    code, body, headers = await site.post("halt", {}, Authorization=given)
    assert (code, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert TOKEN not in str(body)
    assert site.engine.commands == []
    assert site.audit == []


async def test_guessing_tokens_is_slowed_and_does_not_slow_the_right_one(site: Site) -> None:
    codes = [(await site.post("halt", {}, Authorization=f"Bearer {n}"))[0] for n in range(7)]
    assert codes == [401] * 5 + [429] * 2
    assert (await site.post("halt", {}))[0] == 200


async def test_without_a_configured_token_control_is_off() -> None:
    made = await _site(token=None)
    assert (await made.post("halt", {}, Authorization="Bearer "))[0] == 403
    await made.client.close()
    await made.listener.stop()


async def test_a_repeated_key_acts_once_and_answers_the_same(site: Site) -> None:
    first, second = await site.post("halt", {"reason": "x"}), await site.post("halt", {"reason": "x"})
    assert first[:2] == second[:2]
    assert second[2]["Idempotent-Replay"] == "true"
    assert len(site.engine.commands) == 1
    assert (await site.post("resume", {"reason": "x"}))[0] == 422
    assert len(site.engine.commands) == 1


async def test_a_repeat_while_the_act_goes_on_waits_for_it(site: Site) -> None:
    site.engine.gate = asyncio.Event()
    both = [asyncio.create_task(site.post("flatten", {})) for _ in range(2)]
    await site.engine.started.wait()
    site.engine.gate.set()
    answers = await asyncio.gather(*both)
    assert [code for code, _, _ in answers] == [200, 200]
    assert len(site.engine.commands) == 1


async def test_a_client_that_hangs_up_does_not_stop_the_act(site: Site) -> None:
    site.engine.gate = asyncio.Event()
    request = asyncio.create_task(site.post("cancel", {}))
    await site.engine.started.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    site.engine.gate.set()
    assert (await site.post("cancel", {}))[0] == 200
    assert [record.outcome for record in site.audit] == ["intent", "done"]


@pytest.mark.parametrize(
    ("fails", "code", "outcome"),
    [
        (ControlRefused("not halted"), 409, "refused"),
        (ControlRefused("unknown account", status=422), 422, "refused"),
        (RuntimeError("socket gone"), 500, "failed"),
    ],
)
async def test_a_refused_or_failed_act_says_so_and_is_recorded(
    site: Site, fails: Exception, code: int, outcome: str
) -> None:
    site.engine.fails = fails
    found, body, _ = await site.post("resume", {})
    assert (found, str(fails) in body["error"]) == (code, True)
    assert site.audit[-1].outcome == outcome


async def test_an_act_that_takes_too_long_has_an_unknown_result() -> None:
    made = await _site(deadline_s=0.05)
    made.engine.gate = asyncio.Event()
    code, body, _ = await made.post("flatten", {})
    assert (code, "unknown" in body["error"]) == (504, True)
    assert made.audit[-1].outcome == "failed"
    await made.client.close()
    await made.listener.stop()


async def test_what_cannot_be_written_down_is_not_done() -> None:
    def full(record: ControlRecord) -> None:
        raise OSError("disk full")

    made = await _site(audit=full)
    code, body, _ = await made.post("resume", {})
    assert (code, "nothing was done" in body["error"]) == (503, True)
    assert made.engine.commands == []
    await made.client.close()
    await made.listener.stop()


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", {}, 400),
        (b"[1]", {}, 400),
        (b'{"x": "' + b"y" * 2000 + b'"}', {}, 413),
        ({}, {"Idempotency_Key": "short"}, 400),
        ({}, {"Idempotency_Key": "k" * 200}, 400),
    ],
)
async def test_a_malformed_command_is_refused(site: Site, body: Any, headers: dict[str, str], code: int) -> None:
    assert (await site.post("halt", body, **headers))[0] == code
    assert site.engine.commands == []


async def test_an_unknown_command_is_refused_with_the_known_ones(site: Site) -> None:
    code, body, _ = await site.post("explode", {})
    assert (code, "halt, resume" in body["error"]) == (404, True)


async def test_commands_are_limited_and_the_safe_ones_keep_their_own_budget() -> None:
    made = await _site(rate=0.001)
    codes = [(await made.post("resume", {}, Idempotency_Key=f"resume-{n:04}"))[0] for n in range(7)]
    assert codes == [200] * 5 + [429] * 2
    assert (await made.post("halt", {}, Idempotency_Key="halt-0001"))[0] == 200
    await made.client.close()
    await made.listener.stop()


async def test_no_number_of_other_calls_uses_up_the_halts() -> None:
    """Fifteen cancels made the next halt a 429."""
    made = await _site(rate=0.001)
    for verb in ("cancel", "flatten", "resume"):
        codes = [(await made.post(verb, {}, Idempotency_Key=f"{verb}-{n:04}"))[0] for n in range(15)]
        assert codes[-1] == 429
    for n in range(15):
        assert (await made.post("halt", {}, Authorization=f"Bearer {n}"))[0] in (401, 429)
        assert (await made.post("halt", b"{", Idempotency_Key=f"halt-bad-{n}"))[0] == 400
        assert (await made.post("halt", {}, Idempotency_Key="short"))[0] == 400
    made.engine.fails = ControlRefused("another account")
    for n in range(15):
        assert (await made.post("halt", {}, Idempotency_Key=f"halt-other-{n:04}"))[0] == 409
    made.engine.fails = None
    assert (await made.post("halt", {}, Idempotency_Key="halt-0001"))[0] == 200
    assert [(await made.post("halt", {}, Idempotency_Key="halt-0001"))[0] for _ in range(15)] == [200] * 15
    codes = [(await made.post("halt", {}, Idempotency_Key=f"halt-again-{n:04}"))[0] for n in range(7)]
    assert codes == [200] * 4 + [429] * 3
    await made.client.close()
    await made.listener.stop()


@pytest.mark.parametrize("verb", ["halt", "cancel", "flatten"])
async def test_what_makes_things_safer_is_done_even_when_it_cannot_be_written_down(verb: str) -> None:
    def full(record: ControlRecord) -> None:
        raise OSError("disk full")

    made = await _site(audit=full)
    code, body, _ = await made.post(verb, {})
    assert code == 200
    assert body["audit"] == "the intent was not recorded: OSError; the outcome was not recorded: OSError"
    assert [command[0] for command in made.engine.commands] == [verb]
    await made.client.close()
    await made.listener.stop()
