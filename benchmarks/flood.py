"""The sender of the stress benchmark: prebuilt depth frames over one WebSocket at a fixed rate, each write stamped.

``python -m benchmarks.flood REST_PORT RATE COUNT FOLDER``: writes its port to FOLDER/flood.port, and into FOLDER/sent
when each frame was written. Frames go slowly until FOLDER/fast is there. A user stream is accepted and stays silent.
"""

import asyncio
import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import numpy as np
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

FIRST_ID: Final = 10_000_000_000_000
BATCH_S: Final = 0.0005
SLOW_RATE: Final = 200
SLOW_FRAMES: Final = 12_000  # a minute of them at most


def frames(snapshot: dict[str, Any], count: int) -> list[bytes]:
    """Frames that each change four sizes behind the touch; the first joins the snapshot."""
    bids, asks = snapshot["bids"], snapshot["asks"]
    made = []
    for number in range(count):
        own, before = FIRST_ID + number, FIRST_ID + number - 1
        if number == 0:
            before = snapshot["lastUpdateId"] - 1  # the first diff spans the snapshot's id
        depth = 1 + number % 9
        levels = [
            f'["{side[depth + k * 3][0]}","{1 + (number + k) % 50}.000"]' for side in (bids, asks) for k in range(2)
        ]
        made.append(
            (
                '{"stream":"ethusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256303,"T":1723161256302,'
                f'"s":"ETHUSDT","U":{before + 1},"u":{own},"pu":{before},'
                f'"b":[{levels[0]},{levels[1]}],"a":[{levels[2]},{levels[3]}]}}}}'
            ).encode()
        )
    return made


class _Reader(WSListener):
    """One client; the market's is told to ``started``."""

    def __init__(self, started: "asyncio.Future[WSTransport] | None") -> None:
        self._started = started

    def on_ws_connected(self, transport: WSTransport) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_result(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


def snapshot_of(rest: int) -> dict[str, Any]:
    """The paused sandbox's book."""
    with urllib.request.urlopen(f"http://127.0.0.1:{rest}/fapi/v1/depth?symbol=ETHUSDT&limit=1000") as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def serve(made: list[bytes], slow: int, rate: int, folder: Path) -> None:
    """Listen, wait for a reader of the market and for FOLDER/go, and send."""
    count = len(made)
    sent = np.memmap(folder / "sent", np.int64, "r+", shape=(count,))
    started: asyncio.Future[WSTransport] = asyncio.get_running_loop().create_future()

    def listen(request: WSUpgradeRequest) -> WSListener:
        return _Reader(started if b"depth" in request.path else None)

    server = await ws_create_server(listen, "127.0.0.1", 0)
    (folder / "flood.part").write_text(str(server.sockets[0].getsockname()[1]))
    (folder / "flood.part").rename(folder / "flood.port")
    transport = await started
    while not (folder / "go").exists():  # noqa: ASYNC110 - another process's sign
        await asyncio.sleep(0.05)
    at, per_batch = 0, max(round(rate * BATCH_S), 1)
    while not (folder / "fast").exists() and at < slow:  # gently, until the engine quotes
        transport.send(WSMsgType.TEXT, made[at])
        at += 1
        await asyncio.sleep(1.0 / SLOW_RATE)
    (folder / "began").write_text(str(at))
    begin, first = time.monotonic(), at
    while at < count:
        due = min(first + int((time.monotonic() - begin) * rate), at + 8 * per_batch, count)
        for number in range(at, due):
            sent[number] = time.monotonic_ns()
            transport.send(WSMsgType.TEXT, made[number])
        at = max(at, due)
        await asyncio.sleep(BATCH_S)
    await asyncio.sleep(5.0)


if __name__ == "__main__":
    import uvloop

    port, frame_rate, total, place = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    uvloop.run(serve(frames(snapshot_of(port), total), SLOW_FRAMES, frame_rate, place))
