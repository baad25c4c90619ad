"""One line of use, or more, for every verb: printed below its help and in the manual page. Nothing is imported for it.

A test parses each against the real command line, so that none can be of a verb or an option that is not there.
"""

from mmctl.cli.verbs import PROGRAM

#: By verb: (what is typed after the program's name, what it does).
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "demo": (("demo", "everything here: a local exchange, an engine, its dashboard"),),
    "init": (("init my-desk", "templates in a new folder"),),
    "config": (
        ("config check config.yaml", "every error at once, with file:line"),
        ("config check staging", "the target's config, with each host's own secrets file"),
        ("config show config.yaml", "what it amounts to, secrets masked"),
        ("config schema", "the JSON Schema, for an editor"),
        ("config diff old.yaml new.yaml", "what a reload would change"),
    ),
    "preflight": (("preflight staging", "what would stop a deploy"),),
    "deploy": (
        ("deploy staging --dry-run", "every step and script; changes nothing"),
        ("deploy staging", "build, upload, check, switch, start, verify"),
        ("deploy staging --resume", "take up one that was cut off"),
    ),
    "rollback": (("rollback staging", "the last good release before this one"),),
    "releases": (("releases staging", "which are there, which runs, which proved good or bad"),),
    "start": (("start staging", "ends when the engine could quote"),),
    "stop": (("stop staging:host1", "one host; ends with zero open orders, proved"),),
    "restart": (("restart staging", "all hosts of the target"),),
    "reload": (
        ("reload staging", "the changed config, on all hosts or on none"),
        ("reload staging --previous", "take the last one back"),
    ),
    "lock": (
        ("lock status staging", "who holds it"),
        ("lock acquire staging -m 'exchange maintenance'", "keep every deploy out"),
        ("lock release staging", "let them in again"),
    ),
    "audit": (
        ("audit staging -n 50", "who did what, of all hosts in the order of time"),
        ("audit verify staging", "whether each copy is what was written"),
        ("audit accept staging --reason 'disk replaced'", "set a broken trail aside, and begin a new one"),
        ("audit key", "your public key, for colleagues"),
        ("audit trust KEY --name bob", "believe a colleague's lines"),
    ),
    "status": (
        ("status staging", "what each engine does, every number with its age"),
        ("status staging --watch", "again and again"),
        ("status staging --json", "for a program"),
    ),
    "health": (("health staging --format nagios", "as a monitoring plugin"),),
    "logs": (
        ("logs staging --since 10m --level warning", "all hosts, in the order of time"),
        ("logs staging -f", "follow all of them"),
    ),
    "stats": (("stats staging --since 2h", "orders, fills, profit; latencies of two hours"),),
    "trades": (("trades staging -n 50", "the last fills of all hosts, newest first"),),
    "why": (("why staging --since 10m", "why a quote is missing"),),
    "query": (("query staging:host1 'SELECT * FROM orders LIMIT 5'", "read-only SQL on one journal"),),
    "tui": (("tui staging", "the dashboard; looks only"), ("tui --replay session.mmrec", "a recorded session")),
    "watch": (("watch staging --for 30m", "after a deploy: at most one way back, then it halts"),),
    "halt": (("halt staging --confirm ACCOUNT --reason 'feed is wrong'", "stop now, and prove that no order is left"),),
    "resume": (("resume staging --confirm ACCOUNT --reason 'feed is back'", "quote again"),),
    "cancel": (("cancel staging --confirm ACCOUNT --reason 'too many'", "no order of ours is left, proved"),),
    "flatten": (("flatten staging --confirm ACCOUNT --reason 'going home'", "no order and no position is left"),),
    "breaker": (
        ("breaker status staging", "its state, why, and the headroom of each limit"),
        ("breaker reset staging --confirm ACCOUNT --reason 'looked at'", "the only way out of a halt"),
    ),
    "backup": (
        ("backup staging", "one of each host, verified"),
        ("backup list staging", "what there is"),
        ("backup verify staging --all", "every one"),
        ("backup restore staging:host1 --into unpacked", "unpack the newest here"),
        ("backup diff staging:host1", "what the last one has that the one before has not"),
        ("backup init staging", "make the restic repository, once"),
        ("backup prune staging --keep-days 30 --dry-run", "what would be deleted"),
    ),
    "journal": (
        ("journal accept staging --confirm ACCOUNT --reason 'disk lost'", "let an engine read its ledger anew"),
    ),
    "secrets": (
        ("secrets set staging BINANCE_API_KEY", "asks for it; the engine takes it at its next start"),
        ("secrets rotate staging --from new-key.env", "with a restart; the old one is back where it is refused"),
        ("secrets list staging", "names, ages, fingerprints; never a value"),
        ("secrets forget staging BINANCE_API_KEY", "the fleet's env_file has it again"),
    ),
    "shell": (("shell staging:host1", "a terminal there"),),
    "monitoring": (
        ("monitoring render monitoring", "the files of Prometheus, Alertmanager and Grafana"),
        ("monitoring check monitoring", "judge them"),
        ("monitoring push", "bring them to the monitoring host"),
        ("monitoring preview staging -o preview.html", "the dashboards without Grafana"),
        ("monitoring relay", "what stands beside Alertmanager"),
        ("monitoring test-alert --priority P1", "whether an alert arrives"),
        ("monitoring baseline --since 48h", "what is usual, for the thresholds"),
    ),
    "engine": (
        ("engine check --config config.yaml", "would it start with this?"),
        ("engine run --config config.yaml", "the daemon, in the foreground"),
    ),
    "sandbox": (("sandbox run --port 8900", "a local exchange"),),
    "backtest": (
        ("backtest run --config config.yaml --data day.gz", "one strategy on one recording"),
        ("backtest compare before.json after.json", "two results, with their uncertainty"),
        ("backtest breaker --config config.yaml --candles btc.csv", "when it would have tripped"),
        ("backtest optimise --config config.yaml --data day.gz --study mine --trials 50", "search, walk forward"),
        ("backtest replay journal.db --inputs run.gz", "a run again, decision by decision"),
        ("backtest calibrate --data day.gz", "fill intensity for the models"),
    ),
    "report": (
        ("report daily staging --date yesterday", "the review of a day, as a page"),
        ("report range staging --from 2026-11-01 --to today", "of several days"),
        ("report note add staging 'fees were changed'", "a point that stays open in the review"),
        ("report schedule staging --at 22:00 --dry-run", "a timer that makes it every day"),
        ("report backtest result.json", "the page of a kept backtest"),
    ),
    "record": (
        ("record run --config config.yaml --out recordings spot:ETHUSDT", "record one instrument until Ctrl-C"),
        ("record check day.gz", "whether a recording is whole"),
        ("record convert day.gz --out day.npz --exchange-info info.json --symbol ETHUSDT", "into columns"),
    ),
}  # fmt: skip


def of(verb: str, subverb: str = "") -> list[tuple[str, str]]:
    """``(command line, what it does)`` of a verb, or of one sub-verb alone."""
    wanted = f"{verb} {subverb}"
    rows = [(line, what) for line, what in EXAMPLES.get(verb, ()) if not subverb or f"{line} ".startswith(wanted + " ")]
    return [(f"{PROGRAM} {line}", what) for line, what in rows]


def text(verb: str, subverb: str = "") -> str:
    """What stands below a verb's help; empty where there is no example. Backspaces keep its lines as they are."""
    rows = of(verb, subverb)
    if not rows:
        return ""
    width = max(len(line) for line, _ in rows)
    if width + max(len(what) for _, what in rows) > 96:
        lines = [part for line, what in rows for part in (f"  # {what}", f"  {line}")]
    else:
        lines = [f"  {line:<{width}}  {what}" for line, what in rows]
    return "\b\n" + "\n".join(["Examples:", *lines])
