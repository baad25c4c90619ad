"""However engines take, drop and lose the lease, and whatever befalls its files: one holder, epochs only grow."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.lease import FileLease, LeaseError

ENGINES = st.integers(0, 2)


class Engines(RuleBasedStateMachine):
    """Three engines of one account on one host."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "lease.lock"
        self.leases = [FileLease(self.path, f"engine {n}") for n in range(3)]
        self.highest = 0

    def teardown(self) -> None:
        for lease in self.leases:
            lease.release()
        self.folder.cleanup()

    @rule(n=ENGINES)
    def acquire(self, n: int) -> None:
        lease = self.leases[n]
        before = lease.held()
        try:
            acquired = lease.acquire()
        except LeaseError:
            assert self.highest == 0  # a damaged file is refused only while no counter says what to go on from
            return
        if acquired and not before:
            assert lease.epoch > self.highest
            self.highest = lease.epoch

    @rule(n=ENGINES)
    def release(self, n: int) -> None:
        self.leases[n].release()

    @rule(n=ENGINES)
    def restart(self, n: int) -> None:
        self.leases[n].release()
        self.leases[n] = FileLease(self.path, f"engine {n} again")

    @rule()
    def remove_the_file(self) -> None:
        self.path.unlink(missing_ok=True)

    @rule(content=st.sampled_from([b"", b"{}", b'{"epoch": 1, "holder": "", "since_ns": 0}']))
    def replace_the_file(self, content: bytes) -> None:
        fresh = self.path.with_suffix(".fresh")
        fresh.write_bytes(content)
        fresh.rename(self.path)

    @invariant()
    def at_most_one_can_prove_it(self) -> None:
        assert sum(lease.prove() for lease in self.leases) <= 1
        assert sum(lease.held() for lease in self.leases) <= 1


Engines.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestEngines = Engines.TestCase
