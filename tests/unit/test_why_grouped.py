"""Why quotes were missing: the newest first whatever order the engine has, and no reason drowns the others."""

from mmctl.client.why import grouped


def row(ns: int, reason: str, side: str = "buy", times: int = 1) -> dict[str, object]:
    return {"ns": ns, "symbol": "ETHUSDT", "side": side, "reason": reason, "detail": str(ns), "times": times}


def test_the_newest_is_first_in_either_order_and_each_reason_stands_once_with_its_count() -> None:
    rows = [row(1, "POSITION_LIMIT"), row(2, "CANCEL_IN_FLIGHT", times=3), row(3, "RATE"), row(4, "CANCEL_IN_FLIGHT")]
    for given in (rows, rows[::-1]):
        found = grouped(given)
        assert [(r["reason"], r["ns"], r["times"]) for r in found] == [
            ("CANCEL_IN_FLIGHT", 4, 4), ("RATE", 3, 1), ("POSITION_LIMIT", 1, 1),
        ]  # fmt: skip
        assert found[0]["detail"] == "4"


def test_sides_are_told_apart_and_strange_rows_do_no_harm() -> None:
    assert len(grouped([row(1, "RATE"), row(2, "RATE", "sell")])) == 2
    assert [r["times"] for r in grouped([{}, {"ns": "x", "times": True}])] == [2]
