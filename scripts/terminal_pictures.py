"""Pictures of the terminal dashboard for the documents: an engine trades on the local exchange while it looks.

``python scripts/terminal_pictures.py [FOLDER] [SECONDS]``; FOLDER is docs/pictures, SECONDS how long it looks first.
"""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.config.environment import parse
from mmctl.client.engine import Client, section
from mmctl.fleet.errors import OperatorError
from mmctl.fleet.local import LocalTransport
from mmctl.tui.app import Dashboard
from mmctl.tui.live import EngineSource
from mmctl.tui.theme import CONTRAST, DARK, LIGHT

ROOT = Path(__file__).resolve().parents[1]
SIZE = (160, 48)
START_SECONDS = 480.0  # the first time the kernels are compiled
#: Kept, so that the second time nothing is compiled.
STATE = ROOT / ".run" / "pictures"
#: File -> theme, keys pressed before.
PICTURES = {
    "terminal-overview": (DARK, ("1",)),
    "terminal-risk": (DARK, ("2",)),
    "terminal-orders": (DARK, ("3",)),
    "terminal-latency": (DARK, ("4", "down", "down")),
    "terminal-overview-light": (LIGHT, ("1",)),
    "terminal-overview-contrast": (CONTRAST, ("1",)),
}


@contextmanager
def trading(seconds: float) -> Iterator[Client]:
    """An engine that trades on the local exchange with a market from a seed."""
    STATE.mkdir(parents=True, exist_ok=True)
    env = {key: value for key, value in os.environ.items() if key != "MM_DATA"}
    command = [sys.executable, "-m", "mmctl", "demo", "--seconds", str(int(seconds + START_SECONDS))]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**env, "MMCTL_STATE": str(STATE)}, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        yield _quoting(STATE, process)
    finally:
        process.terminate()  # it stops its engine and its exchange
        process.wait(60)


def _quoting(folder: Path, process: "subprocess.Popen[bytes]") -> Client:
    """The engine, once it quotes. Raises SystemExit when it does not in time."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        found = next(iter(folder.rglob("ports")), None)
        port = parse(found.read_bytes()).values.get("engine") if found else None
        if port:
            client = Client(LocalTransport("demo"), int(port))
            try:
                if section(client.state(), "engine").get("quoting"):
                    return client
            except OperatorError:
                pass
        time.sleep(0.5)
    raise SystemExit("the engine of the pictures does not quote")


async def draw(client: Client, folder: Path, seconds: float) -> None:
    """Looks for ``seconds``, then writes every picture."""
    app = Dashboard("demo", [EngineSource("demo", client)], interval=0.5)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("W")
        await asyncio.sleep(seconds)
        for name, (theme, keys) in PICTURES.items():
            app.theme = theme
            await pilot.press(*keys)
            await asyncio.sleep(1.5)
            app.redraw()
            await pilot.pause()
            svg = app.export_screenshot(title="mmctl tui demo")
            (folder / f"{name}.svg").write_text(_portable(svg), encoding="utf-8")


def _portable(svg: str) -> str:
    """Without fonts from elsewhere: a picture in a document must not ask another host for anything."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "'Fira Code', 'DejaVu Sans Mono', monospace")


def main() -> None:
    """Writes the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 75.0
    folder.mkdir(parents=True, exist_ok=True)
    with trading(seconds) as client:
        asyncio.run(draw(client, folder, seconds))


if __name__ == "__main__":
    main()
