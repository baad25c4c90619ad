"""Screen 5: hedge and regime. This engine has neither; what it knows of the market's state is shown instead."""

from textual.app import ComposeResult
from textual.containers import Horizontal

from mmctl.formats import number
from mmctl.tui.bounds import DIM
from mmctl.tui.panels import Panel, Row
from mmctl.tui.picture import Picture
from mmctl.tui.views import curves
from mmctl.tui.views.base import Look, View
from mmctl.tui.views.charts import paint_chart


def hedge_panel(picture: Picture) -> Panel:
    """What the engine does not have, in so many words; and the hedge's share of the profit, which it counts."""
    rows = [
        Row("hedge", "this engine hedges nothing: no hedge ratio, no hedge effectiveness", DIM),
        Row("regime", "this engine has no regime model: no probabilities, no model age, no drift", DIM),
    ]
    hedge = picture.metrics.value("mm_pnl_quote", component="hedge") if picture.metrics else None
    rows.append(Row("profit of hedges", number(hedge, 4, True)))
    return Panel("hedge", "Hedge and regime", tuple(rows))


def market_panel(picture: Picture) -> Panel:
    """Volatility and spread of each symbol as the breaker and the strategy see them."""
    metrics = picture.metrics
    rows = []
    for symbol in picture.symbols:
        volatility = metrics.value("mm_volatility_bps", symbol=symbol) if metrics else None
        market = metrics.value("mm_market_spread_bps", symbol=symbol) if metrics else None
        ours = metrics.value("mm_quote_spread_bps", symbol=symbol) if metrics else None
        said = f"volatility {number(volatility, 3)} bps/√s, spread {number(market, 2)} bps, ours {number(ours, 2)} bps"
        rows.append(Row(symbol, said))
    return Panel("market", "The market's state", tuple(rows) or (Row("", "no symbol reported", DIM),))


class HedgeView(View):
    """The fifth screen."""

    NAME = "hedge"

    def compose(self) -> ComposeResult:
        yield self.box("hedge")
        yield self.box("market")
        with Horizontal(classes="row charts"):
            yield self.canvas("volatility")
            yield self.canvas("spreads")

    def paint(self, look: Look) -> None:
        """What there is."""
        self.put("hedge", hedge_panel, look)
        self.put("market", market_panel, look)

    def charts(self, look: Look) -> None:
        """Volatility and spreads over time."""
        paint_chart(
            self.drawing("volatility"), f"Volatility {look.symbol}, bps/√s", lambda: curves.volatility(look), look
        )
        paint_chart(self.drawing("spreads"), f"Spread {look.symbol}, bps of mid", lambda: curves.spreads(look), look)
