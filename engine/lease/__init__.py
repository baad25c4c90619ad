"""Leadership: of all engines that share an account's lease only its holder may quote. A file lease is one host's."""

from engine.lease.file import FileLease
from engine.lease.opening import open_lease
from engine.lease.protocol import Lease, LeaseError, LeaseState, LeaseTrouble

__all__ = ["FileLease", "Lease", "LeaseError", "LeaseState", "LeaseTrouble", "open_lease"]
