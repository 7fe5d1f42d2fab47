"""Reading columns: what went in comes out, whatever the writer did with the chunks; damage is named, not spread."""

from __future__ import annotations

import math
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builder import RunBuilder, StoreBuilder

from treering.errors import NotFound
from treering.store import read_columns
from treering.store.read_columns import CACHE
from treering.store.reader import RunReader


@pytest.fixture(autouse=True)
def forget_columns() -> None:
    CACHE.clear()


@pytest.fixture
def store(tmp_path: Path) -> StoreBuilder:
    return StoreBuilder(tmp_path)


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> StoreBuilder:
    """For tests that write hundreds of runs: making a store takes longer than all the rest."""
    return StoreBuilder(tmp_path_factory.mktemp("store"))


def reader(run: RunBuilder) -> RunReader:
    return RunReader(run.database, run.id)


def same(one: object, other: object) -> bool:
    """Compare down to the sign of a zero; NaN equals NaN."""
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    return one == other


VALUES = st.one_of(
    st.floats(),
    st.integers(-(2**63), 2**64 - 1),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.none(),
    st.lists(st.integers(-9, 9), max_size=3),
)
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), min_size=1, max_size=120)


@settings(max_examples=60)
@given(rows=ROWS, batch=st.integers(1, 40))
def test_rows_come_back_as_they_were(rows: list[dict[str, Any]], batch: int, one_store: StoreBuilder) -> None:
    run = one_store.run(uuid.uuid4().hex).log(enumerate(rows), batch=batch)
    found = list(reader(run).scan("history"))
    assert [row for row, _ in found] == list(range(len(rows)))
    for expected, (number, values) in zip(rows, found, strict=True):
        assert values.pop("_step") == number
        assert values.pop("_time") == run.created_us + number * 1_000_000
        assert values.keys() == expected.keys()
        assert all(same(values[key], expected[key]) and type(values[key]) is type(expected[key]) for key in expected)
    for key in "abc":
        logged = [(number, row[key]) for number, row in enumerate(rows) if key in row]
        column = reader(run).column("history", key)
        assert column.rows.tolist() == [number for number, _ in logged]
        assert all(
            same(found, value) or found == value
            for found, (_, value) in zip(column.values.tolist(), logged, strict=True)
        )


def test_a_growing_column_is_read_again_where_it_grew(store: StoreBuilder) -> None:
    run = store.run("r")
    values = np.random.default_rng(0).normal(size=70_000).tolist()
    logged = 0
    for grown in (10, 11, 300, 5_000, 66_000, 70_000):
        run.log(((step, {"loss": values[step]}) for step in range(logged, grown)), batch=997)
        logged = grown
        column = reader(run).column("history", "loss")
        assert column.values.tolist() == values[:grown]
        assert column.sparse_rows is None
        again = reader(run).column("history", "loss")
        assert again.values is column.values  # remembered, not decoded twice


def test_a_column_that_lost_chunks_is_read_anew(store: StoreBuilder) -> None:
    run = store.run("r").log([(step, {"a": step}) for step in range(300)], batch=100)
    assert len(reader(run).column("history", "a").values) == 300
    for last_row, left in ((200, 200), (0, 100)):
        run.database.execute(
            "DELETE FROM chunks WHERE first_row = :row AND column_id IN (SELECT id FROM columns WHERE key = 'a')",
            {"row": last_row},
        )
        assert len(reader(run).column("history", "a").values) == left


def test_sparse_columns_grow_too(store: StoreBuilder) -> None:
    run = store.run("r")
    for start in range(0, 3000, 500):
        run.log(
            (step, {"a": step, "b": step / 2} if step % 7 == 0 else {"a": step}) for step in range(start, start + 500)
        )
        column = reader(run).column("history", "b")
        assert column.rows.tolist() == list(range(0, start + 500, 7))
        assert column.values.tolist() == [row / 2 for row in range(0, start + 500, 7)]


