"""Every action of the dashboard, once: keys, help screen, palette and documentation are made from this table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """``method`` is the name of the app's ``action_<method>``; ``keys`` are Textual key names, the first is shown."""

    method: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: str
    shown: bool = False  # in the footer
    armed: bool = False  # changes something: needs --arm and the account's name typed


#: The group of what only a recording can do: its keys are bound on a recording alone.
REPLAY = "Replay"

VIEWS: tuple[tuple[str, str, str], ...] = (
    ("breaches", "Breaches", "only what is out of bounds, from every engine; Enter shows evidence and runbook"),
    ("overview", "Overview", "price with our quotes and fills, depth, profit, drawdown, inventory, limits, hosts"),
    ("risk", "Risk", "limits by headroom and over time, breaker with its evidence, drawdown, reconciliation"),
    ("orders", "Orders", "working orders, fills with markouts, why quotes are missing"),
    ("latency", "Latency", "percentiles by stage, the spread of one as a histogram, and over time"),
    ("hedge", "Hedge", "hedge and regime, and the market's volatility and spreads"),
    ("fleet", "Fleet", "role, epoch, release, age and health by host"),
    ("events", "Events", "what is out of bounds and what happened, newest first"),
    ("replay", "Replay", "a recorded session: position, step, speed"),
)

#: Views whose key stands in the footer.
SHOWN_VIEWS = 8

ACTIONS: tuple[Action, ...] = (
    *(
        Action(f"view('{name}')", (str(number),), label, help_text, "Screens", shown=number < SHOWN_VIEWS)
        for number, (name, label, help_text) in enumerate(VIEWS)
    ),
    Action("filter", ("slash",), "Filter", "keep only rows that hold a text; kept over reconnects", "Picture", True),
    Action("clear", ("escape",), "Clear", "close the filter or the detail pane, show every row again", "Picture"),
    Action("pause", ("p",), "Pause", "freeze the picture; breach banners stay live", "Picture", True),
    Action("next_symbol", ("s",), "Next symbol", "charts and ladder of the next instrument", "Picture"),
    Action("next_engine", ("n",), "Next engine", "look at the next engine of the target", "Picture"),
    Action("span(1)", ("w",), "Wider", "charts of a longer time: 1, 5, 10 minutes, 1, 4 hours", "Picture"),
    Action("span(-1)", ("W",), "Narrower", "charts of a shorter time", "Picture"),
    Action("poll_now", ("r",), "Refresh", "ask every engine now", "Picture"),
    Action("rate(1)", ("plus",), "More often", "ask the engines more often, up to ten times a second", "Picture"),
    Action("rate(-1)", ("minus",), "Less often", "ask the engines less often, down to every ten seconds", "Picture"),
    Action("colours", ("c",), "Colours", "the next theme: dark, light, high contrast", "Picture"),
    Action(
        "open", ("enter",), "Open", "a breach's evidence and runbook, a row's figures; an instrument or a host", "Rows"
    ),
    Action("detail", ("d",), "Detail", "a pane with every figure of the row under the cursor", "Rows"),
    Action("yank", ("y",), "Yank", "copy the row under the cursor to the terminal's clipboard (OSC 52)", "Rows"),
    Action(
        "sort(1)",
        ("greater_than_sign",),
        "Sort",
        "order by the next column; after the last as the engine has it",
        "Rows",
    ),
    Action("sort(-1)", ("less_than_sign",), "Sort back", "order by the column before", "Rows"),
    Action("invert", ("i",), "Invert", "turn the order round", "Rows"),
    Action("table(1)", ("tab",), "Next table", "cursor into the next table of the screen", "Rows"),
    Action("table(-1)", ("shift+tab",), "Table before", "cursor into the table before", "Rows"),
    Action("goto", ("g",), "Go to", "go to a time: 12:30, 2024-08-08 12:30, +5m or -1h", REPLAY, True),
    Action("step(-1)", ("left", "left_square_bracket"), "Back", "one frame back, and hold it", REPLAY),
    Action("step(1)", ("right", "right_square_bracket"), "Forward", "one frame forward, and hold it", REPLAY),
    Action("skip(-60)", ("pageup",), "-1 min", "a minute back", REPLAY),
    Action("skip(60)", ("pagedown",), "+1 min", "a minute forward", REPLAY),
    Action("skip(-3600)", ("ctrl+pageup", "left_curly_bracket"), "-1 h", "an hour back", REPLAY),
    Action("skip(3600)", ("ctrl+pagedown", "right_curly_bracket"), "+1 h", "an hour forward", REPLAY),
    Action("edge(0)", ("home",), "Begin", "to the first frame", REPLAY),
    Action("edge(1)", ("end",), "End", "to the last frame", REPLAY),
    Action("speed(1)", ("plus",), "Faster", "more of the recording in a second, up to a minute", REPLAY),
    Action("speed(-1)", ("minus",), "Slower", "less of the recording in a second", REPLAY),
    Action("breach(1)", ("b",), "Breach", "to the next breach", REPLAY, True),
    Action("breach(-1)", ("B",), "Breach before", "to the breach before", REPLAY),
    Action("fill(1)", ("f",), "Fill", "to the next fill", REPLAY, True),
    Action("fill(-1)", ("ctrl+f",), "Fill before", "to the fill before", REPLAY),
    Action("control('halt')", ("H",), "Halt", "stop quoting, cancel all, stay stopped", "Emergency", armed=True),
    Action("control('cancel')", ("C",), "Cancel", "cancel every open order", "Emergency", armed=True),
    Action("control('flatten')", ("F",), "Flatten", "cancel all and close the position", "Emergency", armed=True),
    Action("control('resume')", ("R",), "Resume", "let a halted engine quote again", "Emergency", armed=True),
    Action("help", ("question_mark", "f1"), "Help", "every action with its key", "Program", True),
    Action("command_palette", ("ctrl+p", "colon"), "Palette", "find an action by its name", "Program"),
    Action("quit", ("q",), "Quit", "leave; engines are not touched", "Program", True),
)

