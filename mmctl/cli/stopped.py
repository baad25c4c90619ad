"""What may only be done while an engine does not run."""

from mmctl.cli.reach import Engine
from mmctl.fleet.errors import Refused


def must_be_stopped(engine: Engine) -> None:
    """Raises Refused unless the service manager says that the engine does not run."""
    from mmctl.cli.status import service

    state = service(engine)
    if not state:
        raise Refused(f"{engine.name}: cannot tell whether the engine is running", "See mmctl status.")
    if not state.startswith(("inactive", "failed")):
        raise Refused(f"{engine.name}: the engine is {state}", f"Stop it first: mmctl stop {engine.target.name}.")
