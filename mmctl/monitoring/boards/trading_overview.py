"""Is it trading, and does it earn? What a person looks at first."""

from mmctl.monitoring.boards.expressions import at, each, grown, instrument, largest, most, rate, total
from mmctl.monitoring.boards.model import (
    GREEN,
    RED,
    Board,
    Column,
    Kind,
    Panel,
    Query,
    Row,
    Step,
    Words,
    steps,
)

W = Words
MONEY = "currencyUSD"
#: The seed's own colours: red below nothing earned, green from there.
PROFIT = (Step(None, RED), Step(0, GREEN))

COMPONENTS = {
    "realized": W("已实现", "realized"),
    "unrealized": W("未实现", "unrealized"),
    "fees": W("手续费", "fees"),
    "funding": W("资金费", "funding"),
    "hedge": W("对冲", "hedge"),
}


ORDERED = total(at("mm_orders_day", 'outcome="placed"'))
FILLED = total(at("mm_orders_day", 'outcome="filled"'))


def component(name: str) -> str:
    """One component of profit and loss, of all engines chosen."""
    return total(at("mm_pnl_quote", f'component="{name}"'))


PNL = (
    Panel(
        Kind.STAT,
        W("实时PnL", "Live PnL"),
        W(
            "总PnL，计价货币（USD显示）：已实现、未实现、手续费、资金费和对冲之和。低于0为红色。",
            "Total profit and loss in quote currency (shown as USD): realized, unrealized, fees, funding and hedge."
            " Bad: red, below 0.",
        ),
        MONEY,
        (Query(total(at("trading_pnl_total")), W("总PnL", "total PnL")),),
        width=6,
        steps=PROFIT,
    ),
    Panel(
        Kind.STAT,
        W("PnL构成", "PnL by component"),
        W(
            "总PnL的各个部分，计价货币；手续费为负。某一项持续为红且变大时要查原因。",
            "The parts of the total in quote currency; fees paid are negative. Bad: one part that stays red and grows.",
        ),
        MONEY,
        tuple(Query(component(name), words) for name, words in COMPONENTS.items()),
        width=8,
        steps=PROFIT,
    ),
    Panel(
        Kind.GAUGE,
        W("持仓情况", "Position"),
        W(
            "每个交易对的持仓占策略上限（max_inventory）的比例，-100%到100%。接近两端为坏：只能单边报价。",
            "Position of each instrument as a share of max_inventory, -100 % to 100 %. Bad: near either end, where only"
            " one side can be quoted.",
        ),
        "percentunit",
        (
            Query(
                f"{total(at('current_position'), *each('current_position'))}"
                f" / {total(at('max_inventory'), *each('max_inventory'))}",
                instrument("current_position"),
            ),
        ),
        width=5,
        steps=(Step(None, RED), Step(-0.9, "yellow"), Step(-0.75, GREEN), Step(0.75, "yellow"), Step(0.9, RED)),
        least=-1,
        most=1,
    ),
    Panel(
        Kind.STAT,
        W("持仓数量", "Position size"),
        W(
            "当前持仓和上限（max_inventory），基础货币，多为正，空为负。超过上限为坏。",
            "Position now and its limit (max_inventory), base currency, signed. Bad: beyond the limit.",
        ),
        "none",
        (
            Query(total(at("current_position"), *each("current_position")), instrument("current_position")),
            Query(
                total(at("max_inventory"), *each("max_inventory")),
                W("上限 " + instrument("max_inventory"), "limit " + instrument("max_inventory")),
            ),
        ),
        width=5,
        decimals=4,
    ),
)

