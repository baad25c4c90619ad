"""``mmctl init DIR``: writes the configuration, fleet, rollout and environment templates of a new installation."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.run import current
from mmctl.fleet.errors import OperatorError, Refused

#: Written as they stand in the installation.
TEMPLATES = (
    "config.yaml",
    "fleet.yaml",
    "testnet.yaml",
    "canary.yaml",
    "production.yaml",
    "rollout.yaml",
    ".env.template",
)
SANDBOX_ENV = "sandbox.env"


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder, or one that lacks some files.")],
) -> None:
    """Write what is missing of a new installation; files that exist are never touched."""
    from mmctl.release.assets import asset

    run = current()
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is a file", "Give a folder.")
    token = f"MM_CONTROL_TOKEN={secrets.token_hex(32)}\n"
    files: dict[str, tuple[str, int]] = {
        name: (asset(f"configs/{name}").read_text(encoding="utf-8"), 0o644) for name in TEMPLATES
    }
    files["known_hosts"] = ("", 0o644)
    files[SANDBOX_ENV] = ("# Secrets of the sandbox targets; never commit this file.\n" + token, 0o600)
    files[".gitignore"] = ("*.env\n", 0o644)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [name for name, (text, mode) in files.items() if _write(folder / name, text, mode)]
    except OSError as error:
        raise OperatorError(f"cannot write {folder}: {error.strerror}", "Choose another folder.") from None
    kept = [name for name in files if name not in written]
    run.out.result(folder=folder, written=written, kept=kept)
    for name in written:
        run.out.say(f"wrote {folder / name}")
    for name in kept:
        run.out.say(f"kept  {folder / name}")
    run.out.say(f"Next: edit {folder / 'fleet.yaml'}, then mmctl --fleet {folder / 'fleet.yaml'} preflight TARGET")


def _write(path: Path, text: str, mode: int) -> bool:
    """Writes a new file with ``mode`` from its first byte; False where one exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True
