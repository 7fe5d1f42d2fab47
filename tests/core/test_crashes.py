"""Kill it, then read it: whenever a process that logs at full speed dies, no row whose `log()` had returned is lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from crash_yard import FINISH, LOG, RECOVER, Order, Yard, expected_columns, open_yard

import treering
from treering.store.recover import recover_folder

KILLS = 200
_BATCH = 10
_CHAIN = 5


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with open_yard(tmp_path_factory.mktemp("yard")) as found:
        yield found


def check(store: Path, run_id: str, acknowledged: int, states: set[str]) -> None:
    """Every acknowledged row is there once and in order; at most the one that was being logged comes with them."""
    run = treering.Api(store).run(run_id)
    assert run.state in states
    if not acknowledged and not run.keys():
        return
    number = run.history("number")
    assert acknowledged <= len(number) <= acknowledged + 1
    columns = expected_columns(len(number))
    assert set(run.keys()) == set(columns)
    for key, values in columns.items():
        series = run.history(key)
        assert series.damage == []
        np.testing.assert_array_equal(series.values, np.array(values), err_msg=key)
        assert run.metrics[key].count == len(values)
        assert run.summary[key] == values[-1]
    np.testing.assert_array_equal(number.x, np.arange(len(number)))
    np.testing.assert_array_equal(number.row_numbers, np.arange(len(number)))


def random_delay(chance: random.Random) -> float:
    """0 to 100 ms, the first ones more often: there the run begins."""
    return 0.1 * chance.random() ** 2


@pytest.mark.parametrize("batch", range(KILLS // _BATCH))
def test_killed_while_logging(yard: Yard, tmp_path: Path, batch: int) -> None:
    chance = random.Random(batch)
    style = batch % 4
    victims = {}
    for number in range(_BATCH):
        # Every victim of a chain goes on with the run of the one before.
        run_id = f"run-{number // _CHAIN if style == 3 else number}"
        order = Order(
            str(tmp_path), run_id, LOG, random_delay(chance), small=style > 0, mode="offline" if style == 2 else "local"
        )
        killed = yard.kill(order)
        assert killed.killed
        victims[run_id] = max(victims.get(run_id, 0), killed.rows)
        if style == 0:
            check(tmp_path, run_id, killed.rows, {"lost"})
    for run_id, rows in victims.items():
        check(tmp_path, run_id, rows, {"lost"})
        assert treering.Api(tmp_path).run(run_id).attempt == (_CHAIN if style == 3 else 1)
    assert sum(victims.values()) > 0
    assert not any((tmp_path / "journal").iterdir())


@pytest.mark.parametrize("batch", range(4))
def test_killed_while_finishing(yard: Yard, tmp_path: Path, batch: int) -> None:
    chance = random.Random(1000 + batch)
    for number in range(6):
        rows = chance.randrange(1, 4000)
        order = Order(str(tmp_path), f"run-{number}", FINISH, 0.04 * chance.random(), rows, small=batch % 2 == 0)
        killed = yard.kill(order)
        assert killed.rows == rows
        # "lost" if it died before it had written its end into the journal.
        check(tmp_path, f"run-{number}", rows, {"lost", "finished"} if killed.killed else {"finished"})


def test_killed_while_recovering(yard: Yard, tmp_path: Path) -> None:
    chance = random.Random(2000)
    rows = {}
    for number in range(4):
        # Killed at once: next to nothing is in the store yet, all of it in the journal.
        order = Order(str(tmp_path), f"run-{number}", LOG, 0.03, small=number % 2 == 0)
        rows[order.run_id] = yard.kill(order).rows
    for _ in range(6):
        yard.kill(Order(str(tmp_path), "", RECOVER, 0.02 * chance.random(), small=True))
    report = recover_folder(tmp_path)
    assert report.troubles == []
    assert [found.damage for found in report.runs] == [[]] * len(report.runs)
    for run_id, count in rows.items():
        check(tmp_path, run_id, count, {"lost"})
