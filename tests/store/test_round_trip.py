"""Any sequence of rows goes in and comes back equal: through the journal, chunks, merges, and both databases."""

from __future__ import annotations

import math
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from stored import chunks_of, rows_of, run_row

from treering.journal import Journal, Position
from treering.records import write_operation
from treering.store import Store, columns, history
from treering.store.columns import CHUNK_ROWS, decode_chunk, encode_chunks, merge_chunks
from treering.store.database import open_database
from treering.store.reader import RunReader
from treering.store.values import decode, encode, encode_logged, kind_of
from treering.writer import Writer

QUICK = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

text = st.text(max_size=20)
scalars = (
    st.floats()
    | st.integers()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(min_value=2**62, max_value=2**65)
    | st.booleans()
    | text
    | st.none()
    | st.binary(max_size=10)
)
items = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
# Few keys, so that columns have many values and change their kinds; a key without "/", so that paths are unambiguous.
keys = st.sampled_from(["loss", "a", "b", "", "nul\0", "ключ", "_x"])
rows_of_data = st.dictionaries(
    keys, st.floats() | st.integers(0, 9) | items | st.dictionaries(keys, scalars, min_size=1, max_size=3), max_size=5
)
steps = st.integers(-3, 20) | st.integers(-(2**63), 2**63 - 2)


def flat(data: dict[str, Any], path: str = "") -> dict[str, Any]:
    """What a row's columns should be."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = path + key.replace("\0", "\u2400")
        if isinstance(value, dict) and value:
            found.update(flat(value, f"{name}/"))
        else:
            found[name] = value
    return found


def exact(value: Any) -> Any:
    """A form in which equal means: of the same types, and floats of the same bits."""
    if isinstance(value, float):
        return struct.pack("d", value)
    if isinstance(value, (list, tuple)):
        return [exact(item) for item in value]
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    return (type(value).__name__, value)


def alike(left: Any, right: Any) -> bool:
    """Equal, though perhaps an int became the same float."""
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return bool(exact(left) == exact(right) or (isinstance(left, (int, float)) and left == right))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new store on either database."""
    place = tmp_path / "treering.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with Store(tmp_path, open_database(place, create=True)) as store:
        yield store


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    """A new store on SQLite."""
    with Store.open(tmp_path, create=True) as store:
        yield store


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge three chunks at a time, so that few rows reach all levels."""
    monkeypatch.setattr(history, "FAN_IN", 3)
    monkeypatch.setattr(columns, "level_of", lambda number: min(int(math.log(number, 3)), 4))


numbers = count()


@contextmanager
def new_run(store: Store) -> Iterator[tuple[str, Journal]]:
    """A run's id and its journal, which begins as each does; segments are as small as they can be."""
    run_id = f"run-{next(numbers)}"
    folder = Path(tempfile.mkdtemp(dir=store.folder))
    journal = Journal(folder, segment_bytes=4096)
    append(journal, write_operation("begin", begin(1, 0, None)))
    try:
        yield run_id, journal
    finally:
        journal.close(delete=True)
        shutil.rmtree(folder)


def begin(attempt: int, first_row: int, from_step: int | None) -> dict[str, Any]:
    run = dict.fromkeys(("group_name", "job_type", "notes", "parent_id", "parent_step", "resume_key"))
    return {
        "run": {"project": "p", "name": "n", "next_step": 0, **run},
        "attempt": attempt,
        "first_row": first_row,
        "from_step": from_step,
        "process": {},
    }


def append(journal: Journal, data: bytes) -> None:
    with journal.lock:
        journal.append(data)


def move(writer: Writer, journal: Journal, limit_bytes: int = 1 << 20) -> None:
    while writer.write(journal.read(writer.position, limit_bytes)):
        pass


class Hand:
    """Moves records into the store in steps, and now and then as after a crash."""

    def __init__(self, store: Store, run_id: str, journal: Journal) -> None:
        self.store, self.run_id, self.journal = store, run_id, journal
        self.writer = Writer(store, run_id)
        self._past = self.writer.position

    def move(self, how: str) -> None:
        if how == "little":
            self.writer.write(self.journal.read(self.writer.position, 1))
        elif how == "much":
            move(self.writer, self.journal)
        elif how == "restart":
            self.writer = Writer(self.store, self.run_id)
        elif how == "reload":
            self.writer.reload()
        elif how == "again":
            # As a server that was told twice: what it has is left out.
            self.writer.position = self._past
            move(self.writer, self.journal)
        self._past = max(self._past, Position(1, 16)) if how != "much" else self._past

    def next_journal(self, begin: bytes) -> None:
        """Go on as the next process does, after what the last one left has been moved."""
        self.move("much")
        end = self.journal.position()
        self.journal.close(delete=True)
        self.journal = Journal(self.journal.folder, first_segment=end.segment + 1, segment_bytes=4096)
        append(self.journal, begin)
        self.move("restart")
        self._past = self.writer.position

    def end(self) -> None:
        append(self.journal, write_operation("end", {"state": "finished", "failure": None}))
        move(self.writer, self.journal)


