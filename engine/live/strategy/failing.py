"""A user's strategy that failed, or is not to be asked: its symbol's gate closes, until a person has it asked again."""

from engine.live.rings import CRITICAL
from engine.live.session.pair import Pair
from engine.live.session.session import Session


def strategy_failed(session: Session, pair: Pair, reason: str = "") -> None:
    """It raised, or asked for what makes no sense (``reason``: or an engine before us did not come back from it)."""
    quoter = pair.quoter
    if quoter.failed or quoter.own is None:
        return
    quoter.failed = reason or quoter.own.failure()
    quoter.failures += 1
    session.regate()
    message = f"{pair.symbol} is not quoted: the strategy failed: {quoter.failed}"
    session.parts.clerk.note("strategy", CRITICAL, message, {"symbol": pair.symbol, "where": quoter.failed})
    session.on_log("error", message, {"symbol": pair.symbol})


def ask_again(session: Session) -> bool:
    """A person resumed, or changed its parameters: what failed may be asked again. Returns whether anything had."""
    failed = [pair.quoter for pair in session.pairs.values() if pair.quoter.failed]
    for quoter in failed:
        if quoter.own is not None:
            quoter.own.reset()
        quoter.failed = ""
    if failed:
        session.parts.disk.submit(session.parts.memory.clear_strategy)
        session.regate()
    return bool(failed)
