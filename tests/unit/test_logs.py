"""The log: one JSON object a line, rotated, bounded, and never a secret in it, whatever form it takes."""

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from engine.config.load import load_text
from engine.config.show import secrets
from engine.telemetry import logs
from engine.telemetry.export import export_logs
from engine.telemetry.exporter import Exporter
from engine.telemetry.logfile import LogFile
from engine.telemetry.logs import LogSettings, QueueWriter, start_logging, stop_logging
from engine.telemetry.redact import Redactor
from tests.needs import ROOT
from tests.unit.test_config_load import GOOD

SECRET = "k9/Jq+secret==value with 'quotes'"
PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIBp9Z0bJfK1m3o5uQ7sX8yTzVwLrNdEaHcGiPkMnOqRs\n"
    "-----END PRIVATE KEY-----\n"
)


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def written(
    path: Path, log: Any, *, form: str = "json", known: tuple[str, ...] = (SECRET, PEM), level: str = "debug"
) -> str:
    """What ``log(logger)`` leaves in the file."""
    writer = start_logging(LogSettings(level=level, format=form, outputs=("file",), file_path=path), known)  # type: ignore[arg-type]
    try:
        log(logging.getLogger("engine.test"))
    finally:
        stop_logging(writer)
    return path.read_text()


def test_a_line_is_one_json_object_with_the_fields_of_the_call(tmp_path: Path) -> None:
    text = written(
        tmp_path / "app.log",
        lambda log: log.warning("order %s refused", "mm-1", extra={"symbol": "ETHUSDC", "lots": 3}),
    )
    record = json.loads(text)
    assert (record["level"], record["logger"], record["message"]) == ("warning", "engine.test", "order mm-1 refused")
    assert (record["symbol"], record["lots"]) == ("ETHUSDC", 3)
    assert record["ts"].endswith("Z")


def test_lines_below_the_level_are_not_written(tmp_path: Path) -> None:
    def log(logger: logging.Logger) -> None:
        logger.debug("hidden")
        logs.set_level("debug")
        logger.debug("shown")

    assert [json.loads(line)["message"] for line in written(tmp_path / "a", log, level="info").splitlines()] == [
        "shown"
    ]


def test_a_newline_in_a_message_cannot_forge_a_line(tmp_path: Path) -> None:
    forged = 'x\n{"level":"info","message":"forged"}\x1b[31m'
    assert len(written(tmp_path / "a", lambda log: log.info(forged)).splitlines()) == 1
    text = written(tmp_path / "b", lambda log: log.info(forged), form="text")
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_form_of_a_secret_gets_out(tmp_path: Path, form: str) -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()

    def log(logger: logging.Logger) -> None:
        logger.info("key is %s", SECRET)
        logger.info("url https://x/?k=%s", quote(SECRET, safe=""))
        logger.info("repr %r json %s b64 %s hex %s", [SECRET], json.dumps(SECRET), encoded, SECRET.encode().hex())
        logger.info("field", extra={"detail": {"nested": [SECRET]}, "api_secret": "never-registered"})
        logger.info("pem %s and %s", PEM, PEM.splitlines()[1])
        logger.info("postgresql://mm:dbpassword@host/db")
        logger.info("GET /api/v3/order?symbol=A&signature=%s", "a1b2c3d4" * 8)
        logger.info("headers {'X-MBX-APIKEY': 'unregistered-key-value'}")
        logger.info("Authorization: Bearer unregistered-token")
        try:
            raise ValueError(f"bad key {SECRET}")
        except ValueError:
            logger.exception("failed")

    text = written(tmp_path / "a", log, form=form)
    forms = {SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1], encoded.rstrip("="), SECRET.encode().hex()}
    forms |= {
        PEM.splitlines()[1],
        "never-registered",
        "dbpassword",
        "a1b2c3d4" * 8,
        "unregistered-key-value",
        "unregistered-token",
    }
    assert {form for form in forms if form in text} == set()
    assert "ValueError" in text
    if form == "json":
        assert all(json.loads(line) for line in text.splitlines())


def test_the_configurations_own_secrets_are_the_ones_redacted(tmp_path: Path) -> None:
    config = load_text(GOOD, "c.yaml", {"KEY": "public-api-key-1234", "SECRET": "hmac-secret-5678"})

    def log(logger: logging.Logger) -> None:
        logger.info("config %s key %s", config, config.exchange.api_key)
        logger.info("raw %s %s", config.exchange.api_key.reveal(), "hmac-secret-5678")  # type: ignore[union-attr]

    text = written(tmp_path / "a", log, known=tuple(secrets(config)))
    assert "public-api-key-1234" not in text
    assert "hmac-secret-5678" not in text


