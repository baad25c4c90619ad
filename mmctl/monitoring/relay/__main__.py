"""``python3 -m mmctl.monitoring.relay``: the relay by itself, of Python's own library alone, as its unit starts it."""

import argparse
import sys
from pathlib import Path

from mmctl.fleet.errors import OperatorError
from mmctl.monitoring.relay.deadman import PATIENCE_S
from mmctl.monitoring.relay.running import channels_of, relay_of


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Serves until it is stopped; the exit code of what kept it from it."""
    parser = argparse.ArgumentParser(prog="relay", description="Carries Alertmanager's alerts to channels.")
    parser.add_argument("--channels", type=Path, required=True, metavar="FILE", help="as `push` wrote it")
    parser.add_argument("--prometheus", default="", metavar="URL")
    parser.add_argument("--alertmanager", default="", metavar="URL")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    try:
        channels = channels_of(given.channels)
        relay = relay_of(channels, given.prometheus, given.alertmanager, PATIENCE_S, _say)
        relay.serve("127.0.0.1", given.port)
    except OperatorError as error:
        print(f"relay: {error.what}" + (f": {error.hint}" if error.hint else ""), file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