moves = st.sampled_from(["", "", "little", "much", "restart", "reload", "again"])


@pytest.mark.usefixtures("small")
@QUICK
@given(logged=st.lists(st.tuples(rows_of_data, steps, moves), max_size=40))
@example(logged=[({"a": 1.0}, 0, "much"), ({"b": 1.0}, 0, "little"), ({"a": 1}, 0, "much")] * 13)
@example(logged=[({"a": value}, 0, "much") for value in [1, 1.5, True, "x", None, 2**70, [2**70], b"", {}, -0.0] * 4])
def test_rows_come_back_as_they_went_in(store: Store, logged: list[tuple[dict[str, Any], int, str]]) -> None:
    with new_run(store) as (run_id, journal):
        hand = Hand(store, run_id, journal)
        for number, (data, step, how) in enumerate(logged):
            append(journal, encode_row(number, step, data))
            hand.move(how)
        hand.end()
    expected = {row: {"_step": step, **flat(data)} for row, (data, step, _) in enumerate(logged)}
    got = rows_of(store.database, run_id)
    assert {row: cells.pop("_time") for row, cells in got.items()} == {row: row * 1000 for row in expected}
    assert {row: exact(cells) for row, cells in got.items()} == {row: exact(cells) for row, cells in expected.items()}
    assert run_row(store.database, run_id)["state"] == "finished"
    check_reader(store, run_id, expected)
    check_statistics(store, run_id, expected)


def encode_row(number: int, step: int, data: dict[str, Any]) -> bytes:
    time_ns = number * 1_000_000
    return encode((0, number, step, time_ns, decode(encode_logged(data))))


def check_reader(store: Store, run_id: str, expected: dict[int, dict[str, Any]]) -> None:
    """The reader sees the same rows, though it may give a column one type."""
    seen = dict(RunReader(store.database, run_id).scan("history"))
    assert list(seen) == list(expected)
    for row, cells in expected.items():
        values = {key: value for key, value in seen[row].items() if key != "_time"}
        assert sorted(values) == sorted(cells)
        assert all(alike(values[key], value) for key, value in cells.items()), (values, cells)


def check_statistics(store: Store, run_id: str, expected: dict[int, dict[str, Any]]) -> None:
    """What is counted of a column is what is in it."""
    for key, info in RunReader(store.database, run_id).columns().items():
        if key == "_time":
            continue
        values = [cells[key] for cells in expected.values() if key in cells]
        plain = [value for value in values if kind_of(value) in {"float64", "int64", "bool"}]
        finite = [float(value) for value in plain if math.isfinite(value)]
        comparable = [float(value) for value in plain if not math.isnan(value)]
        stats = info.stats
        assert (stats.count, stats.finite, stats.nan) == (len(values), len(finite), len(plain) - len(comparable))
        assert stats.min == (min(comparable) if comparable else None)
        assert stats.max == (max(comparable) if comparable else None)
        assert exact(decode(encode(stats.last))) == exact(values[-1])
        assert exact(decode(encode(stats.first))) == exact(values[0])
        if sum(map(abs, finite)) < sys.float_info.max / 2:
            assert stats.sum == pytest.approx(math.fsum(finite), rel=1e-9, abs=1e-9 * math.fsum(map(abs, finite)))


