"""Hot reload: validate, show the effect, apply at once or not at all, journal, and be able to go back."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.config.diff import apply_reload, diff
from engine.config.errors import ConfigErrors
from engine.config.load import load_as_read
from engine.config.schema import Config
from engine.config.show import config_hash
from engine.live.failures import StartError
from engine.live.session.session import Session
from engine.live.strategy.arrays import parameters_of
from engine.live.strategy.failing import ask_again
from engine.live.tick.quoter import F64, Quoter
from engine.store.records import ConfigChangeRecord
from engine.telemetry.state import ControlRefused

if TYPE_CHECKING:
    from engine.strategy.parameters import Strategy


@dataclass(frozen=True, slots=True)
class AppliedReload:
    """A reload that was applied, as the journal has it."""

    old: Config
    new: Config
    actor: str
    reason: str
    keys: list[dict[str, Any]]


class ReloadTarget(Protocol):
    """What a reload reaches now: nothing that quotes, until a session leads."""

    def rows(self, config: Config) -> dict[str, F64]:
        """The strategy's parameters by symbol. Raises ``ValueError`` or ``StartError`` for what does not fit."""
        ...

    def effect(self, rows: Mapping[str, F64]) -> dict[str, Any]:
        """By symbol, as decimal text, the quotes of now (``before``) and those that ``rows`` would make (``after``).

        Nothing is changed or sent. Raises ``ValueError`` where a user's strategy fails on ``rows``.
        """
        ...

    def take_over(self, config: Config) -> None:
        """Decide by ``config`` from the next tick on; ``rows`` has taken it, so nothing in it is refused now."""
        ...

    def changed(self, change: AppliedReload) -> None:
        """Write a reload down and tell it as an event: after ``take_over``, and once for each that changed a key."""
        ...


class Reloader:
    """``apply`` runs on the loop between two ticks, so that every tick sees one configuration whole."""

    def __init__(
        self,
        config: Config,
        path: Path,
        env_file: Path | None,
        strategy: "Strategy",
        on_applied: Callable[[Config], None],
        digest: str = "",
    ) -> None:
        """``digest``: SHA-256 (hex) of the file that ``config`` was read from."""
        self.config = config
        self.previous: Config | None = None
        self._digest, self._previous_digest = digest, ""
        self._last: dict[str, Any] | None = None
        self._asked = 0
        self._one = asyncio.Lock()
        self._target: ReloadTarget = NothingQuoted()
        self._path, self._env_file, self._strategy = path, env_file, strategy
        self._followers = [on_applied]

    def follow(self, take_over: Callable[[Config], None]) -> None:
        """Have ``take_over`` called with the configuration now, and with the new one after every reload."""
        take_over(self.config)
        self._followers.append(take_over)

    def lead(self, session: Session) -> None:
        """``session`` begins: whatever was reloaded since its parts were made holds in it, and so do later reloads."""
        target = SessionQuoted(session, self._strategy)
        target.take_over(self.config)
        self._target = target

    async def __call__(self, body: Mapping[str, Any], actor: str) -> dict[str, Any]:
        """The control verb. ``previous: true`` goes back; ``dry_run: true`` only shows the effect.

        One at a time: of two files the one that was asked for last is the one that stays.
        """
        async with self._one:
            digest = ""
            try:
                wanted, digest = await self._wanted(body)
                dry_run, reason = bool(body.get("dry_run")), str(body.get("reason") or "")
                answer = self.apply(wanted, actor, reason, dry_run=dry_run, digest=digest)
            except ControlRefused as refused:
                self._keep(refused.reason, digest or await asyncio.to_thread(_digest_of, self._path), applied=False)
                raise
            if not dry_run:
                self._keep(answer["message"], digest, applied=True)
            return answer

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the file that ``config`` was read from."""
        return self._digest

    def standing(self) -> dict[str, Any]:
        """The digest of the file this engine runs with, and what the last reload came to: for ``/api/state``."""
        return {"config_sha256": self._digest or None, "reload": self._last}

    def _keep(self, message: str, digest: str, *, applied: bool) -> None:
        """Whoever asked by a signal reads here what became of it; ``file_sha256`` is the file that was judged."""
        self._asked += 1
        self._last = {
            "count": self._asked, "at_ns": time.time_ns(), "file_sha256": digest, "applied": applied,
            "message": message,
        }  # fmt: skip

    async def _wanted(self, body: Mapping[str, Any]) -> tuple[Config, str]:
        if body.get("previous"):
            if self.previous is None:
                raise ControlRefused("there is no earlier configuration to go back to in this process")
            return self.previous, self._previous_digest
        try:
            return await asyncio.to_thread(load_as_read, self._path, env_file=self._env_file, deep=True)
        except ConfigErrors as errors:
            raise ControlRefused(f"the configuration is not valid; nothing changed: {errors}", status=422) from None

    def apply(
        self, wanted: Config, actor: str, reason: str, *, dry_run: bool = False, digest: str = ""
    ) -> dict[str, Any]:
        """Bring the running engine to ``wanted``, or with ``dry_run`` say what would change.

        Returns the changes by key and their effect on the quotes; refuses as a whole what cannot be reloaded.
        """
        changes = [change.as_dict() for change in diff(self.config, wanted)]
        try:
            fresh = apply_reload(self.config, wanted)
            rows = self._target.rows(fresh)
            effect = self._target.effect(rows)
        except (ValueError, StartError) as error:
            raise ControlRefused(f"not applied: {error}", status=422) from None
        answer: dict[str, Any] = {"changes": changes, "effect": effect, "applied": not dry_run}
        if not dry_run:
            # Another file that says the same is the file it runs with from here on.
            old_digest, self._digest = self._digest, digest or self._digest
        if dry_run or not changes:
            return {**answer, "message": "nothing changed" if not changes else f"{len(changes)} keys would change"}
        old, self.previous, self.config = self.config, self.config, fresh
        self._previous_digest = old_digest
        self._target.take_over(fresh)
        self._target.changed(AppliedReload(old, fresh, actor, reason, changes))
        for take_over in self._followers:
            take_over(fresh)
        return {**answer, "message": f"{len(changes)} keys changed", "undo": "mmctl reload --previous"}


class NothingQuoted:
    """Before a session leads: a reload changes what it will begin with, and nothing that can be seen yet."""

    def rows(self, config: Config) -> dict[str, F64]:
        return {}

    def effect(self, rows: Mapping[str, F64]) -> dict[str, Any]:
        """Empty: without a session there is no view on which a quote could be shown."""
        return {}

    def take_over(self, config: Config) -> None:
        """Nothing holds it but the reloader itself."""

    def changed(self, change: AppliedReload) -> None:
        """The journal is the leader's."""


