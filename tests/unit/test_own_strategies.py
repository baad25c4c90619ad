"""A user's strategy behind the fence: what it writes to is not ours, what it asks is bounded, its end is told."""

from pathlib import Path

import numpy as np
import pytest

from engine.kernel.layout import (
    CELL_COUNT,
    CELL_LINE,
    CELL_SINCE,
    OUT_ASK_LOTS,
    OUT_ASK_REASON,
    OUT_BID_LOTS,
    OUT_BID_REASON,
    OUT_BID_TICKS,
    OUT_SIZE,
    PARAM_MAX_INVENTORY_LOTS,
    PARAMS_SIZE,
    SIGNALS_SIZE,
    VIEW_POSITION_LOTS,
    VIEW_SIZE,
)
from engine.kernel.quoting.actions import ACTION_LOTS, PLACE, new_actions, new_working, quoting_rules, settle
from engine.kernel.quoting.checks import LIMIT_ORDER_BUDGET, Reason, no_limits
from engine.kernel.quoting.fence import NO_DECISION
from engine.strategy.parameters import Strategy, StrategyError
from engine.strategy.registry import strategy

HEAD = """import math
import numpy as np
from numba import njit
from engine.kernel.layout import *


def quote(now_ns, view, signals, params, out):
"""
QUIET = "    out[0], out[1], out[2], out[3] = view[0] - 5, 10, view[2] + 5, 10\n    return 0\n"
FIRST = HEAD.count("\n") + 1  # the line of the first statement


class Desk:
    """The arrays of one symbol, as a driver holds them."""

    def __init__(self, position: int = 0) -> None:
        self.view = np.zeros(VIEW_SIZE, np.int64)
        self.view[:5] = (100_000, 50, 100_010, 50, position)
        self.view[7:9] = 1000
        self.signals = np.arange(SIGNALS_SIZE, dtype=np.float64)
        self.params = np.zeros(PARAMS_SIZE)
        self.params[:5] = (0.01, 0.001, 0.0, 10, 100)
        self.out = np.zeros(OUT_SIZE, np.int64)

    def ask(self, chosen: Strategy, now_ns: int = 7) -> int:
        return int(chosen.quote(now_ns, self.view, self.signals, self.params, self.out))

    def act(self, chosen: Strategy) -> list[list[int]]:
        limits, actions = no_limits(), new_actions(4)
        limits[LIMIT_ORDER_BUDGET] = 4
        count = settle(self.ask(chosen), 1, self.view, self.out, limits, quoting_rules(), new_working(4), 0, actions)
        return [list(row) for row in actions[:count].tolist()]


def own(folder: Path, body: str, before: str = "") -> Strategy:
    file = folder / "mine.py"
    file.write_text(before + HEAD + body if before else HEAD + body)
    return strategy("mine", file)


def failing(folder: Path, body: str, position: int = 5) -> str:
    """Why the strategy is not asked any more after one decision with a position."""
    chosen = own(folder, body)
    desk = Desk(position)
    assert desk.ask(chosen) == NO_DECISION
    assert desk.out[[OUT_BID_LOTS, OUT_ASK_LOTS]].tolist() == [0, 0]
    assert chosen.own is not None
    return chosen.own.failure()


def test_what_a_strategy_writes_to_what_it_is_given_reaches_nothing_of_ours(tmp_path: Path) -> None:
    chosen = own(
        tmp_path,
        "    assert_given = view[4] == 5 and signals[3] == 3.0 and params[4] == 100.0\n"
        "    view[:] = -1\n    signals[:] = math.nan\n    params[:] = 1e300\n"
        "    out[0], out[1], out[2], out[3] = 99_995, 10 if assert_given else 1, 100_015, 10\n    return 0\n",
    )
    desk, before = Desk(5), Desk(5)
    for _ in range(2):  # what it wrote is not there the next time either
        assert desk.ask(chosen) == 0
        assert desk.out[:OUT_BID_REASON].tolist() == [99_995, 10, 100_015, 10]
        assert desk.view.tolist() == before.view.tolist()
        assert desk.signals.tolist() == before.signals.tolist()
        assert desk.params.tolist() == before.params.tolist()


@pytest.mark.parametrize(
    ("position", "bid", "ask"), [(0, 70, 70), (95, 5, 70), (100, 0, 70), (130, 0, 70), (-98, 70, 2)]
)
def test_no_size_reaches_past_the_maximum_inventory(tmp_path: Path, position: int, bid: int, ask: int) -> None:
    chosen = own(
        tmp_path,
        "    view[4] = 0\n    params[4] = 1e9\n    out[0], out[1], out[2], out[3] = 9, 70, 11, 70\n    return 0\n",
    )
    desk = Desk(position)
    assert desk.ask(chosen) == 0
    assert desk.out[[OUT_BID_LOTS, OUT_ASK_LOTS]].tolist() == [bid, ask]
    assert (desk.out[OUT_BID_REASON] == Reason.MAX_INVENTORY) == (bid == 0)


