"""How much of an answer is read at most: whoever sits at the other end may send without end, or a bomb of gzip."""

from typing import Final

from aiohttp import ClientPayloadError, ClientResponse

MOST_MESSAGE: Final = 8 * 1024 * 1024
"""Bytes of one WebSocket message, all its pieces together: a thousand levels of depth are a hundredth of it."""
MOST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of one REST answer after decompression: every instrument of the exchange is a third of it."""
_PIECE: Final = 65_536


class BoundedResponse(ClientResponse):
    """``ClientSession(response_class=BoundedResponse)``: a longer body raises ``ClientPayloadError``."""

    most = MOST_ANSWER

    async def read(self) -> bytes:
        """The body; ``ClientPayloadError`` as soon as it is longer than allowed."""
        if self._body is None:
            found = bytearray()
            async for piece in self.content.iter_chunked(_PIECE):
                found += piece
                if len(found) > self.most:
                    self.close()
                    raise ClientPayloadError(f"the answer is longer than {self.most:,} bytes")
            self._body = bytes(found)
        return await super().read()
