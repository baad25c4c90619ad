"""The table of every verb: where its code lives and what it is for. Nothing is imported to print the help.

``target`` is ``"module:name"`` where ``name`` is a plain function with Typer annotations, or a ``typer.Typer`` with
sub-verbs. ``bare`` names the sub-verb meant when none is given (``mmctl backup staging`` makes a backup).
"""

from dataclasses import dataclass

PROGRAM = "mmctl"


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: code, one-line help, heading in the help, and how bad usage exits (2, but 3 for a monitoring plugin)."""

    target: str
    help: str
    section: str
    subverbs: tuple[str, ...] = ()
    bare: str = ""
    usage_exit: int = 2


START = "Getting started"
RELEASE = "Releases and hosts"
READ = "Reading"
ACT = "Emergency"
KEEP = "Keeping"
RUN = "Running the parts here"
RESEARCH = "Research"

VERBS: dict[str, Verb] = {
    "demo": Verb("mmctl.cli.demo:demo", "An engine quoting against a local exchange, with its state on screen.", START),
    "init": Verb("mmctl.cli.init:init", "Write config, fleet and environment templates for a new installation.", START),
    "config": Verb(
        "mmctl.cli.config:app",
        "Check, show, compare or describe a configuration.",
        START,
        ("check", "show", "schema", "diff"),
    ),
    "preflight": Verb("mmctl.cli.preflight:preflight", "Find all that can stop a deploy; change nothing.", RELEASE),
    "deploy": Verb(
        "mmctl.cli.deploy:deploy", "Build, upload, check, switch and start, or leave all as it was.", RELEASE
    ),
    "rollback": Verb("mmctl.cli.deploy:rollback", "Back to the last good release.", RELEASE),
    "releases": Verb("mmctl.cli.deploy:releases", "The releases on every host, good, bad and current.", RELEASE),
    "watch": Verb("mmctl.cli.watch:watch", "The guard: gates after a deploy, automatic rollback.", RELEASE),
    "start": Verb("mmctl.cli.lifecycle:start", "Start the engine; ends when it could quote.", RELEASE),
    "stop": Verb("mmctl.cli.lifecycle:stop", "Quoting off, cancel all, prove zero open orders, stop.", RELEASE),
    "restart": Verb("mmctl.cli.lifecycle:restart", "Stop in order, and start again.", RELEASE),
    "reload": Verb("mmctl.cli.lifecycle:reload", "Give the running engine the changed config.", RELEASE),
    "lock": Verb("mmctl.cli.lock:app", "Who may change a target now.", RELEASE, ("status", "acquire", "release")),
    "audit": Verb(
        "mmctl.cli.audit:app",
        "Who did what, and whether the trail is whole.",
        RELEASE,
        ("show", "verify", "accept", "key", "trust"),
        bare="show",
    ),
    "status": Verb("mmctl.cli.status:status", "What an engine is doing now, every number with its age.", READ),
    "health": Verb("mmctl.cli.health:health", "All health checks; a Nagios plugin by exit code.", READ, usage_exit=3),
    "logs": Verb("mmctl.cli.logs:logs", "Print or follow an engine's log.", READ),
    "stats": Verb("mmctl.cli.stats:stats", "Orders, fills, latency and profit since the engine started.", READ),
    "trades": Verb("mmctl.cli.stats:trades", "The last fills from the journal.", READ),
    "why": Verb("mmctl.cli.risk:why", "Why a quote is missing.", READ),
    "query": Verb("mmctl.cli.query:query", "Run read-only SQL on an engine's journal.", READ),
    "tui": Verb("mmctl.cli.tui:tui", "The terminal dashboard; read-only unless --arm.", READ),
    "halt": Verb("mmctl.cli.emergency:halt", "Stop quoting, cancel every order, stay stopped.", ACT),
    "resume": Verb("mmctl.cli.emergency:resume", "Let a halted engine quote again.", ACT),
    "cancel": Verb("mmctl.cli.emergency:cancel", "Cancel every open order and prove it.", ACT),
    "flatten": Verb("mmctl.cli.emergency:flatten", "Cancel every order and close the position, with proof.", ACT),
    "breaker": Verb("mmctl.cli.risk:app", "The circuit breaker: its state, and its reset.", ACT, ("status", "reset")),
    "backup": Verb(
        "mmctl.cli.backup:app",
        "Back up journal, configs, models, audit and logs; list, verify, restore, prune, diff.",
        KEEP,
        ("create", "list", "verify", "restore", "prune", "diff", "init"),
        bare="create",
    ),
    "journal": Verb(
        "mmctl.cli.journal:app",
        "Let an engine read a lost ledger from the exchange's own trades.",
        KEEP,
        ("accept",),
    ),
    "secrets": Verb(
        "mmctl.cli.secrets:app",
        "Set, rotate and list what only the hosts may know.",
        KEEP,
        ("set", "rotate", "list", "forget"),
    ),
    "shell": Verb("mmctl.cli.query:shell", "An interactive shell on a host.", KEEP),
    "monitoring": Verb(
        "mmctl.cli.monitoring:app",
        "Make, judge and push what Prometheus, Alertmanager and Grafana read.",
        KEEP,
        ("render", "check", "push", "preview", "relay", "test-alert", "baseline"),
    ),
    "engine": Verb("mmctl.cli.engine:app", "Run or check the daemon in the foreground.", RUN, ("run", "check")),
    "sandbox": Verb("mmctl.cli.engine:sandbox_app", "A local exchange that speaks Binance's protocol.", RUN, ("run",)),
    "backtest": Verb(
        "mmctl.cli.backtest:app",
        "Backtest a strategy on recordings.",
        RESEARCH,
        ("run", "compare", "breaker", "optimise", "replay", "calibrate"),
    ),
    "report": Verb(
        "mmctl.cli.report:app",
        "The daily review, spans of days and kept backtests, as pages that need no network.",
        READ,
        ("daily", "range", "note", "schedule", "backtest"),
    ),
    "record": Verb(
        "mmctl.cli.record:app",
        "Record the market, check recordings, and turn them into columns.",
        RESEARCH,
        ("run", "check", "convert"),
    ),
}


def render_help() -> str:
    """The text of ``mmctl --help``: usage, every verb under its heading, the options every verb takes."""
    lines = [
        f"Usage: {PROGRAM} VERB [TARGET] [OPTIONS]",
        "",
        "Run a crypto market maker in production, from one command line.",
        "",
        "Examples:",
        f"  {PROGRAM} demo                        an engine, a local exchange and the dashboard, here",
        f"  {PROGRAM} status staging --watch      what the engines of a fleet are doing",
        f"  {PROGRAM} halt staging --confirm ACC  stop now, and prove that no order is left",
        "",
    ]
    width = max(len(name) for name in VERBS) + 2
    for section in dict.fromkeys(verb.section for verb in VERBS.values()):
        lines.append(f"{section}:")
        lines += [f"  {name:<{width}}{verb.help}" for name, verb in VERBS.items() if verb.section == section]
        lines.append("")
    lines += [
        "Every verb takes:",
        "  --json            NDJSON events on stdout, one run_id; never prompts",
        "  --fleet FILE      the fleet file (also MMCTL_FLEET; default configs/fleet.yaml or fleet.yaml)",
        "  --deadline TIME   give up after TIME (30s, 5m); exit code 8",
        "  -v, -q, -h        more, less, help",
        "",
        "TARGET is a name in the fleet file; TARGET:HOST means one host of it.",
        f"{PROGRAM} VERB --help shows examples; so does the manual page, man {PROGRAM}.",
        f"{PROGRAM} --install-completion or --show-completion bash|zsh|fish, and {PROGRAM} --version also exist.",
    ]
    return "\n".join(lines)
