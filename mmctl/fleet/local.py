"""The local target: the same scripts, run on this machine by this user."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Unreachable
from mmctl.fleet.http import exchange
from mmctl.fleet.transport import HttpAnswer, Result, Stdin, put_script

CHUNK = 1 << 20


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Stop the script and what it started: it leads its own process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _feed(process: "subprocess.Popen[bytes]", stdin: Stdin) -> None:
    assert process.stdin is not None
    try:
        for piece in [stdin] if isinstance(stdin, bytes) else stdin:
            process.stdin.write(piece)
    except (BrokenPipeError, ValueError):
        pass  # the script does not want the rest; its return code says whether that is well
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()


class LocalTransport:
    """This machine, without root and without a network."""

    def __init__(self, name: str = "local") -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def run(self, script: str, deadline: float, stdin: Stdin = b"") -> Result:
        begun = time.monotonic()
        process = subprocess.Popen(
            ["sh", "-c", script.encode()],  # a locale may not know its characters
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        gathered: dict[str, bytes] = {}

        def read(stream_name: str) -> None:
            gathered[stream_name] = getattr(process, stream_name).read()

        workers = [threading.Thread(target=read, args=(n,), daemon=True) for n in ("stdout", "stderr")]
        workers.append(threading.Thread(target=_feed, args=(process, stdin), daemon=True))
        for worker in workers:
            worker.start()
        try:
            process.wait(timeout=deadline)
        except subprocess.TimeoutExpired:
            _end_group(process)
            raise DeadlineExceeded(f"{self.name}: a step did not end within {deadline:g} s") from None
        except BaseException:
            _end_group(process)
            raise
        for worker in workers:
            worker.join(max(0.1, deadline - (time.monotonic() - begun)))
        return Result(
            process.returncode,
            gathered.get("stdout", b"").decode(errors="replace"),
            gathered.get("stderr", b"").decode(errors="replace"),
            time.monotonic() - begun,
        )

    def put(self, data: bytes, path: str, mode: int, deadline: float) -> None:
        self.run(put_script(path, mode), deadline, data).checked(f"{self.name}: cannot write {path}")

    def get(self, path: str, deadline: float) -> bytes:
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise OperatorError(f"{self.name}: cannot read {path}: {error.strerror}") from None

    def fetch(self, path: str, into: Path, deadline: float) -> int:
        part = into.with_name(into.name + ".part")
        size = 0
        end = time.monotonic() + deadline
        try:
            with open(path, "rb") as source, open(part, "wb") as sink:
                while chunk := source.read(CHUNK):
                    if time.monotonic() > end:
                        raise DeadlineExceeded(f"{self.name}: copying {path} did not end within {deadline:g} s")
                    size += sink.write(chunk)
        except OSError as error:
            raise OperatorError(f"{self.name}: cannot copy {path}: {error.strerror}") from None
        part.replace(into)
        return size

    @contextmanager
    def lines(self, script: str) -> Iterator[Iterator[str]]:
        process = subprocess.Popen(
            ["sh", "-c", script.encode()],  # a locale may not know its characters
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        source = process.stdout
        try:
            yield (line.decode(errors="replace").rstrip("\n") for line in source)
        finally:
            _end_group(process)
            source.close()

    def connect(self, port: int, deadline: float, host: str = "127.0.0.1") -> socket.socket:
        try:
            return socket.create_connection((host, port), timeout=deadline)
        except TimeoutError:
            raise DeadlineExceeded(f"{self.name}: port {port} did not answer within {deadline:g} s") from None
        except OSError as error:
            raise Unreachable(f"{self.name}: nothing listens on {host}:{port} ({error.strerror})") from None

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
        return exchange(stream, self.name, method, path, max(0.001, end - time.monotonic()), body, headers)

    def shell_command(self) -> list[str]:
        return [os.environ.get("SHELL", "/bin/sh")]

    def close(self) -> None:
        """Nothing stays open between calls."""
