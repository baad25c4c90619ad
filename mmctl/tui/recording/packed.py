"""zstd as recordings use it: against a text that is known on both sides, and of frames one after the other."""

import sqlite3
from collections.abc import Iterator
from typing import Final

import zstandard

#: Log2 of how far back the same text is looked for where long bodies follow one another.
WINDOW: Final = 25
#: What one blob may become, bytes: a damaged file must not fill the memory.
LARGEST: Final = 1 << 30


def _known(text: bytes) -> zstandard.ZstdCompressionDict | None:
    return zstandard.ZstdCompressionDict(text, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if text else None


def compressor(level: int, known: bytes = b"", window: int = 0) -> zstandard.ZstdCompressor:
    """Compresses at ``level`` against the text ``known``, which whoever reads it needs as well.

    ``window``: log2 of how far back the same text is looked for; 0 leaves that to the level.
    """
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, window_log=window, enable_ldm=bool(window), write_checksum=True
    )
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=_known(known))


def decompressed(data: bytes, known: bytes = b"") -> bytes:
    """What was compressed against ``known``. Raises ValueError when it was not, or is damaged."""
    if zstandard.frame_content_size(data) > LARGEST:
        raise ValueError("a part of the recording is larger than any can be")
    try:
        return zstandard.ZstdDecompressor(dict_data=_known(known), max_window_size=1 << WINDOW).decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(f"a part of the recording is damaged: {error}") from None


def tail_of(db: sqlite3.Connection, engine: int, after: tuple[int, bytes] | None = None) -> Iterator[tuple[int, bytes]]:
    """Times and data of the frames since the last chunk, oldest first; ``after``: a known one, to go on behind it."""
    ns, last = after or (0, b"")
    rows = db.execute("select ns, data from tail where engine = ? and ns > ? order by ns", (engine, ns)).fetchall()
    for at, data in rows:
        last = decompressed(data, last)
        yield at, last
