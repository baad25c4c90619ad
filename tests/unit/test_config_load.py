"""Loading a configuration: every error at once, each with its place; the environment; secrets that stay secret."""

import copy
import pickle
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from engine.config.errors import ConfigErrors
from engine.config.load import credentials, load, load_text, read_env_file
from engine.config.schema import Config
from engine.config.secret import Secret, SecretUrl
from engine.config.show import config_hash, dump, effective, secrets
from engine.config.values import Duration
from tests.needs import ROOT

SECRET = "s3cr3t-value-that-must-not-appear"

GOOD = """\
environment: canary
exchange:
  api_key: "${KEY}"
  api_secret: "${SECRET}"
strategy:
  symbol: ETHUSDC
  base_size: 0.01
  max_inventory: 0.05
risk:
  daily_loss_limit: 100.0
  max_drawdown_limit: 0.03
  max_position: 0.1
"""
ENV = {"KEY": "the-api-key", "SECRET": SECRET}


def complaints(text: str, env: dict[str, str] | None = None) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigErrors) as caught:
        load_text(text, "c.yaml", ENV if env is None else env)
    return [(error.line, error.path, f"{error.message} {error.suggestion}") for error in caught.value.errors]


def only_complaint(text: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    found = complaints(text, env)
    assert len(found) == 1, found
    return found[0]


def test_the_seeds_file_loads_with_its_names_and_meaning() -> None:
    text = """\
exchange: {name: "binance", api_key: "${KEY}", api_secret: "${SECRET}", testnet: false}
strategy: {name: "basic_mm", symbol: "ETHUSDC", base_spread: 0.001, base_size: 0.01, max_inventory: 0.05,
  skew_factor: 0.3, tick_interval: 5s}
risk: {daily_loss_limit: 100.0, max_drawdown_limit: 0.03, max_position: 0.1,
  circuit_breaker: {threshold: 5, timeout: 5m}}
monitoring: {prometheus_port: 9090, metrics_interval: 5s}
logging: {level: "info", format: "json", outputs: ["stdout", "file"], file_path: "/var/log/market-maker/app.log",
  max_size: 100, max_backups: 10, max_age: 30}
environment: production
"""
    config = load_text(text, "seed.yaml", ENV)
    assert config.strategy.base_size == Decimal("0.01")
    assert config.strategy.tick_interval.seconds == 5
    assert config.risk.circuit_breaker.timeout == 300_000_000_000
    assert config.monitoring.prometheus_port == 9090
    assert config.logging.max_backups == 10


def test_every_error_is_reported_at_once_with_its_line() -> None:
    text = GOOD.replace("max_position: 0.1", "max_position: -0.1") + "loging: {}\nstore:\n  queue: many\n"
    text = text.replace("symbol: ETHUSDC", "symbol: ETHUSDC\n  base_spred: 0.001").replace("100.0", ".nan")
    assert [(line, path) for line, path, _ in complaints(text)] == [
        (7, "strategy.base_spred"),
        (11, "risk.daily_loss_limit"),
        (13, "risk.max_position"),
        (14, "loging"),
        (16, "store.queue"),
    ]


def test_errors_of_type_and_broken_rules_between_keys_come_together() -> None:
    text = GOOD.replace("base_size: 0.01", "base_size: 0.5") + "logging:\n  max_age: soon\n"
    assert {path for _, path, _ in complaints(text)} == {"strategy.base_size", "logging.max_age"}


@pytest.mark.parametrize(
    ("before", "after", "path", "words"),
    [
        ("base_size", "base_sise", "strategy.base_sise", "did you mean strategy.base_size?"),
        ("symbol:", "max_position: 1\n  symbol:", "strategy.max_position", "it belongs at risk.max_position"),
        ("100.0", "-100.0", "risk.daily_loss_limit", "must be above 0, found -100.0"),
        ("0.03", "3", "risk.max_drawdown_limit", "must be below 1, found 3"),
        ("0.03", ".inf", "risk.max_drawdown_limit", "finite"),
        ("0.05", '"0.05"', "strategy.max_inventory", "expected a number, found text"),
        ("0.05", "yes", "strategy.max_inventory", "expected a number, found true/false"),
        ("0.05", "", "strategy.max_inventory", "expected a number, found nothing"),
        ("0.05", "1e-19", "strategy.max_inventory", "18 decimals"),
        ("ETHUSDC", "eth/usdc", "strategy.symbol", "symbol in capitals"),
        ("ETHUSDC", "[ETHUSDC]", "strategy.symbol", "expected text, found a list"),
        ("symbol:", "tick_interval: 5\n  symbol:", "strategy.tick_interval", "expected a duration"),
        ("symbol:", "tick_interval: 0s\n  symbol:", "strategy.tick_interval", "above 0s"),
        ("api_key:", "testnet: 1\n  api_key:", "exchange.testnet", "expected true or false"),
        ("api_key:", "market: futures\n  api_key:", "exchange.market", "expected spot or usdm"),
        ("api_key:", "market: sopt\n  api_key:", "exchange.market", "did you mean spot?"),
        (
            "  max_position: 0.1",
            "  max_position: 0.1\n  max_position: 0.2",
            "risk.max_position",
            "already set on line 12",
        ),
    ],
)
def test_a_wrong_key_is_named_with_what_was_expected(before: str, after: str, path: str, words: str) -> None:
    found = {where: message for _, where, message in complaints(GOOD.replace(before, after, 1))}
    assert words in found[path]


def test_a_missing_key_is_reported_at_its_section_with_the_misspelt_sibling() -> None:
    text = GOOD.replace("  base_size", "  bass_size")
    found = {path: (line, message) for line, path, message in complaints(text)}
    assert found["strategy.base_size"][0] == 5
    assert "is bass_size meant?" in found["strategy.base_size"][1]


def test_a_missing_section_is_reported() -> None:
    assert only_complaint(GOOD[: GOOD.index("risk:")])[1:] == ("risk", "the file lacks the key risk ")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("exchange: {\n  a: [1\n", 3, "not valid YAML"),
        ("exchange:\n\tname: x\n", 2, "not valid YAML"),
        ("", 0, "empty"),
        ("# nothing\n", 0, "empty"),
        ("- a\n- b\n", 1, "expected sections"),
        ("just text\n", 1, "expected sections"),
        ("a: \x00\n", 0, "does not allow"),
        ("[" * 5000, 0, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_words(text: str, line: int, words: str) -> None:
    where, _, message = complaints(text)[0]
    assert (where, words in message) == (line, True), message


def test_aliases_that_multiply_or_loop_are_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    assert any("too many values" in message for _, _, message in complaints(bomb))
    assert any("contains itself" in message for _, _, message in complaints("exchange: &e\n  name: *e\n"))


def test_a_missing_variable_is_named_with_its_line_and_a_default_fills_in() -> None:
    line, path, message = only_complaint(GOOD, {"KEY": "k"})
    assert (line, path) == (4, "exchange.api_secret")
    assert "SECRET is not set" in message
    filled = load_text(GOOD.replace("${SECRET}", "${SECRET:-fallback}"), "c.yaml", {"KEY": "k"})
    assert filled.exchange.api_secret is not None
    assert filled.exchange.api_secret.reveal() == "fallback"


def test_an_empty_variable_is_not_a_value() -> None:
    assert "is empty" in only_complaint(GOOD, {"KEY": "k", "SECRET": ""})[2]


def test_a_variable_takes_the_type_its_key_wants() -> None:
    text = GOOD + 'monitoring:\n  port: ${PORT}\n  host: "${HOST}"\nlease:\n  ttl: ${TTL}\n'
    config = load_text(text, "c.yaml", {**ENV, "KEY": "12345", "PORT": "8099", "HOST": "127.0.0.1", "TTL": "3s"})
    assert (config.monitoring.port, config.lease.ttl.seconds) == (8099, 3)
    assert config.exchange.api_key is not None
    assert config.exchange.api_key.reveal() == "12345"


def test_a_value_put_in_from_the_environment_is_text_to_yaml() -> None:
    config = load_text(GOOD, "c.yaml", {"KEY": "a: b\n- [", "SECRET": "# not a comment"})
    assert config.exchange.api_key is not None
    assert config.exchange.api_key.reveal() == "a: b\n- ["


def test_dollars_are_written_twice_and_broken_variables_are_errors() -> None:
    config = load_text(GOOD.replace("${KEY}", "$${KEY}"), "c.yaml", ENV)
    assert config.exchange.api_key is not None
    assert config.exchange.api_key.reveal() == "${KEY}"
    assert "closing" in only_complaint(GOOD.replace("${KEY}", "${KEY"))[2]


@pytest.mark.parametrize(
    "where", ["testnet: ${SECRET}", "market: ${SECRET}", "recv_window: ${SECRET}", "naem: ${SECRET}"]
)
def test_a_secret_in_the_wrong_place_is_not_quoted_back(where: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text(GOOD.replace("exchange:", f"exchange:\n  {where}"), "c.yaml", ENV)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("where", ["testnet", "market", "recv_window", "leverage", "account"])
def test_a_literal_pasted_into_the_wrong_key_is_not_quoted_back(where: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text(GOOD.replace("exchange:", f'exchange:\n  {where}: "{SECRET}!"'), "c.yaml", ENV)
    assert SECRET not in str(caught.value)


def test_secrets_never_print_and_are_found_for_redaction() -> None:
    text = GOOD + "store:\n  url: postgresql://mm:${DB}@db.internal/journal\n"
    config = load_text(text, "c.yaml", {**ENV, "DB": "database-password"})
    shown = repr(config) + str(config) + dump(config) + str(effective(config)) + config.model_dump_json()
    assert SECRET not in shown
    assert "database-password" not in shown
    assert "postgresql://mm:***@db.internal/journal" in dump(config)
    assert set(secrets(config)) == {"the-api-key", SECRET, "database-password"}


def test_a_secret_masks_itself_everywhere_but_in_reveal() -> None:
    secret = Secret(SECRET)
    assert f"{secret} {secret!r} {secret:>5} {[secret]}" == "*** *** *** [***]"
    assert secret.reveal() == SECRET
    assert copy.copy([secret])[0] == Secret(SECRET)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    assert SecretUrl("postgresql://u:p%40ss@h/db").password == "p%40ss"
    assert str(SecretUrl("sqlite:///x.db")) == "sqlite:///x.db"


def test_an_empty_secret_counts_as_not_set() -> None:
    config = load_text(GOOD + "monitoring:\n  control_token: ${TOKEN:-}\n", "c.yaml", ENV)
    assert config.monitoring.control_token is None


def add(section: str) -> tuple[str, str]:
    return "environment: canary", f"environment: canary\n{section}"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (("api_secret", "private_key_file: k.pem\n  api_secret"), "exchange.api_secret"),
        (("environment: canary", "environment: sandbox"), "venue"),
        (("environment: canary", "environment: testnet"), "exchange.testnet"),
        (("environment: canary", "environment: production\nvenue: {rest: http://127.0.0.1:1}"), "venue.stream"),
        (add("venue: {rest: 'ftp:x', stream: 'ws://', ws_api: 'ws://'}"), "venue.rest"),
        (add("monitoring: {host: 0.0.0.0}"), "monitoring.host"),
        (add("monitoring: {prometheus_port: 8080}"), "monitoring.prometheus_port"),
        (add("logging: {outputs: [file]}"), "logging.file_path"),
        (add("logging: {outputs: [stdout, stdout]}"), "logging.outputs"),
        (add("store: {url: 'mysql://x'}"), "store.url"),
        (add("hedge: {enabled: true}"), "hedge.enabled"),
        (add("sentinel: {api_key: only-one}"), "sentinel.api_key"),
        (("max_inventory: 0.05", "max_inventory: 0.2"), "strategy.max_inventory"),
        (("daily_loss_limit: 100.0", "daily_loss_limit: 100.0\n  capital: 50"), "risk.daily_loss_limit"),
    ],
)  # fmt: skip
def test_keys_that_do_not_go_together_are_refused(change: tuple[str, str], path: str) -> None:
    assert only_complaint(GOOD.replace(*change, 1))[1] == path


def test_an_unreadable_file_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xff\n")
    (tmp_path / "huge.yaml").write_bytes(b"#" * (1 << 20) + b"\na: 1\n")
    for name, words in (
        ("none.yaml", "No such file"),
        ("latin.yaml", "latin.yaml:2: the file is not UTF-8"),
        ("huge.yaml", "1 MB"),
    ):
        with pytest.raises(ConfigErrors, match=words):
            load(tmp_path / name, {})


def test_environment_files_and_credentials_feed_the_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    (tmp_path / "engine.env").write_text("# keys\nKEY='quoted key'\nexport SECRET=\"two words\"\n\n; end\n")
    config = load(tmp_path / "c.yaml", {}, env_file=tmp_path / "engine.env")
    assert [value.reveal() for value in (config.exchange.api_key, config.exchange.api_secret) if value] == [
        "quoted key",
        "two words",
    ]
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "SECRET").write_text("from systemd\n")
    (folder / "engine.env").write_text("KEY=from the file\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert (credentials()["SECRET"], credentials()["KEY"]) == ("from systemd", "from the file")


def test_a_broken_environment_file_names_its_line_and_no_value(tmp_path: Path) -> None:
    path = tmp_path / "engine.env"
    path.write_text(f"KEY=x\n{SECRET}\n1BAD={SECRET}\n")
    with pytest.raises(ConfigErrors) as caught:
        read_env_file(path)
    assert [error.line for error in caught.value.errors] == [2, 3]
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["testnet", "canary", "production"])
def test_the_shipped_configurations_load_and_need_their_secrets(name: str) -> None:
    path = ROOT / "configs" / f"{name}.yaml"
    env = dict.fromkeys(read_env_file(ROOT / "configs" / ".env.template"), "x" * 32)
    assert load(path, env).environment == name
    with pytest.raises(ConfigErrors, match="BINANCE_API_KEY is not set"):
        load(path, {})


def test_the_sandbox_configuration_loads_without_any_environment_and_explains_every_key() -> None:
    path = ROOT / "configs" / "config.yaml"
    config = load(path, {})
    assert (config.environment, config.venue.rest) == ("sandbox", "http://127.0.0.1:8900")
    _every_key_is_set(config, "")
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if ":" in line and not line.strip().startswith("#") and not line.rstrip().endswith(":"):
            assert "#" in line or lines[number - 1].strip().startswith("#"), f"line {number + 1} has no comment: {line}"


def _every_key_is_set(section: BaseModel, prefix: str) -> None:
    for name in type(section).model_fields:
        assert name in section.model_fields_set, f"configs/config.yaml does not show {prefix}{name}"
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            _every_key_is_set(value, f"{prefix}{name}.")


def test_the_effective_configuration_loads_again_to_the_same_hash() -> None:
    config = load_text(GOOD, "c.yaml", ENV)
    text = dump(config).replace("api_key: '***'", "api_key: k", 1).replace("api_secret: '***'", "api_secret: s", 1)
    again = load_text(text, "again.yaml", {})
    assert config_hash(again) == config_hash(config)
    assert again.strategy.base_size == config.strategy.base_size


def test_the_hash_follows_values_and_not_secrets_or_comments() -> None:
    base = config_hash(load_text(GOOD, "c.yaml", ENV))
    assert config_hash(load_text("# a comment\n" + GOOD, "d.yaml", {**ENV, "SECRET": "another"})) == base
    assert config_hash(load_text(GOOD.replace("0.05", "0.04"), "c.yaml", ENV)) != base


def test_the_paths_that_are_left_out_follow_the_data_folder() -> None:
    config = load_text(GOOD + "data_dir: /srv/mm\n", "c.yaml", ENV)
    assert config.journal_url().reveal() == "sqlite:////srv/mm/journal.db"
    assert str(config.lease_path()) == "/srv/mm/lease-main.lock"
    assert str(config.spill_dir()) == "/srv/mm/spill"


def test_a_configuration_cannot_be_changed_after_loading() -> None:
    config = load_text(GOOD, "c.yaml", ENV)
    with pytest.raises(Exception, match="frozen"):
        config.strategy.base_size = Decimal(5)


@pytest.mark.parametrize(
    ("text", "ns"), [("250ms", 250_000_000), ("1m30s", 90_000_000_000), ("1.5s", 1_500_000_000), ("2us", 2000)]
)
def test_durations_are_exact_and_print_as_they_are_written(text: str, ns: int) -> None:
    duration = Duration.parse(text)
    assert int(duration) == ns
    assert Duration.parse(str(duration)) == duration


def test_importing_the_package_loads_neither_pydantic_nor_yaml() -> None:
    code = "import sys, engine.config; sys.exit(bool({'pydantic', 'yaml', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    assert Config.model_fields  # and the names are there when asked for
