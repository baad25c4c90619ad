"""The fleet file: what it may say, and every fault in it at once with its line."""

from pathlib import Path

import pytest

from mmctl.fleet.errors import FleetFileError, UsageError
from mmctl.fleet.inventory import Fleet, load_fleet, parse_fleet
from mmctl.remote.layout import layout_of

GOOD = """
default: staging
defaults:
  user: root
  key: keys/deploy
targets:
  staging:
    environment: testnet
    account: desk-a
    config: testnet.yaml
    env_file: .env.staging
    keep: 3
    hosts:
      - {name: mm1, address: 192.0.2.11, known_hosts: known_hosts}
      - name: mm2
        address: mm2.example
        port: 2222
        user: deploy
        become: true
        fingerprint: "SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
        jump: {address: bastion.example, user: hop, agent: false}
  here:
    transport: local
    root: ./run
"""


def fleet(text: str, folder: Path = Path("/etc/fleet")) -> Fleet:
    return parse_fleet(text, folder / "fleet.yaml")


def faults(text: str) -> list[str]:
    with pytest.raises(FleetFileError) as error:
        fleet(text)
    assert error.value.exit_code == 10
    return error.value.what.splitlines()


def test_a_target_has_hosts_with_inherited_and_own_keys() -> None:
    target = fleet(GOOD).target("staging")
    one, two = target.hosts
    assert (one.user, one.key, one.known_hosts) == ("root", "/etc/fleet/keys/deploy", Path("/etc/fleet/known_hosts"))
    assert (two.user, two.port, two.become) == ("deploy", 2222, True)
    assert two.pins[0].fingerprint.startswith("SHA256:")
    assert two.jump is not None
    assert (two.jump.address, two.jump.user, two.jump.key) == ("bastion.example", "hop", "/etc/fleet/keys/deploy")
    assert (target.config, target.env_file) == (Path("/etc/fleet/testnet.yaml"), Path("/etc/fleet/.env.staging"))


def test_the_default_target_is_used_where_none_is_named() -> None:
    assert fleet(GOOD).target().name == "staging"


def test_a_colon_narrows_a_target_to_one_host() -> None:
    assert [host.name for host in fleet(GOOD).target("staging:mm2").hosts] == ["mm2"]


def test_an_unknown_target_or_host_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'staging'"):
        fleet(GOOD).target("stagin")
    with pytest.raises(UsageError, match="did you mean 'mm1'"):
        fleet(GOOD).target("staging:mm11")


def test_local_is_always_there_and_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMCTL_FLEET", raising=False)
    monkeypatch.setenv("MMCTL_LOCAL_ROOT", str(tmp_path / "root"))
    target = load_fleet().target()
    assert (target.name, target.local, target.root) == ("local", True, str(tmp_path / "root"))
    layout = layout_of(target)
    assert (layout.managed, layout.user) == (False, "")


def test_a_local_target_lives_beside_the_fleet_file() -> None:
    target = fleet(GOOD).target("here")
    assert (target.root, target.managed) == ("/etc/fleet/run", False)


def test_every_fault_is_told_at_once_with_its_line() -> None:
    told = faults(
        """
targets:
  staging:
    enviroment: testnet
    keep: 1
    hosts:
      - {name: a, adress: 192.0.2.1}
      - {address: 192.0.2.2, port: 70000}
      - {address: 192.0.2.3, key: k, agent: true}
      - {address: "-oProxyCommand=x"}
"""
    )
    text = "\n".join(told)
    assert "fleet.yaml:4: targets.staging.enviroment: unknown key (did you mean environment?)" in text
    assert "fleet.yaml:5: targets.staging.keep" in text
    assert "fleet.yaml:7: targets.staging.hosts[0].adress: unknown key (did you mean address?)" in text
    assert "fleet.yaml:8: targets.staging.hosts[1].port" in text
    assert "fleet.yaml:9: targets.staging.hosts[2].agent" in text
    assert "fleet.yaml:10: targets.staging.hosts[3].address" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets: [", "not valid YAML"),
        ("- a\n- b\n", "expected sections"),
        ("targets:\n  a: {hosts: []}", "at least one host"),
        ("targets:\n  a: {hosts: [{address: x, fingerprint: MD5:aa}]}", "expected SHA256:"),
        ("targets:\n  a: {transport: telnet, hosts: [x]}", "ssh or local"),
        ("targets:\n  a: {root: 'rel/path', hosts: [x]}", "absolute path"),
        ("targets:\n  a: {root: '/opt/../etc', hosts: [x]}", "absolute path"),
        ("targets:\n  a: {hosts: [{name: n, address: x}, {name: n, address: y}]}", "used twice"),
        ("default: none\ntargets:\n  a: {hosts: [x]}", "there is no target 'none'"),
        ("targets:\n  a: {keep: many, hosts: [x]}", "a whole number"),
        ("targets:\n  'a b': {hosts: [x]}", "a target's name"),
    ],
)
def test_each_wrong_fleet_file_says_what_is_wrong(text: str, said: str) -> None:
    assert said in "\n".join(faults(text))


def test_a_missing_fleet_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FleetFileError, match="cannot read the fleet file"):
        load_fleet(tmp_path / "none.yaml")