def test_a_side_left_empty_has_a_reason_and_no_made_up_one(tmp_path: Path) -> None:
    desk = Desk()
    assert desk.ask(own(tmp_path, "    out[4], out[5] = 999, -3\n    return 0\n")) == 0
    assert desk.out[[OUT_BID_REASON, OUT_ASK_REASON]].tolist() == [Reason.NOT_WANTED, Reason.NOT_WANTED]


@pytest.mark.parametrize(
    "wanted",
    [
        "9, 2**62, 11, 5",
        "2**62, 1, 2**62 + 1, 1",
        "10**14, 10**14, 2 * 10**14, 1",
        "-(2**63), 1, 5, 1",
        "5, -(2**63), 6, 1",
    ],
)
def test_numbers_that_overflow_are_a_bad_quote_and_no_order(tmp_path: Path, wanted: str) -> None:
    body = f"    if view[4]:\n        out[0], out[1], out[2], out[3] = {wanted}\n        return 0\n" + QUIET
    desk = Desk(5)
    chosen = own(tmp_path, body)
    assert not [row for row in desk.act(chosen) if row[0] == PLACE]
    assert desk.out[OUT_BID_REASON] == Reason.BAD_QUOTE
    assert chosen.own is not None
    assert "its quote makes no sense" in chosen.own.failure()
    assert "mine.py:7: " in chosen.own.failure()


@pytest.mark.parametrize("lots", [10**15 + 1, 1 << 62])
def test_the_kernel_itself_refuses_numbers_whose_products_overflow(lots: int) -> None:
    desk, limits, actions = Desk(), no_limits(), new_actions(4)
    limits[LIMIT_ORDER_BUDGET] = 4
    desk.out[:4] = (99_000, lots, 101_000, lots)
    count = settle(0, 1, desk.view, desk.out, limits, quoting_rules(), new_working(4), 0, actions)
    assert not [row for row in actions[:count].tolist() if row[0] == PLACE and row[ACTION_LOTS]]


@pytest.mark.parametrize(
    ("body", "line", "cause"),
    [
        ("    if view[4]:\n        raise ValueError('inventory!')\n" + QUIET, 1, "ValueError: inventory!"),
        ("    d = 1000 // (5 - view[4])\n" + QUIET, 0, "ZeroDivisionError"),
        ("    d = 1.0 / (5 - view[4])\n" + QUIET, 0, "ZeroDivisionError"),
        ("    out[7 + view[4] * 1000] = 1\n" + QUIET, 0, "IndexError"),
        ("    view[-(12 + view[4])] = 1\n" + QUIET, 0, "IndexError"),
        (
            "    d = math.nan if view[4] else 1.0\n    out[0] = int(d)\n" + QUIET,
            1,
            "ValueError: cannot convert float NaN",
        ),
        ("    d = math.inf if view[4] else 1.0\n    out[0] = math.floor(d)\n" + QUIET, 1, "OverflowError"),
        ("    while view[4]:\n        pass\n" + QUIET, 0, "EndlessLoop"),
        ("    n = 0\n    for i in range(10**12 if view[4] else 1):\n        n += i\n" + QUIET, 1, "EndlessLoop"),
        ("    a = [i for i in range(10**12 if view[4] else 1)]\n" + QUIET, 0, "EndlessLoop"),
        (
            "    while view[4]:\n        try:\n            out[100] = 1\n        except Exception:\n            pass\n"
            + QUIET,
            0,
            "EndlessLoop",
        ),
        (
            "    while True:\n        try:\n            while view[4]:\n                pass\n"
            "        except Exception:\n            pass\n"
            "        if not view[4]:\n            break\n" + QUIET,
            0,
            "EndlessLoop",
        ),
    ],
    ids=[
        "raise",
        "int-zero",
        "float-zero",
        "beyond",
        "before",
        "nan",
        "inf",
        "while",
        "for",
        "list",
        "caught",
        "nested",
    ],
)
def test_a_strategy_that_fails_later_is_told_with_file_line_and_cause(
    tmp_path: Path, body: str, line: int, cause: str
) -> None:
    told = failing(tmp_path, body)
    assert told.startswith(f"{tmp_path / 'mine.py'}:{FIRST + line}: "), told
    assert cause in told


def test_it_is_not_asked_again_until_it_is_reset(tmp_path: Path) -> None:
    chosen = own(tmp_path, "    if view[4]:\n        raise ValueError\n" + QUIET)
    assert chosen.own is not None
    assert Desk(5).ask(chosen) == NO_DECISION
    assert Desk(0).ask(chosen) == NO_DECISION
    assert int(chosen.own.cells[CELL_COUNT]) == 1
    chosen.own.reset()
    assert Desk(0).ask(chosen) == 0
    assert chosen.own.failure() == ""


def test_while_it_decides_the_cells_say_where_and_since_when(tmp_path: Path) -> None:
    chosen = own(tmp_path, QUIET)
    assert chosen.own is not None
    assert Desk().ask(chosen, now_ns=123) == 0
    assert int(chosen.own.cells[CELL_SINCE]) == 0
    assert int(chosen.own.cells[CELL_LINE]) == FIRST + 1  # where it returned


HELPER = """from numba import njit
import numpy as np
import numba as nb
{decorator}
def helper(a, n):
    {body}
    return a[0]
"""


