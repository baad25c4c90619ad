"""An exchange's own codes and words are read where its gateway is, and nowhere else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.kernel.quoting.checks import Reason

ROOT = Path(__file__).resolve().parents[2]
AT_HOME = ("engine/venue/", "engine/sandbox/", "engine/market/convert.py")  # the last reads recorded answers
CODE = re.compile(r"(?<![\w.-])-[1-9]\d{3}(?![\d-])")
WORDS = re.compile(
    r"executionReport|ORDER_TRADE_UPDATE|x-mbx-(?!apikey)|fapiP|privatePost|privateGet|privateDelete", re.I
)

OURS = {reason.name for reason in Reason}  # a refusal of ours may have the name of the filter it looks at
FILTERS = re.compile(r"\b(?:MARKET_)?LOT_SIZE\b|\bPRICE_FILTER\b|\b(?:MIN_)?NOTIONAL\b|\bMAX_POSITION\b")


def said(source: str) -> Iterator[str]:
    """Codes (negative numbers of four digits, as values and in texts) and words of Binance's order interface."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if 1000 <= number <= 9999:
                yield f"line {node.lineno}: -{number}"
            case ast.Constant(value=str(text)) if text in OURS:
                continue
            case ast.Constant(value=str(text) | bytes(text)):
                shown = text if isinstance(text, str) else text.decode("latin-1")
                for found in [*CODE.findall(shown), *WORDS.findall(shown), *FILTERS.findall(shown)]:
                    yield f"line {node.lineno}: {found}"
            case ast.Attribute(attr=str(name)) if WORDS.search(name):
                yield f"line {node.lineno}: {name}"
    for number, line in enumerate(source.splitlines(), 1):
        _, mark, comment = line.partition("  # ")
        if mark and CODE.search(comment):
            yield f"line {number}: {comment}"


def files() -> list[str]:
    found = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "engine").rglob("*.py"))]
    return [path for path in found if not path.startswith(AT_HOME)]


def test_no_code_or_order_word_of_an_exchange_stands_outside_its_gateway() -> None:
    assert len(files()) > 100
    found = [f"{path} {what}" for path in files() for what in said((ROOT / path).read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "GONE = {-2011}",
        "if code == -2013: pass",
        'text = "refused with -1022"',
        'words = "less than MARKET_LOT_SIZE lets through"',
        "x = 1  # Binance: -1021",
        "rest.fapiPrivatePostOrder()",
    ],
)
def test_a_code_is_found_wherever_it_stands(source: str) -> None:
    assert list(said(source))


@pytest.mark.parametrize("source", ["x = -100", 'day = "2024-08-08"', "x = -20_000", 'key = "uid-1234"'])
def test_what_only_looks_like_one_is_let_through(source: str) -> None:
    assert not list(said(source))
