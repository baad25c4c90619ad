"""The report's page in a real Chromium, on a desk and on a phone, light and dark: whole, without a network or a fault.

``MM_PICTURES=docs/pictures`` keeps what is seen, for the documents.
"""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from unittest import mock

import pytest
import pytest_asyncio

from mmctl.cli.app import run
from mmctl.report import notes
from tests.browser import Browser, chromium
from tests.unit.day_journals import ACCOUNT, Desk, at, eventful, sample

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY, ZONE = "2026-03-05", "Asia/Shanghai"
SIZES = {"desktop": (1280, 1500), "tablet": (820, 1180), "phone": (390, 1500)}
SMALL_ENOUGH = 1_000_000  # bytes: what any mail server takes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A day with everything in it, and a month of quiet ones before."""
    folder = tmp_path_factory.mktemp("desk")
    made = Desk(folder)
    begin, day = at(f"{DAY} 00:00:00", ZONE), 86_400 * 1_000_000_000
    total, steps = -37.0, (3.1, -1.2, 2.4, 4.0, -2.9, 1.1, 0.4, -0.6, 2.2, 1.5)
    for back in range(40, 0, -1):
        if back == 17:
            continue  # the engine stood still
        total += steps[back % len(steps)]
        made.write([sample(begin - back * day + day // 2, f"{total:.4f}")])
    made.write([sample(begin - day // 4, "0"), *eventful(begin)], ACCOUNT)
    file = folder / "state/reports/desk/notes.json"
    file.parent.mkdir(parents=True)
    notes.add(file, "problem", "P1", "order latency p95 above 100 ms when New York opens", "ann", begin - 2 * day)
    notes.add(file, "suggestion", "P3", "wider spread at night", "bo", begin + day // 2)
    return made


@pytest.fixture(scope="module")
def pages(desk: Desk) -> dict[str, Path]:
    """The daily review and a comparison of days, as files."""
    asked = {"daily": ("daily", "--date", DAY), "range": ("range", "--from", "2026-01-28", "--to", DAY)}
    own = {"MMCTL_STATE": str(desk.folder / "state"), "MMCTL_FLEET": str(desk.fleet)}
    with mock.patch.dict(os.environ, own):
        for name, words in asked.items():
            out = str(desk.folder / f"{name}.html")
            assert run(["report", *words, "--zone", ZONE, "--language", "en", "--out", out, "-q"]) == 0
    return {name: desk.folder / f"{name}.html" for name in asked}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["daily", "range"])
async def test_the_page_is_whole_at_every_size_and_in_both_themes(
    browser: Browser, pages: dict[str, Path], name: str, size: str, dark: bool, tmp_path: Path
) -> None:
    width, height = SIZES[size]
    page = await browser.open(pages[name], width, height, dark)
    assert (page.errors, page.requests, await page.overflow()) == ([], [], [])
    assert await page.evaluate("document.documentElement.scrollWidth") == width, "nothing is scrolled to the side"
    shown = (
        "[...document.querySelectorAll('svg')].filter(e => e.getBoundingClientRect().width).map(e => e.classList[1])"
    )
    wide = "[...document.querySelectorAll('table')].filter(t => t.scrollWidth > t.parentElement.clientWidth).length"
    assert await page.evaluate(wide) == 0, "no table is wider than its card"
    charts = await page.evaluate(shown)
    assert set(charts) == {"narrow" if size == "phone" else "wide"}
    assert len(charts) >= 4
    words = "[...document.querySelectorAll('svg text')].filter(e => e.getBoundingClientRect().width)"
    smallest = await page.evaluate(f"Math.min(...{words}.map(e => e.getBoundingClientRect().height))")
    assert smallest > 8, "the words of a chart can be read"
    back, ink = await page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert (_light(back) < _light(ink)) == dark
    png = await page.screenshot(tmp_path / f"report-{name}-{size}-{'dark' if dark else 'light'}.png", whole=False)
    assert png.stat().st_size > 20_000
    if folder := os.environ.get("MM_PICTURES"):
        shutil.copy(png, folder)


async def test_the_switch_turns_the_theme_and_holds_against_the_machines_own(
    browser: Browser, pages: dict[str, Path]
) -> None:
    page = await browser.open(pages["daily"], dark=True)
    back = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(back)
    await page.evaluate("document.getElementById('theme').click()")
    light = await page.evaluate(back)
    assert _light(light) > _light(dark)
    await page.show(1280, 800, dark=True)
    assert await page.evaluate(back) == light
    await page.evaluate("document.getElementById('theme').click()")
    assert await page.evaluate(back) == dark


async def test_what_the_page_says_is_what_the_figures_are(browser: Browser, pages: dict[str, Path]) -> None:
    page = await browser.open(pages["daily"])
    text = str(await page.evaluate("document.body.innerText"))
    for words in ("Profit of the day", "10.6614 USDC", "loss_rate 2", "wider spread at night", "#1"):
        assert words in text, words
    assert await page.evaluate("document.querySelectorAll('a[href^=\"#\"]').length") >= 6
    missing = "[...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.getAttribute('href')))"
    assert await page.evaluate(f"{missing}.length") == 0
    for file in pages.values():
        assert file.stat().st_size < SMALL_ENOUGH


def _light(colour: str) -> int:
    """How light ``rgb(r, g, b)`` is."""
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
