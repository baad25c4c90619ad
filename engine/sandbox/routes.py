"""The one table of every endpoint: method and path, and what answers it over REST and over the WebSocket API."""

from typing import Final

from engine.sandbox import rest_spot, rest_usdm, rest_wallet
from engine.sandbox.api import Table

ROUTES: Final[Table] = rest_spot.table() | rest_usdm.table() | rest_wallet.table()
