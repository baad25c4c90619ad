"""The preview in a real browser: every type of panel, drawn from a real Prometheus that scraped a real engine."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mmctl.monitoring.preview.asking import shown
from mmctl.monitoring.preview.bundle import load
from mmctl.monitoring.preview.page import page
from mmctl.monitoring.preview.prometheus import at_url
from mmctl.monitoring.preview.timing import span_of
from tests.browser import Page, chromium
from tests.monitoring.boards import PANELS, board
from tests.monitoring.scene import INSTANCE, Scene, scene
from tests.needs import ROOT

GREEN = {False: "rgb(86, 166, 75)", True: "rgb(115, 191, 105)"}  # Grafana's green, on light and on dark
RED = {False: "rgb(224, 47, 68)", True: "rgb(242, 73, 92)"}
#: What is scraped every 30 s is asked so; here all is scraped every second, and no test waits for two of those.
SLOW = ('"interval": "30s"', '"interval": "1s"')
SAID = {"Nothing": "empty", "Refused": "error"}
#: Drawn is what left a mark: a pixel that is not the background, a shape, or letters.
MARKS = """[...document.querySelectorAll("[data-panel]")].map(panel => ({
    id: panel.dataset.panel,
    title: (panel.matches("h2") ? panel : panel.querySelector("h2")).textContent,
    state: panel.dataset.state ?? panel.querySelector("[data-state]").dataset.state,
    pixels: [...panel.querySelectorAll("canvas")].some(canvas => canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data.some(byte => byte)),
    shapes: panel.querySelectorAll("[data-state] svg path, [data-state] svg rect").length,
    text: [...panel.querySelectorAll("[data-state]")].map(part => part.innerText).join(""),
}))"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as found:
        found.until("count(mm_traded_base_total > 0) == 2", "it is scraped, and bought and sold")
        found.until("count_over_time(mm_memory_bytes[1m]) > 6", "there is a little to draw a line of")
        yield found