@pytest.mark.usefixtures("small")
@QUICK
@given(
    script=st.lists(
        st.tuples(
            st.sampled_from(["log", "log", "log", "rewind", "resume", "resume at"]),
            st.integers(-2, 8),
            st.sampled_from(["", "", "much", "restart"]),
        ),
        max_size=40,
    )
)
def test_every_attempt_hides_what_it_replaces(store: Store, script: list[tuple[str, int, str]]) -> None:
    """Readers and statistics agree with the plainest model: a list from which rows are taken out."""
    shown: list[tuple[int, int, float]] = []
    attempt, row, awaited, next_step = 1, 0, False, 0
    with new_run(store) as (run_id, journal):
        hand = Hand(store, run_id, journal)
        for action, step, how in script:
            if action == "log":
                if awaited and step < next_step:
                    shown = [entry for entry in shown if entry[1] < step]
                awaited = False
                append(hand.journal, encode_row(row, step, {"x": float(row), "y": row % 3}))
                shown.append((row, step, float(row)))
                row, next_step = row + 1, step + 1
            else:
                attempt += 1
                fields = begin(attempt, row, None if action == "resume" else step)
                if action == "rewind":
                    append(hand.journal, write_operation("rewind", fields))
                else:
                    hand.next_journal(write_operation("begin", fields))
                if action != "resume":
                    shown = [entry for entry in shown if entry[1] < step]
                    next_step = step
                # Without a step, the first row says from where it goes on.
                awaited = action == "resume"
            hand.move(how)
        hand.move("much")
        reader = RunReader(store.database, run_id)
        column = reader.column("history", "x")
        assert column.rows.tolist() == [entry[0] for entry in shown]
        assert column.values.tolist() == [entry[2] for entry in shown]
        assert [number for number, _ in reader.scan("history")] == [entry[0] for entry in shown]
        assert len(reader.column("history", "x", superseded=True).values) == row
        stored = run_row(store.database, run_id)
        assert stored["next_step"] == next_step
        assert stored["attempt"] == attempt
        if row:
            stats = reader.columns()["x"].stats
            values = [entry[2] for entry in shown]
            extremes = min(values, default=None), max(values, default=None)
            assert (stats.count, stats.min, stats.max) == (len(values), *extremes)
            assert stats.mean == (pytest.approx(sum(values) / len(values)) if values else None)
            if values:
                assert (stats.first, stats.last) == (values[0], values[-1])
                assert stored["summary"]["x"] == values[-1]
            else:
                assert "x" not in (stored["summary"] or {})
        hand.end()
        assert reader.column("history", "x").rows.tolist() == [entry[0] for entry in shown]


# -- chunks -----------------------------------------------------------------------------------------------------------

floats = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
columns_of_values = (
    st.tuples(st.just("float64"), st.lists(floats, min_size=1, max_size=200))
    | st.tuples(st.just("int64"), st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=200))
    | st.tuples(st.just("bool"), st.lists(st.booleans(), min_size=1, max_size=200))
    | st.tuples(st.just("text"), st.lists(text, min_size=1, max_size=100))
    | st.tuples(st.just("json"), st.lists(items, min_size=1, max_size=20))
)


@given(
    column=columns_of_values,
    gaps=st.lists(st.integers(1, 2**40), min_size=200, max_size=200),
    first=st.integers(0, 2**40),
)
@settings(max_examples=200, deadline=None)
def test_a_chunk_comes_back(column: tuple[str, list[Any]], gaps: list[int], first: int) -> None:
    kind, values = column
    for rows in (range(first, first + len(values)), list(np.cumsum([first, *gaps])[: len(values)].tolist())):
        (chunk,) = encode_chunks(kind, rows, values)
        got_rows, got_values = decode_chunk(chunk)
        assert got_rows.tolist() == list(rows)
        got = got_values if isinstance(got_values, list) else got_values.tolist()
        assert exact(got) == exact(values)
        assert (chunk.first_row, chunk.last_row, chunk.count) == (rows[0], rows[-1], len(values))


@given(
    column=columns_of_values,
    cuts=st.lists(st.integers(0, 5), min_size=200, max_size=200),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=200, deadline=None)
def test_chunks_that_lie_among_each_other_merge(column: tuple[str, list[Any]], cuts: list[int], order: Any) -> None:
    """However rows were spread over chunks, one chunk has all of them in order."""
    kind, values = column
    parts: dict[int, list[int]] = {}
    for row, part in zip(range(len(values)), cuts, strict=False):
        parts.setdefault(part, []).append(row)
    chunks = [chunk for rows in parts.values() for chunk in encode_chunks(kind, rows, [values[row] for row in rows])]
    order.shuffle(chunks)
    (merged,) = merge_chunks(chunks)
    rows, got = decode_chunk(merged)
    assert rows.tolist() == list(range(len(values)))
    assert exact(got if isinstance(got, list) else got.tolist()) == exact(values)
    assert merged.rows is None


