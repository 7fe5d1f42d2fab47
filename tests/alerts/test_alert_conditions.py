"""What rules watch for, in runs that are written by hand."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from store_builder import START_US, StoreBuilder

from treering.alerts import parse_condition
from treering.api import Api
from treering.errors import UsageError

INFINITE, NAN = float("inf"), float("nan")


def told(store: StoreBuilder, run: str, condition: str, now_us: int | None = None) -> list[str]:
    """The texts of what a condition finds in a run."""
    with Api(store.place) as api:
        found = parse_condition(condition).check(api.run(run), time.time_ns() // 1000 if now_us is None else now_us)
        return [finding.text for finding in found]


@pytest.fixture
def store(tmp_path: Path) -> StoreBuilder:
    return StoreBuilder(tmp_path / "store")


def test_one_spike_is_enough(store: StoreBuilder) -> None:
    store.run("r").log([(step, {"loss": 9.5 if step == 31 else 1.0}) for step in range(5000)])
    assert told(store, "r", "loss > 9") == ["loss reached 9.5 (loss > 9)"]
    assert told(store, "r", "loss >= 9.5") == ["loss reached 9.5 (loss >= 9.5)"]
    assert told(store, "r", "loss > 9.5") == []
    assert told(store, "r", "loss < 1") == []
    assert told(store, "r", "loss <= 1") == ["loss reached 1 (loss <= 1)"]
    assert told(store, "r", "`loss` > -1e-3") == ["loss reached 9.5 (`loss` > -1e-3)"]
    assert told(store, "r", "other > 0") == []


def test_after_a_step(store: StoreBuilder) -> None:
    store.run("r").log([(step, {"loss": 100.0 - step}) for step in range(100)])
    assert told(store, "r", "loss > 90 after 11") == []
    assert told(store, "r", "loss > 50 after step 20") == ["loss reached 80 at step 20 (loss > 50 after step 20)"]


def test_patterns_and_names_with_blanks(store: StoreBuilder) -> None:
    store.run("r").log([(0, {"val/a": 2.0, "val/b": 3.0, "train/a": 9.0, "my loss": 7, "text": "high"})])
    assert told(store, "r", "val/* > 1") == ["val/a reached 2 (val/* > 1)", "val/b reached 3 (val/* > 1)"]
    assert told(store, "r", "my loss > 6.5") == ["my loss reached 7 (my loss > 6.5)"]
    assert told(store, "r", "text > 0") == []


def test_numbers_that_are_none(store: StoreBuilder) -> None:
    store.run("r").log([(0, {"a": NAN, "b": INFINITE, "c": 1.0}), (1, {"a": NAN, "b": 0.0, "c": 2.0})])
    assert told(store, "r", "a is nan") == ["a was NaN (2 of 2 values)"]
    assert told(store, "r", "b is NaN") == ["b was infinite"]
    assert told(store, "r", "* is not finite") == ["a was NaN (2 of 2 values)", "b was infinite"]
    assert told(store, "r", "c is nan") == []
    assert told(store, "r", "a > 0") == []


def test_no_progress(store: StoreBuilder) -> None:
    store.run("r", state="running", ended_us=None).log([(step, {"loss": 1.0}) for step in range(10)])
    last_us = START_US + 9_000_000
    assert told(store, "r", "no progress for 30m", last_us + 1799 * 1_000_000) == []
    assert told(store, "r", "no progress for 30 minutes", last_us + 1800 * 1_000_000) == [
        "nothing was logged for 30 minutes, after row 10"
    ]
    store.run("empty", state="running", ended_us=None)
    assert told(store, "empty", "no progress for 1h", START_US + 60_000_000 + 3_601_000_000)
    store.run("over").log([(0, {"loss": 1.0})])
    assert told(store, "over", "no progress for 1s") == []


def test_ends(store: StoreBuilder) -> None:
    store.run("f", state="failed", failure={"type": "ValueError", "message": "boom", "step": 1234})
    store.run("l", state="lost")
    assert told(store, "f", "state is failed") == ["it failed at step 1,234: ValueError: boom"]
    assert told(store, "l", "run is failed or lost") == ["it was lost"]
    assert told(store, "l", "state is failed, preempted") == []


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "cannot be read"),
        ("loss", "cannot be read"),
        ("loss > high", "is no number"),
        ("loss > nan", "is no number"),
        ("> 5", "cannot be read"),
        ("state is broken", "runs end failed, lost"),
        ("no progress", "cannot be read"),
        ("loss > 5\x00", "cannot be read"),
        ("a" * 2000 + " > 1", "cannot be read"),
    ],
)
def test_what_cannot_be_read(condition: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_condition(condition)
