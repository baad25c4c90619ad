"""Leadership: of all engines on one account, only the holder of the lease may quote."""

from engine.lease.file import FileLease
from engine.lease.opening import open_lease
from engine.lease.protocol import Lease, LeaseError, LeaseState, LeaseTrouble

__all__ = ["FileLease", "Lease", "LeaseError", "LeaseState", "LeaseTrouble", "open_lease"]
