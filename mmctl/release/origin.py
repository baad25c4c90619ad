"""Whence a release comes: who deployed it, and which revision of the sources it was made from."""

import subprocess
from pathlib import Path

from mmctl.release.assets import checkout

GIT_SECONDS = 5.0


def revision(project: Path | None = None) -> str:
    """The commit of the source tree, with ``+changes`` where it has others; empty where it is no git checkout.

    Never raises: a release is known by its content, this is for people.
    """
    top = project or checkout()
    if top is None or not (top / ".git").exists():
        return ""
    commit = _git(top, "rev-parse", "--short=12", "HEAD")
    changed = _git(top, "status", "--porcelain", "--untracked-files=no") if commit else ""
    return f"{commit}+changes" if changed else commit


def _git(top: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(top), *words], capture_output=True, text=True, timeout=GIT_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
