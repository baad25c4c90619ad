"""Whose connection is it: on this machine the user of the process at its other end, from elsewhere its address.

The kernel is asked for one socket (sock_diag over netlink, some 20 us), not for the table of all: that one has
thousands of lines in exactly the hour in which it matters.
"""

import contextlib
import ipaddress
import socket
import struct
from typing import Any, Final

_SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY: Final = 20
_ESTABLISHED: Final = 1
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI")
_ID: Final = struct.Struct("!HH16s16s")
_ANY_COOKIE: Final = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_STATE_AT: Final = _HEADER.size + 1
_UID_AT: Final = _HEADER.size + 4 + _ID.size + len(_ANY_COOKIE) + 12


class Owners:
    """Names the peer of a connection. Where the kernel cannot be asked, everybody on this machine is one peer."""

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None
        with contextlib.suppress(OSError, AttributeError):  # not Linux, or the service's sandbox forbids netlink
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _SOCK_DIAG)

    def close(self) -> None:
        """Close the socket to the kernel."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def peer(self, connection: socket.socket, theirs: Any) -> str:
        """``user 1000`` for a process of this machine, else the address (IPv6: its /64, which one host can have)."""
        ours = connection.getsockname()
        address = ipaddress.ip_address(theirs[0].partition("%")[0])
        if not (address.is_loopback or theirs[0] == ours[0]):
            return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))
        uid = self._uid(connection.family, ours, theirs)
        return "this machine" if uid is None else f"user {uid}"

    def _uid(self, family: int, ours: Any, theirs: Any) -> int | None:
        """The owner of the socket at the other end; None when it is gone, closing, or cannot be asked for."""
        if self._netlink is None:
            return None
        ends = [socket.inet_pton(family, end[0].partition("%")[0]).ljust(16, b"\0") for end in (theirs, ours)]
        body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + _ID.pack(theirs[1], ours[1], *ends)
        body += _ANY_COOKIE
        try:
            self._netlink.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, 1, 1, 0) + body)
            answer = self._netlink.recv(4096)
        except OSError:
            return None
        if len(answer) < _UID_AT + 4 or struct.unpack_from("=H", answer, 4)[0] != _BY_FAMILY:
            return None
        if answer[_STATE_AT] != _ESTABLISHED:
            return None  # its process has let go of it, and the kernel would name root
        uid: int = struct.unpack_from("=I", answer, _UID_AT)[0]
        return uid
