"""The browser that pages are tested in: it sees what a reader would, and hears every fault of a page."""

import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser import Browser, chromium

PAGE = """<!doctype html><title>one</title><meta name="viewport" content="width=device-width"><style>
:root { color-scheme: light dark } body, p { margin: 0 }
body { height: 2000px; background: light-dark(#ffffff, #111111) }
</style><p id="wide" style="width: 600px">wide</p>"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


async def test_a_page_is_asked_sized_coloured_and_pictured(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text(PAGE)
    page = await browser.open(tmp_path / "one.html", 390, 844, dark=True)
    background = "getComputedStyle(document.body).backgroundColor"
    assert await page.evaluate("[document.title, innerWidth]") == ["one", 600]  # a phone zooms out to what is too wide
    assert await page.overflow() == ["p.: wide"]
    assert await page.evaluate(background) == "rgb(17, 17, 17)"
    await page.show(800, 600)
    assert await page.evaluate(background) == "rgb(255, 255, 255)"
    png = (await page.screenshot(tmp_path / "one.png")).read_bytes()
    assert struct.unpack(">II", png[16:24]) == (800, 2000)
    png = (await page.screenshot(tmp_path / "window.png", whole=False)).read_bytes()
    assert struct.unpack(">II", png[16:24]) == (800, 600)
    assert (page.errors, page.requests, await page.overflow()) == ([], [], [])


async def test_what_is_wrong_in_a_page_is_heard(browser: Browser, tmp_path: Path) -> None:
    scripts = "console.error('said'); setTimeout(() => { throw new Error('thrown') })"
    (tmp_path / "bad.html").write_text(f'{PAGE}<img src="http://127.0.0.1:9/x.png"><script>{scripts}</script>')
    page = await browser.open(tmp_path / "bad.html", 500, 400)
    await page.until("document.readyState == 'complete'", "it is read")
    assert any("said" in error for error in page.errors)
    assert any("thrown" in error for error in page.errors)
    assert page.requests == ["http://127.0.0.1:9/x.png"]
    assert await page.overflow() == ["p.: wide"]
    with pytest.raises(AssertionError, match="missing is not defined"):
        await page.evaluate("missing.part")
