"""Recordings to columns: decompression in one thread, the kernel's parser in another, then order and clock put right.

``load`` gives columns in memory, ``convert`` writes the file of ``engine.market.columns``. Several files are one
continuous stream, in the order given.
"""

import json
import queue
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.kernel.book import audit as rebuild
from engine.kernel.book.order_book import new_book
from engine.kernel.book.sync import new_sync
from engine.kernel.codec import ingest as kernel
from engine.kernel.codec.ingest import Sink
from engine.kernel.codec.parse import FRAME_BBO, FRAME_SNAPSHOT, MAX_LEVELS, as_frame, new_head, new_levels
from engine.kernel.codec.scan import cause_text
from engine.kernel.scale import ScaleError, size_e8
from engine.market.columns import Columns, ColumnsReport, save
from engine.market.recording import LAST_LINE_CUT, NAMED_LINES, ReadReport, RecordingError, chunks

FIRST_MESSAGES: Final = 1 << 17
FIRST_ROWS: Final = 1 << 20
INFER_BYTES: Final = 1 << 21  # the snapshot and some seconds of diffs: thousands of prices
MAX_BACK_STEP_NS: Final = 1_000_000_000
QUEUE_CHUNKS: Final = 16
GATHER: Final = 1 << 20
MARK_PRICE: Final = b'"e":"markPriceUpdate"'
WAITING_TICKERS: Final = 1 << 14
_SYMBOL = re.compile(rb'"(?:s|symbol)":\s*"([A-Za-z0-9_]{1,40})"')


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tick and lot size in 1e-8 units of quote and base currency (COIN-M quantities: contracts)."""

    tick_e8: int
    lot_e8: int


def sizes_from_exchange_info(body: bytes, symbol: str) -> Sizes:
    """The sizes an exchangeInfo answer (spot, USD-M or COIN-M) gives for ``symbol``. Raises ScaleError."""
    try:
        for entry in json.loads(body)["symbols"]:
            if entry["symbol"] == symbol.upper():
                filters = {f["filterType"]: f for f in entry["filters"]}
                return Sizes(
                    size_e8(filters["PRICE_FILTER"]["tickSize"]),
                    size_e8(filters["LOT_SIZE"]["stepSize"]),
                )
    except (ValueError, KeyError, TypeError) as error:
        raise ScaleError(f"exchangeInfo is not what Binance sends: {error}") from error
    raise ScaleError(f"exchangeInfo does not know the symbol {symbol}")


@dataclass(slots=True)
class Loaded:
    """A recording as read: messages in file order, receive times as recorded."""

    sink: Sink
    messages: int
    rows: int
    symbol: str
    sizes: Sizes
    read: ReadReport
    state: NDArray[np.int64]
    paths: list[Path]


def read_recordings(paths: Sequence[Path], sizes: Sizes | None = None) -> Loaded:
    """Parse ``paths`` as one stream.

    Without ``sizes`` they are inferred: the largest powers of ten, at most 1, that divide every price and quantity of
    the first two megabytes; the lot then grows finer whenever a finer quantity is met. An inferred tick may so be
    finer than the exchange's (0.1 for 0.5), never coarser. Raises RecordingError.
    """
    return _Reader(list(paths), sizes).run()


class _Reader:
    """The state of one conversion: arrays that grow, the sizes, the counters."""

    def __init__(self, paths: list[Path], sizes: Sizes | None) -> None:
        if not paths:
            raise RecordingError("no recording was given")
        self.paths = paths
        self.given = sizes is not None
        self.tick_e8, self.lot_e8 = (sizes.tick_e8, sizes.lot_e8) if sizes else (0, 0)
        self.sink = _new_sink(FIRST_MESSAGES, FIRST_ROWS)
        self.state = np.zeros(kernel.INGEST_SIZE, dtype=np.int64)
        self.bad = np.zeros((NAMED_LINES, 2), dtype=np.int64)
        self.head, self.levels = new_head(), new_levels(MAX_LEVELS)
        self.report = ReadReport()
        self.symbol = ""
        self.mark_prices = False

    def run(self) -> Loaded:
        for path in self.paths:
            self._file(path)
        messages = int(self.state[kernel.INGEST_MESSAGES])
        if messages == 0:
            cause = self.report.notes[0] if self.report.notes else f"{self.paths[0]}:1: no market data frame"
            raise RecordingError(f"not a usable recording: {cause}")
        return Loaded(
            self.sink,
            messages,
            int(self.state[kernel.INGEST_ROWS]),
            self.symbol,
            Sizes(self.tick_e8, self.lot_e8),
            self.report,
            self.state,
            self.paths,
        )

    def _file(self, path: Path) -> None:
        self.state[kernel.INGEST_LINE] = self.state[kernel.INGEST_BAD] = self.state[kernel.INGEST_CUT] = 0
        self.state[kernel.INGEST_BACK_STEP] = 0
        file_report = ReadReport()
        rest = b""
        for chunk in _gathered(_ahead(chunks(path, file_report)), 0 if self.tick_e8 else INFER_BYTES):
            data = rest + chunk if rest else chunk
            if not self.tick_e8:
                self._infer(data)
            if not self.symbol and (match := _SYMBOL.search(data)):
                self.symbol = match[1].decode()
            self._chunk(data, final=False)
            rest = data[int(self.state[kernel.INGEST_POS]) :]
        if rest:
            self._chunk(rest, final=True)
        self._close_file(path, file_report)

    def _infer(self, data: bytes) -> None:
        tick, lot, seen = kernel.infer_sizes(as_frame(data), self.head, self.levels)
        self.tick_e8, self.lot_e8 = (int(tick), int(lot)) if seen else (1, 1)

    def _chunk(self, data: bytes, *, final: bool) -> None:
        if not self.mark_prices and MARK_PRICE in data:
            self.mark_prices = True
            self.report.notes.append(f"{self.paths[0]}: holds mark prices; name it as --funding to apply its funding")
        buffer = as_frame(data)
        self.state[kernel.INGEST_POS] = 0
        while True:
            status = kernel.ingest(
                buffer,
                final,
                self.tick_e8,
                self.lot_e8,
                self.given,
                self.sink,
                self.state,
                self.bad,
                self.head,
                self.levels,
            )
            if status == kernel.DONE:
                return
            if status == kernel.NEED_ROOM:
                self.sink = _grown(self.sink)
            else:
                self.lot_e8 //= 10
                self.sink.lots[: self.state[kernel.INGEST_ROWS]] *= 10

    def _close_file(self, path: Path, read: ReadReport) -> None:
        """Add one file's findings to the report; refuse a file whose receive times run back."""
        total, state = self.report, self.state
        total.lines += int(state[kernel.INGEST_LINE])
        for line, cause in self.bad[: min(int(state[kernel.INGEST_BAD]), NAMED_LINES)]:
            total.bad_line(path, int(line), cause_text(int(cause)))
        total.bad_lines += max(0, int(state[kernel.INGEST_BAD]) - NAMED_LINES)
        total.truncated |= read.truncated or bool(state[kernel.INGEST_CUT])
        total.notes += read.notes
        if state[kernel.INGEST_CUT]:
            total.notes.append(f"{path}:{state[kernel.INGEST_LINE]}: {LAST_LINE_CUT}")
        if state[kernel.INGEST_BACK_STEP] > MAX_BACK_STEP_NS:
            raise RecordingError(
                f"{path}:{state[kernel.INGEST_BACK_LINE]}: the receive time goes back by "
                f"{state[kernel.INGEST_BACK_STEP] / 1e9:.3f} s; recordings must be in the order of time"
            )


