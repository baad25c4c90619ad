"""Replay of recordings: all of them on one time line, looping for ever with fresh ids and times.

The first pass keeps the recorded ids. Each further pass begins with one depth frame that turns the last book into
the opening one, and shifts update and trade ids by a constant, so that both only ever grow and every sequence rule
holds across the seam. E and T become the exchange's time now, T keeping its recorded distance from E. In lock-step
frames go out exactly as they were recorded.
"""

import heapq
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from engine.sandbox.errors import SandboxError
from engine.sandbox.market.book import DepthBook, Level
from engine.sandbox.market.frames import Frame, Opening
from engine.sandbox.market.symbols import MarketKey, SymbolSpec
from engine.sandbox.market.tracks import HEAD, Track, load_track
from engine.sandbox.settings import Settings
from engine.trade import Market

_FIELD: Final = re.compile(rb'"(E|T|U|u|pu|t)":(\d+)')
SAME_SESSION_NS: Final = 600 * 10**9  # recordings that start this close together keep their distance
PASS_GAP_IDS: Final = 1000  # update ids skipped at the seam between two passes


class _Voice:
    """One recording while it is replayed: shifts of ids and price, and the book as published."""

    def __init__(self, track: Track, offset_ns: int) -> None:
        self.track, self.offset_ns = track, offset_ns
        self.book = DepthBook()  # the exchange's own, from ``opening`` on
        self.update_shift = 0
        self.trade_shift = 0
        self.price_shift = 0  # ticks, from price jumps
        self.pending_shift = 0
        self.relink = False
        self.published_id = track.snapshot_id

    def moved(self, levels: list[Level]) -> list[Level]:
        return [(t + self.price_shift, q) for t, q in levels] if self.price_shift else levels

    def bridge(self, bids: list[Level], asks: list[Level], update_id: int, now_ms: int) -> Frame:
        """One depth frame that turns the published book into the one given; the next frame follows on it."""
        spec, previous = self.track.spec, self.published_id
        gone, come = self.book.difference(bids, asks)
        data: dict[str, Any] = {"e": "depthUpdate", "E": now_ms}
        if spec.market is Market.USDM:
            data |= {"T": now_ms, "s": spec.symbol, "U": previous + 1, "u": update_id, "pu": previous}
        else:
            data |= {"s": spec.symbol, "U": previous + 1, "u": update_id}
        data["b"] = [[spec.price_text(t), spec.quantity_text(q)] for t, q in gone]
        data["a"] = [[spec.price_text(t), spec.quantity_text(q)] for t, q in come]
        self.published_id, self.relink = update_id, True
        return Frame(spec.key, "depth", data)


