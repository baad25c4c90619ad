"""What changed between two configurations, what may change while running, and how the schema describes itself."""

import json

import pytest

from engine.config.diff import apply_reload, diff, set_keys
from engine.config.load import load_text
from engine.config.schema import Config
from engine.config.show import json_schema, keys
from tests.unit.test_config_load import ENV, GOOD, SECRET


def loaded(text: str = GOOD, **env: str) -> Config:
    return load_text(text, "c.yaml", {**ENV, **env})


def test_equal_configurations_have_no_difference() -> None:
    assert diff(loaded(), loaded("# other comment\n" + GOOD.replace("0.01", "0.010"))) == []


def test_each_change_says_whether_it_reloads() -> None:
    new = loaded(
        GOOD.replace("max_inventory: 0.05", "max_inventory: 0.04\n  base_spread: 0.002").replace("ETHUSDC", "BTCUSDC")
    )
    found = {change.path: (change.old, change.new, change.reloadable) for change in diff(loaded(), new)}
    assert found == {
        "strategy.symbol": ("ETHUSDC", "BTCUSDC", False),
        "strategy.base_spread": (0.001, 0.002, True),
        "strategy.max_inventory": ("0.05", "0.04", True),
    }


def test_a_reload_is_whole_or_not_at_all() -> None:
    good = loaded(GOOD.replace("max_inventory: 0.05", "max_inventory: 0.04"))
    assert apply_reload(loaded(), good).strategy.max_inventory == good.strategy.max_inventory
    mixed = loaded(GOOD.replace("max_inventory: 0.05", "max_inventory: 0.04") + "data_dir: elsewhere\n")
    with pytest.raises(ValueError, match="need a restart: data_dir"):
        apply_reload(loaded(), mixed)


def test_a_changed_secret_is_seen_but_not_shown() -> None:
    changes = diff(loaded(), loaded(SECRET="rotated-secret"))
    assert [change.path for change in changes] == ["exchange.api_secret"]
    assert (changes[0].old, changes[0].new, changes[0].reloadable) == ("***", "*** (changed)", False)
    shown = json.dumps([change.as_dict() for change in changes]) + str(changes[0])
    assert "rotated" not in shown
    assert SECRET not in shown


def test_limits_and_quotes_reload_but_identity_does_not() -> None:
    reload = {info.path: info.reload for info in keys()}
    assert all(on for path, on in reload.items() if path.startswith("risk.circuit_breaker."))
    assert {reload[path] for path in ("strategy.base_spread", "risk.max_position", "logging.level")} == {True}
    fixed = ("exchange.api_key", "exchange.account", "strategy.symbol", "lease.path", "store.url", "monitoring.port")
    assert {reload[path] for path in fixed} == {False}


def test_every_key_has_a_meaning_and_a_type_a_person_can_read() -> None:
    for info in keys():
        assert len(info.doc) > 10, info.path
        assert "[" not in info.type, info
        assert "class" not in info.type, info


def test_the_json_schema_describes_the_shipped_file_and_allows_variables() -> None:
    schema = json_schema()
    port = schema["$defs"]["Monitoring"]["properties"]["port"]
    assert {"type": "string", "pattern": r"\$\{.+\}"} in port["anyOf"]
    assert schema["$defs"]["Risk"]["properties"]["max_position"]["reload"] is True
    assert set(schema["required"]) == {"exchange", "strategy", "risk"}
    assert schema["additionalProperties"] is False
    json.dumps(schema)


def test_the_keys_that_were_written_are_told_from_defaults() -> None:
    written = set_keys(loaded())
    assert "risk.max_position" in written
    assert "risk.max_open_orders" not in written
