"""The lease of one host: an advisory lock on a file, with an epoch counter beside it that outlives a lost lock file.

It keeps apart the engines of one host, and knows nothing of another host's: see ``Lease``.

The kernel drops the lock when the holder dies, however it dies, so there is no waiting for a time to live. The lock
file itself is never replaced or removed by us; if somebody does, ``prove`` notices (the path no longer leads to the
locked file) and the lease counts as lost, because a second engine could lock the new file.
"""

import contextlib
import fcntl
import json
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from engine.lease.protocol import LeaseError, LeaseState, LeaseTrouble
from engine.orders.ids import NONCES

_LEASES: "weakref.WeakSet[FileLease]" = weakref.WeakSet()


def _after_fork() -> None:
    for lease in list(_LEASES):
        lease.drop_in_child()


os.register_at_fork(after_in_child=_after_fork)


class FileLease:
    """See ``Lease``. ``path`` is the same for every engine of the account on this host."""

    def __init__(
        self,
        path: Path,
        owner: str,
        *,
        ttl_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], int] = lambda: 1 + secrets.randbelow(NONCES - 1),
    ) -> None:
        self._path, self._owner, self._ttl_s, self._clock = Path(path), owner, ttl_s, clock
        self._draw, self._nonce = draw, 0
        self._fd = -1
        self._held = False
        self._epoch = 0
        self._since_ns = 0
        self._proved = 0.0
        self._trouble = ""
        self._callbacks: list[Callable[[str], None]] = []
        self._mutex = threading.Lock()
        _LEASES.add(self)

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def nonce(self) -> int:
        return self._nonce

    def held(self) -> bool:
        return self._held and self._clock() - self._proved <= self._ttl_s

    def on_lost(self, callback: Callable[[str], None]) -> None:
        self._callbacks.append(callback)

    def acquire(self) -> bool:
        """True when the lock is ours, then with an epoch one above the file's. False: another holds it."""
        with self._mutex:
            if self._held:
                return True
            fd = self._locked_file()
            if fd < 0:
                return False
            try:
                epoch = max(self._read_epoch(fd), self._epoch) + 1
                self._since_ns, self._nonce = time.time_ns(), self._draw()
                self._write(fd, epoch)
            except LeaseError:
                os.close(fd)
                raise
            self._fd, self._epoch = fd, epoch
            self._proved, self._held = self._clock(), True
            return True

    def outgrow(self, epoch: int) -> None:
        """Raise our epoch above ``epoch``, which is known to have led: a counter that was lost began anew.

        Only while held, and before anything was sent under the present one. Raises ``LeaseError``.
        """
        with self._mutex:
            if not self._held:
                raise LeaseError(f"the lease {self._path} is not held")
            if epoch >= self._epoch:
                self._write(self._fd, epoch + 1)
                self._epoch = epoch + 1

    def prove(self) -> bool:
        """True while the locked file is still the one at the path.

        When it is not, the lease is let go, ``on_lost`` is told why, and this is False.
        """
        with self._mutex:
            if not self._held:
                return False
            try:
                reason = self._reason_for_loss()
            except LeaseTrouble as trouble:
                self._trouble = str(trouble)  # the lock is ours still; without a proof ``held`` ends with the ttl
                return True
            if not reason:
                self._proved, self._trouble = self._clock(), ""
                return True
            self._let_go()
        for callback in self._callbacks:
            callback(reason)
        return False

    def trouble(self) -> str:
        return self._trouble if self._held else ""

    def release(self) -> None:
        """Give the lock up. The epoch stays in the file, so that the next holder's is larger."""
        with self._mutex:
            if self._held:
                with contextlib.suppress(OSError):
                    self._write_holder("")
            self._let_go()

    def state(self) -> LeaseState:
        """What is known of the holder; ``age_s`` is seconds since our last proof, and others are read from the file."""
        if self._held:
            age_s = self._clock() - self._proved
            return LeaseState(self.held(), self._epoch, self._owner, self._since_ns, age_s, self._nonce)
        return self.peek(self._path)

    @staticmethod
    def peek(path: Path) -> LeaseState:
        """What the file at ``path`` says, for anybody who may read it; does not take the lock."""
        try:
            with open(path, "rb") as file:
                found = json.loads(file.read(4096) or b"{}")
                nonce = int(found.get("nonce", 0))
                return LeaseState(False, int(found["epoch"]), str(found["holder"]), int(found["since_ns"]), 0.0, nonce)
        except (OSError, ValueError, KeyError, TypeError):
            return LeaseState(False, 0, "", 0, 0.0)

    def drop_in_child(self) -> None:
        """After a fork the child shares the lock: it must neither believe in it nor keep it alive."""
        self._held, self._mutex = False, threading.Lock()
        if self._fd >= 0:
            os.close(self._fd)  # the parent's descriptor still holds the lock
            self._fd = -1

    # --- the file ---

    def _locked_file(self) -> int:
        """A descriptor that holds the lock on the file ``path`` leads to, or -1 when another holds it."""
        for _ in range(8):
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                raise LeaseTrouble(f"cannot open the lease file {self._path}: {error.strerror}") from None
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return -1
            except OSError as error:
                os.close(fd)
                raise LeaseTrouble(f"cannot lock the lease file {self._path}: {error.strerror}") from None
            try:
                ours = self._leads_here(fd)
            except LeaseTrouble:
                os.close(fd)
                raise
            if ours:
                return fd
            os.close(fd)  # replaced between open and lock: what we locked is nobody's any more
        raise LeaseError(f"the lease file {self._path} keeps being replaced by another program")

    def _leads_here(self, fd: int) -> bool:
        try:
            at_path, opened = os.stat(self._path, follow_symlinks=False), os.fstat(fd)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise LeaseTrouble(f"cannot look at the lease file {self._path}: {error.strerror}") from None
        return (at_path.st_dev, at_path.st_ino) == (opened.st_dev, opened.st_ino)

    def _reason_for_loss(self) -> str:
        if not self._leads_here(self._fd):
            return f"the lease file {self._path} was removed or replaced"
        try:
            epoch = self._read_epoch(self._fd)
        except LeaseTrouble:
            raise
        except LeaseError as error:
            return str(error)
        return (
            "" if epoch == self._epoch else f"the lease file {self._path} holds epoch {epoch}, not ours ({self._epoch})"
        )

    def _read_epoch(self, fd: int) -> int:
        """The highest epoch either file knows. An unreadable lease file is an error: a guess could repeat an epoch."""
        try:
            raw = os.pread(fd, 4096, 0)
        except OSError as error:
            raise LeaseTrouble(f"cannot read the lease file {self._path}: {error.strerror}") from None
        journal = self._counter()
        if not raw:
            return journal
        try:
            return max(int(json.loads(raw)["epoch"]), journal)
        except (ValueError, KeyError, TypeError):
            if journal:
                return journal
            raise LeaseError(
                f"the lease file {self._path} is damaged and its counter is gone; restore it by hand"
            ) from None

    def _counter(self) -> int:
        """The epoch kept beside the lock: it outlives a removed or half-written lease file."""
        try:
            return int(self._counter_path().read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise LeaseTrouble(f"cannot read the epoch counter {self._counter_path()}: {error.strerror}") from None
        except ValueError:
            raise LeaseError(f"the epoch counter {self._counter_path()} is damaged") from None

    def _counter_path(self) -> Path:
        return self._path.with_name(self._path.name + ".epoch")

    def _write(self, fd: int, epoch: int) -> None:
        """Epoch to both files, each flushed to the disk: the counter first, by rename, so that it is never half."""
        counter = self._counter_path()
        fresh = counter.with_name(counter.name + ".new")
        try:
            with open(fresh, "w", encoding="ascii") as file:
                file.write(f"{epoch}\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, counter)
            folder = os.open(counter.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._write_record(fd, epoch, self._owner)
        except OSError as error:
            raise LeaseTrouble(f"cannot write the lease file {self._path}: {error.strerror}") from None

    def _write_record(self, fd: int, epoch: int, holder: str) -> None:
        record = {
            "epoch": epoch,
            "nonce": self._nonce,
            "holder": holder,
            "pid": os.getpid() if holder else 0,
            "since_ns": self._since_ns,
        }
        raw = json.dumps(record).encode()
        os.pwrite(fd, raw, 0)
        os.ftruncate(fd, len(raw))
        os.fsync(fd)

    def _write_holder(self, holder: str) -> None:
        self._write_record(self._fd, self._epoch, holder)

    def _let_go(self) -> None:
        self._held, self._trouble = False, ""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)  # for a child just forked too, before it could close its copy
            os.close(self._fd)
            self._fd = -1
