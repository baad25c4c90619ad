"""What may be deleted from a host, and where a rollback goes."""

from mmctl.release.facts import Facts, good_before, parse
from mmctl.release.retention import removals


def name(n: int) -> str:
    return f"20260101T0000{n:02d}Z-{n:012x}"


def facts(current: int, releases: dict[int, str], history: list[int], more: str = "") -> Facts:
    """``releases``: number -> markers ("good", "bad", "" = complete only, "-" = incomplete)."""
    rows = []
    for n, marks in releases.items():
        words = "" if marks == "-" else f" complete {marks}"
        rows.append(f"release={name(n)}{words} env:env{n % 2}")
    rows += [f"history={name(n)}" for n in history] + [f"current={name(current)}"] + more.split()
    return parse("\n".join(rows), 0.0)


def test_n_good_releases_stay_and_failed_ones_do_not_count() -> None:
    found = facts(6, {1: "good", 2: "good", 3: "bad", 4: "bad", 5: "good", 6: "good", 7: "bad", 8: "bad"}, [1, 2, 5, 6])
    assert removals(found, 2, frozenset()).releases == tuple(map(name, (1, 2, 3, 4)))


def test_the_current_release_stays_however_old_it_is() -> None:
    found = facts(1, {1: "good", 2: "good", 3: "good", 4: "good"}, [1, 2, 3, 4, 1])
    assert name(1) not in removals(found, 2, frozenset()).releases


def test_even_keep_one_leaves_a_way_back() -> None:
    found = facts(3, {1: "good", 2: "good", 3: "good"}, [1, 2, 3])
    assert removals(found, 1, frozenset()).releases == (name(1),)


def test_environments_and_wheels_go_when_nothing_that_stays_needs_them() -> None:
    found = facts(2, {2: "good", 4: "good"}, [2, 4], "env=env0 env=env1 wheel=aa wheel=bb")
    gone = removals(found, 2, frozenset({"aa"}))
    assert (gone.envs, gone.wheels) == (("env1",), ("bb",))


def back(found: Facts) -> str | None:
    to = good_before(found)
    return to.id if to else None


def test_a_rollback_goes_to_the_good_release_that_ran_before() -> None:
    assert back(facts(3, {1: "good", 2: "good", 3: "good"}, [1, 2, 3])) == name(2)


def test_a_rollback_passes_over_bad_and_vanished_releases() -> None:
    assert back(facts(4, {1: "good", 3: "bad", 4: "good"}, [1, 2, 3, 4])) == name(1)


def test_the_release_that_a_rollback_goes_to_stays_however_old_it_is() -> None:
    """Somebody went back to 1, past 2 to 4, and deployed 5 from there."""
    found = facts(5, dict.fromkeys(range(1, 6), "good"), [1, 5])
    before = good_before(found)
    assert before is not None
    assert before.id == name(1)
    assert removals(found, 2, frozenset()).releases == tuple(map(name, (2, 3)))


def test_a_rollback_follows_history_and_not_age() -> None:
    assert back(facts(1, {1: "good", 2: "good"}, [1, 2, 1])) == name(2)


def test_a_release_that_never_proved_good_goes_back_to_the_last_that_did() -> None:
    assert back(facts(3, {1: "good", 2: "good", 3: ""}, [1, 2])) == name(2)


def test_without_an_older_good_release_there_is_no_way_back() -> None:
    assert back(facts(1, {1: "good"}, [1])) is None
    assert back(facts(2, {1: "bad", 2: "good"}, [1, 2])) is None


def test_facts_of_a_bare_host_are_read_without_inventing_anything() -> None:
    found = parse("uid=0\nmachine=x86_64\nkernel=Linux\nclock=100.5\nsystemd=252\ndisk_mb=10\nwritable=yes\n", 100.0)
    assert (found.python, found.glibc, found.current, found.releases) == (None, None, "", ())
    assert found.clock_offset == 0.5
