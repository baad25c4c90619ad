"""Files that are not code: in a checkout they lie at its top, in an installed package inside it."""

from pathlib import Path

import mmctl
from mmctl.fleet.errors import OperatorError

PACKAGE = Path(mmctl.__file__).resolve().parent


def checkout() -> Path | None:
    """The source tree this code runs from, or None where it is an installed package."""
    top = PACKAGE.parent
    return top if (top / "pyproject.toml").is_file() and (top / "engine").is_dir() else None


def asset(name: str, project: Path | None = None) -> Path:
    """``systemd/market-maker.service``, ``requirements.lock`` ...: of ``project``, else of this installation."""
    top = project or checkout()
    path = (top / name) if top is not None else PACKAGE / "assets" / name
    if not path.is_file():
        raise OperatorError(f"the installation lacks {name}: {path} is missing", "install mmctl again")
    return path
