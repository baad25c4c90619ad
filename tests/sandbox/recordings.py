"""Small recordings written by the synthetic market, for tests of replay that need no data from outside."""

import gzip
import re
from pathlib import Path

import orjson

from engine.sandbox.market.symbols import find
from engine.sandbox.market.synthetic import SyntheticSource
from engine.trade import Market

START_NS = 1_723_161_255_000_000_000


def lines(market: Market, symbol: str, steps: int, seed: int = 3) -> list[bytes]:
    """Recording lines of one market: the REST snapshot, then the frames that follow.

    As in real recordings the snapshot's id lies inside the first diff, not at its edge.
    """
    spec = find(market, symbol)
    source = SyntheticSource([spec], seed)
    ((_, update_id, bids, asks),) = source.opening({})
    snapshot = {
        "lastUpdateId": update_id,
        "bids": [[spec.price_text(t), spec.quantity_text(q)] for t, q in bids],
        "asks": [[spec.price_text(t), spec.quantity_text(q)] for t, q in asks],
    }
    out = [b"%d %s" % (START_NS, orjson.dumps(snapshot))]
    at = START_NS
    for step in range(steps):
        for frame in source.take(START_NS // 1_000_000 + step * 50):
            at += 1_000_000
            if frame.kind == "depth" and frame.data["U"] <= update_id + 1:
                frame.data["U"] -= 7
                if "pu" in frame.data:
                    frame.data["pu"] -= 9
            suffix = {"depth": "depth@100ms", "trade": "trade", "bookTicker": "bookTicker"}[frame.kind]
            wrapped = {"stream": f"{symbol.lower()}@{suffix}", "data": frame.data}
            out.append(b"%d %s" % (at, orjson.dumps(wrapped)))
    return out


def retimed(rows: list[bytes]) -> list[bytes]:
    """``rows`` of ``lines`` received as they happened, 3 ms after the exchange made them."""
    first, *rest = rows
    made = [first]
    for row in rest:
        found = re.search(rb'"E":(\d+)', row)
        assert found is not None
        made.append(b"%d %s" % (int(found[1]) * 1_000_000 + 3_000_000, row.split(b" ", 1)[1]))
    return made


def write(path: Path, rows: list[bytes]) -> Path:
    path.write_bytes(gzip.compress(b"\n".join(rows) + b"\n"))
    return path
