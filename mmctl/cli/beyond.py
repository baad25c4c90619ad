"""What the exchange itself reports of the target's orders, asked from this machine when an engine does not answer."""

import contextlib
import subprocess
import threading
import time
from dataclasses import dataclass

from mmctl.cli.direct import command_of
from mmctl.fleet.errors import AUTHENTICATION, CONFIG
from mmctl.fleet.inventory import Target
from mmctl.watch.proof import last_object

#: An engine that has not answered by then is asked about at the exchange, while it is still waited for, seconds.
PATIENCE_SECONDS = 0.7
#: What the exchange may take to answer, the start of the process that asks it included, seconds.
ASK_SECONDS = 8.0
#: How long a host may take to let us in where the exchange is asked meanwhile: all of it stays within 10 s.
CONNECT_SECONDS = 6.0


def patience() -> float:
    """How long an answer may take once it is asked for, seconds."""
    return ASK_SECONDS + 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """How many orders of ours the exchange lists, None where that cannot be seen; and the sentence for a person."""

    open_orders: int | None
    text: str
    next_step: str


class Beyond:
    """One question to the exchange, put only when it is needed. ``close`` ends it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answer: Seen | None = None
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._timer = threading.Timer(PATIENCE_SECONDS, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        """End the process that asks from outside, and with it whatever it still waits for."""
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._process is not None:
                with contextlib.suppress(OSError):
                    self._process.kill()

    def seen(self, seconds: float) -> Seen:
        """The answer; begins to ask where that has not happened yet, and waits for at most ``seconds``."""
        self._timer.cancel()
        self._begin()
        self._done.wait(max(0.0, seconds))
        return self._answer or self._unseen(f"the exchange was not asked to the end within {seconds:g} s")

    def _begin(self) -> None:
        with self._lock:
            if self._thread is not None or self._closed:
                return
            self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._answer = self._asked()
        except OSError as error:
            self._answer = self._unseen(str(error))
        finally:
            self._done.set()

    def _asked(self) -> Seen:
        with self._lock:
            if self._closed:
                return self._unseen("not asked")
            self._process = subprocess.Popen(
                [*command_of(self.target), "--once", "status", "--direct", "--json"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
        process = self._process
        try:
            out, err = process.communicate(timeout=ASK_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return self._unseen(f"the exchange did not answer within {ASK_SECONDS:g} s")
        answer = last_object(out) or {}
        count = answer.get("open_orders")
        if process.returncode == CONFIG:
            return self._unseen("no key here: " + "; ".join(err.split("\n")[:2]).strip("; "))
        if process.returncode == AUTHENTICATION:
            return self._unseen(f"the exchange refuses the key: {answer.get('message') or err.strip()}")
        if process.returncode or not isinstance(count, int) or isinstance(count, bool):
            said = str(answer.get("message") or "") or (err.strip().splitlines() or ["no answer"])[-1]
            return self._unseen(said)
        account = self.target.account
        when = time.strftime("%H:%M:%S", time.gmtime())
        if count:
            return Seen(
                count,
                f"the exchange reports {count} open order{'s' if count > 1 else ''} of ours on account {account} "
                f"(asked from here at {when} UTC)",
                self._way_out("cancels them"),
            )
        return Seen(0, f"the exchange reports no open order of ours on account {account} (asked at {when} UTC)", "")

    def _unseen(self, why: str) -> Seen:
        return Seen(
            None,
            f"whether orders of ours are open on account {self.target.account} cannot be seen from here: {why}",
            self._way_out("cancels and proves, with the key in the target's env_file or this machine's environment"),
        )

    def _way_out(self, what: str) -> str:
        return f"`mmctl cancel --direct {self.target.name} --confirm {self.target.account}` {what}."
