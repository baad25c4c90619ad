"""One host an account, and the account the fleet file names: what is refused before any host is asked."""

from pathlib import Path

import pytest

from mmctl.fleet.accounts import disagreements, shared_account
from mmctl.fleet.inventory import parse_fleet
from tests.unit.conftest import Mmctl

CONFIG = """environment: {environment}
exchange:
  name: binance
  account: {account}
  api_key: ${{API_KEY:-k}}
  api_secret: s
venue: {{rest: "http://127.0.0.1:1", stream: "ws://127.0.0.1:1", ws_api: "ws://127.0.0.1:1"}}
strategy: {{symbol: ETHUSDT, base_size: 0.1, max_inventory: 1}}
risk: {{daily_loss_limit: 100, max_drawdown_limit: 0.05, max_position: 2}}
monitoring: {{port: 8080}}
"""
ONE = "{name: a, address: 127.0.0.1}"
TWO = f"[{ONE}, {{name: b, address: 127.0.0.2}}]"


class Desk:
    """A folder of a fleet file and its configs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.text = folder, "targets:\n"

    def config(self, name: str, account: str = "main", environment: str = "sandbox") -> None:
        (self.folder / name).write_text(CONFIG.format(account=account, environment=environment))

    def secrets(self, name: str, **values: str) -> None:
        (self.folder / name).write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        (self.folder / name).chmod(0o600)

    def target(self, name: str, hosts: str, account: str = "main", config: str = "main.yaml", more: str = "") -> None:
        self.text += f"  {name}:\n    environment: sandbox\n    account: {account}\n    config: {config}\n"
        self.text += f"    hosts: {hosts}\n{more}"

    @property
    def file(self) -> Path:
        path = self.folder / "fleet.yaml"
        path.write_text(self.text)
        return path

    def shared(self, target: str) -> str | None:
        fleet = parse_fleet(self.text, self.folder / "fleet.yaml")
        return shared_account(fleet, fleet.target(target))

    def differing(self, target: str) -> list[str]:
        return list(disagreements(parse_fleet(self.text, self.folder / "fleet.yaml").target(target)))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("MMCTL_STATE", str(tmp_path / "state"))
    made = Desk(tmp_path)
    made.config("main.yaml")
    return made


VERBS = (
    ("deploy",),
    ("deploy", "--dry-run"),
    ("deploy", "--release", "x"),
    ("start",),
    ("restart",),
    ("rollback",),
    ("resume", "--confirm", "main"),
    ("breaker", "reset", "--reason", "r", "--confirm", "main"),
    ("preflight",),
)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
@pytest.mark.parametrize("narrowed", ["", ":a"])
def test_no_verb_lets_two_hosts_quote_one_account(
    words: tuple[str, ...], narrowed: str, desk: Desk, mmctl: Mmctl
) -> None:
    desk.target("desk", TWO)
    place = 2 if words[0] == "breaker" else 1
    line = [*words[:place], f"desk{narrowed}", *words[place:], "--fleet", str(desk.file), "--deadline", "20s"]
    said = mmctl(*line)
    assert said.code == 7, said.err
    assert "desk:a and desk:b would both quote the account main" in said.err + said.out


def test_two_targets_of_one_account_are_seen_from_either(desk: Desk) -> None:
    desk.target("one", f"[{ONE}]")
    desk.target("other", "[{name: b, address: 127.0.0.2}]")
    assert "one:a and other:b would both quote" in (desk.shared("one") or "")
    assert "other:b and one:a would both quote" in (desk.shared("other") or "")


def test_hosts_with_an_account_each_are_fine(desk: Desk) -> None:
    desk.config("each.yaml", "${MM_ACCOUNT}")
    for name in ("a", "b"):
        desk.secrets(f"{name}.env", MM_ACCOUNT=f"desk-{name}", API_KEY=f"key-{name}")
    hosts = (
        "[{name: a, address: 127.0.0.1, account: desk-a, env_file: a.env}, "
        "{name: b, address: 127.0.0.2, account: desk-b, env_file: b.env}]"
    )
    desk.target("desks", hosts, config="each.yaml")
    assert desk.shared("desks") is None
    assert desk.differing("desks") == []


def test_names_that_differ_in_the_fleet_file_alone_do_not_make_two_accounts(desk: Desk) -> None:
    hosts = "[{name: a, address: 127.0.0.1, account: x}, {name: b, address: 127.0.0.2, account: y}]"
    desk.target("desk", hosts)
    assert "would both quote the account main" in (desk.shared("desk") or "")
    assert len(desk.differing("desk")) == 2


def test_one_key_under_two_names_is_one_account(desk: Desk) -> None:
    for name in ("x", "y"):
        desk.config(f"{name}.yaml", name, "testnet")
        at = "127.0.0.1" if name == "x" else "127.0.0.2"
        desk.text += f"  {name}: {{environment: testnet, config: {name}.yaml, hosts: [{{name: h, address: {at}}}]}}\n"
    assert "one API key (accounts x, y)" in (desk.shared("x") or "")


def test_two_targets_of_one_folder_of_one_host_share_its_lease(desk: Desk) -> None:
    desk.target("one", f"[{ONE}]")
    desk.target("again", f"[{ONE}]")
    assert desk.shared("one") is None
    desk.target("beside", f"[{ONE}]", more="    root: /opt/other\n")
    assert "beside:a and one:a would both quote" in (desk.shared("beside") or "")


def test_fleet_and_config_that_name_different_accounts_are_refused_with_both_lines(desk: Desk, mmctl: Mmctl) -> None:
    desk.target("desk", f"[{ONE}]", account="second")
    file = desk.file
    for verb in (
        ("deploy", "desk"),
        ("preflight", "desk"),
        ("config", "check", "desk"),
        ("config", "check", str(file)),
    ):
        said = mmctl(*verb, "--fleet", str(file), "--deadline", "20s")
        assert said.code == 7, said.err
        assert f"{file}:4: account second, but {desk.folder / 'main.yaml'}:4: exchange.account main" in (
            said.err + said.out
        )


@pytest.mark.parametrize("key", ["environment: testnet", "exchange: okx", "market: usdm"])
def test_environment_exchange_and_market_must_agree_as_well(key: str, desk: Desk) -> None:
    desk.config("spot.yaml")
    text = (desk.folder / "spot.yaml").read_text().replace("  name: binance", "  name: binance\n  market: spot")
    (desk.folder / "spot.yaml").write_text(text)
    desk.text += f"  desk: {{{key}, config: spot.yaml, hosts: [{ONE}]}}\n"
    (found,) = desk.differing("desk")
    assert f"{key.replace(': ', ' ')}, but {desk.folder / 'spot.yaml'}:" in found


def test_an_account_that_the_fleet_file_does_not_name_is_the_configs(desk: Desk) -> None:
    desk.text += f"  desk: {{config: main.yaml, hosts: [{ONE}]}}\n"
    assert desk.differing("desk") == []