def _new_sink(messages: int, rows: int) -> Sink:
    def column(count: int) -> NDArray[np.int64]:
        return np.empty(count, dtype=np.int64)

    return Sink(
        kind=np.empty(messages, dtype=np.uint8),
        exch_ns=column(messages),
        local_ns=column(messages),
        first_id=column(messages),
        last_id=column(messages),
        prev_id=column(messages),
        start=np.zeros(messages + 1, dtype=np.int64),
        side=np.empty(rows, dtype=np.int8),
        ticks=column(rows),
        lots=column(rows),
    )


def _grown(sink: Sink) -> Sink:
    """Twice the room, with the same content."""
    larger = _new_sink(2 * sink.kind.size, max(2 * sink.ticks.size, sink.ticks.size + MAX_LEVELS))
    for name in Sink._fields:
        old = getattr(sink, name)
        getattr(larger, name)[: old.size] = old
    return larger


def _gathered(pieces: Iterator[bytes], first: int) -> Iterator[bytes]:
    """Join small pieces: at least ``first`` bytes the first time, a megabyte afterwards."""
    held: list[bytes] = []
    size, wanted = 0, max(first, GATHER)
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= wanted:
            yield b"".join(held)
            held, size, wanted = [], 0, GATHER
    if held:
        yield b"".join(held)


