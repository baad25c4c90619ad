"""The sentinel keeps to the configuration that the engine runs with, as the engine itself says by the file's digest.

A reload is the engine's to judge. The sentinel takes over a file only once the engine names it as the one it runs with,
and only where every change in it may happen while running; else it goes on with the rules it has, and says so.
"""

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Final

from engine.config.diff import apply_reload, diff
from engine.config.errors import ConfigErrors
from engine.config.load import load_as_read
from engine.config.schema import Config

log = logging.getLogger("sentinel")

_KEPT: Final = 16  # configurations that a `reload --previous` may come back to


class ConfigFollower:
    """``config`` was read from ``path``, whose bytes then had the SHA-256 ``digest``."""

    def __init__(self, config: Config, digest: str, path: Path, env_file: Path | None) -> None:
        self.config, self.digest = config, digest
        self._path, self._env_file = path, env_file
        self._known = {digest: config}
        self._refused: tuple[str, str] = ("", "")

    async def follow(self, digest: str) -> Config | None:
        """The configuration to go on with, where the engine runs with another (``digest``) that can be taken over."""
        if not digest or digest == self.digest:
            return None
        try:
            fresh = self._known.get(digest) or await asyncio.to_thread(self._read, digest)
            if fresh is None:
                self._keep(digest, f"the engine runs with a file that {self._path} is not (any more)")
                return None
            changes = diff(self.config, fresh)
            taken = apply_reload(self.config, fresh)
        except ConfigErrors as errors:
            self._keep(digest, f"the file that the engine runs with cannot be read here: {errors}")
            return None
        except ValueError as error:
            self._keep(digest, f"{error}; restart the sentinel")
            return None
        self.config, self.digest = taken, digest
        self._known[digest] = taken
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        told = ", ".join(f"{change.path}: {change.old} -> {change.new}" for change in changes)
        log.warning("reloaded as the engine did: %s", told or "nothing that differs")
        return taken

    def _read(self, digest: str) -> Config | None:
        """The configuration in the file if that is the one meant. Blocks on the disk. Raises ``ConfigErrors``."""
        try:
            found = hashlib.sha256(self._path.read_bytes()).hexdigest()
        except OSError:
            return None
        if found != digest:
            return None
        config, read = load_as_read(self._path, env_file=self._env_file, stopping=True)
        return config if read == digest else None

    def _keep(self, digest: str, why: str) -> None:
        """Told once, not twice a second; looked at again in every round, for the file may come."""
        if self._refused != (digest, why):
            self._refused = (digest, why)
            log.error("the sentinel keeps its rules: %s", why)
