"""``mmctl halt`` on combinations of what can be wrong around it: 0 with proof, or 5 with the orders gone and told so.

One engine, deployed to the local target on a sandbox exchange, is halted again and again: alive, dead (kill -9, and
the supervisor starts it again), frozen (SIGSTOP), or on a host that cannot be reached; with the host's environment
file in the forms people write, in several locales, with reasons and operators that are not UTF-8, and with trails that
cannot be written. After every halt the exchange is asked itself: nothing may stand there, then and some rounds later.
"""

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import TOKEN, BenchmarkFailed, configure, exchange, free_port, get, until
from benchmarks.side_by_side import ROOT

WIDE: Final = 0.01  # a spread at which nothing fills, so that orders stand until somebody cancels them
QUIET_S: Final = 1.5  # how long nothing may come back
HALT_S: Final = 120.0
DEPLOY_S: Final = 900.0  # kernels may have to be compiled
NAMES: Final = {"HM_KEY": "sandbox-key", "HM_SECRET": "sandbox-secret", "HM_TOKEN": TOKEN}
FORMS: Final[dict[str, bytes]] = {  # %s is the token
    "plain": b"HM_KEY=sandbox-key\nHM_SECRET=sandbox-secret\nHM_TOKEN=%s\n",
    "export": b"export HM_KEY=sandbox-key\nexport HM_SECRET=sandbox-secret\nexport HM_TOKEN=%s\n",
    "single quotes": b"HM_KEY='sandbox-key'\nHM_SECRET='sandbox-secret'\nHM_TOKEN='%s'\n",
    "export and double quotes": b'export HM_KEY="sandbox-key"\nexport HM_SECRET="sandbox-secret"\n'
    b'export HM_TOKEN="%s"\n',
    "Windows": b"\xef\xbb\xbfHM_KEY=sandbox-key\r\nHM_SECRET='sandbox-secret'\r\nHM_TOKEN=\"%s\"\r\n",
    "blanks and comments": b"# key\n; x\n HM_KEY = sandbox-key  \nHM_SECRET=\tsandbox-secret\t\n\nHM_TOKEN=%s \n",
    "continued": b"HM_KEY=sandbox-\\\nkey\nHM_SECRET=\"sandbox-\\\nsecret\"\nHM_TOKEN='%s'",
    "escapes and several lines": b'OTHER="a\\"b $HOME `id`\nc"\nHM_KEY=sandbox\\-key\n'
    b"HM_SECRET=sandbox-secret\nHM_TOKEN=%s\n",
    "lines nobody can read": b"set -a\nHM_KEY=sandbox-key\n1X=2\nHM_SECRET=sandbox-secret\nBAD=\xff\xfe\nHM_TOKEN=%s\n",
    "twice": b"HM_KEY=old\nHM_KEY=sandbox-key\nHM_SECRET=sandbox-secret\nHM_TOKEN=%s\nHM_EMPTY=\n",
}
LOCALES: Final[dict[str, dict[str, str]]] = {
    "UTF-8": {"LC_ALL": "C.UTF-8"},
    "C": {"LC_ALL": "C"},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII streams": {"PYTHONIOENCODING": "ascii:strict"},
    "unknown": {"LC_ALL": "xx_XX.ISO-8859-1"},
}
REASONS: Final[dict[str, bytes]] = {
    "plain": b"a drill",
    "none": b"",
    "not UTF-8": b"caf\xe9 \xff\xfe",
    "beyond ASCII": "\u2713 na\u00efve \u2028 \U0001f6d1".encode(),
    "shell": b'it\'s "$(touch /tmp/x)" `id`; exit 1 #\\',
    "lines": b"one\ntwo\r\n\ttab",
    "long": b"why " * 5_000,
    "an option": b"--json",
}
OPERATORS: Final[dict[str, bytes | None]] = {
    "plain": b"ann@desk",
    "not UTF-8": b"an\xff\xe9",
    "lines": b"ann\r\nX-Evil: 1",
    "no passwd entry": None,  # nobody knows our uid, and no name or home is in the environment
}
STATES: Final = ("alive", "dead", "frozen", "partitioned")
TRAILS: Final = ("fine", "unwritable", "broken", "broken on the host", "a pipe")
AS_NOBODY: Final = "import pwd; pwd.getpwuid = lambda uid: {}[uid]; from mmctl.__main__ import main; main()"


@dataclass(frozen=True, slots=True)
class Combination:
    form: str
    locale: str
    reason: str
    operator: str
    state: str
    trail: str