def _ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Run ``pieces`` in a thread of its own, a bounded number of pieces ahead; its errors are raised here."""
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=QUEUE_CHUNKS)
    stop = threading.Event()

    def put(item: bytes | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        end: BaseException | None = None
        try:
            for piece in pieces:
                if not put(piece):
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the reader, which raises it
            end = error
        put(end)

    thread = threading.Thread(target=work, name="decompress", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Audit:
    """What rebuilding the book found. ``first_gap`` and ``first_mismatch`` are message numbers, -1 without one."""

    bbo_checked: int
    bbo_mismatches: int
    gaps: int
    crossed: int
    first_mismatch: int
    first_gap: int
    live_diffs: int
    final_state: int


def audit(loaded: Loaded) -> Audit:
    """Rebuild the book from the messages in file order and compare it with the bookTickers."""
    found = np.zeros(rebuild.AUDIT_SIZE, dtype=np.int64)
    rebuild.audit(
        loaded.sink,
        loaded.messages,
        new_book(),
        new_sync(),
        new_head(),
        new_levels(),
        np.zeros(WAITING_TICKERS, dtype=np.int64),
        found,
    )
    return Audit(
        bbo_checked=int(found[rebuild.AUDIT_CHECKED]),
        bbo_mismatches=int(found[rebuild.AUDIT_MISMATCHES]),
        gaps=int(found[rebuild.AUDIT_GAPS]),
        crossed=int(found[rebuild.AUDIT_CROSSED]),
        first_mismatch=int(found[rebuild.AUDIT_FIRST_MISMATCH]),
        first_gap=int(found[rebuild.AUDIT_FIRST_GAP]),
        live_diffs=int(found[rebuild.AUDIT_LIVE_DIFFS]),
        final_state=int(found[rebuild.AUDIT_STATE]),
    )


def load(paths: Sequence[Path], sizes: Sizes | None = None, *, need_snapshot: bool = True) -> Columns:
    """Recordings as columns in memory: clock corrected, both orders made, validated.

    The clock: when messages seem to arrive before they were sent, every receive time is moved by what the earliest
    needs (as hftbacktest's correct_local_timestamp does), so the smallest feed latency becomes zero.
    Raises RecordingError, also for a recording without a snapshot unless ``need_snapshot`` is False: the book's start
    would be a guess.
    """
    loaded = read_recordings(paths, sizes)
    n, sink = loaded.messages, loaded.sink
    kind = sink.kind[:n]
    if need_snapshot and not (kind == FRAME_SNAPSHOT).any():
        raise RecordingError(f"{paths[0]}: no depth snapshot in the recording, so no book can be built from its diffs")
    checked = audit(loaded)
    shift = max(0, -int(kernel.smallest_latency(sink, n)))
    local = sink.local_ns[:n] + shift
    exch = np.where(sink.exch_ns[:n] < 0, local, sink.exch_ns[:n])
    np.maximum(local, exch, out=local, where=kind == FRAME_BBO)
    report = _report(loaded, checked, shift)
    order = np.argsort(local, kind="stable")
    if (order[1:] > order[:-1]).all():
        start, rows = sink.start[: n + 1], slice(0, loaded.rows)
    else:
        start, rows = _row_order(sink.start[: n + 1], order)
    exch = exch[order]
    return Columns(
        symbol=loaded.symbol,
        tick_e8=loaded.sizes.tick_e8,
        lot_e8=loaded.sizes.lot_e8,
        report=report,
        kind=kind[order],
        exch_ns=exch,
        local_ns=local[order],
        first_id=sink.first_id[:n][order],
        last_id=sink.last_id[:n][order],
        prev_id=sink.prev_id[:n][order],
        start=start,
        exch=_exchange_order(exch, order),
        side=sink.side[rows],
        ticks=sink.ticks[rows],
        lots=sink.lots[rows],
    )


def _exchange_order(exch_ns: NDArray[np.int64], file_order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Messages by exchange time; ties in file order, which is not always the local order."""
    order: NDArray[np.int64] = np.lexsort((file_order, exch_ns)).astype(np.int64, copy=False)
    return order


def _row_order(start: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[NDArray[np.int64], Any]:
    """The row starts and the row numbers when messages are put in another order."""
    counts = np.diff(start)[order]
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
    rows = np.repeat(start[:-1][order] - starts[:-1], counts) + np.arange(starts[-1])
    return starts, rows


def _report(loaded: Loaded, checked: Audit, shift: int) -> ColumnsReport:
    state = loaded.state
    return ColumnsReport(
        sources=[str(path) for path in loaded.paths],
        frames=loaded.read.lines,
        messages=loaded.messages,
        rows=loaded.rows,
        gaps=checked.gaps,
        crossed=checked.crossed,
        off_book_trades=int(state[kernel.INGEST_OFF_BOOK]),
        other_frames=int(state[kernel.INGEST_OTHER]),
        bad_lines=loaded.read.bad_lines,
        reordered=int(state[kernel.INGEST_REORDERED]),
        truncated=loaded.read.truncated,
        clock_shift_ns=shift,
        notes=loaded.read.notes,
    )


def convert(
    paths: Sequence[Path], target: Path, sizes: Sizes | None = None, *, need_snapshot: bool = True
) -> ColumnsReport:
    """Convert recordings to the column file ``target``; returns what was found. Raises RecordingError."""
    columns = load(paths, sizes, need_snapshot=need_snapshot)
    save(columns, target)
    return columns.report