def test_redaction_leaves_json_whole_and_plain_text_alone() -> None:
    redact = Redactor([SECRET])
    line = '{"url":"http://127.0.0.1:8900/x","mail":"a@b.c","message":"postgresql://u:p@h/d"}'
    assert json.loads(redact(line)) == {
        "url": "http://127.0.0.1:8900/x",
        "mail": "a@b.c",
        "message": "postgresql://u:***@h/d",
    }
    assert redact("2500.01 ETHUSDC placed") == "2500.01 ETHUSDC placed"
    assert Redactor(["abc"])("abc stays: too short to tell from chance") == "abc stays: too short to tell from chance"


def test_a_log_call_that_does_not_fit_is_still_logged(tmp_path: Path) -> None:
    assert "do not fit" in written(tmp_path / "a", lambda log: log.info("%d items", "three"))

    class Awkward:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert "unprintable" in written(tmp_path / "b", lambda log: log.info("x", extra={"thing": Awkward()}))


def test_a_flood_is_dropped_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "QUEUE", 0)
    path = tmp_path / "a"
    writer = start_logging(LogSettings(outputs=("file",), file_path=path))
    exporter = Exporter()
    export_logs(exporter, writer)
    logging.getLogger("x").info("dropped")
    monkeypatch.setattr(logs, "QUEUE", 10)
    logging.getLogger("x").info("kept")
    stop_logging(writer)
    messages = [json.loads(line)["message"] for line in path.read_text().splitlines()]
    assert messages[0] == "kept"
    assert messages[1].startswith("1 log lines were dropped")
    page = exporter.page().decode()
    assert "mm_log_lines_dropped_total 1.0" in page
    assert 'mm_log_lines_total{level="info"} 2.0' in page


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_the_file_rotates_by_size_and_keeps_the_newest(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "app.log", max_size=100, max_backups=2, max_age_s=1e9)
    for number in range(10):
        assert file.write(f"{number}".encode() * 39 + b"\n")
    file.close()
    found = {path.name: path.read_text()[0] for path in tmp_path.iterdir()}
    assert found == {"app.log": "8", "app.log.1": "6", "app.log.2": "4"}


def test_old_copies_are_deleted_by_age_and_strangers_are_left(tmp_path: Path) -> None:
    for name in ("app.log.1", "app.log.2", "app.log.7", "app.log.keep", "other.log.1"):
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / "app.log.1", (1, 1))
    clock = Clock()
    os.utime(tmp_path / "app.log.2", (clock.now, clock.now))
    LogFile(tmp_path / "app.log", max_size=100, max_backups=5, max_age_s=86_400, clock=clock).open()
    assert {path.name for path in tmp_path.iterdir()} == {"app.log", "app.log.2", "app.log.keep", "other.log.1"}


def test_a_file_moved_away_is_made_again(tmp_path: Path) -> None:
    clock = Clock()
    file = LogFile(tmp_path / "app.log", max_size=10_000, max_backups=2, max_age_s=1e9, clock=clock)
    file.write(b"one\n")
    (tmp_path / "app.log").rename(tmp_path / "moved")
    clock.now += 2
    file.write(b"two\n")
    file.close()
    assert (tmp_path / "app.log").read_text() == "two\n"


def test_a_disk_that_takes_nothing_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "blocked").write_text("a file where a folder should be")
    file = LogFile(tmp_path / "blocked" / "app.log", max_size=100, max_backups=1, max_age_s=1e9, clock=clock)
    assert not file.write(b"lost\n")
    (tmp_path / "blocked").unlink()
    assert not file.write(b"still waiting\n")
    clock.now += 6
    assert file.write(b"back\n")
    assert (file.failed, (tmp_path / "blocked" / "app.log").read_text()) == (2, "back\n")


def test_a_log_file_that_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        start_logging(LogSettings(outputs=("file",), file_path=tmp_path / "file" / "app.log"))


def test_under_systemd_lines_carry_their_priority(tmp_path: Path) -> None:
    code = """
import logging, os, sys
about = os.fstat(1)
os.environ["JOURNAL_STREAM"] = f"{about.st_dev}:{about.st_ino}"
from engine.telemetry.logs import LogSettings, start_logging, stop_logging
writer = start_logging(LogSettings())
logging.getLogger("x").error("bad")
stop_logging(writer)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("<3>{")


def test_writing_happens_on_another_thread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = QueueWriter(LogSettings(outputs=("file",), file_path=tmp_path / "pipe"), Redactor())
    logger = logging.Logger("direct")
    logger.addHandler(writer)
    for _ in range(2_000):  # far more than a pipe holds: only the writer's thread may stand still
        logger.info("x" * 100)
    assert writer.counts["info"] == 2_000
    os.set_blocking(reader, True)
    lines = 0
    while lines < 2_000:
        lines += os.read(reader, 1 << 16).count(b"\n")
    writer.close()
    os.close(reader)
