"""How fast is it, and what does that cost?"""

from mmctl.monitoring.boards.expressions import at, mean, quantile, rate, total
from mmctl.monitoring.boards.model import (
    GREEN,
    RED,
    YELLOW,
    Board,
    Kind,
    Panel,
    Query,
    Row,
    Step,
    Words,
    steps,
)

W = Words
#: The seed's lines: P95 at 50 ms, P99 at 100 ms.
LATENCY = (Step(None, GREEN), Step(0.05, YELLOW), Step(0.1, RED))
ACK = 'stage="ack"'

ORDERS = (
    Panel(
        Kind.HEATMAP,
        W("订单延迟分布", "Order latency"),
        W(
            "订单从写出到交易所应答的延迟分布，秒。颜色越深订单越多；50ms（P95）和100ms（P99）以上出现色块为坏。",
            "Distribution of order latency, from bytes written to the exchange's answer, seconds. Bad: colour above"
            " 50 ms (the line of P95) and 100 ms (that of P99).",
        ),
        "s",
        (Query(total(rate("mm_order_latency_seconds_bucket", ACK), "le"), "{{le}}"),),
        width=12,
        steps=LATENCY,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("订单延迟 P95 / P99", "Order latency P95 and P99"),
        W(
            "订单应答延迟的P95和P99，秒，带阈值线：P95 = 50ms，P99 = 100ms。高过自己的线为坏。",
            "P95 and P99 of the time to the exchange's answer, seconds, with the lines P95 = 50 ms and P99 = 100 ms."
            " Bad: above its own line.",
        ),
        "s",
        (
            Query(quantile(0.95, "mm_order_latency_seconds", ACK), "P95"),
            Query(quantile(0.99, "mm_order_latency_seconds", ACK), "P99"),
        ),
        width=12,
        steps=LATENCY,
        lines=True,
    ),
)

STAGES = (
    Panel(
        Kind.TIME_SERIES,
        W("系统延迟", "System latency"),
        W(
            "各阶段延迟的P95，秒：策略决策、订单提交、网络（单程）。某一阶段抬升就是瓶颈；超过50ms黄，100ms红。",
            "P95 of each stage, seconds: decision, submit, network (one way). Bad: the stage that rises is the"
            " bottleneck; above 50 ms amber, above 100 ms red.",
        ),
        "s",
        (
            Query(quantile(0.95, "mm_order_latency_seconds", 'stage="decision"'), W("策略决策延迟", "decision")),
            Query(quantile(0.95, "mm_order_latency_seconds", 'stage="submit"'), W("订单提交延迟", "submit")),
            Query(quantile(0.95, "mm_order_latency_seconds", 'stage="network"'), W("网络延迟", "network")),
        ),
        width=12,
        steps=steps("mm_order_latency_seconds"),
        lines=True,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("报价生成与行情到订单", "Quote generation and tick to order"),
        W(
            "从行情到报价决定（P95、P99）和从收到行情到订单写出（P99）的时间，秒。超过1ms要看，超过50ms为坏。",
            "Time from a market event to the quote decision (P95, P99), and from a frame received to its order written"
            " (P99), seconds. Bad: above 1 ms look, above 50 ms act.",
        ),
        "s",
        (
            Query(quantile(0.95, "mm_quote_generation_duration_seconds"), W("报价生成 P95", "quote generation P95")),
            Query(quantile(0.99, "mm_quote_generation_duration_seconds"), W("报价生成 P99", "quote generation P99")),
            Query(quantile(0.99, "mm_tick_to_order_seconds"), W("行情到订单 P99", "tick to order P99")),
        ),
        width=12,
        steps=steps("mm_tick_to_order_seconds"),
        lines=True,
    ),
)

