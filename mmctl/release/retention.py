"""What may be deleted from a host: never what runs, never the last good release, never what a kept one needs."""

from dataclasses import dataclass

from mmctl.release.facts import Facts, good_before

# Releases that failed are kept a while to be looked at; they do not count towards the good ones.
KEEP_BAD = 2


@dataclass(frozen=True)
class Removals:
    """Names of releases, shared environments and wheels (digests) that nothing needs."""

    releases: tuple[str, ...]
    envs: tuple[str, ...]
    wheels: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.releases or self.envs or self.wheels)


def removals(facts: Facts, keep: int, wheels_in_use: frozenset[str]) -> Removals:
    """``keep`` good releases stay, the current one and the one to go back to among them, and the last failed ones.

    ``wheels_in_use`` are digests of the release just deployed; older wheels go, since installed releases need none.
    """
    complete = [r for r in facts.releases if r.complete]
    good = [r.id for r in complete if r.good and not r.bad]
    failed = [r.id for r in facts.releases if r.id not in good and r.id != facts.current]
    before = good_before(facts)
    # By the host's history, not by age: after ways back it may be older than all that are kept for their age.
    way_back = {before.id} if before is not None else set()
    stay = {facts.current, *way_back, *good[-max(keep, 2) :], *failed[-KEEP_BAD:]}
    gone = tuple(r.id for r in facts.releases if r.id not in stay)
    # A release runs with the environment of its lock, which lies outside its own folder.
    needed = {r.env for r in facts.releases if r.id in stay}
    return Removals(
        gone,
        tuple(sorted(env for env in facts.envs if env not in needed)),
        tuple(sorted(wheel for wheel in facts.wheels if wheel not in wheels_in_use)),
    )
