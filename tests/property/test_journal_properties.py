"""Whatever the database does, and wherever the process ends: no durable record is lost and none is there twice."""

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.store.backend import BadRecord, StoreLost
from engine.store.encode import from_spill_line
from engine.store.read import query
from engine.store.records import Row
from engine.store.sqlite import SqliteBackend
from tests.unit.journal_samples import Flaky, decision, fill, journal_in, sqlite_url


def nothing(*_: object) -> None:
    """Let it pass."""


class Troubled:
    """A journal folder whose database fails at random, before or after a commit, and refuses the poisoned fills."""

    def __init__(self, folder: Path, draw: random.Random, trouble: float, poisoned: set[int]) -> None:
        self.folder, self.draw, self.trouble, self.poisoned = folder, draw, trouble, poisoned
        self.flaky = Flaky(SqliteBackend(sqlite_url(folder)))

    def fail(self, *_: object) -> None:
        if self.draw.random() < self.trouble:
            raise StoreLost("gone")

    def before(self, rows: list[Row]) -> None:
        self.fail()
        if any("fee" in row and row["trade_id"] in self.poisoned for row in rows):
            raise BadRecord("poison")

    def process(self, ids: list[int]) -> set[int]:
        """One process's life: it books ``ids`` and ends. The ids it was told are safe."""
        journal = journal_in(self.folder, self.flaky, reserved=1 << 14)
        self.flaky.before, self.flaky.after, self.flaky.opening = self.poison_only, nothing, nothing
        journal.start()
        self.flaky.before, self.flaky.after, self.flaky.opening = self.before, self.fail, self.fail
        futures = []
        for n in ids:
            journal.put(decision(n))
            futures.append((n, journal.book(fill(n))))
        booked = set()
        for n, future in futures:
            try:
                future.result(30)
                booked.add(n)
            except BadRecord:
                assert n in self.poisoned
        journal.close(30)
        return booked

    def poison_only(self, rows: list[Row]) -> None:
        if any("fee" in row and row["trade_id"] in self.poisoned for row in rows):
            raise BadRecord("poison")

    def set_aside(self) -> set[int]:
        path = self.folder / "spill" / "main.rejected"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        found = [from_spill_line(line) for line in lines]
        return {record[1]["trade_id"] for record in found if record is not None}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**9), fills=st.integers(1, 40), trouble=st.floats(0, 0.6), bad=st.floats(0, 0.1))
def test_every_booked_fill_is_in_the_journal_once(seed: int, fills: int, trouble: float, bad: float) -> None:
    draw = random.Random(seed)
    poisoned = {n for n in range(fills) if draw.random() < bad}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        life = Troubled(folder, draw, trouble, poisoned)
        booked: set[int] = set()
        waiting = list(range(fills))
        while waiting:
            share = draw.randint(1, 20)
            booked |= life.process(waiting[:share])
            waiting = waiting[share:]
        life.process([])
        ids = [row[0] for row in query(sqlite_url(folder), "SELECT trade_id FROM trades").rows]
        aside = life.set_aside()
    assert len(ids) == len(set(ids))
    assert set(ids) == set(range(fills)) - poisoned
    assert booked <= set(ids) | aside
    assert aside == poisoned
