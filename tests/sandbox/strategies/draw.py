"""Random strategies: what one does wrong while it quotes (many in a file, chosen by a parameter), or before it can."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

HEAD: Final = """import math
import numpy as np
from numba import njit
from engine.kernel.layout import *
from engine.strategy.parameters import Parameter

PARAMETERS = [Parameter("act", 0.0, 0.0, 1e6, "number", "which of the behaviours")]
TABLE = np.arange(5)


@njit
def deeper(n):
    return deeper(n + 1) + 1 if n >= 0 else 0
"""
QUOTE: Final = """

def quote(now_ns, view, signals, params, out):
    m = (view[VIEW_BID_TICKS] + view[VIEW_ASK_TICKS]) // 2
    out[OUT_BID_TICKS], out[OUT_ASK_TICKS] = m - {near}, m + {near}
    out[OUT_BID_LOTS] = out[OUT_ASK_LOTS] = {lots} * int(params[PARAM_BASE_SIZE_LOTS])
    act = int(params[PARAM_COMMON])
{calls}    return 0
"""
SIZES: Final = {"view": 16, "signals": 16, "params": 32, "out": 8}
ALWAYS: Final = "view[7] >= 0"  # what the compiler does not know to be so
TRIGGERS: Final = (
    ALWAYS, ALWAYS, "view[4] != 0", "view[4] > 0", "now_ns // 1000000000 % 3 == 2", "view[1] % 2 == 0", "view[6] < 0",
)  # fmt: skip
INTEGERS: Final = (
    "0",
    "1",
    "-1",
    "7",
    "10**9",
    "-10**9",
    "2**62",
    "-2**63",
    "2**63 - 1",
    "now_ns",
    "view[0]",
    "-view[4]",
)
FLOATS: Final = ("0.0", "-1.0", "1e300", "-1e300", "math.nan", "math.inf", "-math.inf", "0.5")


@dataclass(frozen=True, slots=True)
class Act:
    """One behaviour. ``first`` to ``last``: its lines. ``fails``: it must, where ``always`` triggered."""

    number: int
    first: int
    last: int
    fails: bool
    always: bool
    senseless: bool = False  # a failure of the quote as a whole, told at ``quote``


@dataclass(frozen=True, slots=True)
class Drawn:
    text: bytes
    quote_line: int  # 0: it cannot be loaded
    acts: tuple[Act, ...] = ()


def _write(dice: random.Random) -> tuple[str, bool, bool]:
    array = dice.choice(tuple(SIZES))
    size = SIZES[array]
    index = dice.choice(
        (dice.randrange(-size, size), dice.randrange(-3 * size, 3 * size), dice.choice((10**6, -(10**6))))
    )
    value = dice.choice(INTEGERS if array in ("view", "out") else FLOATS)
    inside = -size <= index < size
    where = dice.choice((f"{index}", f"{index} + 0 * view[4]", f"view[4] - view[4] + {index}"))
    return f"{array}[{where}] = {value}", not inside, False


def _slice(dice: random.Random) -> tuple[str, bool, bool]:
    array = dice.choice(("view", "signals", "params"))
    return f"{array}[{dice.randrange(-9, 9)}:] = {dice.choice(INTEGERS if array == 'view' else FLOATS)}", False, False


def _of(*bodies: str) -> Callable[[random.Random], tuple[str, bool, bool]]:
    return lambda dice: (dice.choice(bodies), True, False)


def _harmless(*bodies: str) -> Callable[[random.Random], tuple[str, bool, bool]]:
    return lambda dice: (dice.choice(bodies), False, False)


def _senseless(dice: random.Random) -> tuple[str, bool, bool]:
    body = dice.choice(
        (
            "out[0], out[2] = out[2], out[0]", "out[1] = -1", "out[3] = -2**63", "out[1] = 2**62", "out[0] = 0",
            "out[0], out[1], out[2], out[3] = 10**14, 10**14, 10**14 + 1, 1", "out[2] = -5", "out[2] = out[0]",
        )
    )  # fmt: skip
    return body, True, True


RUNNING: Final = (
    _write, _write, _write, _slice, _senseless,
    _of("while True: pass", "for i in range(10**15): view[4] += 1", "n = len([i for i in range(10**13)])",
        "deeper(view[4] * view[4])", "while view[4] == view[4]: view[5] += 1",
        "i = 0\n        while i < 10**12: i += 1"),
    _of("raise ValueError('drawn')", "raise KeyError('drawn')", "assert view[4] != view[4]", "raise Exception"),
    _of("x = 1000 // (view[4] - view[4])", "x = view[0] % (view[4] - view[4])", "x = 1.0 / (0.0 * view[4])"),
    _of("out[0] = int(math.nan)", "out[0] = math.floor(math.inf)", "out[2] = int(1e300)",
        "out[0] = int(math.sqrt(-1.0))", "out[1] = np.int64(math.nan)"),
    _of("x = TABLE[5 + abs(view[4])]", "x = (1, 2, 3)[3 + abs(view[4])]", "x = [1][1 + abs(view[4])]",
        "x = np.zeros(10**15)[0]"),
    _harmless("return 7", "return -3", "return view[0]", "return True", "out[4] = 999", "out[5] = -7"),
    _harmless("out[1] = out[3] = 10**9", "out[1] = 10**6", "out[0] = view[2] - 1", "out[2] = view[0] + 1",
              "out[6] = 2**40", "out[1] = 0", "out[0], out[2] = view[2] + 50, view[2] + 90", "out[:] = 0",
              "out[0], out[2] = view[0] - 90, view[0] - 50"),
)  # fmt: skip
"""Each gives (statement, whether it must fail, whether it fails as a quote that makes no sense)."""

BODIES: Final = (
    "out[0] = view[0] * 0.5", "out[1] = signals[0]", "print(view[4])", "f = open('x')", "x = missing",
    "view.append(1)", "x = view + 'a'", "TABLE[0] = 1", "import os", "return 'x'", "return None", "return 0.5",
    "return (1, 2)", "exec('1')", "x = eval('1')", "x = {}[view[0]]['a']", "yield 1", "x = np.linalg.no_such(view)",
    "x = input()", "x = view[0",
)  # fmt: skip
FILES: Final = (
    b"raise RuntimeError('drawn')\n", b"import sys\nsys.exit(3)\n", b"import no_such_module\n", b"x = 1 / 0\n",
    b"\xff\xfe\n", b"def quote(now_ns, view):\n    return 0\n", b"quote = 5\n", b"", b"x = (\n", b"\0\n",
    b"PARAMETERS = [1]\ndef quote(now_ns, view, signals, params, out):\n    return 0\n",
    b"def other():\n    return 0\n", b"class quote:\n    pass\n",
)  # fmt: skip


def running(seed: int, count: int) -> Drawn:
    """A file with ``count`` behaviours, each begun by its number in the parameter ``act``."""
    dice = random.Random(seed)
    text, acts = HEAD, []
    for number in range(1, count + 1):
        text += "\n\n"
        first = text.count("\n") + 1
        trigger = dice.choice(TRIGGERS)
        body, fails, senseless = dice.choice(RUNNING)(dice)
        text += f"@njit\ndef act_{number}(now_ns, view, signals, params, out):\n"
        text += f"    if {trigger}:\n        {body}\n    return 0\n"
        last = text.count("\n")
        acts.append(Act(number, first, last, fails, trigger == ALWAYS, senseless))
    calls = "".join(
        f"    {'if' if at == 0 else 'elif'} act == {act.number}:\n"
        f"        return act_{act.number}(now_ns, view, signals, params, out)\n"
        for at, act in enumerate(acts)
    )
    quote_line = text.count("\n") + 3
    text += QUOTE.format(near=dice.choice((1, 2, 5)), lots=dice.choice((1, 2, 4)), calls=calls)
    return Drawn(text.encode(), quote_line, tuple(acts))


def unloadable(seed: int) -> Drawn:
    """A file that must be refused when it is loaded."""
    dice = random.Random(seed)
    if dice.random() < 0.4:
        return Drawn(b"\n" * dice.randrange(5) + dice.choice(FILES), 0)
    text = HEAD + f"\n\ndef quote(now_ns, view, signals, params, out):\n    if {dice.choice(TRIGGERS)}:\n"
    return Drawn((text + f"        {dice.choice(BODIES)}\n    return 0\n").encode(), 0)
