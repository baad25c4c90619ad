"""``python -m engine run|check|warm|reset|accept``: the daemon, and what a person or a deploy needs around it."""

import argparse
import json
import sys
from pathlib import Path

from engine.compiled import use_cache


def main(argv: list[str] | None = None) -> int:
    """Run one verb of the engine; returns its exit code (``engine.live.failures.Exit``)."""
    parser = argparse.ArgumentParser("python -m engine", description="The market-making engine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    helps = {
        "run": "run the engine in the foreground",
        "check": "check the configuration, the strategy's parameters included",
        "warm": "compile every kernel so that a start quotes within seconds",
        "reset": "end a HALT while no engine runs; needs --reason",
        "accept": "let the next start read the ledger from the exchange's trades; needs --reason",
    }
    for name, text in helps.items():
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--config", type=Path, required=True, metavar="FILE")
        verb.add_argument("--env-file", type=Path, metavar="FILE", help="NAME=value lines read before the environment")
        verb.add_argument("--json", action="store_true", help="one JSON object on stdout")
        verb.add_argument("-v", "--verbose", action="store_true", help="tracebacks with errors")
        if name in ("reset", "accept"):
            verb.add_argument("--reason", required=True, help="why it is right; kept with the mark or in the journal")
            verb.add_argument("--actor", default="operator")
        if name == "warm":
            verb.add_argument("--parent", type=int, metavar="PID", help="end when the process that started this ends")
    options = parser.parse_args(argv)
    use_cache()
    match options.verb:
        case "run":
            from engine.daemon import run

            return run(options.config, options.env_file, verbose=options.verbose)
        case "check":
            return _check(options)
        case "warm":
            return _warm(options)
        case _:
            return _reset(options)


def _load(options: argparse.Namespace) -> object:
    """The configuration, or None after every error has been printed."""
    from engine.config.errors import ConfigErrors
    from engine.config.load import load

    try:
        return load(options.config, env_file=options.env_file, deep=True)
    except ConfigErrors as errors:
        if options.json:
            print(json.dumps({"ok": False, "errors": [error.as_dict() for error in errors.errors]}))
        for error in errors.errors:
            print(error, file=sys.stderr)
        return None


def _check(options: argparse.Namespace) -> int:
    from engine.config.schema import Config
    from engine.live.failures import Exit, StartError

    config = _load(options)
    if not isinstance(config, Config):
        return int(Exit.CONFIG)
    from engine.live.strategy.arrays import strategy_of

    try:
        strategy_of(config)
    except StartError as error:
        print(error, file=sys.stderr)
        return int(error.code)
    print(json.dumps({"ok": True, "errors": []}) if options.json else f"{options.config}: valid")
    return 0


def _warm(options: argparse.Namespace) -> int:
    from engine.isolation.parent import ends_with

    if options.parent is not None and not ends_with(options.parent):
        return 1  # nobody waits any more
    from engine.config.schema import Config
    from engine.live.failures import Exit, StartError

    config = _load(options)
    if not isinstance(config, Config):
        return int(Exit.CONFIG)
    from engine.live.start.warm import warm
    from engine.live.strategy.arrays import strategy_of

    try:
        seconds = warm(strategy_of(config), config.strategy.symbol)
    except StartError as error:
        print(error, file=sys.stderr)
        return int(error.code)
    print(json.dumps({"ok": True, "seconds": seconds}) if options.json else f"kernel ready in {seconds:.2f} s")
    return 0


def _reset(options: argparse.Namespace) -> int:
    """End HALTED in the stored state, or accept a lost ledger: under the lease, so that no engine runs on it."""
    from engine.config.schema import Config
    from engine.live.failures import Exit, StartError

    config = _load(options)
    if not isinstance(config, Config):
        return int(Exit.CONFIG)
    from engine.live.start.accept import accept_journal
    from engine.live.start.reset import reset_stored

    act = accept_journal if options.verb == "accept" else reset_stored
    try:
        answer = act(config, options.reason, options.actor)
    except StartError as error:
        print(error, file=sys.stderr)
        return int(error.code)
    print(json.dumps(answer) if options.json else answer["message"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
