"""A sandbox exchange for every test that needs one: in the test's own loop, in a thread, or as a process."""

import asyncio
import contextlib
import importlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType

import pytest

from engine.sandbox import SandboxExchange, Settings
from engine.sandbox.settings import RateLimits
from tests.kernels import compile_once
from tests.needs import ROOT

QUIET = Settings(symbols=("BTCUSDT", "ETHUSDT"), limits=RateLimits(enabled=False), paused=True, seed=7)

StartSandbox = Callable[[Settings], AbstractAsyncContextManager[SandboxExchange]]
StartProcess = Callable[..., int]


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """No deadline of a test holds a compilation."""
    compile_once()


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxExchange]:
    """BTCUSDT and ETHUSDT on both markets, standing still until ``sandbox.pump.step(n)``; rate limits off."""
    async with SandboxExchange(QUIET) as running:
        await running.core.matching.wait()
        yield running


@pytest.fixture
async def running_sandbox() -> AsyncIterator[SandboxExchange]:
    """The synthetic market at its own pace; rate limits off."""
    settings = Settings(symbols=("BTCUSDT", "ETHUSDT"), limits=RateLimits(enabled=False), seed=7)
    async with SandboxExchange(settings) as running:
        yield running


@pytest.fixture
def sandbox_in_thread() -> Iterator[SandboxExchange]:
    """A running sandbox in a thread with its own loop, for clients that block."""
    settings = Settings(symbols=("BTCUSDT", "ETHUSDT"), limits=RateLimits(enabled=False), seed=7)
    loop, started = asyncio.new_event_loop(), threading.Event()
    running = SandboxExchange(settings)
    stopped = asyncio.Event()

    async def serve() -> None:
        async with running:
            started.set()
            await stopped.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(20), "the sandbox did not start within 20 s"
    yield running
    loop.call_soon_threadsafe(stopped.set)
    thread.join(20)
    loop.close()


@pytest.fixture
def start_sandbox_process(tmp_path: Path) -> Iterator[StartProcess]:
    """``start(*options)`` runs ``python -m engine.sandbox`` on a free port and returns the port."""
    children: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> int:
        ready = tmp_path / f"ready-{len(children)}.json"
        command = [sys.executable, "-m", "engine.sandbox", "--port", "0", "--ready-file", str(ready), *options]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        children.append(child)
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert child.poll() is None, child.stderr.read().decode() if child.stderr else "the sandbox died"
            assert time.monotonic() < deadline, "the sandbox was not ready within 30 s"
            time.sleep(0.02)
        port: int = json.loads(ready.read_text())["port"]
        return port

    yield start
    for child in children:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        if child.poll() is None:
            child.kill()
            child.wait(10)
        if child.stderr:
            child.stderr.close()


@pytest.fixture(scope="session")
def ccxt_async() -> ModuleType:
    """ccxt's asynchronous client; its import takes seconds, so once a session."""
    return importlib.import_module("ccxt.async_support")


@pytest.fixture(scope="session")
def ccxt_pro() -> ModuleType:
    return importlib.import_module("ccxt.pro")