#: Keys of every table, which belong to it and not to the dashboard.
TABLE_KEYS: tuple[tuple[str, str], ...] = (
    ("↑ ↓ k j", "the row above, the row below"),
    ("PgUp PgDn", "twenty rows up or down"),
    ("Home End g G", "first and last row"),
)

_KEY_NAMES = {
    "slash": "/",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "left": "Left",
    "right": "Right",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "ctrl+pageup": "Ctrl+PgUp",
    "ctrl+pagedown": "Ctrl+PgDn",
    "ctrl+f": "Ctrl+F",
    "home": "Home",
    "end": "End",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "plus": "+",
    "minus": "-",
    "colon": ":",
    "escape": "Esc",
    "enter": "Enter",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "ctrl+p": "Ctrl+P",
    "f1": "F1",
}


def key_name(key: str) -> str:
    """A Textual key as it is printed on a keyboard."""
    return _KEY_NAMES.get(key, key)


def as_markdown() -> str:
    """The table as the documents have it, one a group."""
    lines: list[str] = []
    for group in dict.fromkeys(action.group for action in ACTIONS):
        lines += [f"### {group}", "", "| key | action | what it does |", "|---|---|---|"]
        for action in ACTIONS:
            if action.group == group:
                keys = " ".join(f"`{key_name(key)}`" for key in action.keys)
                note = "; needs `--arm`" if action.armed else ""
                lines.append(f"| {keys} | {action.label} | {action.help}{note} |")
        lines.append("")
    lines += ["### In a table", "", "| key | what it does |", "|---|---|"]
    lines += [f"| {' '.join(f'`{key}`' for key in keys.split())} | {text} |" for keys, text in TABLE_KEYS]
    return "\n".join(lines)


def as_text() -> str:
    """The table as text, by group: the help screen and ``mmctl tui --keys``."""
    lines: list[str] = []
    for group in dict.fromkeys(action.group for action in ACTIONS):
        lines.append(group)
        for action in ACTIONS:
            if action.group == group:
                keys = ", ".join(key_name(key) for key in action.keys)
                note = " (--arm)" if action.armed else ""
                lines.append(f"  {keys:<14} {action.label:<12} {action.help}{note}")
        lines.append("")
    lines.append("In a table")
    lines += [f"  {keys:<14} {'':<12} {text}" for keys, text in TABLE_KEYS]
    return "\n".join(lines).rstrip()
