"""A parameter search whose study is on a real PostgreSQL: two machines share it, and trouble is said in words."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.backtest.optimise import Request, optimise
from engine.backtest.search import Objective
from engine.backtest.settings import Simulation
from engine.backtest.storage import StorageLost, StudyError, open_storage
from engine.backtest.study import Search, queue_again
from engine.config.load import load_text
from tests.services.postgres import PASSWORD, Server, running_server
from tests.unit.optimise_market import CONFIG, here, plan, planted, recording

pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


def test_two_machines_share_a_study_and_make_its_trials_once(server: Server) -> None:
    made: dict[int, Any] = {}
    failures: list[BaseException] = []

    def machine(number: int) -> None:
        try:
            one = Search(open_storage(server.url(), queue_again), plan(trials=6), seed=number)
            one.open()
            one.run(here(planted), 2)
            made[number] = (one.choices(), one.tried())
        except StudyError as error:
            failures.append(error)

    threads = [threading.Thread(target=machine, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert 18 <= made[1][1].count <= 18 + 3 * 2  # at most one more a fold by a machine that asked at the same time
    assert made[1] == made[2]
    assert server.sql("SELECT count(*) FROM trials WHERE state NOT IN ('COMPLETE', 'WAITING')") == "0"


def test_a_whole_search_keeps_its_trials_in_the_database_and_goes_on(server: Server, tmp_path: Path) -> None:
    request = Request(
        "whole", server.url(), trials=2, windows=2, train_ratio=1.0, gap_s=1.0, objective=Objective(min_fills=1),
        at_once=2, seed=1,
    )  # fmt: skip
    data, config = [recording(tmp_path / "swings.gz")], load_text(CONFIG)
    first = optimise(data, config, Simulation(), request)
    again = optimise(data, config, Simulation(), request)
    assert first["trials"]["count"] == again["trials"]["count"] == 6
    assert first["windows"] == again["windows"]
    assert server.sql("SELECT count(*) FROM studies WHERE study_name LIKE 'whole/%'") == "3"


def test_a_lost_server_is_said_without_its_password_and_the_search_goes_on_later() -> None:
    with running_server() as server:
        one = Search(open_storage(server.url(), queue_again), plan(trials=3), seed=1)
        one.open()
        left = [4]

        def until_lost(parameters: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                server.stop()
            return planted(parameters)

        with pytest.raises(StorageLost) as caught:
            one.run(here(until_lost), 1)
        assert PASSWORD not in f"{caught.value} {caught.value.hint}"
        assert "same command" in caught.value.hint
        server.start()
        two = Search(open_storage(server.url(), queue_again), plan(trials=3), seed=1)
        two.open()
        assert two.tried().finished == 3


def test_a_wrong_password_is_said_without_it(server: Server) -> None:
    with pytest.raises(StorageLost, match="password authentication failed") as caught:
        open_storage(server.url().replace(PASSWORD, "wrong-password-0001"), queue_again)
    assert "wrong-password-0001" not in str(caught.value)
