"""File descriptors: how many this process may have, and how many of them its HTTP listener may hold.

Lease, journal and gateway need a few at any time; people, monitors and strangers come over HTTP. The limit is raised as
far as the host allows, and what connections may take is what is left after the reserve.
"""

import resource
from typing import Final

WANTED: Final = 65_536
RESERVE: Final = 192  # journal with its WAL, lease, log, market and order sockets, REST, libraries, and room to spare


def raise_limit(wanted: int = WANTED) -> int:
    """Raise the soft limit of open files to ``wanted`` or as far as the hard one lets. Returns their number now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ValueError, OSError):
        return soft
    return most


def for_connections(most: int) -> int:
    """How many of at most ``most`` connections the present limit leaves room for; never fewer than four."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else max(4, min(most, soft - RESERVE))