ORDERS = (
    Panel(
        Kind.STAT,
        W("订单统计（今日）", "Orders today"),
        W(
            "UTC零点以来的订单数、成交数和撤单数，重启不清零。交易时段里一直为0为坏。",
            "Orders, filled orders and cancels since 00:00 UTC, restarts survived, a count. Bad: zero while it should"
            " trade.",
        ),
        "short",
        (
            Query(ORDERED, W("总订单数", "orders")),
            Query(FILLED, W("成交订单数", "filled")),
            Query(total(at("mm_cancels_day")), W("撤单数", "cancels")),
        ),
        width=9,
    ),
    Panel(
        Kind.STAT,
        W("成交率（今日）", "Fill ratio today"),
        W(
            "UTC零点以来成交订单占全部订单的比例，和最近1000个订单的比例，0到1。上线标准是30%以上；低于10%为坏：报价太宽。",
            "Share of the orders since 00:00 UTC that were filled, and of the last 1000, 0 to 1. The rollout"
            " asks for more"
            " than 30 %. Bad: below 10 %, where the quotes are too wide.",
        ),
        "percentunit",
        (
            Query(f"{FILLED} / clamp_min({ORDERED}, 1)", W("成交率", "fill ratio")),
            Query(f"avg({at('mm_fill_ratio')})", W("最近1000个", "of the last 1000")),
        ),
        width=4,
        steps=(Step(None, RED), Step(0.1, "yellow"), Step(0.3, GREEN)),
    ),
    Panel(
        Kind.TIME_SERIES,
        W("PnL趋势图", "PnL over time"),
        W(
            "24小时内的累计、已实现和未实现PnL，计价货币。持续下行为坏。",
            "Total, realized and unrealized profit and loss over 24 hours, quote currency. Bad: falling without end.",
        ),
        MONEY,
        (
            Query(total(at("trading_pnl_total")), W("累计PnL", "total")),
            Query(total(at("realized_pnl")), W("实现PnL", "realized")),
            Query(total(at("unrealized_pnl")), W("未实现PnL", "unrealized")),
        ),
        width=11,
        since="24h",
        steps=PROFIT,
    ),
)

TRADES = (
    Panel(
        Kind.BAR_CHART,
        W("订单成交分布：数量", "Fills by side: number"),
        W(
            "所选时间内买和卖的成交次数。一边远多于另一边为坏：库存会偏。",
            "Fills by side in the time shown, a count. Bad: one side far above the other, for then inventory drifts.",
        ),
        "short",
        (Query(total(grown("mm_fills_total"), "side"), W("成交数量", "fills")),),
        width=4,
        decimals=0,
    ),
    Panel(
        Kind.BAR_CHART,
        W("订单成交分布：金额", "Fills by side: value"),
        W(
            "所选时间内买和卖的成交金额，计价货币。一边远多于另一边为坏。",
            "Value traded by side in the time shown, quote currency. Bad: one side far above the other.",
        ),
        MONEY,
        (Query(total(grown("mm_traded_quote_total"), "side"), W("成交金额", "value")),),
        width=4,
    ),
    Panel(
        Kind.TABLE,
        W("当前报价", "Quotes"),
        W(
            "每个交易对现在的报价：时间、买卖价（计价货币）、价差（基点，1 bp = 0.01%）、数量（基础货币）。"
            "时间停住或缺一边为坏。",
            "The quote of each instrument: when, bid and ask (quote currency), spread (basis points, 1 bp = 0.01 %),"
            " sizes (base currency). Bad: a time that stands still, or a side that is missing.",
        ),
        "none",
        (
            Query(f"1000 * {largest(at('mm_quote_timestamp_seconds'), *each('mm_quote_price'))}", ""),
            Query(largest(at("mm_quote_price", 'side="buy"'), *each("mm_quote_price")), ""),
            Query(largest(at("mm_quote_price", 'side="sell"'), *each("mm_quote_price")), ""),
            Query(largest(at("mm_quote_spread_bps"), *each("mm_quote_price")), ""),
            Query(largest(at("mm_quote_size_base", 'side="buy"'), *each("mm_quote_price")), ""),
            Query(largest(at("mm_quote_size_base", 'side="sell"'), *each("mm_quote_price")), ""),
        ),
        width=16,
        columns=(
            *(
                Column(label, W("交易所", "Venue") if label == "venue" else W("交易对", "Symbol"))
                for label in each("mm_quote_price")
            ),
            Column("Value #A", W("时间", "Time"), "dateTimeAsIso", width=165),
            Column("Value #B", W("买价", "Bid"), "none", decimals=4),
            Column("Value #C", W("卖价", "Ask"), "none", decimals=4),
            Column("Value #D", W("Spread (bp)", "Spread (bp)"), "none"),
            Column("Value #E", W("买量", "Bid size"), "none", decimals=4),
            Column("Value #F", W("卖量", "Ask size"), "none", decimals=4),
        ),
    ),
    Panel(
        Kind.STAT,
        W("挂单与上次成交", "Open orders and last fill"),
        W(
            "现在的挂单数，和上次成交以来的秒数（每个实例）。行情在动而很久没有成交为坏：报价太宽。",
            "Orders open now, a count, and seconds since the last fill, by engine. Bad: long without a fill while the"
            " market moves; the quotes are too wide.",
        ),
        "short",
        (
            Query(total(at("mm_open_orders"), *each("mm_open_orders")), instrument("mm_open_orders")),
            Query(
                f"time() - {largest(at('mm_last_fill_timestamp_seconds'), 'instance')}",
                W("上次成交 {{instance}}", "last fill {{instance}}"),
                "s",
            ),
        ),
        width=12,
        height=5,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("策略失败", "Strategy failures"),
        W(
            "区间内用户策略失败的次数，按交易对。任何一次都要看：mmctl why。",
            "Times a user's strategy failed, by instrument, a count in the interval. Bad: any; ask mmctl why.",
        ),
        "short",
        (
            Query(
                total(
                    f"increase({at('mm_strategy_failures_total')}[$__rate_interval])",
                    *each("mm_strategy_failures_total"),
                ),
                instrument("mm_strategy_failures_total"),
            ),
        ),
        width=12,
        height=5,
        least=0,
    ),
)


