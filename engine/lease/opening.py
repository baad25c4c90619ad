"""Which lease a configuration means."""

from pathlib import Path

from engine.lease.file import FileLease
from engine.lease.protocol import Lease, LeaseError


def open_lease(kind: str, path: Path, owner: str, *, ttl_s: float = 10.0) -> Lease:
    """The lease of ``kind``; ``owner`` is shown to others (host, pid, release)."""
    if kind == "file":
        return FileLease(path, owner, ttl_s=ttl_s)
    raise LeaseError(f"unknown kind of lease: {kind} (known: file)")