def test_kinds_join_in_a_type_that_holds_them_all(store: StoreBuilder) -> None:
    run = store.run("r").log(
        enumerate(
            [
                {"a": 1, "b": True, "c": 1, "d": 2**60 + 1, "e": 2**63},
                {"a": 0.5, "b": 7, "c": "x", "d": 0.5, "e": -1},
            ]
        )
    )
    columns = {key: reader(run).column("history", key) for key in "abcde"}
    assert {key: column.values.tolist() for key, column in columns.items()} == {
        "a": [1.0, 0.5],
        "b": [1, 7],
        "c": [1, "x"],
        "d": [2**60 + 1, 0.5],  # no float holds the first exactly
        "e": [2**63, -1],
    }
    assert [column.kind for column in columns.values()] == ["float64", "int64", "json", "json", "json"]


def test_an_unknown_metric_is_named_with_its_likeness(store: StoreBuilder) -> None:
    run = store.run("r").log([(0, {"val/loss": 1.0, "accuracy": 0.1})])
    with pytest.raises(NotFound, match=r"no metric 'val/los'; did you mean 'val/loss'\?"):
        reader(run).points("history", "val/los")
    with pytest.raises(NotFound, match="no metric 'epoch'"):
        reader(run).points("history", "val/loss", "epoch")


# x axes


def test_another_metric_as_x_is_carried_forward(store: StoreBuilder) -> None:
    rows: list[dict[str, Any]] = [{"loss": 9.0}, {"epoch": 0}, {"loss": 1.0}, {"loss": 2.0, "epoch": 1}, {"loss": 3.0}]
    run = store.run("r").log(enumerate(rows))
    points = reader(run).points("history", "loss", "epoch")
    assert points.x.tolist() == [0, 1, 1]
    assert points.values.tolist() == [1.0, 2.0, 3.0]
    assert points.without_x == 1


def test_every_built_in_axis(store: StoreBuilder) -> None:
    run = store.run("r").log([(10, {"a": 1.0}), (10, {"b": 1.0}), (30, {"a": 2.0})])
    x = {axis: reader(run).points("history", "a", axis).x.tolist() for axis in ("_step", "_row", "_runtime", "_time")}
    assert x == {
        "_step": [10, 30],
        "_row": [0, 2],
        "_runtime": [0.0, 2.0],
        "_time": [run.created_us, run.created_us + 2_000_000],
    }


def test_start_and_stop_and_samples(store: StoreBuilder) -> None:
    run = store.run("r")
    run.log((step, {"a": float(step % 10)}) for step in range(5000))
    points = reader(run).points("history", "a", start=1000, stop=3000, samples=100)
    assert (points.x.min(), points.x.max()) == (1000, 2999)
    assert points.total == 2000
    assert len(points.values) <= 100
    assert (points.values.min(), points.values.max()) == (0.0, 9.0)
    assert (points.values == points.x % 10).all()


# Attempts and forks


def resumed(store: StoreBuilder) -> RunBuilder:
    """Steps 0 to 9, gone on with from step 5 to 7 and then from 6: the curve that counts is 0 1 2 3 4 | 15 | 26 27."""
    run = store.run("r").log((step, {"a": step, "b": 0.5}) for step in range(10))
    run.attempt(from_step=5).log((step, {"a": 10 + step}) for step in range(5, 8))
    return run.attempt(from_step=6).log((step, {"a": 20 + step}) for step in range(6, 8))


def test_superseded_rows_are_hidden_until_asked_for(store: StoreBuilder) -> None:
    run = resumed(store)
    points = reader(run).points("history", "a")
    assert points.values.tolist() == [0, 1, 2, 3, 4, 15, 26, 27]
    assert points.x.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert points.rows.tolist() == [0, 1, 2, 3, 4, 10, 13, 14]
    assert [values["a"] for _, values in reader(run).scan("history")] == points.values.tolist()
    every = reader(run).points("history", "a", superseded=True)
    assert every.values.tolist() == [*range(10), 15, 16, 17, 26, 27]
    assert len(list(reader(run).scan("history", superseded=True))) == 15
    assert len(reader(run).points("history", "b").values) == 5


