"""ccxt without the wait: one exchange is imported alone, and a later full import still works."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_one_exchange_is_imported_without_the_other_hundred() -> None:
    shown = run(
        "import sys; from engine.venue.ccxt.thin import async_exchange\n"
        "client = async_exchange('binance')({'apiKey': 'k', 'secret': 's'})\n"
        "loaded = {m.split('.')[-1] for m in sys.modules if m.startswith('ccxt.async_support.')}\n"
        "print(client.id, 'kraken' in loaded, 'ccxt.bybit' in sys.modules, hasattr(client, 'fapiPrivateGetOrder'))"
    )
    assert shown == "binance False False True"


def test_a_later_full_import_of_ccxt_works_and_is_the_same_ccxt() -> None:
    shown = run(
        "from engine.venue.ccxt.thin import async_exchange\n"
        "thin = async_exchange('binance')\n"
        "import ccxt, ccxt.async_support, ccxt.pro\n"
        "print(len(ccxt.exchanges) > 90, ccxt.async_support.binance is thin, issubclass(ccxt.pro.binance, thin),\n"
        "      issubclass(ccxt.bybit, ccxt.Exchange), ccxt.__version__ == ccxt.async_support.__version__)"
    )
    assert shown == "True True True True True"


def test_one_exchange_with_streams_is_imported_without_the_others_and_a_full_import_still_works() -> None:
    shown = run(
        "import sys; from engine.venue.ccxt.thin import pro_exchange\n"
        "thin = pro_exchange('binanceusdm')\n"
        "alone = 'ccxt.pro.kraken' not in sys.modules\n"
        "import ccxt.pro\n"
        "print(alone, ccxt.pro.binanceusdm is thin, issubclass(thin, ccxt.pro.binance),\n"
        "      issubclass(ccxt.pro.kraken, ccxt.async_support.kraken), len(ccxt.pro.exchanges) > 50)"
    )
    assert shown == "True True True True True"


def test_after_a_full_import_that_one_is_used() -> None:
    shown = run(
        "import ccxt.async_support\n"
        "from engine.venue.ccxt.thin import async_exchange\n"
        "print(async_exchange('kraken') is ccxt.async_support.kraken)"
    )
    assert shown == "True"


@pytest.mark.parametrize("function", ["async_exchange", "pro_exchange"])
@pytest.mark.parametrize("name", ["nosuchexchange", "../os", ""])
def test_an_exchange_ccxt_does_not_know_is_named(name: str, function: str) -> None:
    shown = run(
        f"from engine.venue.ccxt.thin import {function}\n"
        f"try: {function}({name!r})\n"
        "except LookupError as unknown: print(unknown)"
    )
    assert repr(name) in shown


def test_the_name_of_an_exchange_is_its_class_before_the_rest_is_imported_too() -> None:
    shown = run(
        "from engine.venue.ccxt.thin import async_exchange\n"
        "thin = async_exchange('binance')\n"
        "import ccxt.async_support as package\n"
        "print(package.binance is thin)"
    )
    assert shown == "True"
