"""``python -m engine.sandbox``: the local exchange from the command line."""

import argparse
import sys
from pathlib import Path

from engine.compiled import use_cache
from engine.sandbox.errors import SandboxError
from engine.sandbox.settings import DEFAULT_ACCOUNTS, AccountSettings, Fees, RateLimits, Settings, holding


def parser() -> argparse.ArgumentParser:
    """The command line of ``python -m engine.sandbox``."""
    p = argparse.ArgumentParser("python -m engine.sandbox", description="A local exchange that speaks Binance.")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (0.0.0.0 for other hosts)")
    p.add_argument("--port", type=int, default=8900, help="port, 0 for a free one")
    p.add_argument("--listen-fd", type=int, metavar="N", help="an open listening socket, inherited, in place of --port")
    p.add_argument("--ready-file", type=Path, help="written with the port once connections are accepted")
    p.add_argument("--data", type=Path, nargs="+", default=[], metavar="FILE", help="recordings to replay")
    p.add_argument("--symbols", nargs="+", default=[], metavar="NAME", help="synthetic markets: spot:BTCUSDT, ETHUSDT")
    p.add_argument(
        "--flow", choices=("usual", "lively"), default="usual", help="market orders of the synthetic markets"
    )
    p.add_argument("--spot-fees", type=float, nargs=2, metavar=("MAKER", "TAKER"), help="in bps; negative is a rebate")
    p.add_argument("--speed", type=float, default=1.0, help="1 is the recording's own pace, 0 as fast as possible")
    p.add_argument("--seed", type=int, default=1, help="of the synthetic market and the faults")
    p.add_argument("--faults", type=Path, help="YAML or JSON file of faults")
    p.add_argument("--accounts", type=Path, help="YAML or JSON file of accounts and keys")
    p.add_argument(
        "--balances",
        nargs="+",
        default=[],
        metavar="[spot:|usdm:]ASSET=AMOUNT",
        help="all that the first account opens with, e.g. USDT=5000 ETH=0.5 usdm:USDT=2000",
    )
    p.add_argument("--latency-ms", type=float, nargs=2, default=(0.0, 0.0), metavar=("ENTRY", "RESPONSE"))
    p.add_argument("--latency-spread", type=float, default=0.0, metavar="S", help="lognormal latencies (--simulate)")
    p.add_argument("--no-limits", action="store_true", help="count requests and orders but never refuse them")
    p.add_argument("--once", action="store_true", help="replay once instead of looping")
    p.add_argument("--lockstep", action="store_true", help="send each frame only when the last was acknowledged")
    p.add_argument("--simulate", action="store_true", help="play one recording in its own time, as a backtest does")
    p.add_argument("--hold", type=float, default=0.0, metavar="S", help="with --simulate: pause after so much of it")
    p.add_argument("--whole-fills", action="store_true", help="with --simulate: an order is filled whole or not")
    p.add_argument("--paused", action="store_true", help="start with the market standing still")
    p.add_argument("--busy-poll", action="store_true", help="never sleep: costs a core, and senders no wake-up")
    p.add_argument("--quiet", action="store_true")
    return p


def _fees(spot: list[float] | None) -> Fees:
    if spot is None:
        return Fees()
    maker, taker = (round(bps * 1e4) for bps in spot)
    return Fees(spot_maker_e8=maker, spot_taker_e8=taker)


def accounts(options: argparse.Namespace) -> tuple[AccountSettings, ...]:
    """The accounts asked for. Raises SandboxError."""
    from engine.sandbox.foreground import read_accounts, read_balances

    spot, usdm = read_balances(options.balances)
    return holding(read_accounts(options.accounts) if options.accounts else DEFAULT_ACCOUNTS, spot, usdm)


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal comes; returns the exit code, 1 where the arguments ask for what there is not."""
    options = parser().parse_args(argv)
    use_cache()
    from engine.sandbox.foreground import read_faults, run

    try:
        if options.speed < 0:
            raise SandboxError(f"--speed {options.speed} is negative")
        settings = Settings(
            host=options.host,
            port=options.port,
            listen_fd=options.listen_fd,
            data=tuple(options.data),
            speed=options.speed,
            seed=options.seed,
            symbols=tuple(options.symbols),
            temper=options.flow,
            fees=_fees(options.spot_fees),
            accounts=accounts(options),
            limits=RateLimits(enabled=not options.no_limits),
            faults=read_faults(options.faults) if options.faults else (),
            loop=not options.once,
            lockstep=options.lockstep,
            simulate=options.simulate,
            hold_s=options.hold,
            partial_fills=not options.whole_fills,
            paused=options.paused,
            entry_latency_ms=options.latency_ms[0],
            response_latency_ms=options.latency_ms[1],
            latency_spread=options.latency_spread,
        )
    except SandboxError as reason:
        print(f"sandbox: {reason}", file=sys.stderr)
        return 1
    return run(settings, options.ready_file, quiet=options.quiet, busy=options.busy_poll)


if __name__ == "__main__":
    sys.exit(main())
