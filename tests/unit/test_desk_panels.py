"""The panels the desk drew, one by one: title, type, fields, colours. What differs stands in a table, with a reason."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from mmctl.monitoring import boards
from mmctl.monitoring.boards.deviations import DEVIATIONS
from mmctl.monitoring.plan import Plan
from mmctl.monitoring.rules.deviations import DEVIATIONS as OF_RULES
from tests.needs import ROOT

PAGES: dict[str, dict[str, Any]] = {
    json.loads(text)["uid"]: json.loads(text) for text in boards.files(Plan(language="zh")).values()
}
DOCUMENT = ROOT / "docs/deployment/MONITORING.md"


@dataclass(frozen=True)
class Drawn:
    """A panel as the desk has it: fields are legends or columns, ``asks`` what stands in its queries, ``colours`` the
    steps of its thresholds or its states' words."""

    board: str
    title: str
    kind: str
    fields: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    colours: tuple[tuple[Any, str], ...] = ()


TRADING, SPEED, RISK = "trading_overview", "performance_metrics", "risk_monitoring"
DRAWN = (
    Drawn(TRADING, "实时PnL", "stat", ("总PnL",), ("realized_pnl", "unrealized_pnl"), ((None, "red"), (0, "green"))),
    Drawn(TRADING, "持仓情况", "gauge", (), ("current_position{", "limit: max_inventory")),
    Drawn(TRADING, "订单统计（今日）", "stat", ("总订单数", "成交订单数", "撤单数", "成交率")),
    Drawn(TRADING, "PnL趋势图", "timeseries", ("累计PnL", "实现PnL", "未实现PnL"), ("24h",)),
    Drawn(TRADING, "订单成交分布", "barchart", ("成交数量", "成交金额"), ("side",)),
    Drawn(TRADING, "当前报价", "table", ("时间", "买价", "卖价", "Spread", "数量")),
    Drawn(SPEED, "订单延迟分布", "heatmap", (), ("order_latency_histogram",), ((0.05, "yellow"), (0.1, "red"))),
    Drawn(SPEED, "系统延迟", "timeseries", ("策略决策延迟", "订单提交延迟", "网络延迟")),
    Drawn(SPEED, "吞吐量", "timeseries", ("每秒订单数", "每秒报价数", "每秒成交数")),
    Drawn(SPEED, "资源使用", "timeseries", ("CPU使用率", "内存使用量", "Goroutine数量", "GC暂停时间")),
    Drawn(SPEED, "性能总览", "stat", ("平均延迟", "P95延迟", "P99延迟", "当前TPS")),
    Drawn(
        RISK, "风险等级", "gauge", (), (" risk_level",),
        (("低", "green"), ("中", "yellow"), ("高", "orange"), ("严重", "red")),
    ),
    Drawn(RISK, "回撤监控", "timeseries", ("当前回撤", "最大回撤", "回撤限制线")),
    Drawn(RISK, "限制使用率", "bargauge", ("日亏损限制使用率", "持仓限制使用率", "订单频率使用率")),
    Drawn(
        RISK, "熔断器状态", "state-timeline", (), ("3 states",), (("Closed（正常）", "green"), ("Open（熔断）", "red")),
    ),
    Drawn(RISK, "告警历史", "table", ("时间", "级别", "类型", "消息", "状态")),
    Drawn(RISK, "风控触发统计", "piechart", ("PnL限制", "持仓限制", "频率限制", "其他")),
)  # fmt: skip


def shown(panel: dict[str, Any]) -> list[str]:
    """Legends, and the headings of columns."""
    legends = [target["legendFormat"] for target in panel["targets"]]
    for change in panel.get("transformations", ()):
        legends += change["options"].get("renameByName", {}).values()
    return legends


def coloured(panel: dict[str, Any]) -> set[tuple[Any, str]]:
    defaults = panel["fieldConfig"]["defaults"]
    mapped = {(said["text"], said["color"]) for m in defaults["mappings"] for said in m["options"].values()}
    return mapped | {(step["value"], step["color"]) for step in defaults["thresholds"]["steps"]}


def differences(wanted: Drawn) -> list[str]:
    """In what our panel of that title is not the desk's."""
    found = [p for p in PAGES[wanted.board]["panels"] if p["title"] == wanted.title and p["type"] != "row"]
    if not found:
        return ["no panel has its title"]
    (panel,) = found
    asked = " ".join([" " + t["expr"] for t in panel["targets"]] + [panel.get("timeFrom", "")])
    asked += (
        f" {len(panel['fieldConfig']['defaults']['mappings'][0]['options'])} states"
        if wanted.asks == ("3 states",)
        else ""
    )
    differ = [f"type {panel['type']}"] if panel["type"] != wanted.kind else []
    differ += [f"no {field}" for field in wanted.fields if not any(s.startswith(field) for s in shown(panel))]
    differ += [f"does not ask {word}" for word in wanted.asks if word not in asked]
    differ += [f"no {colour}" for colour in wanted.colours if colour not in coloured(panel)]
    return differ


@pytest.mark.parametrize("wanted", DRAWN, ids=lambda wanted: wanted.title)
def test_a_panel_is_the_desks_or_its_deviation_has_a_reason(wanted: Drawn) -> None:
    told = [deviation for deviation in DEVIATIONS if deviation.matter == wanted.title]
    assert bool(differences(wanted)) == bool(told), differences(wanted)


def test_every_deviation_is_of_a_panel_the_desk_drew() -> None:
    assert {deviation.matter for deviation in DEVIATIONS} <= {wanted.title for wanted in DRAWN}


def test_what_was_moved_beside_is_there() -> None:
    titles = {panel["title"] for page in PAGES.values() for panel in page["panels"]}
    assert {"PnL构成", "持仓数量", "成交率（今日）", "订单成交分布：数量", "订单成交分布：金额"} <= titles
    assert {"订单延迟 P95 / P99", "当前TPS"} <= titles
    beside = next(p for p in PAGES[SPEED]["panels"] if p["title"] == "订单延迟 P95 / P99")
    assert {(0.05, "yellow"), (0.1, "red")} <= coloured(beside)
    assert beside["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "line"}


def test_the_document_has_one_table_of_every_deviation() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    table = [row for row in rows if row[0] not in ("matter", "---") and not row[0].startswith("-")]
    wanted = [(d.matter, d.asked, d.done, d.reason) for d in (*OF_RULES, *DEVIATIONS)]
    assert [row for row in wanted if row not in table] == []
    begun = table.index(wanted[0])
    assert table[begun : begun + len(wanted)] == wanted


def test_every_board_is_brought_up_to_date_every_5_seconds() -> None:
    assert {page["refresh"] for page in PAGES.values()} == {"5s"}
