"""The filter language: each filter is compared with the same condition in Python, on both databases."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_builder import START_US, StoreBuilder

from treering.errors import UsageError
from treering.store.database import Database
from treering.store.read_filter import parse_filter, parse_order
from treering.store.read_query import Page, RunQuery

RUNS: dict[str, dict[str, Any]] = {
    "a1": {
        "name": "lstm-small",
        "config": {"lr": 0.1, "optim": {"name": "adam", "lr": 3}, "amp": True, "it's": 1, "my key": "x y"},
        "summary": {"val/loss": 0.5, "loss.min": 0.25, "note": "good"},
        "tags": ["x", "base line"],
    },
    "b2": {
        "name": "lstm*large",
        "state": "failed",
        "config": {"lr": 0.01, "optim": {"name": "sgd"}, "amp": False, "my key": "x"},
        "summary": {"val/loss": float("nan"), "note": "bad"},
        "tags": ["x"],
        "group_name": "g",
    },
    "c3": {
        "name": "ppo_100%",
        "state": "running",
        "ended_us": None,
        "project": "other",
        "config": {"lr": "auto"},
        "summary": {"val/loss": 2},
        "notes": "don't",
    },
    "d4": {"name": "Ünïcode 名", "state": "lost", "config": {}, "summary": {}, "attempt": 3, "parent_id": "a1"},
}


@pytest.fixture(scope="module")
def database(builder: StoreBuilder) -> Database:
    for run_id, fields in RUNS.items():
        builder.run(run_id, **fields)
    return builder.database


def ask(database: Database, filters: Any, order: str | None = None, limit: int | None = None) -> list[str]:
    query = RunQuery(database.dialect)
    sql = query.select(["id"], Page(parse_filter(filters), parse_order(order), limit))
    return [row[0] for row in database.query(sql, query.parameters)]


CASES: list[tuple[Any, str]] = [
    ("", "a1 b2 c3 d4"),
    ("state = 'failed'", "b2"),
    ("state = failed", "b2"),
    ("state == 'failed' or state='running'", "b2 c3"),
    ("state != 'failed'", "a1 c3 d4"),
    ("state in ('failed', 'lost')", "b2 d4"),
    ("state not in ('failed', 'lost')", "a1 c3"),
    ("not (state = 'failed' or state = 'lost') and project = 'p'", "a1"),
    ("name ~ 'lstm*'", "a1 b2"),
    ("name ~ 'lstm[*]*'", "b2"),
    ("name ~ 'LSTM*'", ""),
    ("name !~ 'lstm*'", "c3 d4"),
    ("name ~ 'ppo_1?0%'", "c3"),
    ("name ~ 'ppo?1*'", "c3"),
    ("name contains '100%'", "c3"),
    ("name contains 'Ünï'", "d4"),
    ("notes = 'don''t'", "c3"),
    ('notes = "don\'t"', "c3"),
    ("notes exists", "c3"),
    ("notes is null", "a1 b2 d4"),
    ("notes is not null", "c3"),
    ("group = 'g'", "b2"),
    ("group != 'g'", "a1 c3 d4"),
    ("parent = 'a1'", "d4"),
    ("attempts > 1", "d4"),
    ("tag = 'x'", "a1 b2"),
    ("tags = 'base line'", "a1"),
    ("tag != 'x'", "c3 d4"),
    ("tag ~ 'base*'", "a1"),
    ("tag exists", "a1 b2"),
    ("config.lr < 0.05", "b2"),
    ("config.lr<=1e-1 AND config.lr >= .01", "a1 b2"),
    ("config.lr = 'auto'", "c3"),
    ("config.lr exists", "a1 b2 c3"),
    ("config.lr = null", "d4"),
    ("config.lr != 0.1", "b2 c3 d4"),
    ("config.lr in (0.1, 'auto')", "a1 c3"),
    ("config.optim.name = 'adam'", "a1"),
    ("config.optim.lr > -5", "a1"),
    ("config.amp = true", "a1"),
    ("config.amp = false", "b2"),
    ('config."it\'s" = 1', "a1"),
    ('config."my key" contains "y"', "a1"),
    ("summary.val/loss <= 0.5", "a1"),
    ("summary.val/loss = nan", "b2"),
    ("summary.loss.min < 1", "a1"),
    ("summary.note ~ '*d' and not summary.note = 'bad'", "a1"),
    ("duration >= '30s' and duration < '1m'", "a1 b2 c3 d4"),
    ("duration > 3600", ""),
    ("created > '2026-01-01T00:00:30+00:00'", "b2 c3 d4"),
    (f"created <= {START_US / 1e6}", "a1"),
    ("ended exists", "a1 b2 d4"),
    ({}, "a1 b2 c3 d4"),
    ({"state": "failed"}, "b2"),
    ({"config.lr": {"$lt": 0.05, "$gt": 0}}, "b2"),
    ({"$or": [{"state": "failed"}, {"tags": "base line"}]}, "a1 b2"),
    ({"$and": [{"state": {"$ne": "failed"}}, {"tags": {"$in": ["x", "y"]}}]}, "a1"),
    ({"$nor": [{"state": "failed"}, {"tags": "x"}]}, "c3 d4"),
    ({"display_name": {"$regex": "^lstm.*"}}, "a1 b2"),
    ({"display_name": {"$regex": r"lstm\*l.rge$"}}, "b2"),
    ({"summary_metrics.val/loss": {"$exists": True}}, "a1 b2 c3"),
    ({"config.lr": {"$exists": False}}, "d4"),
    ({"config.lr": {"$not": {"$gte": 0.05}}}, "b2 c3 d4"),
    ({"config.lr": None}, "d4"),
    ({"config.amp": True}, "a1"),
    ({"config.optim.name": {"$nin": ["adam"]}}, "b2 c3 d4"),
]


@pytest.mark.parametrize(("filters", "expected"), CASES, ids=lambda case: str(case)[:60])
def test_filters(database: Database, filters: Any, expected: str) -> None:
    assert sorted(ask(database, filters)) == expected.split()


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, "d4 c3 b2 a1"),
        ("-created", "d4 c3 b2 a1"),
        ("created", "a1 b2 c3 d4"),
        ("summary.val/loss", "a1 c3 b2 d4"),  # numbers, then what is no number, then nothing
        ("-summary.val/loss", "c3 a1 b2 d4"),
        ("-config.lr", "a1 b2 c3 d4"),
        ("state, -created", "b2 a1 d4 c3"),
        ("group,created", "b2 a1 c3 d4"),
    ],
)
def test_orders(database: Database, order: str | None, expected: str) -> None:
    assert ask(database, None, order) == expected.split()
    assert ask(database, None, order, 2) == expected.split()[:2]


def test_spans_count_back_from_now(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = START_US / 1e6 + 90
    monkeypatch.setattr(time, "time", lambda: now_s)
    for words in ("'1m ago'", "'60 s'", "'1 minute ago'", "'-1m'"):
        assert sorted(ask(database, f"created > {words}")) == ["b2", "c3", "d4"]


FIELDS = ["name", "state", "config.lr", "summary.val/loss", "config.optim.name", "tag", "group"]
LITERALS = st.one_of(
    st.sampled_from(["x", "adam", "auto", "failed", "lstm-small", "'", '"', "%", "_", "\\", "--", ";", "名", "*"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
)


@given(data=st.data(), field=st.sampled_from(FIELDS), text=LITERALS)
def test_no_text_breaks_out_of_its_quotes(data: st.DataObject, field: str, text: str) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    operator = data.draw(st.sampled_from(["=", "!=", "contains", "~"]))
    spelled = RunQuery("sqlite")
    sql = spelled.select(["id"], Page(parse_filter(f"{field} {operator} {quoted}")))
    if operator != "~":
        assert text in spelled.parameters.values()
    # Whatever the text, the statement is the same.
    plain = RunQuery("sqlite")
    assert sql == plain.select(["id"], Page(parse_filter(f"{field} {operator} 'q'")))


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ("statee = 'x'", "no field 'statee'; did you mean config.statee or summary.statee?"),
        ("state =", "at 'the end'"),
        ("state = 'x' and", "expected a field"),
        ("(state = 'x'", r"expected '\)'"),
        ("state = 'x' state = 'y'", "expected 'and', 'or' or the end"),
        ("config.lr 3", "expected = != <"),
        ("state = 3", "state is text and got 3; quote it"),
        ("created > 'soonish'", "takes a date such as"),
        ("duration > 'long'", "takes seconds, or a text such as '1h30m'"),
        ("config.lr = $x", "cannot be read"),
        ("config.lr < null", "means nothing"),
        ("attempts = 'x'", "is a number"),
        ("state not = 'x'", "after 'not'"),
        ("__import__('os').system('x')", "cannot be read"),
        ("__class__ = 'x'", "has no field '__class__'"),
        ("state = 'x'; DROP TABLE runs", "cannot be read"),
        ({"config.lr": {"$foo": 1}}, r"operator '\$foo'; known are"),
        ({"name": {"$regex": "(a+)+$"}}, r"\$regex"),
        ({"state": ["x"]}, "'\\$in'"),
        ({"$or": 3}, "takes a list of dicts"),
        (3, "give a text"),
    ],
)
def test_what_cannot_be_read_is_said(filters: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_filter(filters)


@pytest.mark.parametrize("order", ["tag", "nope", ""])
def test_orders_that_cannot_be_read(order: str) -> None:
    with pytest.raises(UsageError):
        parse_order(order)


def test_quick_filters_on_a_hundred_thousand_runs_use_the_index(tmp_path: Path) -> None:
    store = StoreBuilder(tmp_path)
    query = RunQuery("sqlite")
    sql = query.select(["id"], Page(parse_filter("summary.loss < 0.1")))
    plan = " ".join(str(row) for row in store.database.query(f"EXPLAIN QUERY PLAN {sql}", query.parameters))
    assert "run_values" in plan
    assert "SCAN v" not in plan
