"""From an alert and its case to a unit test that promtool runs: every situation of the alert is an engine of its own.

``fires`` is bad throughout, ``below`` just not bad, ``gap`` bad with scrapes that failed, ``ends`` bad and then good,
``barred`` bad where something else forbids the alert, ``edge`` on the other edge; nobody at all is a series that is
absent. All stand in one test, so that promtool needs one database an alert.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmctl.monitoring.rules.names import recorded, series_of
from mmctl.monitoring.rules.rule import Alert, Group, Recording
from mmctl.monitoring.rules.table import groups
from mmctl.monitoring.rules.text import Links, annotations, render
from tests.monitoring.alert_cases import Ago, Case, Count, Every, Flaps, Turns, Values

RECORDS = recorded(groups())
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """A duration of Prometheus in whole seconds; 0 of none."""
    return int(sum(float(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h|d)", text)))


def matching(alert: Alert, case: Case) -> bool:
    """Whether the case is this alert's: of several with one name, by the labels it gives."""
    return alert.name == case.name and case.of.items() <= alert.all_labels.items()


def records_of(alert: Alert) -> tuple[Recording, ...]:
    """What must be recorded for the alert to have its series."""
    return tuple(RECORDS[name] for name in series_of(alert.expr) if name in RECORDS)


def rules_text(alert: Alert, records: Iterable[Recording]) -> str:
    """A file of rules with this alert alone."""
    return render([Group("tested", "5s", (*records, alert))], Links(), lambda shows: None)


@dataclass(frozen=True)
class Clock:
    """When what happens: all in seconds, all multiples of the step."""

    step: int
    first: int  # the first evaluation at which the alert fires
    gap: int  # when a scrape fails
    good: int  # from then on ``ends`` is good
    over: int  # when ``ends`` no longer fires
    end: int


_OVER = re.compile(r"(min|max|avg)_over_time\((?:\w+)(?:\{[^}]*\})?\[(\w+)\]\)")
_COMPARED = re.compile(r" (==|>=|<=|>|<) (-?[0-9.]+)")


def whole_window(alert: Alert) -> int:
    """The window in which every sample must be bad before the alert is, seconds; 0 where one bad sample is enough."""
    over, compared = _OVER.search(alert.expr), _COMPARED.search(alert.expr)
    if over is None or compared is None or over.start() > compared.start():
        return 0
    function, sign, value = over[1], compared[1], float(compared[2])
    low = sign in ("<", "<=") or (sign == "==" and value == 0)
    every = {"min": sign in (">", ">="), "max": low, "avg": True}[function]
    return seconds(over[2]) if every else 0


def clock_of(alert: Alert, case: Case) -> Clock:
    """The times of a case; two steps between what follows on each other.

    Where a whole window must be bad, every situation begins with one good sample, which has to leave the window.
    """
    step, window = case.step_s, whole_window(alert)
    after = window + step if window and not case.after_s else case.after_s
    first = after + seconds(alert.hold)
    gap = first + 2 * step
    good = gap + 4 * step
    over = good + case.lasts_s + 2 * step
    return Clock(step, first, gap, good, over, over + step)


def notation(values: Values, count: int, step: int, at: int = 0) -> str:
    """``count`` values from step ``at`` on, as promtool writes a series."""
    match values:
        case Count(times):
            rising = [str(min(index, times)) for index in range(at, min(at + count, times + 1))]
            rest = count - len(rising)
            return " ".join(rising) + (f" {times}+0x{rest - 1}" if rest > 0 else "")
        case Every(many):
            return f"{many * at:g}+{many:g}x{count - 1}"
        case Turns(first, then):
            begins = [f"{first:g}"] if at == 0 else []
            return " ".join([*begins, *[f"{then:g}" if then is not None else "_"] * (count - len(begins))])
        case Flaps(one, other):
            return " ".join(f"{other if index % 2 else one:g}" for index in range(at, at + count))
        case Ago(ago):
            return f"{step * at - ago:g}+{step}x{count - 1}"
        case _:
            return (
                f"{values:g}+0x{count - 1}"
                if values == int(values) and abs(values) < 1e6
                else f"{values!r}+0x{count - 1}"
            )


