"""Recording a run's inputs: one file a symbol under DATA_DIR/inputs, begun when the feeds are made."""

import hashlib
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine import __version__
from engine.config.schema import Config
from engine.config.show import config_hash
from engine.kernel.symbol import SYM_LOT_E8, SYM_TICK_E8
from engine.live.failures import Exit, StartError
from engine.live.tick.feed import Feed
from engine.live.tick.tap import Tap

if TYPE_CHECKING:
    from engine.store.inputs import InputFile


def record_inputs(config: Config, feeds: Iterable[Feed]) -> "list[InputFile]":
    """Open the files and let each feed tell its inputs. Blocks on the disk. Raises ``StartError``."""
    from engine.store.inputs import InputFile

    now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    files = []
    own = config.strategy.file
    for feed in feeds:
        path = config.data_dir / "inputs" / f"{feed.symbol}-{now}.gz"
        try:
            digest = hashlib.sha256(own.read_bytes()).hexdigest() if own is not None else ""
            file = InputFile(path)
        except OSError as error:
            text = f"store.inputs: cannot write {path}: {error.strerror}; make it writable, or set store.inputs: false"
            raise StartError(Exit.FAILED, text) from None
        head = {
            "version": __version__,
            "config_hash": config_hash(config),
            "symbol": feed.symbol,
            "tick_e8": int(feed.memory.head[SYM_TICK_E8]),
            "lot_e8": int(feed.memory.head[SYM_LOT_E8]),
            "strategy": config.strategy.name,
            "strategy_file": str(own.resolve()) if own is not None else "",
            "strategy_sha256": digest,
        }
        feed.tap = Tap(feed.memory, file.put, head)
        files.append(file)
    return files
