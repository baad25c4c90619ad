"""Metrics of the recorder, which it exports on a listener of its own."""

from typing import Final

from engine.catalogue.labels import VENUE
from engine.metric import Label, Metric, Threshold, Unit, counter, gauge

GAP_REASONS: Final = ("sequence", "connection", "disk", "stopped", "killed")
MARKET: Final = Label("market", ("spot", "usdm"))
SYMBOL: Final = Label("symbol", most=512)

RECORDER: Final[tuple[Metric, ...]] = (
    gauge("mm_recorder_writing", Unit.BOOL, "1 while what comes reaches the disk", threshold=Threshold(0.5, 0.5, True)),
    gauge("mm_recorder_connected", Unit.RATIO, "Share of the connections to the exchange that are up"),
    counter("mm_recorder_frames_total", Unit.COUNT, "Frames recorded", VENUE, MARKET, SYMBOL),
    gauge(
        "mm_recorder_frame_age_seconds",
        Unit.SECONDS,
        "Time since the last frame of an instrument; absent before its first",
        VENUE,
        MARKET,
        SYMBOL,
        initial=None,
    ),
    counter(
        "mm_recorder_gaps_total",
        Unit.COUNT,
        "Times something is missing in what was recorded, by reason",
        Label("reason", GAP_REASONS),
    ),
    counter("mm_recorder_gap_seconds_total", Unit.SECONDS, "Length of those gaps together, as far as it is known"),
    gauge("mm_recorder_snapshots_due", Unit.COUNT, "Instruments whose book waits for a depth snapshot"),
    gauge("mm_recorder_not_trading", Unit.COUNT, "Instruments that the exchange does not list, or does not trade"),
    counter("mm_recorder_written_bytes_total", Unit.BYTES, "Compressed bytes written"),
    gauge("mm_recorder_queue_bytes", Unit.BYTES, "Bytes that wait for the disk"),
    counter("mm_recorder_renewals_total", Unit.COUNT, "Connections renewed before the exchange would end them"),
    gauge("mm_recorder_kept_bytes", Unit.BYTES, "Size of the finished files that lie here"),
    gauge("mm_recorder_unshipped", Unit.COUNT, "Finished files that the store does not have yet"),
    counter("mm_recorder_ship_failures_total", Unit.COUNT, "Times a file could not be brought to the store"),
    gauge("mm_recorder_damaged", Unit.COUNT, "Finished files that are not as they were written; never shipped"),
)
