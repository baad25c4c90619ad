"""Where a panel differs from what the desk drew, and why. A test compares everything else with the desk's own list."""

from typing import Final

from mmctl.monitoring.rules.deviations import Deviation

#: ``matter`` is the desk's own title of the panel.
DEVIATIONS: Final = (
    Deviation(
        "实时PnL",
        "`realized_pnl + unrealized_pnl`",
        "`trading_pnl_total`, and its components in the panel beside it",
        "fees, funding and hedge belong to what was earned; the desk's own JSON has the total, too",
    ),
    Deviation(
        "持仓情况",
        "a gauge of `current_position` up to `max_inventory`",
        "the share of the limit from -100 % to 100 %; position and limit in the panel beside it",
        "a gauge has one scale, and each instrument its own limit",
    ),
    Deviation(
        "订单统计（今日）",
        "the fill ratio among the counts",
        "a panel of its own beside them",
        "a panel has one unit: a share is no count",
    ),
    Deviation(
        "订单成交分布",
        "number and value in one bar chart",
        "a chart for each",
        "a count and an amount of money share no axis",
    ),
    Deviation(
        "当前报价",
        "one column for the size",
        "one for each side",
        "the two sides may be quoted in different sizes",
    ),
    Deviation(
        "订单延迟分布",
        "`order_latency_histogram` (ms), with lines at P95 = 50 ms and P99 = 100 ms in the heat map",
        "`mm_order_latency_seconds`, stage ack; the lines stand in the panel beside it, with P95 and P99",
        "seconds are canonical, and Grafana's heat map draws no lines",
    ),
    Deviation(
        "资源使用",
        "goroutines",
        "asyncio tasks",
        "the engine is a Python program: its tasks are what goroutines are in Go",
    ),
    Deviation(
        "性能总览",
        "TPS among the latencies",
        "a panel of its own beside them",
        "a panel has one unit: orders a second are no seconds",
    ),
    Deviation(
        "风险等级",
        "`risk_level`",
        "`mm_risk_level`, which counts from 0; the seed's name counts from 1",
        "so that `risk_level >= 3` means High, as the desk's rule has it, while the canonical enumeration begins at 0",
    ),
    Deviation(
        "熔断器状态",
        "Closed, Open, HalfOpen",
        "Halted besides",
        "what only a person may end is no Open that ends by itself",
    ),
)