def ending(bad: Values, good: Values, clock: Clock) -> str:
    """Bad, and from ``clock.good`` on good: a counter stands still then, a gauge is what it should be."""
    steps, total = clock.good // clock.step, clock.end // clock.step + 1
    if isinstance(bad, Count):
        return notation(bad, total, clock.step)
    if isinstance(bad, Turns):
        return " ".join(notation(bad, total, clock.step).split()[:steps] + [str(good)] * (total - steps))
    if isinstance(bad, Every) and isinstance(good, Every):
        # The lower buckets stand still with the rest: what is no longer observed ends the alert as well.
        stands = bad.many * (steps - 1)
        return f"{notation(bad, steps, clock.step)} {stands:g}+0x{total - steps - 1}"
    return f"{notation(bad, steps, clock.step)} {notation(good, total - steps, clock.step, steps)}"


def with_gap(values: Values, clock: Clock) -> str:
    """Bad, with one scrape that failed: Prometheus then marks every series of the engine as stale."""
    before, total = clock.gap // clock.step, clock.end // clock.step + 1
    rest = total - before - 1
    return f"{notation(values, before, clock.step)} stale {notation(values, rest, clock.step, before + 1)}"


def named(series: str, scope: str, value: str) -> str:
    """``series`` of the engine (or account) ``value``."""
    name, _, inner = series.partition("{")
    given = dict(re.findall(r'(\w+)="([^"]*)"', inner.removesuffix("}")))
    given = {key: item.replace("SCOPE", value) for key, item in given.items()}
    labels = (
        {"instance": value, "job": "market-maker"} | given if scope == "instance" else {"job": "market-maker"} | given
    )
    return f"{name}{{{','.join(f'{key}={chr(34)}{item}{chr(34)}' for key, item in labels.items())}}}"


def series_text(case: Case, clock: Clock, led: bool) -> list[dict[str, str]]:
    """Every series of every situation; with ``led`` the first sample of what is bad is a good one."""
    total = clock.end // clock.step + 1
    found: dict[str, str] = {}
    for series, (bad, good) in case.series.items():
        found[named(series, case.scope, "fires")] = notation(bad, total, clock.step)
        found[named(series, case.scope, "below")] = notation(good, total, clock.step)
        found[named(series, case.scope, "gap")] = with_gap(bad, clock)
        found[named(series, case.scope, "ends")] = ending(bad, good, clock)
        if led and isinstance(good, float):
            for situation in ("fires", "gap", "ends"):
                bad_text = found[named(series, case.scope, situation)]
                found[named(series, case.scope, situation)] = _led(good, bad_text)
    for situation, given in (("barred", case.unless), ("edge", case.also), ("other", case.others)):
        for series, value in given.items():
            found[named(series, case.scope, situation)] = notation(value, total, clock.step)
    return [{"series": series, "values": values} for series, values in found.items()]


def _led(good: float, text: str) -> str:
    """``text`` with ``good`` in place of its first sample."""
    start, _, rest = text.partition(" ")
    value, _, count = start.partition("+0x")
    return f"{good!r} {value}+0x{int(count) - 1}" + (f" {rest}" if rest else "")


def expected(alert: Alert, case: Case, situation: str, late: bool) -> dict[str, Any]:
    """The alert of one situation, with every label and every text."""
    own = {case.scope: situation} | ({"job": "market-maker"} if case.scope == "instance" else {})
    labels = own | case.labels | alert.all_labels
    texts = {}
    for key, text in annotations(alert, Links(), lambda shows: None).items():
        for template, shown in (case.shown | (case.shown_late if late else {})).items():
            text = text.replace(template, shown)
        texts[key] = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)
    assert not any("{{" in text for text in texts.values()), texts
    return {"exp_labels": labels, "exp_annotations": texts}


