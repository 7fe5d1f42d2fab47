"""Pages of runs found the quick way are those that sorting all runs gives, on both databases."""

from __future__ import annotations

import random
from typing import Any

import pytest
from store_builder import StoreBuilder

from treering.errors import UsageError
from treering.store.database import Database
from treering.store.read_filter import All, Compare, Field, parse_filter, parse_order
from treering.store.read_plan import count, find_page, planned
from treering.store.read_query import Page, RunQuery

RUNS = 240


@pytest.fixture(scope="module")
def database(builder: StoreBuilder) -> Database:
    """Two projects whose runs have ties, texts among numbers, NaN, and values that are missing."""
    dice = random.Random(5)
    with builder.database.transaction():
        for number in range(RUNS):
            config: dict[str, Any] = {"lr": dice.randrange(12), "seed": number}
            summary: dict[str, Any] = {"loss": dice.choice([0.5, 1.5, float("nan"), float("inf"), dice.random()])}
            if number % 3 == 0:
                config["layers"] = dice.choice([1, 2, "many", True])
            if number % 40 == 0:
                summary["rare"] = float(number)
            project = "one" if number % 4 else "two"
            builder.run(f"r{number:03d}", name=f"n{number % 7}", project=project, config=config, summary=summary)
    return builder.database


FILTERS = [
    "",
    "config.lr < 6",
    "config.lr < 6 and summary.loss > 0.3",
    "config.seed = 17",
    "config.seed in (3, 5, 6, 230) and config.lr >= 0",
    "name ~ 'n[1]' or config.lr = 4",
    "not (config.lr > 3) and config.layers exists",
    "config.seed < 40 or summary.loss > 1",
    "(config.seed < 9 or config.seed > 200) and config.lr < 8",
    "config.layers = 'many' and summary.loss < 1",
    "summary.rare > 100",
    "summary.loss = 'nan'",
]
ORDERS = [
    "summary.loss",
    "-summary.loss, name",
    "config.lr, -summary.loss",
    "-config.layers",
    "summary.rare",
    "-config.none",
    "-summary.rare, config.lr",
    "-config.none, -summary.loss",
    "-created",
]


def all_sorted(database: Database, where: Any, order: Any) -> list[tuple[Any, ...]]:
    query = RunQuery(database.dialect)
    return database.query(query.select(["id", "created_us"], Page(where, order)), query.parameters)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("text", FILTERS)
def test_pages_are_those_of_all_runs_sorted(database: Database, text: str, order: str) -> None:
    where = All((Compare(Field("run", "project"), "=", ("one",)), parse_filter(text)))
    fields = parse_order(order)
    whole = all_sorted(database, where, fields)
    read: list[tuple[Any, ...]] = []
    after = None
    while page := find_page(database, ["id", "created_us"], Page(where, fields, 11, after)):
        read += page
        after = [*page[-1][2:], page[-1][1], page[-1][0]]
    assert read == whole
    assert find_page(database, ["id", "created_us"], Page(where, fields, 3, offset=5)) == whole[5:8]
    assert find_page(database, ["id", "created_us"], Page(where, fields, 9, offset=3)) == whole[3:12]
    counted = find_page(database, ["id", "created_us"], Page(where, fields, 3), counted=True)
    assert counted == [(*row, len(whole)) for row in whole[:3]]
    assert count(database, where) == len(whole)


def test_a_page_at_the_front_reads_no_more(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    query = database.query
    monkeypatch.setattr(database, "query", lambda sql, parameters=None: asked.append(sql) or query(sql, parameters))
    find_page(database, ["id"], Page(All(()), parse_order("-summary.loss"), 3))
    assert not any("LEFT JOIN" in sql for sql in asked)
    asked.clear()
    find_page(database, ["id"], Page(All(()), parse_order("-summary.rare"), 30))
    assert any("LEFT JOIN" in sql for sql in asked)
    asked.clear()
    found = find_page(database, ["id"], Page(All(()), parse_order("-summary.rare"), 12))  # six have one
    assert not any("LEFT JOIN" in sql for sql in asked)
    assert [row[1] for row in found] == [200.0, 160.0, 120.0, 80.0, 40.0, 0.0, *[None] * 6]


def test_where_all_runs_are_of_a_project_an_index_counts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    query = database.query
    monkeypatch.setattr(database, "query", lambda sql, parameters=None: asked.append(sql) or query(sql, parameters))
    of_one = Compare(Field("run", "project"), "=", ("one",))
    for where, whole in ((parse_filter("config.lr < 6"), True), (All((of_one, parse_filter("config.lr < 6"))), False)):
        asked.clear()
        assert count(database, where) == len(all_sorted(database, where, ()))
        assert ("runs r" not in asked[0]) == whole


def test_few_values_are_where_a_search_begins(database: Database) -> None:
    plan = planned(database, parse_filter("config.lr >= 0 and config.seed = 17"))
    if database.dialect == "postgresql":
        assert not plan.each
        return
    assert isinstance(plan.where, All)
    assert plan.where.nodes[0] == parse_filter("config.seed = 17")
    assert plan.share == 1 / RUNS
    assert planned(database, parse_filter("config.lr >= 0 and summary.loss exists")).each


def test_a_place_of_another_order_is_refused(database: Database) -> None:
    for after in ([1.0], [1.0, None, 3], ["x", None, 1, "r001", 5]):
        with pytest.raises(UsageError, match="a place in this order has 4 values"):
            find_page(database, ["id"], Page(All(()), parse_order("-summary.loss"), 3, after))
