"""A person accepts that the journal does not hold what was traded: the next start reads it from the exchange."""

import os
import time
from typing import Any

from engine.config.schema import Config
from engine.lease import LeaseError, open_lease
from engine.live.failures import Exit, StartError
from engine.live.memory import HaltMark, Memory


def accept_journal(config: Config, reason: str, actor: str) -> dict[str, Any]:
    """Leave the mark that ``restore`` looks for. Raises ``StartError`` when an engine runs, or it cannot be written."""
    account = config.exchange.account
    if not reason.strip():
        raise StartError(Exit.USAGE, "a reason is needed: why may the ledger be read anew?")
    lease = open_lease(config.lease.kind, config.lease_path(), f"accept pid {os.getpid()}")
    try:
        if not lease.acquire():
            raise StartError(Exit.REFUSED, f"an engine of account {account} is running: its ledger is in use")
        Memory(config.data_dir, account).accept(HaltMark(time.time_ns(), actor, reason))
    except (LeaseError, OSError) as error:
        raise StartError(Exit.FAILED, f"the mark cannot be written in {config.data_dir}: {error}") from None
    finally:
        lease.release()
    message = "the next start reads the ledger from every trade of ours the exchange lists, and proves it or refuses"
    return {"ok": True, "message": message}
