"""What shows that another engine may lead this account: an order of ours by name that this engine never sent."""

from engine.live.rings import CRITICAL
from engine.live.session.session import Session
from engine.risk.breaker import Cause, Trip


class Rivals:
    """Decides for ``session`` whether it ends, because another engine leads, or halts, because two do."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def stranger(self, symbol: str, client_id: str) -> None:
        """The exchange shows an order of ours that another engine sent: of a later epoch, or of another nonce.

        Where our lease is gone, or was while we were not looking, that engine leads and we end. Where it provably is
        ours, two leases were given for one account (two hosts, a copied disk, a lost data folder): nothing keeps the
        two apart any more, so this one halts until a person has looked.
        """
        detail, lease = f"{symbol} order {client_id}", self._session.parts.lease
        if not lease.prove():
            self._deposed(detail)
            return
        text = f"two engines quote this account: {detail} is ours by name, and the lease here never sent it"
        hint = "stop the other one (a lease is its host's own), or give each an account"
        trip = Trip(Cause.MISMATCH, f"{text}; {hint}", {"client_id": client_id, "epoch": lease.epoch})
        self._session.trip(trip)

    def _deposed(self, detail: str) -> None:
        """The exchange shows that another engine leads, before our lease does: end, and halt nobody's account."""
        session = self._session
        if session.deposed:
            return
        session.deposed = True
        reason = f"another engine leads this account ({detail}); if none does, the epoch counter was lost"
        session.parts.clerk.note("deposed", CRITICAL, reason, {"detail": detail})
        session.quoting_off(reason)
        session.on_lost(reason)
