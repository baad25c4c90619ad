"""A PostgreSQL server of the test's own: a fresh cluster on a free port, run by an unprivileged user."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.needs import need
from tests.ports import free_port

PASSWORD = "a-password-of-the-test"


def binaries() -> Path | None:
    """Where initdb and pg_ctl are: on PATH, or in Debian's versioned folder."""
    found = shutil.which("initdb")
    places = [Path(found).resolve()] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return next((place.parent for place in places if (place.parent / "psql").exists()), None)


@dataclass(slots=True)
class Server:
    port: int
    folder: Path
    programs: Path
    user: str | None

    def url(self, database: str = "journal") -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One of PostgreSQL's own programs, as the server's user."""
        environment = {**os.environ, "PGPASSWORD": PASSWORD, "LC_ALL": "C"}
        command = [str(self.programs / program), *arguments]
        return subprocess.run(
            command, user=self.user, cwd=self.folder, env=environment, capture_output=True, text=True, check=check
        )

    def start(self) -> None:
        options = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=16MB"
        )
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-l", log, "-w", "-t", "30", "start")

    def stop(self, mode: str = "immediate") -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop", check=False)

    def sql(self, text: str, database: str = "journal") -> str:
        """The output of psql, one line a row, columns divided by a bar."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database]
        return self.run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", text).stdout.strip()


def _nobody_if_root() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None


@contextmanager
def running_server() -> Iterator[Server]:
    """A started server with an empty database ``journal``."""
    programs = binaries()
    need(programs is not None, "a PostgreSQL server (Debian: postgresql)")
    assert programs is not None
    user = _nobody_if_root()
    folder = Path(tempfile.mkdtemp(prefix="mm-postgres-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    server = Server(free_port(), folder, programs, user)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    try:
        arguments = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(secret), "--no-sync", "-E", "UTF8"]
        server.run("initdb", "-D", str(folder / "data"), *arguments)
        server.start()
        server.sql("CREATE DATABASE journal", "postgres")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