@pytest.mark.parametrize("decorator", ["@njit", "@njit(cache=True, fastmath=True)", "@nb.jit(nopython=True)", ""])
@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("a[n * 100] = 1", "IndexError"),
        ("a[0] = 1 // (n - 5)", "ZeroDivisionError"),
        ("n = helper(a, n) if n else 0", "EndlessLoop"),
    ],
    ids=["beyond", "zero", "itself"],
)
def test_functions_of_the_file_are_compiled_as_its_quote_is(
    tmp_path: Path, decorator: str, body: str, cause: str
) -> None:
    file = tmp_path / "mine.py"
    text = HELPER.format(decorator=decorator, body="if n:\n        " + body)
    file.write_text(text + HEAD + "    helper(out, view[4])\n" + QUIET)
    chosen = strategy("mine", file)
    assert Desk(5).ask(chosen) == NO_DECISION
    assert chosen.own is not None
    assert f"mine.py:{text.count(chr(10)) - 1}: {cause}" in chosen.own.failure() or cause == "EndlessLoop"
    assert cause in chosen.own.failure()


def test_functions_of_the_engine_that_it_calls_check_their_bounds_too(tmp_path: Path) -> None:
    body = "    return put_quotes(view[0] - 3.0, view[2] + 3.0, view, params[: 32 - 6 * view[4]], out)\n"
    file = tmp_path / "mine.py"
    file.write_text("from engine.strategy.shape import put_quotes\n" + HEAD + body)
    chosen = strategy("mine", file)
    assert Desk(0).ask(chosen) == 0
    assert Desk(5).ask(chosen) == NO_DECISION
    assert chosen.own is not None
    assert "IndexError" in chosen.own.failure()


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        (HEAD + "    out[0] = view[0] * 0.5\n    return 0\n", FIRST, "a float is put where prices in ticks"),
        (HEAD + "    if view[4]:\n        return 0\n", 7, "returns nothing on one of its paths"),
        (HEAD + "    out[0] = 0\n", 7, "returns nothing"),
        (HEAD + "    return 0.5\n", 7, "returns a float"),
        (HEAD + "    return 'x'\n", 7, "returns"),
        (HEAD + "    print(1)\n    return 0\n", FIRST, "must not print"),
        (HEAD + "    f = open('x')\n    return 0\n", FIRST, "must not open a file"),
        ("import sys\nsys.exit(0)\n" + HEAD + QUIET, 2, "SystemExit"),
        ("import no_such_module\n" + HEAD + QUIET, 1, "ModuleNotFoundError"),
        ("def quote(now_ns, view, signals, params, out, more):\n    return 0\n", 1, "it must be quote"),
        ("def quote(now_ns, view, signals, params, out, *, more):\n    return 0\n", 1, "it must be quote"),
        ("def quote(now_ns, view, signals, params, out):\n    yield 0\n", 1, "it must be quote"),
        ("quote = 5\n", 0, "quote must be a function"),
        ("PARAMETERS = 5\n" + HEAD + QUIET, 0, "PARAMETERS must be a list"),
        ("x = 1\0\n", 1, "null bytes"),
        ("_mm_cells = 0\n" + HEAD + QUIET, 1, "the engine's own"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_with_its_line(tmp_path: Path, text: str, line: int, cause: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(StrategyError, match=cause) as caught:
        strategy("bad", file)
    assert f"bad.py:{line}: " in str(caught.value) or not line


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# one\n# gr\xfc\xdfe\n")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "large.py").write_bytes(b"#" * (1 << 21))
    for name, cause in (("latin", "latin.py:2: not UTF-8"), ("folder", "a folder"), ("large", "larger than")):
        with pytest.raises(StrategyError, match=cause):
            strategy("bad", tmp_path / f"{name}.py")


def test_what_a_file_prints_when_it_is_loaded_is_not_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "print('loaded')\nTABLE = [1, 2]\n\ndef read():\n    return open(__file__).read()\n\nTEXT = read()\n"
        + HEAD
        + QUIET
    )
    assert Desk().ask(strategy("mine", file)) == 0
    assert capsys.readouterr().out == ""


def test_a_file_with_a_byte_order_mark_and_windows_lines_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_bytes(b"\xef\xbb\xbf" + (HEAD + QUIET).replace("\n", "\r\n").encode())
    assert Desk().ask(strategy("mine", file)) == 0


def test_the_limits_of_ours_are_what_bounds_it(tmp_path: Path) -> None:
    """The case that held 26 times its limit: it wrote a position of zero into the view before every check."""
    chosen = own(
        tmp_path,
        "    out[0], out[1], out[2] = view[0] - 3, 10, view[2] + 40\n    view[VIEW_POSITION_LOTS] = 0\n    return 0\n",
    )
    desk, held = Desk(), 0
    desk.params[PARAM_MAX_INVENTORY_LOTS] = 25
    for _ in range(50):
        desk.view[VIEW_POSITION_LOTS] = held
        held += sum(row[ACTION_LOTS] for row in desk.act(chosen) if row[0] == PLACE)
    assert held == 25
    assert desk.out[OUT_BID_TICKS] == 99_997
