"""Where does the money come from, and where does it go?"""

from mmctl.monitoring.boards.expressions import at, each, grown, hourly, instrument, largest, least, total
from mmctl.monitoring.boards.model import GREEN, RED, YELLOW, Board, Kind, Panel, Query, Row, Step, Words, steps
from mmctl.monitoring.boards.trading_overview import COMPONENTS, MONEY, PROFIT, component

W = Words
EARNED = f"delta({at('trading_pnl_total')}[$__range])"
#: The rollout calls people from a single loss of 10 on.
SINGLE_LOSS = (Step(None, RED), Step(-10, YELLOW), Step(0, GREEN))

MONEY_TODAY = Panel(
    Kind.STAT,
    W("今日PnL", "PnL today"),
    W(
        "UTC零点以来的PnL，计价货币。低于0黄，低于-50红。",
        "Profit and loss since 00:00 UTC, quote currency. Bad: below 0 amber, below -50 red.",
    ),
    MONEY,
    (Query(total(at("mm_pnl_day_quote")), W("今日PnL", "today")),),
    width=5,
    height=6,
    steps=steps("mm_pnl_day_quote"),
)

TODAY = (
    MONEY_TODAY,
    Panel(
        Kind.STAT,
        W("今日最大单笔亏损", "Largest single loss today"),
        W(
            "UTC零点以来亏损最大的一笔成交，计价货币，负数。低于-10红：上线计划的告警线。",
            "The worst single fill since 00:00 UTC, quote currency, negative. Bad: below -10, the rollout's line.",
        ),
        MONEY,
        (Query(least(at("mm_worst_fill_day_quote")), W("最大单笔亏损", "largest loss")),),
        width=5,
        height=6,
        steps=SINGLE_LOSS,
    ),
    Panel(
        Kind.STAT,
        W("权益与峰值", "Equity and its peak"),
        W(
            "账户权益和历史峰值，计价货币。权益离峰值越远回撤越大。",
            "Equity of the account and its peak, quote currency. Bad: far below the peak; that is the drawdown.",
        ),
        MONEY,
        (
            Query(total(at("mm_equity_quote")), W("权益", "equity")),
            Query(total(at("mm_equity_peak_quote")), W("峰值", "peak")),
        ),
        width=7,
        height=6,
    ),
    Panel(
        Kind.STAT,
        W("每笔成交价值的收益（bp）", "Earned per value traded (bp)"),
        W(
            "所选时间内PnL变化除以成交金额，基点（1 bp = 0.01%）。为负为坏：做得越多亏得越多。",
            "Change of the total over the value traded in the time shown, basis points (1 bp = 0.01 %). Bad: negative,"
            " where more trading means more loss.",
        ),
        "none",
        (
            Query(
                f"10000 * {total(EARNED)} / clamp_min({total(grown('mm_traded_quote_total'))}, 1)",
                "bp",
            ),
        ),
        width=7,
        height=6,
        steps=PROFIT,
        decimals=2,
    ),
)

OVER_TIME = (
    Panel(
        Kind.TIME_SERIES,
        W("PnL构成趋势", "PnL by component over time"),
        W(
            "已实现、未实现、手续费、资金费、对冲，计价货币，相加为总PnL。哪一项往下走，问题就在哪里。",
            "Realized, unrealized, fees, funding and hedge, quote currency; their sum is the total. Bad: the part that"
            " falls is where the problem is.",
        ),
        MONEY,
        (
            *(Query(component(name), words) for name, words in COMPONENTS.items()),
            Query(total(at("trading_pnl_total")), W("总PnL", "total"), dashed=True),
        ),
        width=12,
        height=9,
        steps=PROFIT,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("PnL归因：价差与库存", "PnL by cause: spread and inventory"),
        W(
            "同一个总数按原因分：价差收入和库存涨跌，计价货币。价差为正、库存持续为负说明被逆向选择。",
            "The same total by cause: spread earned and inventory held, quote currency. Bad: spread up and"
            " inventory down"
            " for long, which is adverse selection.",
        ),
        MONEY,
        (
            Query(total(at("mm_pnl_attribution_quote", 'cause="spread"')), W("价差", "spread")),
            Query(total(at("mm_pnl_attribution_quote", 'cause="inventory"')), W("库存", "inventory")),
        ),
        width=12,
        height=9,
        steps=PROFIT,
    ),
)

