"""What the exchange tells, handed to whoever the phase of the run has for it."""

from collections.abc import Callable

from engine.live.session.assembly import Markets
from engine.live.session.session import Session
from engine.venue.protocol import StreamState, VenueEvent


class VenueEvents:
    """The gateway's listener. Until a session leads only the state of the streams counts, and it is kept for it."""

    def __init__(self, on_broken: Callable[[str, BaseException], None]) -> None:
        self.streams: dict[str, StreamState] = {}
        self._on_broken = on_broken
        self._market_up: Callable[[bool], None] = lambda up: None
        self._take: Callable[[VenueEvent], None] = self._keep

    def __call__(self, event: VenueEvent) -> None:
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001 - a bug; what an event missed, reconciliation finds
            self._on_broken("an event of the exchange could not be handled", error)

    def follow(self, markets: Markets) -> None:
        """Books hear of their stream from here on."""
        self._market_up = markets.connection

    def lead(self, session: Session) -> None:
        """Everything goes to ``session`` from here on."""
        session.streams = self.streams
        self._take = session.on_event

    def _keep(self, event: VenueEvent) -> None:
        if isinstance(event, StreamState):
            self.streams[event.name] = event
            if event.name == "market":
                self._market_up(event.connected)
