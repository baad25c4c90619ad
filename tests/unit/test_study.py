"""The search's memory on SQLite: what is found, what is kept when it ends early, and what it refuses."""

import sqlite3
import sys
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.backtest import study as studies
from engine.backtest.storage import StorageLost, StudyError, StudyRefused, open_storage
from engine.backtest.study import Plan, Search, queue_again
from engine.backtest.window import Score
from tests.needs import need
from tests.unit.optimise_market import here, plan, planted

optuna: Any = pytest.importorskip("optuna")
State = optuna.trial.TrialState


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


def search(file: Path, wanted: Plan | None = None, seed: int = 1) -> Search:
    found = Search(open_storage(str(file), queue_again), wanted or plan(), seed)
    found.open()
    return found


def states(file: Path, name: str = "s") -> dict[str, list[Any]]:
    storage = open_storage(str(file), queue_again)
    return {
        one.study_name: [trial.state for trial in storage.get_all_trials(one._study_id)]
        for one in storage.get_all_studies()
        if one.study_name.startswith(f"{name}/")
    }


def test_a_planted_optimum_is_found_in_every_window(file: Path) -> None:
    found = search(file, plan(trials=16))
    found.run(here(planted), 2)
    for choice in found.choices().values():
        assert choice is not None
        assert abs(choice[1]["x"] - 3.0) < 1.0
    assert found.tried().count == 48


def test_the_default_is_the_first_trial(file: Path) -> None:
    asked: list[Mapping[str, float]] = []

    def noting(parameters: Mapping[str, float]) -> Score:
        asked.append(parameters)
        return planted(parameters)

    search(file, plan(trials=1)).run(here(noting), 1)
    assert asked == [{"x": 9.0, "y": 1.0}] * 3


def test_the_same_seed_tries_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        search(tmp_path / name).run(here(planted), 1)
    tried = [search(tmp_path / name).tried().sharpes for name in ("a", "b")]
    assert tried[0] == tried[1]
    assert len(set(tried[0])) > 10


def test_a_finished_study_measures_nothing_again_and_a_larger_one_goes_on(file: Path) -> None:
    search(file).run(here(planted), 2)
    asked: list[float] = []

    def counting(parameters: Mapping[str, float]) -> Score:
        asked.append(parameters["x"])
        return planted(parameters)

    search(file).run(here(counting), 2)
    assert asked == []
    search(file, plan(trials=7)).run(here(counting), 2)
    assert len(asked) == 6


def test_an_interrupted_search_loses_no_trial_and_counts_every_one(file: Path) -> None:
    measured: list[float] = []

    def stopped(parameters: Mapping[str, float]) -> Score:
        if len(measured) == 7:
            raise KeyboardInterrupt
        measured.append(parameters["x"])
        return planted(parameters)

    first = search(file)
    with pytest.raises(KeyboardInterrupt):
        first.run(here(stopped), 3)
    before = [state for every in states(file).values() for state in every]
    assert State.RUNNING not in before
    assert State.WAITING in before
    again = search(file)
    again.run(here(planted), 3)
    for every in states(file).values():
        assert every.count(State.COMPLETE) == 5
        assert set(every) <= {State.COMPLETE, State.FAIL}
    found = again.tried()
    assert found.count == 15 + before.count(State.FAIL)
    assert found.failed == before.count(State.FAIL)
    assert found.finished == 15


def test_a_trial_whose_process_died_here_is_queued_again_at_once(file: Path) -> None:
    dead = search(file)
    trial = dead._studies["window-1"].ask(dead._distributions)
    trial.set_user_attr("owner", dead._owner | {"pid": 2**22 + 1})
    search(file)
    assert states(file)["s/window-1"] == [State.FAIL, State.WAITING]
    search(file)
    assert states(file)["s/window-1"] == [State.FAIL, State.WAITING]


def test_another_machines_trial_is_left_alone_until_its_heartbeat_stops(file: Path) -> None:
    other = search(file)
    trial = other._studies["window-1"].ask(other._distributions)
    trial.set_user_attr("owner", other._owner | {"here": "another machine"})
    other.storage.record_heartbeat(trial._trial_id)
    search(file)
    assert states(file)["s/window-1"] == [State.RUNNING]
    with sqlite3.connect(file) as database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-2 minutes')")
    search(file)
    assert states(file)["s/window-1"] == [State.FAIL, State.WAITING]


