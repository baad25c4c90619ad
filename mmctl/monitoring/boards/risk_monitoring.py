"""How near is a limit, what tripped, and what was told?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from engine.catalogue import CAUSE_GROUPS, RATE_REFUSALS
from mmctl.monitoring.boards.expressions import at, each, grown, instrument, largest, most, total
from mmctl.monitoring.boards.model import (
    BLUE,
    GREEN,
    GREY,
    NEUTRAL,
    ORANGE,
    RED,
    YELLOW,
    Board,
    Column,
    Kind,
    Panel,
    Query,
    Row,
    Shown,
    Step,
    Words,
    steps,
)
from mmctl.monitoring.boards.pnl_analysis import MONEY_TODAY

W = Words

LEVELS: Final = {
    "0": Shown(W("低", "Low"), GREEN),
    "1": Shown(W("中", "Medium"), YELLOW),
    "2": Shown(W("高", "High"), ORANGE),
    "3": Shown(W("严重", "Critical"), RED),
}
BREAKER: Final = {
    "0": Shown(W("Closed（正常）", "Closed"), GREEN),
    "1": Shown(W("HalfOpen（半开）", "HalfOpen"), YELLOW),
    "2": Shown(W("Open（熔断）", "Open"), RED),
    "3": Shown(W("Halted（停止）", "Halted"), "dark-red"),
}
SEVERITIES: Final = {
    "critical": Shown(W("严重", "critical"), RED),
    "warning": Shown(W("警告", "warning"), ORANGE),
    "info": Shown(W("信息", "info"), BLUE),
    "none": Shown(W("无", "none"), GREY),
}
STATES: Final = {
    "firing": Shown(W("告警中", "firing"), RED),
    "pending": Shown(W("待确认", "pending"), YELLOW),
    "resolved": Shown(W("已恢复", "resolved"), GREEN),
}
GROUPS: Final = {
    "pnl": W("PnL限制", "PnL"),
    "position": W("持仓限制", "position"),
    "rate": W("频率限制", "rate"),
    "other": W("其他", "other"),
}


def tripped(group: str) -> str:
    """How often the breaker tripped for a cause of ``group`` in the time shown.

    Where the order rate is spent nothing trips, quotes wait: each minute in which one did counts as one for the rate.
    The quotes themselves are thousands, beside which no trip would be seen.
    """
    causes = "|".join(sorted(cause for cause, its in CAUSE_GROUPS.items() if its == group))
    trips = total(grown("mm_circuit_breaker_trips_total", f'cause=~"{causes}"'))
    if group != "rate":
        return trips
    reasons = "|".join(RATE_REFUSALS)
    waiting = at("mm_quotes_refused_total", f'reason=~"{reasons}"')
    refused = total(f"increase({waiting}[1m])")
    minutes = f"sum_over_time(({refused} > bool 0)[$__range:1m])"
    # The points of a subquery are the full minutes of the clock: before the first one of an engine there is none.
    return f"{trips} + ({minutes} or 0 * {refused})"


#: The labels that tell one message of an alert from another.
TOLD_BY: Final = ("alertname", "severity", "stage", "metric", "series")
#: When each alert began (ms since 1970), of those that stand and those that ended in the time shown. ALERTS and
#: ALERTS_FOR_STATE are Prometheus' own: it writes them for every alert of its rules.
STANDING: Final = "1000 * (ALERTS * ignoring(alertstate) group_left () ALERTS_FOR_STATE)"
ENDED: Final = "1000 * (last_over_time(ALERTS_FOR_STATE[$__range]) unless ALERTS_FOR_STATE)"
HISTORY: Final = (
    "label_join(max by (alertname, severity, stage, metric, series, priority, alertstate, instance) "
    f'({STANDING} or label_replace({ENDED}, "alertstate", "resolved", "", "")), '
    f'"message", "/", {", ".join(chr(34) + label + chr(34) for label in TOLD_BY)})'
)


def alert_history(summaries: Mapping[str, str]) -> Panel:
    """The table of alerts; ``summaries`` gives the message by the values of ``TOLD_BY``, as the rule has it."""
    said = {name: Shown(W(text, text)) for name, text in summaries.items()}
    return Panel(
        Kind.TABLE,
        W("告警历史", "Alert history"),
        W(
            "所选时间内的告警，来源是Prometheus的ALERTS序列：开始时间、级别、类型、消息、状态。有“告警中”的严重告警为坏：按runbook处理。",
            "The alerts of the time shown, from Prometheus' own ALERTS series: when each began, its level,"
            " type, message"
            " and state. Bad: a critical one that fires; its runbook says what to do.",
        ),
        "none",
        (Query(HISTORY, ""),),
        width=24,
        height=9,
        hidden=("stage", "metric", "series"),
        columns=(
            Column("Value", W("时间", "Time"), "dateTimeAsIso", width=190),
            Column("severity", W("级别", "Level"), shown=SEVERITIES, width=90),
            Column("priority", W("优先级", "Priority"), width=80),
            Column("alertname", W("类型", "Type"), width=230),
            Column("message", W("消息", "Message"), shown=said),
            Column("instance", W("实例", "Engine"), width=160),
            Column("alertstate", W("状态", "State"), shown=STATES, width=90),
        ),
    )


LEVEL = (
    Panel(
        Kind.GAUGE,
        W("风险等级", "Risk level"),
        W(
            "风险等级：0低（绿）、1中（黄）、2高（橙）、3严重（红）。高及以上为坏。",
            "Risk level, an enumeration: 0 Low (green), 1 Medium (yellow), 2 High (orange), 3 Critical (red). Bad: High"
            " and above.",
        ),
        "none",
        (Query(largest(at("mm_risk_level")), W("风险等级", "risk level")),),
        width=6,
        steps=(Step(None, GREEN), Step(1, YELLOW), Step(2, ORANGE), Step(3, RED)),
        shown=LEVELS,
        least=0,
        most=4,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("回撤监控", "Drawdown"),
        W(
            "当前回撤、最大回撤和回撤限制线，0到1。当前回撤靠近限制线为坏：到线就停。",
            "Drawdown now, the largest so far, and the configured limit, 0 to 1. Bad: near the limit; at the limit it"
            " halts.",
        ),
        "percentunit",
        (
            Query(largest(at("mm_portfolio_drawdown_ratio")), W("当前回撤", "now")),
            Query(largest(at("mm_portfolio_max_drawdown_ratio")), W("最大回撤", "largest")),
            Query(largest(at("mm_portfolio_drawdown_limit_ratio")), W("回撤限制线", "limit"), dashed=True),
        ),
        width=10,
        steps=steps("mm_portfolio_drawdown_ratio"),
        least=0,
    ),
    Panel(
        Kind.BAR_GAUGE,
        W("限制使用率", "Limit use"),
        W(
            "每个限制的使用率，0到1，按最坏情况：日亏损、持仓、订单频率等。75%黄，90%红。",
            "Use of each limit at worst case, 0 to 1: daily loss, position, order rate and the others. Bad: above 75 %"
            " amber, above 90 % red.",
        ),
        "percentunit",
        (
            Query(
                largest(at("mm_limit_use_ratio", 'limit="daily_loss"', narrowed=False)),
                W("日亏损限制使用率", "daily loss"),
            ),
            Query(
                largest(at("mm_limit_use_ratio", 'limit="position"', narrowed=False)),
                W("持仓限制使用率", "position"),
            ),
            Query(
                largest(at("mm_limit_use_ratio", 'limit="order_rate"', narrowed=False)),
                W("订单频率使用率", "order rate"),
            ),
            Query(
                largest(at("mm_limit_use_ratio", 'limit!~"daily_loss|position|order_rate"', narrowed=False), "limit"),
                "{{limit}}",
            ),
        ),
        width=8,
        steps=steps("mm_limit_use_ratio"),
        least=0,
        most=1,
    ),
)

TRIPS = (
    Panel(
        Kind.STATE_TIMELINE,
        W("熔断器状态", "Circuit breaker"),
        W(
            "熔断器状态随时间：0 Closed（正常）、1 HalfOpen（半开）、2 Open（熔断）、3 Halted（停止）。"
            "Open或Halted为坏。",
            "State of the breaker over time, an enumeration: 0 Closed, 1 HalfOpen, 2 Open, 3 Halted. Bad: Open"
            " or Halted.",
        ),
        "none",
        (Query(largest(at("mm_circuit_breaker_state"), "instance"), "{{instance}}"),),
        width=16,
        steps=(Step(None, GREEN), Step(1, YELLOW), Step(2, RED)),
        shown=BREAKER,
    ),
    Panel(
        Kind.PIE_CHART,
        W("风控触发统计", "Trips by cause"),
        W(
            "所选时间内的风控触发次数，分为PnL限制、持仓限制、频率限制（因频率不能报价的每一分钟算一次）和其他。"
            "上线计划：一天超过3次为坏。",
            "How often risk control acted in the time shown, a count, by PnL, position, rate (each minute in which"
            " quotes waited for the order rate is one) and other. Bad: more than 3 a day, by the rollout.",
        ),
        "short",
        tuple(Query(tripped(group), words) for group, words in GROUPS.items()),
        width=8,
        height=8,
    ),
)

HEADROOM = (
    Panel(
        Kind.TIME_SERIES,
        W("限制使用率趋势", "Limit use over time"),
        W(
            "各限制使用率随时间，0到1。75%黄，90%红；到1就不再下单。",
            "Use of each limit over time, 0 to 1. Bad: above 75 % amber, 90 % red; at 1 no order is sent.",
        ),
        "percentunit",
        (Query(largest(at("mm_limit_use_ratio", narrowed=False), "limit"), "{{limit}}"),),
        width=8,
        steps=steps("mm_limit_use_ratio"),
        lines=True,
        least=0,
    ),
    Panel(
        Kind.STAT,
        W("限制余量", "Headroom"),
        W(
            "每个限制还剩多少，各自的单位（计价货币、基础货币、比例、次数）。接近0为坏。",
            "What is left of each limit, each in its own unit (quote, base, ratio or a count). Bad: near 0.",
        ),
        "short",
        (Query(f"min by (limit) ({at('mm_limit_headroom', narrowed=False)})", "{{limit}}"),),
        width=6,
        steps=(Step(None, RED), Step(0, GREEN)),
    ),
    Panel(
        Kind.STAT,
        W("交易所侧保护", "Kept by others"),
        W(
            "交易所有没有死人开关（现货没有）、是否已启用（有而未启用为坏）、是否停止（1为坏，要人来复位）。",
            "Whether the exchange has a switch that cancels by itself (spot has none), whether it is armed"
            " (bad: had and"
            " not armed), and whether the engine is halted (bad: yes; only a person resets it).",
        ),
        "bool_yes_no",
        (
            Query(f"min({at('mm_dead_man_available')})", W("有死人开关", "dead man there"), steps=NEUTRAL),
            Query(
                f"min({at('mm_dead_man_armed')})",
                W("死人开关", "dead man armed"),
                steps=(Step(None, YELLOW), Step(1, GREEN)),
            ),
            Query(largest(at("mm_halted")), W("已停止", "halted"), steps=steps("mm_halted")),
        ),
        width=6,
    ),
)

DOUBT = (
    Panel(
        Kind.STAT,
        W("未知订单", "Unknown orders"),
        W(
            "状态未被证实的订单数，按最坏情况计入限制。1个黄，3个红。",
            "Orders whose state is not proved, a count; each counts at worst case. Bad: 1 amber, 3 red.",
        ),
        "short",
        (Query(total(at("mm_unknown_orders"), *each("mm_unknown_orders")), instrument("mm_unknown_orders")),),
        width=6,
        height=7,
        steps=steps("mm_unknown_orders"),
    ),
    Panel(
        Kind.TIME_SERIES,
        W("对账差异", "Reconciliation discrepancies"),
        W(
            "区间内和交易所对账发现的差异次数，最多的六类。任何增加都要查。",
            "Discrepancies with the exchange, the six most frequent classes, a count in the interval. Bad: any growth.",
        ),
        "short",
        (
            Query(
                most(total(f"increase({at('mm_reconciliation_discrepancies_total')}[$__rate_interval])", "class")),
                "{{class}}",
            ),
        ),
        width=9,
        height=7,
        stacked=True,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("风险事件", "Risk events"),
        W(
            "区间内的风险事件次数，按级别。critical不为0为坏。",
            "Risk events by severity, a count in the interval. Bad: any critical one.",
        ),
        "short",
        (Query(total(f"increase({at('mm_risk_events_total')}[$__rate_interval])", "severity"), "{{severity}}"),),
        width=9,
        height=7,
        stacked=True,
    ),
)

MONEY_NOW = replace(MONEY_TODAY, width=4, height=Panel.height)


def board(summaries: Mapping[str, str]) -> Board:
    """The board; ``summaries``: the messages of alerts, by the values of ``TOLD_BY``."""
    return Board(
        "risk_monitoring",
        W("风控监控", "Risk Monitor"),
        W("离限制多远，什么触发了，告警说了什么。", "How near a limit is, what tripped, and what was told."),
        (
            *LEVEL,
            Row(W("触发与告警", "Trips and alerts")),
            *TRIPS,
            alert_history(summaries),
            Row(W("余量", "Headroom")),
            *HEADROOM,
            MONEY_NOW,
            Row(W("未证实的", "What is not proved")),
            *DOUBT,
        ),
    )