def test_a_large_column_is_cut_and_stays_whole(embedded: Store) -> None:
    """More rows than a chunk holds, some of them without a value, with merges at the real sizes."""
    store = embedded
    with new_run(store) as (run_id, journal):
        writer = Writer(store, run_id)
        total = CHUNK_ROWS + 5_000
        for number in range(total):
            data = {"all": number * 0.5, "third": number} if number % 3 == 0 else {"all": number * 0.5}
            append(journal, encode((0, number, number, number * 1000, data)))
            if number % 4000 == 0:
                move(writer, journal)
                journal.release(writer.position)
        append(journal, write_operation("end", {"state": "finished", "failure": None}))
        move(writer, journal)
    reader = RunReader(store.database, run_id)
    np.testing.assert_array_equal(reader.column("history", "all").values, np.arange(total) * 0.5)
    third = reader.column("history", "third")
    np.testing.assert_array_equal(third.rows, np.arange(0, total, 3))
    np.testing.assert_array_equal(third.values, np.arange(0, total, 3))
    assert len(chunks_of(store.database, run_id, "all")) == 2
    assert len(chunks_of(store.database, run_id, "third")) == 1


def test_a_column_is_rewritten_a_few_times_only(embedded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store, rewritten = embedded, 0

    def counting(chunks: Any, where: str = "") -> Any:
        nonlocal rewritten
        rewritten += sum(chunk.count for chunk in chunks)
        return merge_chunks(chunks, where)

    monkeypatch.setattr(history, "merge_chunks", counting)
    with new_run(store) as (run_id, journal):
        writer = Writer(store, run_id)
        total = 1500
        for number in range(total):
            append(journal, encode((0, number, number, 0, {"x": 1.0})))
            if number % 2 == 0:
                move(writer, journal)
        append(journal, write_operation("end", {"state": "finished", "failure": None}))
        move(writer, journal)
    assert rewritten <= 5 * 3 * total  # three columns, at most four levels and the end
    assert len(chunks_of(store.database, run_id, "x")) == 1


# -- odd text, which PostgreSQL takes less of -------------------------------------------------------------------------


@pytest.mark.parametrize("length", [100, 600, 3000, 100_000])
@pytest.mark.parametrize("letter", ["a", "🦉", "random"])
def test_names_of_any_length(store: Store, length: int, letter: str) -> None:
    """A database's index takes names up to a bound; a longer one is cut, and stays apart from others like it."""
    generator = np.random.default_rng(1)
    name = letter * length if letter != "random" else "".join(map(chr, generator.integers(0x4E00, 0x9FFF, length)))
    with new_run(store) as (run_id, journal):
        append(journal, encode((0, 0, 0, 0, {name: 1, f"{name}2": 2, "short": 3})))
        append(journal, write_operation("config", {"set": {name: 1, f"{name}2": {name: 5}}, "deleted": []}))
        append(journal, write_operation("set", {"tags": [name]}))
        append(journal, write_operation("end", {"state": "finished", "failure": None}))
        writer = Writer(store, run_id)
        move(writer, journal)
        assert writer.refused == []
    (cells,) = rows_of(store.database, run_id).values()
    assert sorted(value for key, value in cells.items() if key[0] != "_") == [1, 2, 3]
    assert cells["short"] == 3
    assert all(len(key.encode()) <= 2000 for key in cells)
    assert run_row(store.database, run_id)["config"][name] == 1


ODD = "nul\0 quote' \" % :name ; -- \ud7ff \U0010ffff \u202e"


def test_odd_text_in_every_column(store: Store) -> None:
    with new_run(store) as (run_id, journal):
        fields = {"name": ODD, "notes": ODD, "group_name": ODD, "job_type": ODD, "tags": [ODD], "capture": {ODD: ODD}}
        append(journal, write_operation("set", fields))
        append(journal, write_operation("config", {"set": {ODD: ODD}, "deleted": []}))
        append(journal, write_operation("summary", {"set": {ODD: ODD, "nan": math.nan}}))
        definition = {"name": ODD, "x": ODD, "summary": [], "goal": None, "hidden": False}
        append(journal, write_operation("define", definition))
        append(journal, encode((0, 0, 0, 0, {ODD: ODD})))
        append(journal, encode((3, 0, 0, 0, {"kind": ODD, "message": ODD})))
        append(journal, write_operation("end", {"state": "failed", "failure": {"message": ODD}}))
        writer = Writer(store, run_id)
        move(writer, journal)
        assert writer.refused == []
    row = run_row(store.database, run_id)
    clean = ODD.replace("\0", "\u2400")
    assert (row["state"], row["failure"]) == ("failed", {"message": ODD})
    assert row["name"] in {ODD, clean}
    assert row["notes"] in {ODD, clean}
    assert row["config"] == {ODD: ODD}
    (cells,) = rows_of(store.database, run_id).values()
    assert cells[clean] == ODD
    assert rows_of(store.database, run_id, "events")[0]["kind"] == ODD
