"""``mmctl backtest compare`` and ``mmctl backtest breaker``: what two runs differ by, and what the breaker is worth."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mmctl.cli.run import current
from mmctl.cli.simulation import BacktestRefused, load_config
from mmctl.fleet.errors import UsageError

if TYPE_CHECKING:
    from engine.backtest.paths import PricePath

JUMPS: Final = (0.0, 0.01, 0.03, 0.10)  # a fall of this fraction within two seconds; 0 = a quiet market
POINTS_PER_MINUTE: Final = 60


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A kept run (mmctl backtest run --out).")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another over the same data.")],
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """B minus A, second by second, with a 95 % interval: is the difference more than chance?"""
    from engine.backtest.compare import CompareError
    from engine.backtest.compare import compare as paired
    from engine.backtest.runfile import RunFileError, read

    run = current()
    try:
        found = paired(read(a), read(b), seed=seed)
    except (RunFileError, CompareError) as error:
        raise BacktestRefused(str(error)) from None
    run.out.result(**found)
    rows = []
    for row in found["differences"]:
        interval = "" if row["low"] is None else f"{row['low']:.6g} to {row['high']:.6g}"
        verdict = "" if row["low"] is None else "shown" if row["shown"] else "not shown"
        rows.append((row["what"], f"{row['a']:.6g}", f"{row['b']:.6g}", f"{row['difference']:.6g}", interval, verdict))
    run.out.table(("what", "A", "B", "B - A", "95 % interval", "verdict"), rows, right=("A", "B", "B - A"))


def breaker(
    config: Annotated[Path, typer.Option("--config", help="The engine's configuration: its breaker and limits.")],
    candles: Annotated[
        list[Path] | None, typer.Option("--candles", help="CSV of candles (date, open, high, low, close), .gz too.")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="Start of the window, UTC: 2024-08-05T00:00.")] = "",
    end: Annotated[str, typer.Option("--to", help="End of the window, UTC.")] = "",
    calm: Annotated[
        list[Path] | None, typer.Option("--calm", help="A recording in which nothing happens: a trip there is false.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic jumps and of the way within a candle.")] = 1,
) -> None:
    """When the breaker trips, what it saves against none, and whether it trips where nothing happens (exit code 1)."""
    from engine.backtest.episodes import Maker, judge
    from engine.backtest.paths import PathError
    from engine.live.rules import risk_rules

    run = current()
    rules = risk_rules(load_config(config))
    found: list[dict[str, Any]] = []
    try:
        for path in _episodes(candles or [], calm or [], _utc(start), _utc(end), seed):
            run.out.progress(f"{path.name}: {len(path.mids)} points ...")
            found.append(judge(path, rules, Maker()).as_dict())
    except PathError as error:
        raise BacktestRefused(str(error)) from None
    false = sum(int(row["false_trips"]) for row in found)
    run.out.result(episodes=found, false_trips=false, saved=sum(float(row["saved"]) for row in found))
    run.out.table(
        ("episode", "move", "tripped after", "by", "saved", "drawdown", "without", "false trips"),
        [_row(one) for one in found],
        right=("move", "saved", "drawdown", "without"),
    )
    if false:
        run.out.problem(f"the breaker tripped {false} times where nothing happened")
        raise typer.Exit(1)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    after = "-" if one["tripped_after_s"] is None else str(timedelta(seconds=round(one["tripped_after_s"])))
    return (
        one["episode"],
        f"{one['move']:.2%}",
        after,
        one["cause"] or "-",
        f"{one['saved']:.2f}",
        f"{one['max_drawdown']:.2%}",
        f"{one['max_drawdown_without']:.2%}",
        str(one["false_trips"]) if one["calm"] else "-",
    )


def _utc(text: str) -> datetime | None:
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a time", hint="Write it as 2024-08-05 or 2024-08-05T01:10.") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _episodes(
    candles: list[Path], calm: list[Path], start: datetime | None, end: datetime | None, seed: int
) -> "list[PricePath]":
    """Every path to judge: the files named, then the synthetic ones, which need no file."""
    from engine.backtest.paths import PathError, PricePath, fill_in, from_columns, jump, read_candles
    from engine.market.columns import ColumnsError
    from engine.market.convert import load
    from engine.market.recording import RecordingError

    made = []
    for file in candles:
        times, rows = read_candles(file, start, end)
        minutes = max(int((times[1] - times[0]) // 60_000_000_000), 1)
        name = f"{file.name.split('.')[0]} {datetime.fromtimestamp(int(times[0]) / 1e9, UTC):%Y-%m-%d}"
        steps = POINTS_PER_MINUTE * minutes
        made.append(PricePath(name, *fill_in(times, rows, steps=steps, seed=seed), calm=False))
    for file in calm:
        try:
            columns = load([file], need_snapshot=False)
        except (RecordingError, ColumnsError) as error:
            raise PathError(str(error)) from None
        made.append(PricePath(f"calm {file.name}", *from_columns(columns), calm=True))
    for size in JUMPS:
        name = f"synthetic fall of {size:.0%}" if size else "synthetic calm"
        made.append(PricePath(name, *jump(seed=seed, size=size), calm=size == 0.0))
    return made