def unit_test(alert: Alert, case: Case, rules: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """promtool's test of ``alert`` with the file ``rules``: who fires at each turn, with everything the alert carries.

    ``names`` are those under which the file has it, each held to the same.
    """
    clock, led = clock_of(alert, case), bool(whole_window(alert)) and not case.after_s
    tests = [
        {
            "eval_time": f"{at}s",
            "alertname": name,
            "exp_alerts": [expected(alert, case, who, who == "gap" and at == clock.gap) for who in sorted(whose)],
        }
        for at, whose in sorted(turns(alert, case, clock).items())
        for name in names or (alert.name,)
        if at >= 0
    ]
    test = {"interval": f"{clock.step}s", "input_series": series_text(case, clock, led), "alert_rule_test": tests}
    return {"rule_files": [rules], "evaluation_interval": f"{clock.step}s", "tests": [test]}


def turns(alert: Alert, case: Case, clock: Clock) -> dict[int, tuple[str, ...]]:
    """Which situations fire at which second."""
    full = ("fires", "gap", "ends")
    firing = {clock.first - clock.step: (), clock.first: full, clock.gap: full if case.gap else ("fires", "ends")}
    counted = any(isinstance(bad, Count) or bad == Turns(1.0, 0.0) for bad, _ in case.series.values())
    over = _OVER.search(alert.expr)
    if over and not whole_window(alert) and not case.after_s and not alert.expr.startswith("time()"):
        firing[clock.good] = full  # one bad sample in the window is enough
    if counted:
        firing[clock.over] = ()  # it was long ago
    elif case.gap:
        firing[clock.over] = ("fires", "gap")
    else:  # a scrape that failed starts the waiting anew
        again = clock.over - clock.gap - clock.step >= seconds(alert.hold)
        firing[clock.over] = ("fires", *(("gap",) if again else ()))
    if case.for_ever:
        firing[clock.over] = full  # counted since the start: it never ends
    return firing


#: What no engine tells: the alerts that fire for its absence, or always.
SPECIAL = ("NoEngineScraped", "Watchdog")


def special_test(alert: Alert, rules: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """promtool's test of an alert about no engine at all: fires without series, and not with one (but the Watchdog)."""
    own = {} if alert.name == "Watchdog" else {"job": "market-maker"}
    said = {"exp_labels": own | alert.all_labels, "exp_annotations": annotations(alert, Links(), lambda shows: None)}
    always, hold = alert.name == "Watchdog", seconds(alert.hold)

    def turn(at: int, fires: bool) -> list[dict[str, Any]]:
        expects = [said] if fires else []
        return [{"eval_time": f"{at}s", "alertname": name, "exp_alerts": expects} for name in names or (alert.name,)]

    alone = [*(turn(hold - 5, always) if hold else []), *turn(hold, True), *turn(300, True)]
    other = {"series": 'up{job="other",instance="x"}', "values": "1+0x100"}
    engine = {"series": 'up{job="market-maker",instance="x"}', "values": "0+0x100"}
    tests = [
        {"interval": "5s", "input_series": [other], "alert_rule_test": alone},
        {"interval": "5s", "input_series": [engine], "alert_rule_test": turn(300, always)},
    ]
    return {"rule_files": [rules], "evaluation_interval": "5s", "tests": tests}


def run(folder: Path, files: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, str]:
    """What promtool says of each test: "" where it passed. ``files``: name -> rules' text and the test."""
    for name, (rules, test) in files.items():
        (folder / f"{name}.rules.yml").write_text(rules)
        (folder / f"{name}.test.yml").write_text(yaml.safe_dump(test, allow_unicode=True, sort_keys=False))
    names = [f"{name}.test.yml" for name in files]
    # What failed is said on the other stream: one pipe for both keeps the order.
    done = subprocess.run(
        ["promtool", "test", "rules", *names],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        env=os.environ | {"GOGC": "800"},  # many small databases: more memory, half the time
    )  # fmt: skip
    said = done.stdout
    parts = re.split(r"^Unit Testing:\s+(\S+)\.test\.yml$", said, flags=re.MULTILINE)
    found = {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    assert set(found) == set(files), said[-2000:]
    assert all(text.startswith(("SUCCESS", "FAILED")) for text in found.values()), said[-2000:]
    return {name: "" if text.startswith("SUCCESS") else text for name, text in found.items()}
