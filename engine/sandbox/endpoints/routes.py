"""The one table of every endpoint: method and path, and what answers it over REST and over the WebSocket API."""

from typing import Final

from engine.sandbox.endpoints import spot, usdm, wallet
from engine.sandbox.protocol.api import Table

ROUTES: Final[Table] = spot.table() | usdm.table() | wallet.table()
