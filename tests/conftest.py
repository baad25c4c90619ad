"""Options every test folder shares: how many seeds the hostile and recovery tests take, and where they begin."""

import os
import signal
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from engine.compiled import use_cache
from tests import record

# Before anything jitted is imported, which the conftest of a folder may do: pytest loads those named on its command
# line before it configures itself. Numba's own folder beside the sources knows nothing of changes in another file.
use_cache()

HANDLERS: dict[signal.Signals, Any] = {}  # as they stood before the first test
AS_PYTHON_STARTS = (signal.SIG_DFL, signal.default_int_handler)  # what a closed event loop leaves: it ends the run
#: Files that take longest, and folders: they begin first, so that no worker is left with one at the end.
LONGEST = (
    "tests/sandbox/test_hostile_engine.py", "tests/hosts/test_engine_on_a_host.py",
    "tests/sandbox/test_lost_journal.py", "tests/hosts/test_deployment_document.py", "tests/sandbox/test_demo.py",
    "tests/hosts/", "tests/sandbox/test_hostile_orders.py", "tests/sandbox/test_halt_matrix.py",
    "tests/sandbox/test_drawn_strategies.py", "tests/sandbox/test_recovery.py",
    "tests/sandbox/test_operator_switch.py", "tests/sandbox/test_engine_",
    "tests/unit/test_own_strategies.py", "tests/property/",
)  # fmt: skip
#: Files that compile and compute: to count their lines makes them half as long again, and others run the same lines.
UNCOUNTED = (
    "tests/sandbox/test_hostile_engine.py", "tests/sandbox/test_hostile_orders.py", "tests/unit/test_own_strategies.py",
    "tests/unit/test_apart.py", "tests/property/test_passed_over_ticks.py",
)  # fmt: skip
NIGHTLY = os.environ.get("MM_NIGHTLY") == "1"


def pytest_configure(config: pytest.Config) -> None:
    record.pytest_configure(config)
    # Nothing here is judged by a clock: machines are shared. What judges a change draws the same examples each time, so
    # that a failure is the change's; the nightly run draws new ones, and prints how to replay what it finds.
    clockless = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
    settings.register_profile("steady", clockless, derandomize=True)
    settings.register_profile("nightly", clockless)
    settings.load_profile("nightly" if NIGHTLY else "steady")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts the tests in the background makes them ignore Ctrl-C, and so every program they start;
        # those that are interrupted here must be as a person's terminal would start them.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Ended from outside, the tests still take down the machines and servers that they started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    HANDLERS.update({number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """A test that leaves a signal's handler behind fails: with it, the run itself could not be ended by that signal."""
    result = yield
    now = {number: signal.getsignal(number) for number in HANDLERS}
    left = {number: handler for number, handler in now.items() if handler not in (HANDLERS[number], *AS_PYTHON_STARTS)}
    for number, handler in HANDLERS.items():
        signal.signal(number, handler)
    if left:
        pytest.fail(f"{item.nodeid} leaves handlers behind: {left}", pytrace=False)
    return result


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((place for place, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))

    items.sort(key=place)  # stable: a file stays together
    for item in items:
        if item.nodeid.startswith(UNCOUNTED):
            item.add_marker("no_cover")


def pytest_addoption(parser: pytest.Parser) -> None:
    usual = 100_000 if NIGHTLY else 2_000
    text = "schedules of the hostile tests (default 2000; 100000 with MM_NIGHTLY=1 in the environment)"
    parser.addoption("--seeds", type=int, default=usual, help=text)
    parser.addoption("--seed-base", type=int, default=0, help="first seed (default 0)")


@pytest.fixture(scope="session")
def seeds(request: pytest.FixtureRequest) -> range:
    """The seeds to run, as ``--seeds`` and ``--seed-base`` say."""
    base, count = request.config.getoption("--seed-base"), request.config.getoption("--seeds")
    return range(base, base + count)
