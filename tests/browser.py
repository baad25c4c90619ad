"""A real Chromium, without a window: open a page at a size, ask it, take its picture, and hear what went wrong in it.

    async with chromium() as browser:
        page = await browser.open(path, width=390, height=844, dark=True)
        assert await page.evaluate("document.title") == "Daily review"
        await page.screenshot(folder / "phone-dark.png")
        assert page.errors == [] and page.requests == []

It is spoken to over its own debugging socket; nothing is emulated but size, colour scheme and the missing network.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import math
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.needs import need_program

DEADLINE_S = 60.0
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-default-apps"),
    *("--disable-sync", "--disable-extensions", "--metrics-recording-only", "--hide-scrollbars", "--mute-audio"),
)
OWN = ("file:", "data:", "blob:", "about:")  # what a page that stands alone may load


class Page:
    """One open page: its faults as they came, and every address that it asked outside itself."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._browser = browser
        self._session = session
        self._size: dict[str, Any] = {}
        self._loaded = asyncio.Event()

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise; it must be JSON. Fails where it throws."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = await self.send("Runtime.evaluate", **asked)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {_thrown(answer['exceptionDetails'])}")
        return answer["result"].get("value")

    async def until(self, expression: str, what: str) -> Any:
        """The first truthy value of the expression; fails naming ``what`` when it does not come."""
        for _ in range(int(DEADLINE_S / 0.05)):
            # A part of the page is as good as true: it cannot be brought here.
            asked = f"(async () => {{ const it = await ({expression}); return it instanceof Node || it }})()"
            if found := await self.evaluate(asked):
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"within {DEADLINE_S:g} s: {what}; the page's errors: {self.errors}")

    async def show(self, width: int, height: int, dark: bool = False, scale: float = 1.0) -> None:
        """Make the page so large, and the reader one who prefers dark or light."""
        self._size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        await self.send("Emulation.setDeviceMetricsOverride", **self._size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self, path: Path, whole: bool = True) -> Path:
        """Write a PNG of the whole page, or of what its window shows.

        For the whole the window is made as tall as the page: to picture what is beyond it lays a phone's page out anew.
        """
        if whole:
            tall = math.ceil((await self.send("Page.getLayoutMetrics"))["cssContentSize"]["height"])
            await self.send("Emulation.setDeviceMetricsOverride", **{**self._size, "height": tall})
            await self.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        answer = await self.send("Page.captureScreenshot", format="png")
        if whole:
            await self.send("Emulation.setDeviceMetricsOverride", **self._size)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))
        return path

    async def overflow(self) -> list[str]:
        """What sticks out at the page's right, and cannot be scrolled to in a box of its own: ``tag.class: text``."""
        return list(await self.evaluate(_OVERFLOW))

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command of the debugging protocol."""
        return await self._browser.send(method, self._session, **parameters)

    async def load(self, url: str) -> None:
        """Go to an address; ends when the page and all that it loads are there."""
        self._loaded.clear()
        answer = await self.send("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        async with asyncio.timeout(DEADLINE_S):
            await self._loaded.wait()

    def heard(self, method: str, told: dict[str, Any]) -> None:
        """One event of the debugging protocol."""
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.exceptionThrown":
                self.errors.append(_thrown(told["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "assert"):
                self.errors.append(" ".join(str(a.get("value", a.get("description", ""))) for a in told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.errors.append(told["entry"]["text"])
            case "Network.requestWillBeSent" if not told["request"]["url"].startswith(OWN):
                self.requests.append(told["request"]["url"])


class Browser:
    """A running Chromium and the socket to it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def open(self, place: Path | str, width: int = 1280, height: int = 800, dark: bool = False) -> Page:
        """The page of a file or an address, loaded, at a size in CSS pixels; a file is opened without a network."""
        target = await self.send("Target.createTarget", None, url="about:blank")
        attached = await self.send("Target.attachToTarget", None, targetId=target["targetId"], flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.send(f"{domain}.enable")
        if isinstance(place, Path):
            cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
            await page.send("Network.emulateNetworkConditions", **cut)
        await page.show(width, height, dark)
        await page.load(_url(place))
        return page

    async def send(self, method: str, session: str | None, **parameters: Any) -> dict[str, Any]:
        """The answer to one command; fails with the protocol's own words, or when none comes."""
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        await self._socket.send_json(message)
        async with asyncio.timeout(DEADLINE_S):
            answer = await future
        assert "error" not in answer, f"{method}: {answer['error']['message']}"
        return dict(answer["result"])

    async def listen(self) -> None:
        """Hand on what the browser says, until it says no more."""
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._asked.pop(told["id"]).set_result(told)
            elif page := self._pages.get(told.get("sessionId", "")):
                page.heard(told["method"], told["params"])
        for future in self._asked.values():
            future.set_exception(AssertionError("Chromium went away"))


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A Chromium with a profile of its own, ended with the block; skips where there is none."""
    need_program("chromium")
    quiet = asyncio.subprocess.DEVNULL
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = ("chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank")
        process = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=quiet)
        try:
            address = await _address(process, Path(profile) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                try:
                    yield browser
                finally:
                    listening.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await listening
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _address(process: asyncio.subprocess.Process, ready: Path) -> str:
    for _ in range(int(DEADLINE_S / 0.02)):
        assert process.returncode is None, f"Chromium ended with {process.returncode}"
        with contextlib.suppress(OSError):
            lines = (await asyncio.to_thread(ready.read_text)).split("\n")
            if len(lines) > 1 and lines[1]:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.02)
    raise AssertionError(f"Chromium did not start within {DEADLINE_S:g} s")


def _url(place: Path | str) -> str:
    return place.resolve().as_uri() if isinstance(place, Path) else place


def _thrown(details: dict[str, Any]) -> str:
    return str(details.get("exception", {}).get("description") or details["text"])


_OVERFLOW = """[...document.body.querySelectorAll("*")]
    .filter(part => part.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter(part => {
        while ((part = part.parentElement) && !/auto|scroll/.test(getComputedStyle(part).overflowX));
        return !part;
    })
    .map(part => `${part.localName}.${part.getAttribute("class") || ""}: ${part.textContent.trim().slice(0, 60)}`)"""
