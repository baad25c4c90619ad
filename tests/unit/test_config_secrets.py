"""What a person may do wrong with a secret, and no message, table or JSON ever shows it; and what production needs."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.config.errors import ConfigErrors
from engine.config.load import load_text
from engine.config.show import dump, effective
from tests.needs import ROOT
from tests.unit.test_config_load import ENV, GOOD, complaints

DIGITS = "31415926535897932384"
WORD = "Zq7vK2mX9pL4tR8w"
SECRET_KEYS = (
    ("exchange", "api_key"),
    ("exchange", "api_secret"),
    ("exchange", "passphrase"),
    ("monitoring", "control_token"),
    ("sentinel", "api_key"),
    ("sentinel", "api_secret"),
    ("store", "url"),
)
#: As YAML reads them: whole, fraction, exponent, list, map, date, alias, anchor, tag, and a missing blank.
FORMS = (
    DIGITS,
    f"{DIGITS}.5",
    f"-{DIGITS}",
    "31415926e53",
    f"[{DIGITS}]",
    f"{{{DIGITS}: 1}}",
    f"{{a: {DIGITS}}}",
    f"[{WORD}]",
    f"{{{WORD}: 1}}",
    f"*{WORD}",
    f"!{WORD} 5",
    f"!!{WORD} 5",
    f"'{WORD}",
    f"{WORD}: x",
    f"%{WORD}",
    f"@{WORD}",
    f"${{{WORD}",
    f"|{WORD}",
)


def shown(text: str) -> str:
    """Everything that can be said of a configuration."""
    try:
        config = load_text(text, "c.yaml", ENV, deep=True)
    except ConfigErrors as errors:
        return str(errors) + repr(errors) + json.dumps([error.as_dict() for error in errors.errors])
    return dump(config) + json.dumps(effective(config)) + repr(config.exchange) + repr(config.monitoring)


def put(section: str, key: str, value: str) -> str:
    """GOOD with ``section.key: value`` in it."""
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"  {key}:") or section != "exchange"]
    if f"{section}:" in lines:
        lines.insert(lines.index(f"{section}:") + 1, f"  {key}: {value}")
    else:
        lines += [f"{section}:", f"  {key}: {value}"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("where", "value"), list(itertools.product(SECRET_KEYS, FORMS)))
def test_a_secret_in_any_form_is_shown_by_nothing(where: tuple[str, str], value: str) -> None:
    said = shown(put(*where, value))
    for part in (DIGITS, WORD, "31415926"):
        assert part not in said, said


@pytest.mark.parametrize(
    "key",
    [
        "api_secrte",
        "api-secret",
        "apisecret",
        "secret",
        "password",
        "account",
        "name",
        "testnet",
        "market",
        "private_key_file",
        "key_vouched_for",
    ],
)
@pytest.mark.parametrize("value", [DIGITS, WORD, f"[{DIGITS}]"])
def test_a_secret_under_another_key_is_not_shown_by_its_complaint(key: str, value: str) -> None:
    said = " ".join(error[1] for error in production_errors(put("exchange", key, value)))
    assert DIGITS not in said
    assert WORD not in said


@pytest.mark.parametrize(
    "line",
    [
        f"  api_secret:{DIGITS}",
        f"  api_secret:{WORD}",
        f"  ? {WORD}\n  : 1",
        f"  {DIGITS}:",
        f"  {WORD * 4}:",
        f"  api_secret {WORD}: 1",
        f"  {{api_secret:{DIGITS}}}",
    ],
)
def test_a_missing_blank_or_colon_makes_no_key_of_a_secret(line: str) -> None:
    text = GOOD.replace('  api_secret: "${SECRET}"', line)
    said = shown(text)
    assert DIGITS not in said
    assert WORD not in said or line == f"  ? {WORD}\n  : 1"  # a key like any other: nothing tells that it is none


def test_a_password_in_an_address_is_masked_wherever_it_stands() -> None:
    for url in (f"http://desk:{WORD}@10.0.0.5/", f"https://h/?password={WORD}"):
        text = GOOD.replace("environment: canary", "environment: sandbox") + f"venue: {{rest: '{url}'"
        assert WORD not in shown(text + ", stream: 'wss://h', ws_api: 'wss://h'}\n")
    assert WORD not in shown(put("store", "url", f"postgresql://desk@h/db?sslpassword=x&password={WORD}"))


@pytest.mark.parametrize("options", [[], ["--json"], ["-v"], ["--json", "-v"]])
@pytest.mark.parametrize("verb", [["check"], ["show"], ["diff"]])
def test_the_command_line_shows_it_neither(tmp_path: Path, verb: list[str], options: list[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(put("exchange", "api_secret", DIGITS).replace("${KEY}", "k"))
    command = [sys.executable, "-m", "mmctl", "config", *verb, str(file), *([str(file)] * (verb == ["diff"]))]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 10
    assert DIGITS not in done.stdout + done.stderr
    assert "exchange.api_secret" in done.stdout + done.stderr


def test_a_short_number_in_an_ordinary_key_is_still_quoted() -> None:
    assert "found 3" in complaints(GOOD.replace("0.03", "3"))[0][2]


REAL = GOOD.replace("environment: canary", "environment: production")


def production(**sections: str) -> list[tuple[str, str]]:
    return production_errors(REAL + "".join(f"{name}: {value}\n" for name, value in sections.items()))


def production_errors(text: str) -> list[tuple[str, str]]:
    """Path and words of each complaint."""
    try:
        load_text(text, "c.yaml", ENV)
    except ConfigErrors as errors:
        return [(error.path, f"{error.message} {error.suggestion}") for error in errors.errors]
    return []


@pytest.mark.parametrize("environment", ["production", "canary", "live"])
@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("rest", "http://10.0.0.5:8900"),
        ("rest", "http://localhost@10.0.0.5"),
        ("rest", "http://exchange.example"),
        ("stream", "ws://10.0.0.5"),
        ("ws_api", "ws://[2001:db8::1]:9000"),
        ("ws_api", "ws://127.0.0.1.example.com"),
    ],
)
def test_production_speaks_to_no_other_machine_in_clear(environment: str, name: str, url: str) -> None:
    given = {"rest": "https://a.example", "stream": "wss://a.example", "ws_api": "wss://a.example", name: url}
    text = GOOD.replace("canary", environment) + f"venue: {json.dumps(given)}\n"
    found = {path: message for _, path, message in complaints(text)}
    assert "not encrypted" in found[f"venue.{name}"]
    assert set(found) == {f"venue.{name}"}


def test_loopback_may_be_in_clear_and_another_machine_with_tls() -> None:
    assert production(venue='{rest: "http://127.0.0.1:1", stream: "ws://localhost:1", ws_api: "ws://[::1]:1"}') == []
    assert production(venue='{rest: "https://a.example", stream: "wss://a.example", ws_api: "wss://a.example"}') == []


@pytest.mark.parametrize("token", ["short", "fifteen-letters", "'                    '", "1234567890123456"])
def test_a_token_that_can_be_guessed_is_refused(token: str) -> None:
    found = production(monitoring=f"{{control_token: {token}}}")
    assert [path for path, _ in found] == ["monitoring.control_token"]
    assert token.strip("' ") not in found[0][1] or not token.strip("' ")
    assert production(monitoring="{control_token: sixteen-letters!}") == []


@pytest.mark.parametrize("host", ["0.0.0.0", "'::'", "10.0.0.5", "''", "engine.example", "'0'"])
def test_production_listens_beyond_loopback_only_behind_tls(host: str) -> None:
    token = "control_token: a-token-that-is-long-enough"
    found = production(monitoring=f"{{host: {host}, {token}}}")
    assert [path for path, _ in found] == ["monitoring.host"]
    assert production(monitoring=f"{{host: {host}, {token}, tls_in_front: true}}") == []
    assert production(monitoring=f"{{host: 127.0.0.1, {token}}}") == []