@pytest.fixture(scope="module")
def made(running: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    prometheus = at_url(running.prometheus)
    now = int(time.time() * 1000)
    given = shown(board(*PANELS), prometheus, span_of("1m", now), 1000, {"instance": (INSTANCE,)})
    path = tmp_path_factory.mktemp("page") / "preview.html"
    path.write_text(page([given], prometheus.name, now, load()), encoding="utf-8")
    return path, given


@pytest.fixture(params=[False, True], ids=["light", "dark"])
async def opened(request: pytest.FixtureRequest, made: tuple[Path, dict[str, Any]]) -> AsyncIterator[tuple[Page, bool]]:
    async with chromium() as browser:
        found = await browser.open(made[0], 1600, 1000, dark=request.param)
        await found.until("document.querySelector('[data-state=drawn]')", "panels are drawn")
        await found.until("!document.querySelector('[data-state=waiting]')", "none is left")
        yield found, request.param


def value_of(given: dict[str, Any], title: str) -> float:
    """The last value of the first series that a panel was given."""
    number = next(one["id"] for one in given["json"]["panels"] if one["title"] == title)
    series = given["panels"][str(number)]["targets"][0]["result"]["result"][0]
    return float((series["values"][-1] if "values" in series else series["value"])[1])


def color(title: str, part: str) -> str:
    """Asks for the colour in which a part of a panel is drawn."""
    section = f"[...document.querySelectorAll('section')].find(s => s.querySelector('h2').textContent == {title!r})"
    seen = "part => [part.getAttribute('fill') || getComputedStyle(part).color, part.textContent]"
    return f"({seen})({section}.querySelector({part!r}))"


def rgb(text: str) -> str:
    """``#56A64B`` as a browser says it."""
    return f"rgb({', '.join(str(int(text[i : i + 2], 16)) for i in (1, 3, 5))})" if text.startswith("#") else text


async def test_every_panel_is_drawn_and_what_is_wrong_with_its_data_is_said(
    opened: tuple[Page, bool], made: tuple[Path, dict[str, Any]], running: Scene
) -> None:
    page, dark = opened
    given = made[1]
    marks = {one["title"]: one for one in await page.evaluate(MARKS)}
    assert {title: one["state"] for title, one in marks.items()} == {
        **dict.fromkeys(("Every type", *(one["title"] for one in PANELS)), "drawn"),
        **SAID,
    }
    for title in ("Memory", "Decisions"):
        assert marks[title]["pixels"], f"{title}: its canvas is blank"
    for title, least in {"Position": 3, "Latency": 3, "Breaker": 1, "Orders": 2, "Traded": 2}.items():
        assert marks[title]["shapes"] >= least, title
    assert marks["Refused"]["text"].startswith("A: bad_data: 1:")
    assert marks["Nothing"]["text"] == "No data"
    assert marks["Note"]["text"].strip() == "Bold words"

    memory = value_of(given, "Memory") / 2**20
    assert marks["Memory"]["text"].replace("\n", " ").split()[:2] == [f"{memory:.3g}", "MiB"]
    assert (await page.evaluate(color("Memory", "[data-state] span")))[0] == GREEN[dark]
    fill, text = await page.evaluate(color("Position", "svg g text"))
    assert (rgb(fill), float(text)) == (RED[dark], value_of(given, "Position"))  # 0.1 is above its step of 0.05
    assert marks["Up"]["text"].strip().endswith("UP")  # by its mapping
    assert marks["Instruments"]["text"].split() == ["Symbol", "Limit", "Live", "ETHUSDT", "$0.100", "1"]
    assert "closed" in marks["Breaker"]["text"]

    notice = await page.evaluate("document.querySelector('[data-part=notice]').textContent")
    assert notice.startswith(f"A preview, not Grafana: answers of {running.prometheus} at 20")
    assert (page.errors, page.requests, await page.overflow()) == ([], [], [])


async def test_it_is_read_on_a_phone_and_turned_from_light_to_dark(opened: tuple[Page, bool]) -> None:
    page, dark = opened
    await page.show(390, 844, dark)
    narrow = "[...document.querySelectorAll('section')].every(s => s.offsetWidth > 350 && s.offsetWidth < 390)"
    await page.until(narrow, "one below the other")
    await page.until("!document.querySelector('[data-state=waiting]')", "all are drawn")
    assert await page.overflow() == []
    await page.evaluate("document.querySelector('nav button').click()")
    turned = await page.until("document.querySelector('[data-theme]').dataset.theme", "the other theme")
    assert turned == ("light" if dark else "dark")
    assert page.errors == []


@pytest.fixture(scope="module")
def committed(running: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The page of every committed dashboard, and what each was given, by its uid."""
    prometheus = at_url(running.prometheus)
    now = int(time.time() * 1000)
    read = [
        json.loads(path.read_text().replace(*SLOW))
        for path in sorted((ROOT / "deployments/grafana/dashboards").glob("*.json"))
    ]
    given = {one["uid"]: shown(one, prometheus, span_of("1m", now), 1000, {}) for one in read}
    path = tmp_path_factory.mktemp("committed") / "preview.html"
    path.write_text(page(list(given.values()), prometheus.name, now, load()), encoding="utf-8")
    return path, given


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_panel_of_the_committed_dashboards_is_drawn(
    committed: tuple[Path, dict[str, Any]], dark: bool
) -> None:
    """What has data is drawn; "No data" says no other panel than one to which nothing was answered."""
    async with chromium() as browser:
        opened = await browser.open(committed[0], 1440, 900, dark)
        assert len(committed[1]) == 5
        for uid, given in committed[1].items():
            await opened.evaluate(f"location.hash = {uid!r}")
            await opened.until(f"document.querySelector('main[data-uid={uid}] [data-state=drawn]')", f"{uid} is drawn")
            await opened.until("!document.querySelector('[data-state=waiting]')", f"all of {uid} is drawn")
            marks = {one["id"]: one for one in await opened.evaluate(MARKS)}
            nothing = {
                number
                for number, asked in given["panels"].items()
                if not any(target["result"]["result"] for target in asked["targets"])
            }
            assert {number: one["title"] for number, one in marks.items() if one["state"] == "error"} == {}
            assert {number for number, one in marks.items() if one["state"] == "empty"} == nothing
            assert len(nothing) < len(marks) / 4, [one["title"] for one in marks.values() if one["state"] == "empty"]
            blank = [one["title"] for one in marks.values() if not (one["pixels"] or one["shapes"] or one["text"])]
            assert [title for title in blank if title not in rows_of(given)] == []
        assert (opened.errors, opened.requests) == ([], [])


def rows_of(given: dict[str, Any]) -> set[str]:
    return {one["title"] for one in given["json"]["panels"] if one["type"] == "row"}


def test_the_figures_are_prometheus_own(running: Scene, made: tuple[Path, dict[str, Any]]) -> None:
    """What is put into the page is what Prometheus answers to the same question at the same time, asked otherwise."""
    given = made[1]
    at = max(one["range"]["to"] for one in given["panels"].values()) / 1000
    instant = running.ask(f"mm_position_limit_base @ {at:.3f}")
    assert instant
    assert value_of(given, "Position") == instant[0][1]
    embedded = json.loads(made[0].read_text().split('id="given">')[1].split("</script>")[0])
    assert embedded["dashboards"][0]["panels"] == given["panels"]
