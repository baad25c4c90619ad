"""The manual page, mmctl(1), made from the table of verbs and their examples whenever a wheel is built.

Needs nothing but the standard library: the build's hook imports it.
"""

from mmctl.cli.examples import of
from mmctl.cli.verbs import PROGRAM, VERBS
from mmctl.fleet import errors

#: When the page got its present form: the same sources make the same page on any day.
WRITTEN = "2026-11-30"
#: Exit codes as a person reads them; the numbers are those of the errors themselves.
EXITS: tuple[tuple[str, str], ...] = (
    (str(errors.OK), "done, and proved where the verb promises proof"),
    (str(errors.FAILED), "failed and nothing was changed, or a check found a fault"),
    (str(errors.USAGE), "the command line asks for what does not exist"),
    (str(errors.MIXED), "several hosts, not all with the same result"),
    (str(errors.ROLLED_BACK), "what was new did not come up; what ran before runs again"),
    (str(errors.UNKNOWN), "not proved: the way back failed, or the result is not known; look at once"),
    (str(errors.INCONCLUSIVE), "too little was seen to say"),
    (str(errors.REFUSED), "a precondition does not hold; nothing was changed"),
    (str(errors.DEADLINE), "the deadline passed: it may or may not have happened"),
    (str(errors.CONFIG), "a configuration, fleet or environment file is wrong"),
    (str(errors.LOCKED), "another run holds the lock"),
    (str(errors.AUTHENTICATION), "a key is refused, or a host's key is another one"),
    (str(errors.UNREACHABLE), "not reachable"),
    ("70", "the engine is halted"),
    ("128+N", "ended by signal N"),
)
OPTIONS: tuple[tuple[str, str, str], ...] = (
    ("--json", "", "One JSON object a line on standard output, with one run_id; never prompts or implies --yes."),
    ("--fleet", "FILE", "The fleet file; else MMCTL_FLEET, configs/fleet.yaml or fleet.yaml."),
    ("--deadline", "TIME", "Give up after TIME: 30s, 5m, 1h."),
    ("-v, --verbose", "", "Say more."),
    ("-q, --quiet", "", "Say only results."),
    ("-h, --help", "", "What a verb does, its options and examples."),
)  # fmt: skip
VARIABLES: tuple[tuple[str, str], ...] = (
    ("MMCTL_FLEET", "The fleet file."),
    ("MMCTL_STATE", "Where keys, trails and backups lie; else ~/.local/state/mmctl."),
    ("MMCTL_OPERATOR", "Who acts, in locks and audit trails; else user@host."),
    ("NO_COLOR", "Set to anything: no colour."),
)


def page() -> str:
    """The page as roff, with man(7)'s macros."""
    lines = [
        '.\\" Made from the table of verbs: mmctl/cli/manual.py.',
        f'.TH {PROGRAM.upper()} 1 "{WRITTEN}" "{PROGRAM}" "User Commands"',
        ".SH NAME",
        f"{PROGRAM} \\- run a crypto market maker in production, from one command line",
        ".SH SYNOPSIS",
        f".B {PROGRAM}", ".I VERB", ".RI [ TARGET ]", ".RI [ OPTION ]...",
        ".SH DESCRIPTION",
        _plain("TARGET is a name in the fleet file, TARGET:HOST one host of it; the fleet's default if left out."),
        _plain(f"What a verb's own options are is said by {PROGRAM} VERB --help."),
    ]  # fmt: skip
    for section in dict.fromkeys(verb.section for verb in VERBS.values()):
        lines.append(f".SS {_plain(section)}")
        for name, verb in VERBS.items():
            if verb.section == section:
                lines += _verb(name)
    lines.append(".SH OPTIONS")
    lines.append("Every verb takes these.")
    for name, value, text in OPTIONS:
        bold = ", ".join(f"\\fB{_plain(word)}\\fR" for word in name.split(", "))
        lines += [".TP", bold + (f" \\fI{_plain(value)}\\fR" if value else ""), _plain(text)]
    lines.append(".SH ENVIRONMENT")
    for name, text in VARIABLES:
        lines += [".TP", f".B {_plain(name)}", _plain(text)]
    lines.append(".SH EXIT STATUS")
    lines += [
        "Of every verb but",
        ".BR health ,",
        "which is a monitoring plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    ]
    for code, text in EXITS:
        lines += [".TP", f".B {code}", _plain(text)]
    lines += [".SH SEE ALSO", ".BR systemctl (1),", ".BR journalctl (1),", ".BR ssh (1)"]
    return "\n".join(lines) + "\n"


def _verb(name: str) -> list[str]:
    """One verb: what it is for, its sub-verbs, its examples."""
    verb = VERBS[name]
    lines = [".TP", f".B {_plain(name)}", _plain(verb.help)]
    if verb.subverbs:
        bare = f" ({verb.bare} if left out)" if verb.bare else ""
        lines += [".IP", _plain(f"Sub-verbs: {', '.join(verb.subverbs)}{bare}.")]
    rows = of(name)
    if rows:
        lines += [".IP", ".nf"]
        lines += [part for line, what in rows for part in (f"# {_plain(what)}", f"\\fB{_plain(line)}\\fR")]
        lines.append(".fi")
    return lines


def _plain(text: str) -> str:
    """Text as it stands, whatever roff makes of its characters at other places."""
    found = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti")
    return "\\&" + found if found[:1] in (".", "\\") and not found.startswith(("\\-", "\\e")) else found
