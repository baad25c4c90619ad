"""``mmctl init DIR``: writes the configuration, fleet, rollout and environment templates of a new installation."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from mmctl.cli.run import current
from mmctl.fleet.errors import OperatorError, Refused
from mmctl.release.packed import TEMPLATES

SANDBOX_ENV = "sandbox.env"
IGNORED = "*.env\n*.env.*\n.env\n.env.*\n!.env.template\n"
#: Where the fleet's template has its env files; in the folder that init writes they lie beside the fleet file.
FAR = "~/.config/mmctl/"


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
    fleet, mode = files["fleet.yaml"]
    files["fleet.yaml"] = (fleet.replace(FAR, ""), mode)
    files["known_hosts"] = ("", 0o644)
    files[SANDBOX_ENV] = ("# Secrets of the sandbox targets; never commit this file.\n" + token, 0o600)
    files[".gitignore"] = (IGNORED, 0o644)
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
    for warning in _exposed(folder):
        run.out.problem(warning)
    run.out.say(f"Next: edit {folder / 'fleet.yaml'}, then mmctl --fleet {folder / 'fleet.yaml'} preflight TARGET")


def _exposed(folder: Path) -> list[str]:
    """What of secrets others could come to see in a folder that was there before."""
    found = []
    ignored = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").split("\n")
    if not {"*.env", "*"} & {line.strip() for line in ignored}:
        found.append(f"{folder / '.gitignore'} was there and does not leave out *.env: add that line before you commit")
    for file in sorted(folder.glob("*.env")):
        if file.is_file() and file.stat().st_mode & 0o077:
            found.append(f"{file} can be read by others: chmod 600 {file}")
    return found


def _write(path: Path, text: str, mode: int) -> bool:
    """Writes a new file with ``mode`` from its first byte; False where one exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True
