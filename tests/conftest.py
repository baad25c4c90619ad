"""Options every test folder shares: how many seeds the hostile and recovery tests take, and where they begin."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from engine.compiled import use_cache

NIGHTLY = os.environ.get("MM_NIGHTLY") == "1"
OUTCOME = os.environ.get("MM_OUTCOME", "")  # a file that gathers what failed, for a second look at just that


def _note(line: str) -> None:
    if OUTCOME:
        with open(OUTCOME, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _note(f"failed {report.nodeid}")


def pytest_sessionfinish(exitstatus: int) -> None:
    _note(f"ended {int(exitstatus)}")


def pytest_configure() -> None:
    use_cache()  # before anything jitted is imported
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
