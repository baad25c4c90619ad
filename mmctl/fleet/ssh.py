"""A host over SSH: paramiko below, our own deadlines above, because paramiko's timeouts do not bound a command."""

import base64
import contextlib
import hashlib
import logging
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

from mmctl.fleet.errors import (
    AuthenticationRefused,
    DeadlineExceeded,
    HostKeyMismatch,
    OperatorError,
    Unreachable,
)
from mmctl.fleet.http import exchange
from mmctl.fleet.inventory import Host, Pin
from mmctl.fleet.transport import (
    CONNECT_SECONDS,
    HttpAnswer,
    Result,
    Stdin,
    bounded,
    put_script,
)

# What paramiko logs (refused channels and the like) reaches the operator as our own errors.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

CHUNK = 1 << 18
POLL_SECONDS = 0.01
KEEPALIVE_SECONDS = 15
CHANNEL_SECONDS = 10.0
#: How long a channel may take to close. Paramiko writes without a deadline: while the kernel's buffer is full, nothing
#: that writes to the connection returns, closing a channel included.
CLOSE_SECONDS = 2.0
#: After this long without a sign that what was sent arrived, the kernel gives the connection up.
DEAD_SECONDS = 30.0
WINDOW_BYTES = 1 << 23


def fingerprint(key: paramiko.PKey) -> str:
    """The key's fingerprint as OpenSSH prints it: ``SHA256:`` and unpadded base64."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


class _FastTransport(paramiko.Transport):
    """Authenticated ciphers first: one pass over the data, in hardware, for the uploads."""

    _preferred_ciphers = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")


def _pins_of(host: Host) -> tuple[Pin, ...]:
    """The keys the fleet pins for this host; an empty answer is a refusal, never a trust."""
    pins = list(host.pins)
    if host.known_hosts:
        try:
            known = paramiko.HostKeys(str(host.known_hosts))
        except OSError as error:
            raise HostKeyMismatch(f"{host.name}: cannot read {host.known_hosts}: {error.strerror}") from None
        name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
        entries = known.lookup(name)
        pins += [Pin(kind, fingerprint(key)) for kind, key in entries.items()] if entries else []
    if not pins:
        raise HostKeyMismatch(
            f"{host.name}: no host key is pinned for {host.address}",
            f"pin what `ssh-keyscan -p {host.port} {host.address}` prints, after checking it on the host's console",
        )
    return tuple(pins)


class SshTransport:
    """One connection to one host, opened at first use and kept; several threads may use it at once."""

    def __init__(self, host: Host, connect_seconds: float = CONNECT_SECONDS) -> None:
        self._host = host
        self._connect_seconds = connect_seconds
        self._lock = threading.Lock()
        self._transport: paramiko.Transport | None = None
        self._jump: SshTransport | None = None

    @property
    def name(self) -> str:
        return self._host.name

    def _where(self) -> str:
        return f"{self._host.name} ({self._host.user}@{self._host.address}:{self._host.port})"

    def _dial(self, end: float) -> socket.socket:
        host = self._host
        left = max(0.1, end - time.monotonic())
        if host.jump is not None:
            self._jump = SshTransport(host.jump, left)
            return self._jump.connect(host.port, left, host.address)
        try:
            stream = socket.create_connection((host.address, host.port), timeout=left)
        except socket.gaierror as error:
            raise Unreachable(f"{self._where()}: the address does not resolve ({error.strerror})") from None
        except OSError as error:
            reason = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error))
            raise Unreachable(
                f"{self._where()}: cannot connect: {reason}",
                "is the host up, and is the address in the fleet file right?",
            ) from None
        if sys.platform == "linux":
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(DEAD_SECONDS * 1000))
        return stream

    def _open(self) -> paramiko.Transport:
        with self._lock:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            end = time.monotonic() + self._connect_seconds
            pins = _pins_of(self._host)
            stream = self._dial(end)
            try:
                transport = self._handshake(stream, pins, end)
            except BaseException:
                stream.close()
                raise
            transport.set_keepalive(KEEPALIVE_SECONDS)
            self._transport = transport
            return transport

    def _handshake(self, stream: socket.socket, pins: tuple[Pin, ...], end: float) -> paramiko.Transport:
        transport = _FastTransport(stream, default_window_size=WINDOW_BYTES, default_max_packet_size=1 << 15)
        try:
            kinds = [pin.kind for pin in pins if pin.kind]
            options = transport.get_security_options()
            if kinds:
                wanted = ["rsa-sha2-512" if kind == "ssh-rsa" else kind for kind in kinds]
                options.key_types = [k for k in options.key_types if k in wanted] or options.key_types
            left = max(0.1, end - time.monotonic())
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = left
            transport.start_client(timeout=left)
            self._check_host_key(transport.get_remote_server_key(), pins)
            self._log_in(transport)
        except OperatorError:
            transport.close()
            raise
        except (TimeoutError, paramiko.SSHException, EOFError, OSError) as error:
            transport.close()
            if time.monotonic() >= end or "timeout" in str(error).lower():
                raise Unreachable(
                    f"{self._where()}: the SSH server did not answer within {self._connect_seconds:g} s"
                ) from None
            raise Unreachable(f"{self._where()}: the SSH handshake failed: {error}") from None
        return transport

    def _check_host_key(self, key: paramiko.PKey, pins: tuple[Pin, ...]) -> None:
        seen = fingerprint(key)
        if seen not in {pin.fingerprint for pin in pins}:
            raise HostKeyMismatch(
                f"{self._where()}: HOST KEY CHANGED: it shows {key.get_name()} {seen}, which is not the pinned key",
                "if the host was reinstalled, check the new key on its console and pin it; else someone is in between",
            )

    def _keys(self) -> list[paramiko.PKey]:
        host = self._host
        if host.key is None:
            return list(paramiko.Agent().get_keys())
        try:
            return [paramiko.PKey.from_path(host.key)]
        except paramiko.PasswordRequiredException:
            raise AuthenticationRefused(
                f"{self._where()}: the key {host.key} is encrypted", "add it to an ssh-agent and write `agent: true`"
            ) from None
        except FileNotFoundError:
            raise AuthenticationRefused(f"{self._where()}: there is no key {host.key}") from None
        except (OSError, paramiko.SSHException, ValueError) as error:
            raise AuthenticationRefused(
                f"{self._where()}: cannot read the key {host.key}: {type(error).__name__}"
            ) from None

    def _log_in(self, transport: paramiko.Transport) -> None:
        keys = self._keys()
        if not keys:
            raise AuthenticationRefused(f"{self._where()}: the ssh-agent holds no key", "ssh-add one, or name a `key:`")
        for key in keys:
            try:
                if not transport.auth_publickey(self._host.user, key):
                    return
            except paramiko.AuthenticationException:
                continue
        shown = self._host.key or "the agent's keys"
        raise AuthenticationRefused(
            f"{self._where()}: the host refuses {shown} for user {self._host.user}",
            "is the public key in the user's authorized_keys there?",
        )

    def _session(self, deadline: float) -> paramiko.Channel:
        try:
            return self._open().open_session(timeout=min(CHANNEL_SECONDS, deadline))
        except OperatorError:
            raise
        except (paramiko.SSHException, EOFError, OSError) as error:
            self.close()
            raise Unreachable(f"{self._where()}: the connection is lost: {error}") from None

    def _let_go(self, channel: paramiko.Channel) -> None:
        """Close ``channel``; where that does not end, nothing passes any more and the whole connection is closed."""
        closing = threading.Thread(target=_close, args=(channel,), daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            self.close()

    def _as_root(self, command: str) -> str:
        return f"sudo -n {command}" if self._host.become else command

    def run(self, script: str, deadline: float, stdin: Stdin = b"") -> Result:
        channel = self._session(deadline)
        begun = time.monotonic()
        end = begun + deadline
        try:
            channel.settimeout(min(deadline, CHANNEL_SECONDS))
            channel.exec_command(self._as_root(bounded(script, deadline)))
            feeder = threading.Thread(target=_feed, args=(channel, stdin, end), daemon=True)
            feeder.start()
            out, err = _gather(channel, end)
        except TimeoutError:
            raise DeadlineExceeded(f"{self._where()}: a step did not end within {deadline:g} s") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            self.close()
            raise Unreachable(f"{self._where()}: the connection broke during a step: {error}") from None
        finally:
            self._let_go(channel)
        status = channel.recv_exit_status() if channel.exit_status_ready() else -1
        if status == -1:
            raise Unreachable(f"{self._where()}: the connection broke before the result came: the outcome is unknown")
        return Result(status, out.decode(errors="replace"), err.decode(errors="replace"), time.monotonic() - begun)

    def put(self, data: bytes, path: str, mode: int, deadline: float) -> None:
        self.run(put_script(path, mode), deadline, data).checked(f"{self._where()}: cannot write {path}")

    def _pour(self, path: str, end: float, sink: "list[bytes] | None", file: Path | None) -> int:
        """Stream a remote file into ``sink`` or ``file``; returns its size in bytes."""
        left = max(0.1, end - time.monotonic())
        channel = self._session(left)
        size = 0
        try:
            channel.settimeout(left)
            channel.exec_command(self._as_root(bounded(f"cat -- {shlex.quote(path)}", left)))
            with open(file, "wb") if file else contextlib.nullcontext() as target:
                while True:
                    left = end - time.monotonic()
                    if left <= 0:
                        raise TimeoutError
                    channel.settimeout(left)
                    piece = channel.recv(CHUNK)
                    if not piece:
                        break
                    size += len(piece)
                    if target is not None:
                        target.write(piece)
                    elif sink is not None:
                        sink.append(piece)
            while not channel.exit_status_ready():
                if time.monotonic() > end:
                    raise TimeoutError
                time.sleep(POLL_SECONDS)
            if channel.recv_exit_status() != 0:
                reason = channel.recv_stderr(4096).decode(errors="replace").strip()
                raise OperatorError(f"{self._where()}: cannot read {path}: {reason}")
        except TimeoutError:
            raise DeadlineExceeded(f"{self._where()}: reading {path} did not end in time") from None
        finally:
            self._let_go(channel)
        return size

    def get(self, path: str, deadline: float) -> bytes:
        pieces: list[bytes] = []
        self._pour(path, time.monotonic() + deadline, pieces, None)
        return b"".join(pieces)

    def fetch(self, path: str, into: Path, deadline: float) -> int:
        part = into.with_name(into.name + ".part")
        size = self._pour(path, time.monotonic() + deadline, None, part)
        part.replace(into)
        return size

    @contextmanager
    def lines(self, script: str) -> Iterator[Iterator[str]]:
        channel = self._session(CHANNEL_SECONDS)
        try:
            channel.settimeout(CHANNEL_SECONDS)
            channel.set_combine_stderr(True)
            # The pty makes the remote script end with the connection, also when this side dies without a word.
            channel.get_pty(width=4096)
            channel.exec_command(self._as_root(f"sh -c {shlex.quote('stty -onlcr -echo 2>/dev/null; ' + script)}"))
            channel.settimeout(None)
            yield (line.decode(errors="replace").rstrip("\r\n") for line in channel.makefile("rb"))
        finally:
            self._let_go(channel)

    def connect(self, port: int, deadline: float, host: str = "127.0.0.1") -> socket.socket:
        try:
            channel = self._open().open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=min(deadline, CHANNEL_SECONDS)
            )
        except paramiko.ChannelException:
            raise Unreachable(f"{self._where()}: nothing listens on {host}:{port} there") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Unreachable(f"{self._where()}: cannot reach port {port} there: {error}") from None
        channel.settimeout(deadline)
        return channel  # type: ignore[return-value]

    def http(
        self,
        method: str,
        port: int,
        path: str,
        deadline: float,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> HttpAnswer:
        end = time.monotonic() + deadline
        stream = self.connect(port, deadline)
        return exchange(stream, self._where(), method, path, max(0.001, end - time.monotonic()), body, headers)

    def shell_command(self) -> list[str]:
        host = self._host
        words = ["ssh", "-p", str(host.port)]
        if host.key:
            words += ["-i", host.key]
        if host.known_hosts:
            words += ["-o", f"UserKnownHostsFile={host.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
        if host.jump:
            words += ["-J", f"{host.jump.user}@{host.jump.address}:{host.jump.port}"]
        return [*words, f"{host.user}@{host.address}"]

    def close(self) -> None:
        with self._lock:
            transport, self._transport = self._transport, None
            jump, self._jump = self._jump, None
        if transport is not None:
            transport.close()
        if jump is not None:
            jump.close()


def _close(channel: paramiko.Channel) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):  # the connection is gone, and the channel too
        channel.close()


def _feed(channel: paramiko.Channel, stdin: Stdin, end: float) -> None:
    """Send stdin in pieces. A script that ends without reading it all is judged by its code, not by this."""
    try:
        for piece in [stdin] if isinstance(stdin, bytes) else stdin:
            view = memoryview(piece)
            while view:
                channel.settimeout(max(0.001, end - time.monotonic()))
                view = view[channel.send(bytes(view[:CHUNK])) :]
        channel.shutdown_write()
    except (OSError, EOFError, paramiko.SSHException):
        return


def _gather(channel: paramiko.Channel, end: float) -> tuple[bytes, bytes]:
    """Everything the command prints, until it has ended; TimeoutError at ``end`` (monotonic seconds)."""
    out, err = bytearray(), bytearray()
    woken = threading.Event()
    channel.in_buffer.set_event(woken)
    channel.in_stderr_buffer.set_event(woken)
    while True:
        while channel.recv_ready():
            out += channel.recv(CHUNK)
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(CHUNK)
        done = channel.exit_status_ready() and (channel.eof_received or channel.closed)
        if (done or channel.closed) and not channel.recv_ready() and not channel.recv_stderr_ready():
            return bytes(out), bytes(err)
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        woken.wait(min(left, POLL_SECONDS))