class ReplaySource:
    """A market source over any number of recordings, one a symbol and market."""

    def __init__(self, paths: tuple[Path, ...], settings: Settings) -> None:
        self._verbatim = settings.lockstep or settings.simulate
        self._loop = settings.loop and not self._verbatim
        tracks = [load_track(Path(p)) for p in paths]
        keys = [t.spec.key for t in tracks]
        for track in tracks:
            if keys.count(track.spec.key) > 1:
                name = f"{track.spec.market.value}:{track.spec.symbol}"
                raise SandboxError(f"{track.path}: a second recording of {name}; give each market once")
        earliest = min(t.first_ns for t in tracks)
        self._voices = [_Voice(t, self._origin(t, earliest)) for t in tracks]
        self._order = list(heapq.merge(*(self._line(i, v) for i, v in enumerate(self._voices))))
        self._length_ns = self._order[-1][0] + 1_000_000
        self._at = 0
        self._passes = 0
        self._queued: list[Frame] = []

    @property
    def tracks(self) -> list[Track]:
        """The recordings that are played."""
        return [voice.track for voice in self._voices]

    @property
    def specs(self) -> list[SymbolSpec]:
        """Their symbols."""
        return [v.track.spec for v in self._voices]

    @property
    def reports(self) -> list[dict[str, Any]]:
        """What is played of each recording, and what was left out."""
        return [v.track.report() for v in self._voices]

    def opening(self, books: Mapping[MarketKey, DepthBook]) -> list[Opening]:
        for voice in self._voices:
            voice.book = books[voice.track.spec.key]
        return [(v.track.spec.key, v.published_id, v.track.bids, v.track.asks) for v in self._voices]

    def next_ns(self) -> int | None:
        """When the next frame is due, in ns since the replay began; None at the end of one that does not loop."""
        if self._at >= len(self._order) and not self._queued:
            if not self._loop:
                return None
            self._begin_pass()
        at = min(self._at, len(self._order) - 1)
        return self._passes * self._length_ns + self._order[at][0]

    def take(self, now_ms: int) -> list[Frame]:
        """The next recorded frame with today's times and update ids, after a bridge where a pass begins anew."""
        out: list[Frame] = []
        for voice in self._voices:
            if voice.pending_shift:
                out.append(self._shifted_price(voice, now_ms))
        if self._queued:
            out += [self._stamp_bridge(f, now_ms) for f in self._queued]
            self._queued.clear()
        _, index, row = self._order[self._at]
        self._at += 1
        voice = self._voices[index]
        local_ns, kind, raw = voice.track.rows[row]
        out.append(self._frame(voice, kind, raw, local_ns, now_ms))
        return out

    def jump(self, key: MarketKey, bps: float) -> None:
        """From now on the recording's prices are moved by ``bps`` of its mid."""
        for voice in self._voices:
            if voice.track.spec.key == key:
                middle = (voice.book.bids.best() + voice.book.asks.best()) / 2
                voice.pending_shift += round(middle * bps / 1e4)

    def _origin(self, track: Track, earliest: int) -> int:
        """Recordings of the same session keep their distance; others all start together."""
        return earliest if track.first_ns - earliest < SAME_SESSION_NS else track.first_ns

    def _line(self, index: int, voice: _Voice) -> list[tuple[int, int, int]]:
        """(time on the line, voice, row) of each row, never going back in time."""
        line, latest = [], 0
        for row, (local_ns, _, _) in enumerate(voice.track.rows):
            latest = max(latest, local_ns - voice.offset_ns)
            line.append((latest, index, row))
        return line

    def _begin_pass(self) -> None:
        self._passes += 1
        self._at = 0
        for voice in self._voices:
            track = voice.track
            voice.update_shift = voice.published_id + PASS_GAP_IDS - track.snapshot_id
            voice.trade_shift += track.last_trade_id - track.first_trade_id + 1
            update_id = track.snapshot_id + voice.update_shift
            self._queued.append(voice.bridge(voice.moved(track.bids), voice.moved(track.asks), update_id, 0))

    def _stamp_bridge(self, frame: Frame, now_ms: int) -> Frame:
        frame.data["E"] = now_ms
        if "T" in frame.data:
            frame.data["T"] = now_ms
        return frame

    def _shifted_price(self, voice: _Voice, now_ms: int) -> Frame:
        """A price jump: the whole published book moves at once. Ids move on by one for good."""
        move, voice.pending_shift = voice.pending_shift, 0
        voice.price_shift += move
        voice.update_shift += 1
        bids = [(t + move, q) for t, q in voice.book.bids.lots.items() if t + move > 0]
        asks = [(t + move, q) for t, q in voice.book.asks.lots.items() if t + move > 0]
        return voice.bridge(bids, asks, voice.published_id + 1, now_ms)

    def _frame(self, voice: _Voice, kind: str, raw: bytes, local_ns: int, now_ms: int) -> Frame:
        spec = voice.track.spec
        if not self._verbatim:
            raw = self._restamp(voice, kind, raw, now_ms)
        data = orjson.loads(raw)
        if voice.price_shift:
            self._move_prices(voice, kind, data)
            raw = orjson.dumps(data)
        if kind == "depth":
            voice.published_id = data["u"]
        return Frame(spec.key, kind, data, raw, local_ns)

    def _restamp(self, voice: _Voice, kind: str, raw: bytes, now_ms: int) -> bytes:
        """Ids shifted and times moved to now, in the bytes of the frame's head."""
        fields = dict(_FIELD.findall(raw[:HEAD]))
        event, shift = int(fields.get(b"E", 0)), voice.update_shift
        relink, voice.relink = voice.relink and kind == "depth", voice.relink and kind != "depth"

        def fresh(match: "re.Match[bytes]") -> bytes:
            name, value = match.group(1), int(match.group(2))
            if name == b"E":
                value = now_ms
            elif name == b"T":
                value = now_ms + min(0, value - event)
            elif name == b"t":
                value += voice.trade_shift
            elif relink and name in (b"U", b"pu"):
                value = voice.published_id + (name == b"U")
            else:
                value += shift
            return b'"%s":%d' % (name, value)

        return _FIELD.sub(fresh, raw[:HEAD]) + raw[HEAD:]

    def _move_prices(self, voice: _Voice, kind: str, data: dict[str, Any]) -> None:
        """The price jump's shift on every price of a frame."""
        spec, move = voice.track.spec, voice.price_shift

        def moved(text: str) -> str:
            return spec.price_text(max(1, spec.ticks(text) + move))

        if kind == "depth":
            for name in ("b", "a"):
                data[name] = [[moved(p), q] for p, q in data[name]]
        else:
            for name in ("p",) if kind == "trade" else ("b", "a"):
                data[name] = moved(data[name])