def test_a_fork_shows_its_parent_first(store: StoreBuilder) -> None:
    parent = resumed(store)
    child = store.run("child", parent_id=parent.id, parent_step=6).log((step, {"a": 100 + step}) for step in (7, 8))
    grandchild = store.run("grandchild", parent_id=child.id, parent_step=7).log([(8, {"a": 1000, "new": 1})])
    assert reader(child).points("history", "a").values.tolist() == [0, 1, 2, 3, 4, 15, 26, 107, 108]
    points = reader(grandchild).points("history", "a")
    assert points.values.tolist() == [0, 1, 2, 3, 4, 15, 26, 107, 1000]
    assert points.x.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert points.rows.tolist() == [-17, -16, -15, -14, -13, -7, -4, -2, 0]
    scanned = list(reader(grandchild).scan("history"))
    assert [row for row, _ in scanned] == points.rows.tolist()
    assert list(reader(grandchild).columns()) == ["_step", "_time", "a", "new", "b"]
    # What a fork has not logged itself is still there, over every axis.
    assert len(reader(grandchild).points("history", "b", "_runtime").values) == 5
    assert reader(grandchild).points("history", "new").x.tolist() == [8]


def test_a_fork_rewound_before_its_fork_hides_the_parents_steps(store: StoreBuilder) -> None:
    parent = store.run("parent").log((step, {"a": step}) for step in range(10))
    child = store.run("child", parent_id=parent.id, parent_step=7).log([(8, {"a": 108})])
    child.attempt(from_step=4).log([(4, {"a": 204})])
    assert reader(child).points("history", "a").values.tolist() == [0, 1, 2, 3, 204]


def test_what_a_parent_does_after_the_fork_is_not_the_forks(store: StoreBuilder) -> None:
    parent = store.run("parent").log((step, {"a": step}) for step in range(6))
    child = store.run("child", parent_id=parent.id, parent_step=4).log([(5, {"a": 105})])
    parent.attempt(from_step=2, started_us=child.created_us + 1).log([(2, {"a": 52}), (3, {"a": 53})])
    assert reader(child).points("history", "a").values.tolist() == [0, 1, 2, 3, 4, 105]
    assert reader(parent).points("history", "a").values.tolist() == [0, 1, 52, 53]


def test_a_fork_of_a_deleted_parent_shows_its_own(store: StoreBuilder) -> None:
    child = store.run("child", parent_id="gone", parent_step=4).log([(5, {"a": 105})])
    assert reader(child).points("history", "a").values.tolist() == [105]


# Damage


def damage(run: RunBuilder, key: str, at: int = 0) -> None:
    """Flip a bit in one chunk of a column."""
    ((column_id, first_row, data),) = run.database.query(
        "SELECT column_id, first_row, data FROM chunks JOIN columns ON id = column_id WHERE run_id = :r AND key = :k "
        "ORDER BY first_row LIMIT 1 OFFSET :at",
        {"r": run.id, "k": key, "at": at},
    )
    bad = bytearray(data)
    bad[-1] ^= 4
    run.database.execute(
        "UPDATE chunks SET data = :d WHERE column_id = :c AND first_row = :f",
        {"d": bytes(bad), "c": column_id, "f": first_row},
    )


def test_a_flipped_bit_is_named_and_the_rest_stays_readable(store: StoreBuilder) -> None:
    run = store.run("r").log(((step, {"a": float(step), "b": step}) for step in range(1000)), batch=100)
    damage(run, "a", at=3)
    points = reader(run).points("history", "a")
    assert points.x.tolist() == [*range(300), *range(400, 1000)]
    assert points.values.tolist() == points.x.tolist()
    assert [(item.first_row, item.last_row) for item in points.damage] == [(300, 399)]
    assert "run r, history 'a': rows 300 to 399 are damaged" in points.damage[0].message
    assert reader(run).points("history", "b").damage == ()
    rows = dict(reader(run).scan("history"))
    assert "a" not in rows[350]
    assert rows[350]["b"] == 350
    assert [item.first_row for item in reader(run).damage()] == [300]


