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
    ("breaches", "Breaches", "only what is out of bounds, from every engine"),
    ("overview", "Overview", "profit, position, quotes, breaker, limits"),
    ("risk", "Risk", "breaker with its evidence, every limit by headroom, reconciliation"),
    ("orders", "Orders", "working orders, order counts, why quotes are missing"),
    ("latency", "Latency", "percentiles by stage"),
    ("hedge", "Hedge", "hedge and regime figures of the metrics page"),
    ("fleet", "Fleet", "role, epoch and release by host"),
    ("events", "Events", "risk events and alerts, newest first"),
    ("replay", "Replay", "a recorded session: position, step, speed"),
)

#: Views whose key stands in the footer.
SHOWN_VIEWS = 8

ACTIONS: tuple[Action, ...] = (
    *(
        Action(f"view('{name}')", (str(number),), label, help_text, "Views", shown=number < SHOWN_VIEWS)
        for number, (name, label, help_text) in enumerate(VIEWS)
    ),
    Action("filter", ("slash",), "Filter", "keep only rows that hold a text; kept over reconnects", "Picture", True),
    Action("clear_filter", ("escape",), "Clear", "show every row again", "Picture"),
    Action("pause", ("p",), "Pause", "freeze the picture; breach banners stay live", "Picture", True),
    Action("next_engine", ("n",), "Next engine", "look at the next engine of the target", "Picture"),
    Action("poll_now", ("r",), "Refresh", "ask every engine now", "Picture"),
    Action("goto", ("g",), "Go to", "go to a time: 12:30, 2024-08-08 12:30, +5m or -1h", REPLAY),
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
    Action("breach(1)", ("b",), "Breach", "to the next breach", REPLAY),
    Action("breach(-1)", ("B",), "Breach before", "to the breach before", REPLAY),
    Action("fill(1)", ("f",), "Fill", "to the next fill", REPLAY),
    Action("fill(-1)", ("ctrl+f",), "Fill before", "to the fill before", REPLAY),
    Action("control('halt')", ("H",), "Halt", "stop quoting, cancel all, stay stopped", "Emergency", armed=True),
    Action("control('cancel')", ("C",), "Cancel", "cancel every open order", "Emergency", armed=True),
    Action("control('flatten')", ("F",), "Flatten", "cancel all and close the position", "Emergency", armed=True),
    Action("control('resume')", ("R",), "Resume", "let a halted engine quote again", "Emergency", armed=True),
    Action("help", ("question_mark", "f1"), "Help", "every action with its key", "Program", True),
    Action("quit", ("q",), "Quit", "leave; engines are not touched", "Program", True),
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
    "plus": "+",
    "minus": "-",
    "escape": "Esc",
    "f1": "F1",
}


def key_name(key: str) -> str:
    """A Textual key as it is printed on a keyboard."""
    return _KEY_NAMES.get(key, key)


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
    return "\n".join(lines).rstrip()
