"""The configuration's section of the recorder."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from engine.config.parts import Port, Section, Span, key
from engine.config.parts import seconds_of as _s
from engine.config.values import Bool, Int, Text

INSTRUMENT: Final = r"^((spot|usdm):)?[A-Z0-9]{2,20}(_[A-Z0-9]+)?$"
Instrument = Annotated[Text, Field(pattern=INSTRUMENT)]
Store = Annotated[Text, Field(pattern=r"^(/.*|sftp://[^/@\s]+@[^/@\s]+/.*)$")]


class RecorderSection(Section):
    """The separate process that writes the market down as it comes, for backtests."""

    enabled: Bool = key(False, doc="Deploy and run it beside the engine.")
    directory: Path | None = key(None, doc="Where the files go; empty = DATA_DIR/recordings.")
    instruments: list[Instrument] = key(
        [],
        doc="What is recorded: [spot:ETHUSDT, usdm:BTCUSDT]; without a market it is exchange.market. Empty = "
        "strategy.symbol.",
    )
    rotate: Span = key(_s("1h"), doc="A file ends where the next such span of UTC begins.")
    port: Port = key(8081, doc="Port of its own /metrics and /health, on monitoring.host; 0 = any free one.")
    keep: Span = key(_s("14d"), doc="Files older than this are deleted; with a store, only once it has them.")
    max_size: Int = key(
        50_000, doc="The oldest files go when all together are larger; with a store, as above.", unit="MB", ge=1
    )
    min_free: Int = key(
        2_000, doc="With less free space on the disk it pauses, so that the engine's journal has room.", unit="MB", ge=0
    )
    store: Store | None = key(
        None,
        doc="Where finished files are copied to: a folder, or sftp://USER@HOST[:PORT]/FOLDER. Empty = nowhere.",
    )
    store_key: Path | None = key(None, doc="Private key for sftp, readable by the recorder's user alone.")
    store_known_hosts: Path | None = key(None, doc="known_hosts file that holds the store's host key.")
