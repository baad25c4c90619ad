"""Pytest plugin of mutation.py: the tests are collected once, and every change is tried in a child forked from there.

Reads the names of the changes from the file CHANGES names, and writes to RESULTS what became of each. Which tests touch
which function is learnt first, from a run of them all without any change.
"""

import gc
import json
import os
import signal
import time
from pathlib import Path

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

SECONDS_MORE = 10.0  # CPU time a child has beyond twenty times what its tests took without a change


def pytest_runtestloop(session: pytest.Session) -> bool:
    changes: list[str] = json.loads(Path(os.environ["CHANGES"]).read_text())
    tests = _learn(session)
    if session.testsfailed:
        raise pytest.UsageError(f"{session.testsfailed} tests fail without any change")
    gc.collect()
    gc.freeze()
    results = {
        change: _try(session, change, tests.get(mangled_name_from_mutant_name(change), [])) for change in changes
    }
    Path(os.environ["RESULTS"]).write_text(json.dumps(results))
    return True


def _learn(session: pytest.Session) -> dict[str, list[tuple[float, pytest.Item]]]:
    """The tests that touch each function, quickest first."""
    tests: dict[str, list[tuple[float, pytest.Item]]] = {}
    set_mutant_under_test("stats")
    for item in session.items:
        state()._stats.clear()
        began = time.process_time()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        took = time.process_time() - began
        for function in state()._stats:
            tests.setdefault(function, []).append((took, item))
    set_mutant_under_test("")
    return {function: sorted(found, key=lambda pair: pair[0]) for function, found in tests.items()}


def _try(session: pytest.Session, change: str, tests: list[tuple[float, pytest.Item]]) -> str:
    if not tests:
        return "without tests"
    child = os.fork()
    if child == 0:
        _run(session, change, tests)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "timed out" if os.WTERMSIG(status) == signal.SIGPROF else "killed"
    return "killed" if os.WEXITSTATUS(status) else "survived"


def _run(session: pytest.Session, change: str, tests: list[tuple[float, pytest.Item]]) -> None:
    """In the child: until the first test that fails. Never returns."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_MORE + 20 * sum(took for took, _ in tests))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    set_mutant_under_test(change)
    try:
        for _, item in tests:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                os._exit(1)
        os._exit(0)
    finally:
        os._exit(1)  # what pytest itself could not bear is a change that was noticed
