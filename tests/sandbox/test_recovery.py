"""Kill and recovery over real sockets, in the small: the benchmark's own rounds, its findings as assertions."""

import pytest

from benchmarks import halt, recovery


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_kills_at_random_points_leave_no_orphan_and_an_equal_ledger(market: str) -> None:
    """On futures the ledger's end is the exchange's position, and each engine that quotes has armed the dead man."""
    found = recovery.main(["--seeds", "4", "--cold", "1", "--seed-base", "11", "--market", market])
    assert found["orphans"] == 0
    assert found["ledger_mismatches"] == 0, found["mismatches"]
    assert found["killed_starting"] + found["killed_quoting"] == found["rounds"] == 4
    assert found["checks"] >= 2
    assert found["dead_man_armed"] == (found["killed_quoting"] if market == "usdm" else None)


def test_a_trip_with_the_quoting_budget_spent_and_a_frozen_engine_both_end_with_nothing_open() -> None:
    found = halt.main(["--trips", "3", "--freezes", "1"])
    assert found["trips"] == 3
    assert found["orders_open"]["least"] >= 2
    assert found["freezes"] == found["proved_by_sentinel"] == 1
