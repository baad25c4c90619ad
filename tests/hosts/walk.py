"""``python -m tests.hosts.walk``: DEPLOYMENT.md walked through on one host and on three; writes TRANSCRIPTS.md.

What is typed is what the document says; what stands between (a second configuration, three accounts) is shown too.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.hosts.document import Reader, Typed, deployment, transcript
from tests.hosts.exchange import sandbox_exchange
from tests.hosts.machines import Lan, Machine
from tests.needs import ROOT

OUT = ROOT / "docs/deployment/TRANSCRIPTS.md"
NEUTRAL = "192.0.2"
JOURNAL = "/opt/market-maker/shared/data/journal.db*"
HEAD = """# Transcripts

What each command of [DEPLOYMENT](DEPLOYMENT.md) printed, typed as it stands there on pristine Debian hosts with the
sandbox exchange beside them: one host, then three with an account each. Addresses and folders are made neutral, and of
the scripts that a dry run shows in full only the first lines are kept; nothing else is changed. The times are those of
one machine with two cores that stood for all hosts at once. Made by `python -m tests.hosts.walk`.
"""


def keys(account: str) -> tuple[str, str]:
    """API key and secret of one of the sandbox's accounts."""
    return f"{account}-key", f"{account}-secret"


def secrets(account: str, exchange: str) -> str:
    """What a person writes into the env file of a host: the account's keys, and where the sandbox is."""
    key, secret = keys(account)
    return (
        f"BINANCE_API_KEY={key}\nBINANCE_API_SECRET={secret}\nMM_ACCOUNT={account}\n"
        f"BINANCE_SENTINEL_API_KEY={key}\nBINANCE_SENTINEL_API_SECRET={secret}\n"
        f"MM_SANDBOX_REST=http://{exchange}\nMM_SANDBOX_STREAM=ws://{exchange}\nMM_SANDBOX_WS_API=ws://{exchange}\n"
        "MM_CONTROL_TOKEN=a-control-token-of-some-length\n"
    )


def files(machines: Sequence[Machine], exchange: str, accounts: Sequence[str] = ("sandbox",)) -> dict[str, str]:
    """What a person writes into ``fleet.yaml`` and the env files for these hosts, one account each."""
    hosts: list[dict[str, str]] = []
    written: dict[str, str] = {}
    for machine, account in zip(machines, accounts, strict=True):
        name = "staging.env" if len(accounts) == 1 else f"{account}.env"
        own = {} if len(accounts) == 1 else {"account": account, "env_file": name}
        hosts.append({"name": machine.name, "address": machine.address, "key": str(machine.lan.key)} | own)
        written[name] = secrets(account, exchange)
    staging: dict[str, object] = {"environment": "sandbox", "config": "config.yaml", "hosts": hosts}
    if len(accounts) == 1:
        staging |= {"account": accounts[0], "env_file": "staging.env"}
    fleet = {"default": "staging", "defaults": {"known_hosts": "known_hosts"}, "targets": {"staging": staging}}
    return written | {"fleet.yaml": json.dumps(fleet, indent=1)}


def tuned(spread: float) -> str:
    """The line with which a person gives ``config.yaml`` another spread."""
    return f"sed -i 's/^  base_spread: .*/  base_spread: {spread}/' config.yaml"


def lose_the_journal(reader: Reader, machines: Sequence[Machine]) -> None:
    """What a broken disk leaves: the engine ends, and its journal is gone; then it is started as if nothing were."""
    for machine in machines:
        machine.sh(f"systemctl kill -s KILL market-maker; systemctl stop market-maker; rm {JOURNAL}")
        reader.typed.append(Typed(f"# on {machine.name}: killed, and {JOURNAL} deleted", "", 0, 0.0))
    reader.type("mmctl start staging")


def lose_power(reader: Reader, machine: Machine) -> None:
    """A spot host goes dark with its orders open: what the exchange still holds is told, and cancelled from here."""
    machine.power_off()
    reader.typed.append(Typed(f"# {machine.name}: without power from here on", "", 0, 0.0))
    for command in ("mmctl status staging", "mmctl cancel --direct staging --confirm ACCOUNT", "mmctl status staging"):
        done = reader.type(command)
        print(f"{done.code:3} {done.seconds:6.1f} s  {command}", file=sys.stderr, flush=True)


def walk(reader: Reader, machines: Sequence[Machine], accounts: Sequence[str]) -> None:
    """Types the whole document; for several hosts also what differs there."""
    for command in deployment():
        if command.startswith("ssh-keyscan") and len(machines) > 1:
            for machine in machines:
                reader.type(f"ssh-keyscan {machine.address} >> known_hosts")
            continue
        if command.startswith("mmctl config check") and len(accounts) > 1:
            command = "mmctl config check staging"  # with each host's own env file
        if command.startswith("$EDITOR staging.env") and len(accounts) > 1:
            for account in accounts:
                reader.type(f"$EDITOR {account}.env && chmod 600 {account}.env")
            reader.type("sed -i 's/^  account: sandbox$/  account: ${MM_ACCOUNT}/' config.yaml")
            continue
        if command.startswith("mmctl rollback"):
            reader.type(tuned(0.002))
            reader.type("mmctl deploy staging")
        if command.startswith("mmctl journal accept"):
            lose_the_journal(reader, machines)
        done = reader.type(command)
        print(f"{done.code:3} {done.seconds:6.1f} s  {command}", file=sys.stderr, flush=True)


def accounts_file(folder: Path, accounts: Sequence[str]) -> Path:
    """The sandbox's accounts, in the form its ``--accounts`` reads."""
    path = folder / "accounts.json"
    made = {name: {"keys": [dict(zip(("key", "secret"), keys(name), strict=True))]} for name in accounts}
    path.write_text(json.dumps(made))
    return path


def told(count: int) -> list[str]:
    """The transcript of the walk on ``count`` pristine hosts."""
    accounts = ("sandbox",) if count == 1 else tuple(f"desk-{letter}" for letter in "abcdefgh"[:count])
    with tempfile.TemporaryDirectory() as made, Lan() as lan:
        folder = Path(made)
        machines = [lan.boot() for _ in range(count)]
        more = ["--accounts", str(accounts_file(folder, accounts))]
        with sandbox_exchange(lan, folder, *more) as exchange:
            first = {"HOST": machines[0].address, "ACCOUNT": ",".join(accounts)}
            reader = Reader(folder / "person", first, files(machines, exchange, accounts))
            walk(reader, machines, accounts)
            if count == 1:
                lose_power(reader, machines[0])
            private: Mapping[str, str] = {
                lan.prefix: NEUTRAL, str(lan.folder): "/home/operator/.ssh", str(folder / "person"): "/home/operator",
                str(ROOT): ".",
            }  # fmt: skip
            return list(transcript(reader.typed, private))


def main() -> int:
    lines = [HEAD]
    for count, title in ((1, "One host"), (3, "Three hosts, an account each")):
        lines += [f"## {title}", "", *told(count), ""]
    OUT.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
