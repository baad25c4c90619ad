"""Options every test folder shares: how many seeds the hostile and recovery tests take, and where they begin."""

import os
import signal

import pytest

from engine.compiled import use_cache


def pytest_configure() -> None:
    use_cache()  # before anything jitted is imported
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts the tests in the background makes them ignore Ctrl-C, and so every program they start;
        # those that are interrupted here must be as a person's terminal would start them.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    usual = 100_000 if os.environ.get("MM_NIGHTLY") == "1" else 2_000
    text = "schedules of the hostile tests (default 2000; 100000 with MM_NIGHTLY=1 in the environment)"
    parser.addoption("--seeds", type=int, default=usual, help=text)
    parser.addoption("--seed-base", type=int, default=0, help="first seed (default 0)")


@pytest.fixture(scope="session")
def seeds(request: pytest.FixtureRequest) -> range:
    """The seeds to run, as ``--seeds`` and ``--seed-base`` say."""
    base, count = request.config.getoption("--seed-base"), request.config.getoption("--seeds")
    return range(base, base + count)