RATES = (
    Panel(
        Kind.TIME_SERIES,
        W("吞吐量", "Throughput"),
        W(
            "每秒订单数、报价数和成交数。行情在动而报价数掉到0为坏。",
            "Orders, quote decisions and fills a second. Bad: decisions fall to 0 while the market moves.",
        ),
        "ops",
        (
            Query(total(rate("mm_orders_total", 'outcome="placed"')), W("每秒订单数", "orders")),
            Query(total(rate("mm_quotes_total")), W("每秒报价数", "quotes")),
            Query(total(rate("mm_fills_total")), W("每秒成交数", "fills")),
        ),
        width=12,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("订单结果", "Orders by outcome"),
        W(
            "每秒各种结果的订单数。rejected、denied或unknown不为0为坏。",
            "Orders a second by outcome. Bad: rejected, denied or unknown above 0.",
        ),
        "ops",
        (Query(total(rate("mm_orders_total"), "outcome"), "{{outcome}}"),),
        width=12,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("拒单原因", "Rejects by reason"),
        W(
            "每秒被交易所拒绝的订单数，按原因代码。任何持续的原因为坏。",
            "Orders the exchange refused a second, by reason. Bad: any that goes on.",
        ),
        "ops",
        (Query(total(rate("mm_orders_rejected_total"), "reason"), "{{reason}}"),),
        width=8,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("撤单", "Cancels"),
        W(
            "每秒撤单数，按结果。failed不为0为坏：订单可能还在。",
            "Cancels a second, by outcome. Bad: any failed; the order may still stand.",
        ),
        "ops",
        (Query(total(rate("mm_cancels_total"), "outcome"), "{{outcome}}"),),
        width=8,
        least=0,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("拒单比例与频率余量", "Rejects and rate budget"),
        W(
            "最近100个应答里被拒的比例（5%黄，25%红）和交易所频率限制的剩余比例，0到1。剩余接近0为坏。",
            "Share of the last 100 answers that were refusals (5 % amber, 25 % red), and what is left of the exchange's"
            " rate limit, 0 to 1. Bad: the budget near 0.",
        ),
        "percentunit",
        (
            Query(at("mm_reject_ratio"), W("拒单比例 {{instance}}", "rejected {{instance}}")),
            Query(at("mm_rate_budget_ratio"), W("频率余量 {{instance}}", "rate budget left {{instance}}")),
        ),
        width=8,
        least=0,
        most=1,
    ),
)

RESOURCES = (
    Panel(
        Kind.TIME_SERIES,
        W("资源使用", "Resources"),
        W(
            "CPU使用率（1 = 一个核）、内存（字节，右轴）、任务数（代替Goroutine，右轴）和GC暂停P99（秒，右轴）。"
            "内存或任务数只升不降为坏；GC暂停超过10ms为坏。",
            "CPU (1 = one core), memory (bytes), tasks (in place of goroutines) and GC pause P99 (seconds), the last"
            " three on the right. Bad: memory or tasks that only rise, GC pauses above 10 ms.",
        ),
        "percentunit",
        (
            Query(rate("mm_cpu_seconds_total"), W("CPU使用率 {{instance}}", "CPU {{instance}}")),
            Query(at("mm_memory_bytes"), W("内存使用量 {{instance}}", "memory {{instance}}"), "bytes", "right"),
            Query(at("mm_tasks"), W("任务数量 {{instance}}", "tasks {{instance}}"), "short", "right"),
            Query(quantile(0.99, "mm_gc_pause_seconds"), W("GC暂停时间 P99", "GC pause P99"), "s", "right"),
        ),
        width=24,
    ),
)

SUMMARY = (
    Panel(
        Kind.STAT,
        W("性能总览", "Performance at a glance"),
        W(
            "订单应答延迟的平均、P95、P99，秒。P95超过50ms黄，超过100ms红。",
            "Mean, P95 and P99 of the time to the exchange's answer, seconds. Bad: above 50 ms amber, above"
            " 100 ms red.",
        ),
        "s",
        (
            Query(mean("mm_order_latency_seconds", ACK), W("平均延迟", "mean")),
            Query(quantile(0.95, "mm_order_latency_seconds", ACK), W("P95延迟", "P95")),
            Query(quantile(0.99, "mm_order_latency_seconds", ACK), W("P99延迟", "P99")),
        ),
        width=18,
        height=5,
        steps=LATENCY,
    ),
    Panel(
        Kind.STAT,
        W("当前TPS", "TPS now"),
        W("每秒下单数。行情在动而为0为坏。", "Orders placed a second. Bad: 0 while the market moves."),
        "ops",
        (Query(total(rate("mm_orders_total", 'outcome="placed"')), "TPS"),),
        width=6,
        height=5,
    ),
)

BOARD = Board(
    "performance_metrics",
    W("性能指标", "Performance"),
    W("多快，代价多大。", "How fast it is, and at what cost."),
    (
        *SUMMARY,
        Row(W("订单延迟", "Order latency")),
        *ORDERS,
        *STAGES,
        Row(W("吞吐量", "Throughput")),
        *RATES,
        Row(W("资源", "Resources")),
        *RESOURCES,
    ),
)