SELECTION = (
    Panel(
        Kind.BAR_GAUGE,
        W("成交后价格走势（bp）", "Markouts by horizon (bp)"),
        W(
            "最近一小时成交后0.1秒到60秒的平均价格走势，基点，正数对我们有利。随时间变负为坏：被逆向选择。",
            "Mean markout of the last hour's fills, 0.1 s to 60 s later, basis points; positive is good for us. Bad:"
            " negative, and more so with time: adverse selection.",
        ),
        "none",
        (Query(f"avg by (horizon) ({at('mm_markout_bps')})", "{{horizon}}"),),
        width=8,
        steps=PROFIT,
        decimals=2,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("成交后价格走势趋势（bp）", "Markouts over time (bp)"),
        W(
            "按时间看的平均markout，基点。整体下移为坏：对手变快或价差太窄。",
            "Mean markouts over time, basis points. Bad: all of them moving down: others got faster, or the spread is"
            " too narrow.",
        ),
        "none",
        (Query(f"avg by (horizon) ({at('mm_markout_bps')})", "{{horizon}}"),),
        width=8,
        steps=PROFIT,
        decimals=2,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("波动率（bp/√s）", "Volatility (bp a root second)"),
        W(
            "中间价的波动率，每根号秒的基点，和熔断器看到的一样。突然升高时亏损常常随后到来。",
            "Volatility of mid, basis points a root second, as the breaker sees it. Bad: a sudden rise; losses often"
            " follow.",
        ),
        "none",
        (Query(largest(at("mm_volatility_bps"), *each("mm_volatility_bps")), instrument("mm_volatility_bps")),),
        width=8,
        decimals=3,
    ),
)

VALUE = (
    Panel(
        Kind.TIME_SERIES,
        W("每小时成交金额", "Value traded an hour"),
        W(
            "每小时买和卖的成交金额，计价货币。一边远多于另一边为坏。",
            "Value bought and sold an hour, quote currency. Bad: one side far above the other.",
        ),
        MONEY,
        (Query(total(hourly("mm_traded_quote_total"), "side"), "{{side}}"),),
        width=8,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("每小时成交数量（基础货币）", "Quantity traded an hour (base)"),
        W(
            "每小时买和卖的数量，基础货币。一边远多于另一边为坏。",
            "Quantity bought and sold an hour, base currency. Bad: one side far above the other.",
        ),
        "none",
        (
            Query(
                total(hourly("mm_traded_base_total"), *each("mm_traded_base_total"), "side"),
                instrument("mm_traded_base_total") + " {{side}}",
            ),
        ),
        width=8,
        decimals=4,
    ),
    Panel(
        Kind.TIME_SERIES,
        W("持仓价值", "Position at mid"),
        W(
            "按中间价计的持仓价值，计价货币，多为正，空为负。长时间停在一边为坏。",
            "Position at mid, quote currency, signed. Bad: on one side for long.",
        ),
        MONEY,
        (
            Query(
                total(at("mm_position_notional_quote"), *each("mm_position_notional_quote")),
                instrument("mm_position_notional_quote"),
            ),
        ),
        width=8,
    ),
)

BOARD = Board(
    "pnl_analysis",
    W("盈亏分析", "PnL Analysis"),
    W("钱从哪里来，到哪里去。", "Where the money comes from, and where it goes."),
    (
        Row(W("今天", "Today")),
        *TODAY,
        Row(W("随时间", "Over time")),
        *OVER_TIME,
        Row(W("逆向选择", "Adverse selection")),
        *SELECTION,
        Row(W("成交与持仓", "Trading and position")),
        *VALUE,
    ),
)
