"""The layout of the flat arrays that cross the kernel's border: one name for every index.

A strategy sees three arrays and fills a fourth (see ``engine.strategy``):

``view``    int64, what the book and the inventory are now, in ticks and lots
``signals`` float64, what the models say now; NaN where a signal is absent or too old
``params``  float64, the strategy's parameters; the first ``PARAM_COMMON`` are the same for all
``out``     int64, the quotes wanted; zero lots means "no quote on this side", with a reason
"""

from typing import Final

# view: int64
VIEW_BID_TICKS: Final = 0  # best bid, ticks
VIEW_BID_LOTS: Final = 1  # size at the best bid, lots
VIEW_ASK_TICKS: Final = 2
VIEW_ASK_LOTS: Final = 3
VIEW_POSITION_LOTS: Final = 4  # signed inventory, lots
VIEW_LAST_TRADE_TICKS: Final = 5  # 0 before the first trade
VIEW_LAST_TRADE_SIDE: Final = 6  # +1 buyer was the taker, -1 seller was
VIEW_SIZE_PERMILLE: Final = 7  # 1000 = full size; the breaker's HALF_OPEN state lowers it
VIEW_SPREAD_PERMILLE: Final = 8  # 1000 = the strategy's own spread; HALF_OPEN raises it
VIEW_SIZE: Final = 16

# what a decision may depend on, as bits: a driver may leave out a tick at which none of it changed
WATCH_PRICES: Final = 1  # best prices
WATCH_OWN: Final = 2  # our orders and position
WATCH_GUARD: Final = 4  # whether quoting is blocked, and the order budget
WATCH_SIGNALS: Final = 8
WATCH_SIZES: Final = 16  # sizes at the best prices
WATCH_TRADES: Final = 32  # the last trade
WATCH_TIME: Final = 64
WATCH_ALWAYS: Final = WATCH_PRICES | WATCH_OWN | WATCH_GUARD | WATCH_SIGNALS  # every decision depends on these
WATCH_ALL: Final = WATCH_ALWAYS | WATCH_SIZES | WATCH_TRADES | WATCH_TIME

# signals: float64
SIGNAL_SIGMA: Final = 0  # absolute price volatility, ticks per sqrt(second)
SIGNAL_INTENSITY_A: Final = 1  # arrival rate of market orders at distance 0, per second
SIGNAL_INTENSITY_K: Final = 2  # decay of that rate, per tick
SIGNAL_REGIME_MULTIPLIER: Final = 3  # factor on the half spread, 1 = calm
SIGNAL_EXPECTED_MOVE: Final = 4  # predictor's expected mid move over its horizon, ticks
SIGNAL_VOL_FORECAST: Final = 5  # forecast volatility over the quote's life, ticks per sqrt(second)
SIGNAL_ADVERSE: Final = 6  # expected adverse selection of a fill, ticks
SIGNALS_SIZE: Final = 16

# params: float64; the strategy's own parameters follow at PARAM_COMMON
PARAM_TICK_SIZE: Final = 0  # quote currency per tick
PARAM_LOT_SIZE: Final = 1  # base currency per lot
PARAM_MAKER_FEE: Final = 2  # fraction of notional, negative = rebate
PARAM_BASE_SIZE_LOTS: Final = 3
PARAM_MAX_INVENTORY_LOTS: Final = 4
PARAM_MIN_NOTIONAL: Final = 5  # quote currency
PARAM_COMMON: Final = 8
PARAMS_SIZE: Final = 32

# out: int64
OUT_BID_TICKS: Final = 0
OUT_BID_LOTS: Final = 1
OUT_ASK_TICKS: Final = 2
OUT_ASK_LOTS: Final = 3
OUT_BID_REASON: Final = 4  # a Reason code, 0 where quoted
OUT_ASK_REASON: Final = 5
OUT_FALLBACK: Final = 6  # 0: all the models the strategy wants were there; else how much it had to do without
OUT_SIZE: Final = 8

# cells: int64, what a user's strategy is doing (``engine.kernel.quoting.fence``)
CELL_STATE: Final = 0  # FAILED_*; while it is not 0 the strategy is not asked
CELL_LINE: Final = 1  # the line of the file it is at, or failed at
CELL_LEFT: Final = 2  # rounds of loops and calls that the decision may still take; below 0: it took too many
CELL_STACK: Final = 3  # address of the stack where the decision began
CELL_SINCE: Final = 4  # time of the decision it is in, ns; 0 while it is in none
CELL_COUNT: Final = 5  # decisions begun
CELL_FAILED_NS: Final = 6  # time of the decision that failed
CELL_OUT: Final = 8  # what it wanted when that made no sense: OUT_SIZE cells
CELLS: Final = 16

# A strategy file may have been written when one letter stood for each array: the indices go by those names as well.
_LETTERS: Final = {"VIEW_": "V_", "SIGNAL_": "S_", "PARAM_": "P_", "OUT_": "O_"}
globals().update(
    {
        letter + name.removeprefix(word): index
        for name, index in list(globals().items())
        for word, letter in _LETTERS.items()
        if name.startswith(word)
    }
)