def test_a_trial_that_kills_its_worker_is_not_tried_for_ever(file: Path) -> None:
    for _ in range(studies.MOST_TRIES + 1):
        one = search(file, plan(trials=20))
        trial = one._studies["window-1"].ask(one._distributions)
        trial.set_user_attr("owner", one._owner | {"pid": 2**22 + 1})
    search(file, plan(trials=20))
    tried = [trial.params["x"] for trial in search(file)._studies["window-1"].get_trials() if trial.params]
    assert tried.count(9.0) == studies.MOST_TRIES


def test_a_trial_that_cannot_be_measured_is_logged_and_the_search_goes_on(file: Path) -> None:
    def sometimes(parameters: Mapping[str, float]) -> Score:
        if parameters["x"] > 5:
            return Score(float("nan"), 0.0, 50, np.array([np.nan]))
        return planted(parameters)

    found = search(file, plan(trials=10))
    found.run(here(sometimes), 2)
    tried = found.tried()
    assert tried.count == 30
    assert tried.failed >= 3
    assert tried.finished + tried.failed == 30
    assert any("not a finite number" in reason for reason in found.reasons())
    assert all(choice is not None and choice[1]["x"] <= 5 for choice in found.choices().values())


def test_trials_with_too_few_fills_are_ruled_out_and_still_counted(file: Path) -> None:
    found = search(file)
    found.run(here(lambda parameters: Score(1e6, 0.0, 4, np.array([1.0, 2.0, 3.0]))), 2)
    assert found.choices() == {"window-1": None, "window-2": None, "latest": None}
    tried = found.tried()
    assert (tried.count, tried.pruned, tried.finished, len(tried.sharpes)) == (15, 15, 0, 15)
    assert found.reasons() == {"4 fills, at least 5 wanted": 15}


def test_trials_of_earlier_studies_on_the_same_data_count_and_on_other_data_do_not(file: Path) -> None:
    search(file, plan("earlier")).run(here(planted), 2)
    search(file, plan("elsewhere", data="other data")).run(here(planted), 2)
    found = search(file)
    found.run(here(planted), 2)
    assert (found.tried().count, found.tried().earlier) == (30, 15)


def test_a_study_of_something_else_under_the_same_name_is_refused_unchanged(file: Path) -> None:
    search(file).run(here(planted), 2)
    before = states(file)
    with pytest.raises(StudyRefused, match="strategy: planted, now another") as caught:
        search(file, plan(strategy="another"))
    assert caught.value.exit_code == 7
    assert "--study" in caught.value.hint
    assert states(file) == before


def test_a_study_another_program_made_is_left_alone(file: Path) -> None:
    storage = open_storage(str(file), queue_again)
    optuna.create_study(storage=storage, study_name="s/latest").enqueue_trial({"z": 1.0})
    with pytest.raises(StudyRefused, match="something else"):
        search(file)


def test_a_dead_worker_is_said_and_the_trial_waits(file: Path) -> None:
    def dies(parameters: Mapping[str, float]) -> Score:
        raise BrokenProcessPool("gone")

    with pytest.raises(StudyError, match="worker process died"):
        search(file).run(here(dies), 1)
    assert [State.FAIL, State.WAITING] in states(file).values()


@pytest.mark.parametrize(
    ("where", "said"),
    [("{}/none/studies.db", "no folder"), ("{}", "cannot be used"), ("mysql://u@h/d", "SQLite or PostgreSQL")],
)
def test_a_storage_that_cannot_hold_studies_is_refused(tmp_path: Path, where: str, said: str) -> None:
    with pytest.raises(StudyRefused, match=said):
        open_storage(where.format(tmp_path), queue_again)


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a database, " * 100)
    with pytest.raises(StudyRefused, match=r"notes\.txt"):
        open_storage(str(notes), queue_again)
    assert notes.read_text() == "not a database, " * 100


def test_a_server_that_does_not_answer_is_unreachable_and_its_password_stays_secret() -> None:
    need(find_spec("psycopg") is not None, "psycopg (the postgres extra)")
    with pytest.raises(StorageLost) as caught:
        open_storage("postgresql://u:open-sesame-77@127.0.0.1:1/studies", queue_again)
    assert caught.value.exit_code == 13
    assert "open-sesame-77" not in f"{caught.value} {caught.value.hint}"


def test_without_optuna_the_extra_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(StudyRefused, match="optuna") as caught:
        open_storage(str(file), queue_again)
    assert "mmctl[research]" in caught.value.hint