QUOTING = (
    Panel(
        Kind.STAT,
        W("报价中", "Quoting"),
        W(
            "1表示正在双边报价（每个实例）。0为坏：看 mmctl why。",
            "1 while quotes are kept, by engine. Bad: 0; ask mmctl why.",
        ),
        "bool_yes_no",
        (Query(at("mm_quoting"), "{{instance}}"),),
        width=4,
        height=6,
        steps=steps("mm_quoting"),
    ),
    Panel(
        Kind.TIME_SERIES,
        W("双边报价时间占比", "Two-sided quote uptime"),
        W(
            "最近约一小时里双边都有报价的时间占比，0到1。低于95%黄，低于80%红。",
            "Share of about the last hour with both sides quoted, 0 to 1. Bad: below 95 % amber, below 80 % red.",
        ),
        "percentunit",
        (
            Query(
                largest(at("mm_quote_uptime_ratio"), *each("mm_quote_uptime_ratio")),
                instrument("mm_quote_uptime_ratio"),
            ),
        ),
        width=6,
        height=6,
        steps=steps("mm_quote_uptime_ratio"),
        lines=True,
        least=0,
        most=1,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("价差：我们和市场（bp）", "Spread: ours and the market's (bp)"),
        W(
            "我们的报价价差和市场买一卖一价差，中间价的基点。我们的价差远大于市场时不会成交。",
            "Our quoted spread and the market's, basis points of mid. Bad: ours far above the market's, where"
            " nothing is"
            " filled.",
        ),
        "none",
        (
            Query(
                largest(at("mm_quote_spread_bps"), *each("mm_quote_spread_bps")),
                W("报价 " + instrument("mm_quote_spread_bps"), "ours " + instrument("mm_quote_spread_bps")),
            ),
            Query(
                largest(at("mm_market_spread_bps"), *each("mm_market_spread_bps")),
                W("市场 " + instrument("mm_market_spread_bps"), "market " + instrument("mm_market_spread_bps")),
                dashed=True,
            ),
        ),
        width=6,
        height=6,
        decimals=2,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("未报价原因", "Quotes refused, by reason"),
        W(
            "每秒被拒绝或抑制的报价次数，最多的六个原因。某个原因突然变多为坏：看 mmctl why。",
            "Quotes refused or suppressed a second, the six most frequent reasons. Bad: a reason that jumps;"
            " ask mmctl why.",
        ),
        "ops",
        (Query(most(total(rate("mm_quotes_refused_total"), "reason")), "{{reason}}"),),
        width=8,
        height=6,
        stacked=True,
    ),
)

BOARD = Board(
    "trading_overview",
    W("交易总览", "Market Making Overview"),
    W("是否在交易，赚不赚钱。", "Whether it trades, and whether it earns."),
    (
        Row(W("盈亏与持仓", "Profit and position")),
        *PNL,
        Row(W("订单", "Orders")),
        *ORDERS,
        Row(W("成交与报价", "Fills and quotes")),
        *TRADES,
        Row(W("报价质量", "Quality of the quotes")),
        *QUOTING,
    ),
)