def test_a_damaged_axis_never_misplaces_a_value(store: StoreBuilder) -> None:
    run = store.run("r").log(((step, {"a": float(step), "epoch": step // 10}) for step in range(1000)), batch=100)
    damage(run, "_step", at=3)
    damage(run, "epoch", at=5)
    points = reader(run).points("history", "a")
    assert points.x.tolist() == [*range(300), *range(400, 1000)]
    assert points.values.tolist() == points.x.tolist()
    assert "'_step'" in points.damage[0].message
    points = reader(run).points("history", "a", "epoch")
    assert points.x.tolist() == [step // 10 for step in points.values.astype(int)]
    assert len(points.x) == 900
    # By row everything is there.
    assert len(reader(run).points("history", "a", "_row").values) == 1000


def test_a_damaged_step_hides_nothing(store: StoreBuilder) -> None:
    run = store.run("r").log(((step, {"a": step}) for step in range(200)), batch=100)
    run.attempt(from_step=150).log([(150, {"a": -1})])
    damage(run, "_step", at=0)
    assert reader(run).points("history", "a", "_row").values.tolist() == [*range(150), -1]


def test_everything_damaged(store: StoreBuilder) -> None:
    run = store.run("r").log([(0, {"a": 1.0})])
    damage(run, "a")
    points = reader(run).points("history", "a")
    assert len(points.values) == 0
    assert len(points.damage) == 1


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_url: str) -> None:
    store = StoreBuilder(postgres_url.replace("+psycopg", "") if "+psycopg" not in postgres_url else postgres_url)
    run = resumed(store)
    assert reader(run).points("history", "a").values.tolist() == [0, 1, 2, 3, 4, 15, 26, 27]
    run.log(((step, {"loss": step / 2}) for step in range(8, 3000)), batch=100)
    assert reader(run).points("history", "loss").values.tolist() == [step / 2 for step in range(8, 3000)]
    run.log([(3000, {"loss": 0.25})])
    assert reader(run).points("history", "loss").values.tolist()[-1] == 0.25
    assert len(list(reader(run).scan("history", ["loss"]))) == 2993
    store.database.close()


@pytest.mark.parametrize("x", ["_step", "_time", "_runtime", "_row", "epoch"])
def test_the_newest_points_are_the_end_of_all_points(x: str, store: StoreBuilder) -> None:
    run = store.run("r")
    for start in range(0, 90, 7):
        run.log(
            [
                (
                    step,
                    {**({"loss": step / 3} if step % 2 else {}), **({"epoch": step // 20} if step % 20 == 0 else {})},
                )
                for step in range(start, start + 7)
            ]
        )
    run.attempt(from_step=80)
    run.log([(step, {"loss": -step / 3}) for step in range(80, 100)])
    for first_row in (0, 5, 6, 7, 50, 88, 91, 95, 1000):
        whole, newest = reader(run).points("history", "loss", x), reader(run).newest("history", "loss", x, first_row)
        start = int(np.searchsorted(whole.rows, first_row))
        for one, other in zip(newest[:3], whole[:3], strict=True):
            assert one.tolist() == other[start:].tolist()
    with pytest.raises(NotFound, match="lost"):
        reader(run).newest("history", "lost", x, 0)


def test_the_newest_points_cost_what_is_new(store: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.run("r")
    for start in range(0, 1000, 100):
        run.log([(step, {"loss": float(step)}) for step in range(start, start + 100)], batch=100)
    read: list[int] = []
    fetch = read_columns.fetch_chunks
    monkeypatch.setattr(
        read_columns,
        "fetch_chunks",
        lambda *given, **options: read.append(len(fetched := fetch(*given, **options))) or fetched,
    )
    assert reader(run).newest("history", "loss", "_step", 950).values.tolist() == [
        float(step) for step in range(950, 1000)
    ]
    assert sum(read) == 2


def test_columns_that_count_share_their_numbers(store: StoreBuilder) -> None:
    """Steps of long runs are neither decoded again nor kept twice; whatever only looks alike stays what it is."""
    runs = [store.run(name) for name in "abc"]
    for run, steps in zip(
        runs, ([*range(300)], [*range(100, 400)], [*range(50), 50, 50, *range(52, 300)]), strict=True
    ):
        run.log([(step, {"loss": 1.0}) for step in steps])
        column = reader(run).column("history", "_step")
        assert column.values.tolist() == steps
        assert not column.values.flags.writeable
    one, other, third = (reader(run).column("history", "_step").values for run in runs)
    assert one.base is not None
    assert np.shares_memory(one, other)
    assert not np.shares_memory(one, third)
    runs[0].log([(step, {"loss": 1.0}) for step in range(300, 900)])
    assert reader(runs[0]).column("history", "_step").values.tolist() == [*range(900)]
    assert one.tolist() == [*range(300)]
    CACHE.clear()
    assert CACHE._bytes == 0