class SessionQuoted:
    """A session that leads: its symbols take the new parameters over between two ticks."""

    def __init__(self, session: Session, strategy: "Strategy") -> None:
        self._session, self._strategy = session, strategy
        self._count = 0

    def rows(self, config: Config) -> dict[str, F64]:
        pairs = self._session.pairs.items()
        return {symbol: parameters_of(config, self._strategy, pair.instrument) for symbol, pair in pairs}

    def effect(self, rows: Mapping[str, F64]) -> dict[str, Any]:
        """What the new parameters would quote on the present view, beside what the old ones do."""
        return {symbol: _moved(self._session.pairs[symbol].quoter, row) for symbol, row in rows.items()}

    def take_over(self, config: Config) -> None:
        """Give the session ``config``; ``rows`` has taken it, so nothing in it can be refused any more."""
        self._session.reconfigure(config)

    def changed(self, change: AppliedReload) -> None:
        """What failed with the old parameters is asked again; who changed what is kept and told."""
        session, actor = self._session, change.actor
        ask_again(session)
        self._count += 1
        event_id = f"{session.parts.lease.epoch}-reload-{self._count}"
        hashes = (config_hash(change.old), config_hash(change.new))
        record = ConfigChangeRecord(event_id, time.time_ns(), actor, change.reason, *hashes, tuple(change.keys))
        session.parts.journal.put(record)
        message = ", ".join(f"{key['path']}: {key['old']} -> {key['new']}" for key in change.keys)
        session.parts.clerk.note("reload", "info", f"configuration changed by {actor}: {message}", {"actor": actor})


def _digest_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _moved(quoter: Quoter, params: F64) -> dict[str, Any]:
    after = quoter.preview(params)
    try:
        before = quoter.preview(quoter.memory.params)
    except ValueError:  # it failed on them, perhaps that is why they change
        before = dict.fromkeys(after)
    return {"before": before, "after": after}
