"""Take the pictures of the dashboards that stand in the documents: `make pictures`.

An engine quotes on the sandbox exchange for --minutes, with the faults that a day brings, and Prometheus scrapes it as
the committed file says; then the preview of every dashboard is opened in Chromium, light and dark. Needs both programs.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.browser import chromium
from tests.monitoring.scene import Scene, scene

ROOT = Path(__file__).resolve().parents[1]
INTO = ROOT / "docs/pictures"
WIDTH, HEIGHT = 1440, 900
LARGEST = 250_000  # bytes of a picture: they are read in a browser, and kept for ever


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the engine quotes before (default 20)")
    parser.add_argument("--into", type=Path, default=INTO)
    parser.add_argument("--prometheus", help="take them of this one instead, and start nothing")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if asked.prometheus:
            since = f"{asked.minutes:g}m"
            return pictures(asked.prometheus, since, Path(folder), asked.into)
        with scene(Path(folder), scrape_s=None, speed=4.0, change=calm) as running:
            day(running, asked.minutes * 60)
            return pictures(running.prometheus, f"{asked.minutes:g}m", Path(folder), asked.into)


def calm(config: str) -> str:
    """As a desk would run it: limits that are used and, but for orders a second, not met."""
    for old, new in (
        ("requote_tolerance: 0.9", "requote_tolerance: 0.3"),
        ("max_order_rate: 8", "max_order_rate: 20"),
        ("daily_loss_limit: 1000", "daily_loss_limit: 50"),
    ):
        assert old in config, old
        config = config.replace(old, new)
    return config


def day(running: Scene, seconds: float) -> None:
    """The time before the picture, with a fault of each kind in it, and all of them mended at its end."""
    end = time.monotonic() + seconds
    faults = (
        {"kind": "gap", "count": 1},
        {"kind": "disconnect", "stream": "depth", "count": 1},
        {"kind": "error", "operation": "order.place", "code": -2010, "msg": "refused", "executed": False, "count": 3},
        {"kind": "ack_lost", "operation": "order.place", "count": 2},
    )
    for fault in faults:
        time.sleep(seconds / (len(faults) + 2))
        running.venue.fault(**fault)
    time.sleep(seconds / (len(faults) + 2))
    running.venue.mend()
    time.sleep(max(0.0, end - time.monotonic()))


def pictures(prometheus: str, since: str, folder: Path, into: Path) -> int:
    page = folder / "preview.html"
    command = ["-m", "mmctl", "monitoring", "preview", "--prometheus", prometheus, "--since", since, "--out", str(page)]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    taken = asyncio.run(take(page, into))
    for path in taken:
        print(f"{path} {path.stat().st_size} bytes")
    return int(any(path.stat().st_size > LARGEST for path in taken))


async def take(page: Path, into: Path) -> list[Path]:
    taken = []
    async with chromium() as browser:
        opened = await browser.open(page, WIDTH, HEIGHT)
        uids = await opened.evaluate("[...document.querySelectorAll('nav a')].map(a => a.hash.slice(1))")
        for dark in (False, True):
            await opened.show(WIDTH, HEIGHT, dark)
            await opened.until(f"document.querySelector('[data-theme={'dark' if dark else 'light'}]')", "its colours")
            for uid in uids:
                await opened.evaluate(f"location.hash = {uid!r}")
                await opened.until(f"document.querySelector('main').dataset.uid == {uid!r}", "it is chosen")
                await opened.until("document.querySelector('[data-state]')", "its panels are there")
                await opened.until("!document.querySelector('[data-state=waiting]')", "it is drawn")
                path = into / f"dashboard-{uid.replace('_', '-')}-{'dark' if dark else 'light'}.png"
                taken.append(small(await opened.screenshot(path)))
        assert opened.errors == [], opened.errors
    return taken


def small(path: Path) -> Path:
    """The picture with the 256 colours that it needs most: it looks the same, and is a third as large."""
    with Image.open(path) as whole:
        whole.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