@dataclass(slots=True)
class Findings:
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def combinations(count: int, seed: int) -> list[Combination]:
    """``count`` different ones; every value of every dimension comes about equally often, states beside each other."""
    drawn = random.Random(seed)
    dimensions = [list(FORMS), list(LOCALES), list(REASONS), list(OPERATORS), list(STATES), list(TRAILS)]
    columns = []
    for values in dimensions:
        column = list(itertools.islice(itertools.cycle(values), count))
        drawn.shuffle(column)
        columns.append(column)
    made = [Combination(*row) for row in zip(*columns, strict=True)]
    return sorted(made, key=lambda one: STATES.index(one.state))


class Desk:
    """The operator's machine and the host, which are one here: fleet, deployed engine, and what is done to them."""

    def __init__(self, folder: Path, venue: int) -> None:
        self.folder, self.venue = folder, venue
        config, self.port = configure(folder, venue, "spot", WIDE)
        text = config.read_text().replace("sandbox-key", '"${HM_KEY}"').replace("sandbox-secret", '"${HM_SECRET}"')
        config.write_text(
            text.replace(TOKEN, '"${HM_TOKEN}"').replace("format: text", "format: text, outputs: [stdout]")
        )
        self.env = folder / "my.env"
        self.env.write_bytes(self.file("plain"))
        self.env.chmod(0o600)
        self.host_env, self.root = folder / "host/etc/engine.env", folder / "host"
        here = "environment: sandbox, account: sandbox, config: config.yaml, env_file: my.env"
        far = f"{{name: far, address: 127.0.0.1, port: {free_port()}, fingerprint: SHA256:{'A' * 43}}}"
        self.fleet = folder / "fleet.yaml"
        self.fleet.write_text(
            "default: here\ntargets:\n"
            f"  here: {{transport: local, root: host, {here}}}\n  far: {{{here}, hosts: [{far}]}}\n"
        )

    @staticmethod
    def file(form: str) -> bytes:
        return FORMS[form].replace(b"%s", TOKEN.encode())

    def mmctl(
        self, *words: str | bytes, nobody: bool = False, seconds: float = HALT_S, **env: Any
    ) -> "subprocess.CompletedProcess[bytes]":
        """The command as a process of its own; ``env`` on top of the least an environment has."""
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MMCTL_FLEET": str(self.fleet),
               "MMCTL_STATE": str(self.folder / "state"), "MMCTL_OPERATOR": "benchmark"}  # fmt: skip
        own |= {} if nobody else {"HOME": str(self.folder)}
        python = ["-c", AS_NOBODY] if nobody else ["-m", "mmctl"]
        return subprocess.run(
            [sys.executable, *python, *words],
            env={name: value for name, value in (own | env).items() if value is not None},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )

    def orders(self) -> int:
        return len(get(self.venue, "/sandbox/orders?account=sandbox&open=1")["orders"])

    def engine(self) -> dict[str, Any]:
        found = get(self.port, "/api/state")
        return found["engine"] if found else {}

    def must(self, *words: str) -> None:
        done = self.mmctl(*words, seconds=DEPLOY_S)
        if done.returncode:
            raise BenchmarkFailed(f"mmctl {words[0]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")

    def quote(self) -> None:
        """Bring the engine back to quoting, whatever the last halt left."""
        self.host_env.write_bytes(self.file("plain"))
        (self.root / ".mmctl").mkdir(exist_ok=True)
        _whole_again(self.root / ".mmctl/audit.jsonl")
        seen = self.engine()
        if not seen.get("quoting"):
            if not seen:
                self.mmctl("stop", "here")  # a supervisor between two starts lets go of the lease
            self.must("breaker", "reset", "here", "--confirm", "sandbox", "--reason", "the benchmark goes on")
            if not seen:
                self.must("start", "here")
        until("it quotes both sides", lambda: self.engine().get("quoting") and self.orders() >= 2, 120)

    def halt(self, one: Combination) -> "subprocess.CompletedProcess[bytes]":
        state = self.folder / f"state-{time.monotonic_ns()}"
        self._spoil(one.trail, state)
        self.host_env.write_bytes(self.file(one.form))
        self.env.write_bytes(self.file(one.form))
        operator = OPERATORS[one.operator]
        words: list[str | bytes] = ["halt", "far" if one.state == "partitioned" else "here", "--confirm", "sandbox"]
        words += [b"--reason=" + REASONS[one.reason], "--json"]
        environment: dict[str, Any] = dict(LOCALES[one.locale])
        try:
            return self.mmctl(
                *words, nobody=operator is None, MMCTL_OPERATOR=operator, MMCTL_STATE=str(state), **environment
            )
        finally:
            self.env.write_bytes(self.file("plain"))

    def _spoil(self, how: str, state: Path) -> None:
        match how:
            case "unwritable":
                state.write_text("a file where a folder should be")
            case "broken":
                (state / "audit.jsonl").mkdir(parents=True)
            case "broken on the host":
                trail = self.root / ".mmctl/audit.jsonl"
                if trail.is_file():
                    trail.rename(trail.with_suffix(".aside"))
                trail.mkdir()
            case "a pipe":
                state.mkdir()
                os.mkfifo(state / "audit.jsonl")


