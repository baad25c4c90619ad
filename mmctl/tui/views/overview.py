"""Screen 1: what is earned, where the market and we stand, how much of each limit is used."""

from textual.app import ComposeResult
from textual.containers import Horizontal

from mmctl.formats import digits
from mmctl.tui.draw import ladder, tiles
from mmctl.tui.draw.canvas import Lines
from mmctl.tui.draw.ladder import Rung
from mmctl.tui.history import figure
from mmctl.tui.views import curves, figures, hosts, instruments, limits
from mmctl.tui.views.base import Look, View, absent, instrument
from mmctl.tui.views.charts import paint_chart, span_text


class OverviewView(View):
    """The first screen."""

    NAME = "overview"
    AGELESS = ("grid-overview-hosts",)

    def compose(self) -> ComposeResult:
        yield self.canvas("tiles")
        with Horizontal(classes="row market"):
            yield self.canvas("price")
            yield self.canvas("ladder")
        with Horizontal(classes="row tables"):
            yield self.table("instruments", instruments.SHEET)
            yield self.table("hosts", hosts.HOSTS)
        with Horizontal(classes="row charts"):
            yield self.canvas("pnl")
            yield self.canvas("drawdown")
            yield self.canvas("inventory")
            yield self.table("limits", limits.LIMITS)

    def always(self, look: Look) -> None:
        """The hosts, each with an age of its own."""
        self.grid("hosts").show(hosts.rows(look), look.filter_text)

    def paint(self, look: Look) -> None:
        """Tiles, charts, ladder and tables."""
        assert look.picture is not None
        shown = figures.tiles(look)
        self.drawing("tiles").show("", tuple(shown), lambda width, height: tiles.draw(shown, width, height))
        self.grid("instruments").show(instruments.rows(look), look.filter_text)
        self.grid("limits").show(limits.rows(look, trends=False), look.filter_text, "Limits")
        self._ladder(look)

    def charts(self, look: Look) -> None:
        """Price, profit, drawdown and inventory over time."""
        paint_chart(
            self.drawing("price"),
            f"{look.symbol or 'Price'}, {span_text(look.span)}: fills ▲ bought ▼ sold",
            lambda: curves.price(look),
            look,
        )
        paint_chart(self.drawing("pnl"), "Profit and loss", lambda: curves.pnl(look), look)
        paint_chart(self.drawing("drawdown"), "Drawdown", lambda: curves.drawdown(look), look)
        paint_chart(self.drawing("inventory"), f"Inventory {look.symbol}", lambda: curves.inventory(look), look)

    def _ladder(self, look: Look) -> None:
        why = absent(look, "book")
        drawing = self.drawing("ladder")
        assert look.picture is not None
        book = look.picture.book
        if why or str(book.get("symbol", look.symbol)) != look.symbol:
            said = why or f"the book of {look.symbol} comes with the next answer"
            drawing.show("Depth", ("absent", said), lambda width, height: _wrapped(said, width))
            return
        bids, asks = rungs(look, "bids"), rungs(look, "asks")
        tick, lot = (digits(instrument(look).get(step, book.get(step))) for step in ("tick_size", "lot_size"))
        ours = sum(1 for rung in (*bids, *asks) if rung.ours)
        title = f"Depth, {ours} with ours ◆" if ours else "Depth"
        age = look.part_age("book")
        drawing.show(
            f"{title}, {age}" if age else title,
            (tuple(bids), tuple(asks)),
            lambda width, height: ladder.draw(
                bids, asks, width, height, (2 if tick is None else tick, 3 if lot is None else lot)
            ),
        )


def rungs(look: Look, side: str) -> list[Rung]:
    """The levels of one side of the recorded book, the best first, with what of them is ours."""
    rows = look.picture.book.get(side) if look.picture else None
    found: list[Rung] = []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            price, size, ours = (figure(row.get(name)) for name in ("price", "size", "ours"))
            if price == price and size == size:
                found.append(Rung(price, size, ours if ours == ours else 0.0))
    return found


def _wrapped(text: str, width: int) -> Lines:
    words, lines, line = text.split(), [], ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [[(one, "dim")] for one in [*lines, line]]