def _whole_again(trail: Path) -> None:
    if trail.is_dir():
        trail.rmdir()
        aside = trail.with_suffix(".aside")
        if aside.exists():
            aside.rename(trail)


def one_halt(desk: Desk, one: Combination, findings: Findings) -> None:
    """Bring it about, halt, and judge by the exchange."""
    desk.quote()
    pid = int(desk.engine()["pid"])
    hidden, stopped = one.state == "partitioned", list[int]()
    if one.state == "dead":
        os.kill(pid, signal.SIGKILL)
    elif one.state == "frozen" or hidden:
        # A host out of reach: its supervisor stands as well, or it would start another engine behind the partition.
        stopped = [_parent(pid), pid] if hidden else [pid]
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
    began = time.monotonic()
    try:
        done = desk.halt(one)
        left = desk.orders()
    except subprocess.TimeoutExpired:
        findings.wrong.append(f"{one}: no end within {HALT_S:g} s")
        return
    finally:
        findings.seconds.append(time.monotonic() - began)
        for process in reversed(stopped):
            _go_on(process)
    findings.codes[f"{one.state} {done.returncode}"] += 1
    for fault in judge(one, done, left):
        findings.wrong.append(f"{one}: {fault}: {done.stderr.decode(errors='replace')[-600:]}")
    if hidden:
        return  # nobody could tell that engine: it is told so, and quotes when it goes on
    time.sleep(QUIET_S)
    if desk.engine().get("quoting") or desk.orders():
        findings.wrong.append(f"{one}: it quotes after the halt (code {done.returncode})")


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _go_on(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return  # its watchdog was quicker


def judge(one: Combination, done: "subprocess.CompletedProcess[bytes]", left: int) -> list[str]:
    """What is wrong with an answer, given how many orders the exchange still has."""
    faults = []
    said = done.stderr.decode("utf-8", "replace")
    events: list[dict[str, Any]] = []
    try:
        events = [json.loads(line) for line in done.stdout.splitlines()]
    except ValueError:
        faults.append("stdout is not NDJSON")
    proofs = [event for event in events if event["event"] == "done"]
    trails = [event for event in events if event["event"] == "trail"]
    if left:
        faults.append(f"{left} orders stand after the halt")
    if "Traceback" in said:
        faults.append("a traceback")
    if "sandbox-secret" in said + done.stdout.decode("utf-8", "replace"):
        faults.append("a secret is shown")
    if one.state == "partitioned":
        if done.returncode != 5 or "could not be told to stay stopped" not in said:
            faults.append(f"code {done.returncode} without the truth")
    elif done.returncode != 0 or not proofs:
        faults.append(f"code {done.returncode} with {len(proofs)} proofs")
    there = one.trail == "broken on the host" and one.state != "partitioned"
    spoiled = one.trail in ("unwritable", "broken", "a pipe") or there
    if not trails or trails[-1]["recorded"] is spoiled or ("NOT RECORDED" in said) is not spoiled:
        faults.append("it does not say rightly whether the trail took it")
    return faults


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("python -m benchmarks halt_matrix")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed-base", type=int, default=1)
    options = parser.parse_args(argv)
    findings = Findings()
    market = ("--symbols", "spot:ETHUSDT", "--seed", str(options.seed_base), "--no-limits")
    with exchange(*market) as (folder, venue):
        desk = Desk(folder, venue)
        for _ in range(3):  # a slow machine compiles longer than a deploy may take; what is compiled is kept
            if desk.mmctl("deploy", "here", "--yes", seconds=DEPLOY_S).returncode == 0:
                break
        else:
            desk.must("deploy", "here", "--yes")
        try:
            for number, one in enumerate(combinations(options.runs, options.seed_base), 1):
                one_halt(desk, one, findings)
                if number % 10 == 0:
                    print(f"{number} of {options.runs}: {findings.wrong}", file=sys.stderr, flush=True)
        finally:
            desk.mmctl("stop", "here")
    seconds = sorted(findings.seconds)
    return {
        "name": "halt_matrix",
        "unit": "combinations with a wrong end",
        "ours": len(findings.wrong),
        "peer": None,
        "runs": options.runs,
        "codes": dict(sorted(findings.codes.items())),
        "wrong": findings.wrong,
        "halt_s": {"p50": round(seconds[len(seconds) // 2], 2), "max": round(seconds[-1], 2)},
        "load": [round(load, 1) for load in os.getloadavg()],
    }
