"""Rows that come as columns: the same rows in the end, whatever way they took, and nothing that is not checked."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from copies import assert_copied, opened, rows_of
from pcodec import ChunkConfig, standalone

import treering
from treering.errors import UsageError
from treering.online.client import Client, RowsExpected
from treering.online.delivery import AttemptPart, ColumnPiece, RunDocument
from treering.store.columns import encode_chunks
from treering.store.packed import columns_page

TOKEN = "secret-token-of-these-tests-0123456789abcdef"
BEGAN_US = 1_767_225_600_000_000
QUIET: dict[str, Any] = {"quiet": True, "capture_git": False, "system_interval_s": 0, "console": False}


@pytest.fixture(scope="module")
def taking(tmp_path_factory: pytest.TempPathFactory, serve_all: Callable[..., Any]) -> Iterator[Any]:
    with serve_all(tmp_path_factory.mktemp("columns") / "server") as served:
        yield served


def document() -> RunDocument:
    return RunDocument(
        version=1, project="p", name="n", state="running", created_us=BEGAN_US, attempt=1,
        attempts=[AttemptPart(1, "running", BEGAN_US, 0)],
    )  # fmt: skip


def piece(key: str, rows: Any, values: Any, kind: str = "int64") -> ColumnPiece:
    chunk = next(encode_chunks(kind, rows, values))
    return ColumnPiece(key, kind, chunk.first_row, chunk.last_row, chunk.count, chunk.rows, chunk.data)


def axes(rows: Any) -> list[ColumnPiece]:
    numbers = np.asarray(rows)
    return [piece("_step", rows, numbers * 10), piece("_time", rows, BEGAN_US + numbers)]


def stored(place: Path | str) -> dict[int, dict[str, Any]]:
    database = opened(place)
    try:
        return {row: dict(msgspec.msgpack.decode(data)) for row, data in rows_of(database, "r", "history").items()}
    finally:
        database.close()


def test_columns_come_once_and_in_order(place: Path | str, serve: Callable[..., Any]) -> None:
    def columns(low: int, stop: int, factor: int = 2) -> list[ColumnPiece]:
        rows = range(low, stop)
        odd = np.array([row for row in rows if row % 3 == 1])
        return [*axes(rows), piece("a", rows, np.arange(low, stop) * factor), piece("odd", odd, odd / 2, "float64")]

    with serve(place) as served, Client(served.url, TOKEN) as client:
        client.put_run("r", document())
        assert client.append_columns("r", "history", 0, 100, columns(0, 100)) == 100
        with pytest.raises(RowsExpected) as gap:
            client.append_columns("r", "history", 150, 200, columns(150, 200))
        assert gap.value.expected == 100
        assert client.append_columns("r", "history", 0, 100, columns(0, 100, -1)) == 100
        assert client.append_columns("r", "history", 40, 180, columns(40, 180)) == 180
        # Numbers behind the last row, which nobody has.
        assert client.append_columns("r", "history", 180, 300, columns(180, 290)) == 300
        rows = stored(place)
        assert sorted(rows) == list(range(290))
        assert all(row["a"] == number * 2 for number, row in rows.items())
        assert {number: row["odd"] for number, row in rows.items() if "odd" in row} == {
            number: number / 2 for number in range(1, 290, 3)
        }
        with treering.Api(place) as api:
            run = api.run("r")
            known = run.metrics["a"]
            assert (known.count, known.min, known.max, known.last) == (290, 0, 578, 578)
            assert list(run.history("a").x)[:3] == [0, 10, 20]


def test_what_a_training_logs_goes_over_as_columns(
    taking: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of all kinds as they are; where there is a text among them, as rows."""
    sent: list[str] = []
    append = Client._append

    def noted(self: Client, path: str, *arguments: Any, **options: Any) -> int:
        sent.append(path.split("/")[2])
        return append(self, path, *arguments, **options)

    monkeypatch.setattr(Client, "_append", noted)
    settings = {**QUIET, "url": taking.url, "api_key": TOKEN, "flush_interval_s": 30}
    for run_id, extra in (("numbers", {}), ("words", {"word": "ä"})):
        sent.clear()
        with treering.init("p", id=run_id, dir=tmp_path / "here", mode="online", settings=settings) as run:
            for step in range(500):
                done = {"done": step % 2 == 0} if step % 5 == 0 else {}
                run.log({"loss": 1 / (step + 1), "count": step, **done, **(extra if step == 400 else {})})
                if step == 250:
                    run.log({"loss": float("nan"), "count": 0.5})
        assert set(sent) == {"rows" if extra else "columns"}
        assert assert_copied(tmp_path / "here", taking.folder, run_id) == 501


def test_a_page_cuts_chunks_where_it_has_to(tmp_path: Path) -> None:
    with treering.init("p", id="r", dir=tmp_path, settings=QUIET) as run:
        for step in range(300):
            run.log({"a": step})
    database = opened(tmp_path)
    page = columns_page(database, "r", "history", 100, 250)
    assert page is not None
    assert {(one.first_row, one.last_row, one.count) for one in page.pieces} == {(100, 249, 150)}
    assert columns_page(database, "r", "history", 290, 300) is None  # a few go as rows
    database.close()


PACKED_ZEROS = bytes((1,)) + standalone.simple_compress(np.zeros(1 << 22, dtype=np.int64), ChunkConfig())
TEN = range(10)


def hostile(**changed: Any) -> list[ColumnPiece]:
    good = piece("a", TEN, list(TEN))
    return [*axes(TEN), msgspec.structs.replace(good, **changed)]


HOSTILE: list[tuple[str, Any]] = [
    ("no columns", b""),
    ("no columns", b"\xc1"),
    ("no columns", b"\x91" * 100_000),
    ("no columns", msgspec.msgpack.encode([[1, 2, 3]])),
    ("'_step' is missing", []),
    ("'_time' is missing", axes(TEN)[:1]),
    ("'_step' is missing", [*axes(TEN), axes(TEN)[0]]),
    ("different rows", [axes(TEN)[0], axes(range(9))[1]]),
    ("before 1970", [axes(TEN)[0], piece("_time", TEN, [-1] * 10)]),
    ("of kind 'json'", hostile(kind="json")),
    ("name that no column", hostile(key="nul\0")),
    ("name that no column", hostile(key="x" * 5000)),
    ("has 0 values", hostile(count=0)),
    ("has -1 values", hostile(count=-1)),
    ("too many values", hostile(count=2**62)),
    ("has 65,537 values", hostile(count=65_537)),
    ("has rows 0 to 10", hostile(last_row=10)),
    ("has rows -1 to 9", hostile(first_row=-1)),
    ("cannot fill rows", hostile(count=9)),
    ("10 numbers where 9", hostile(count=9, last_row=8)),
    ("cannot be read", hostile(data=b"")),
    ("newer than this", hostile(data=b"\x07" + bytes(80))),
    ("newer than this", hostile(data=b"\x03" + bytes(80))),
    ("cannot be read", hostile(data=b"\x01\xff\xff")),
    ("numbers where 10", hostile(data=PACKED_ZEROS)),
    ("numbers where 10", hostile(rows=PACKED_ZEROS)),
    ("do not ascend", hostile(rows=b"\x00" + np.array([0, 2, 1, 3, 4, 5, 6, 7, 8, 9]).tobytes())),
    ("do not ascend", hostile(rows=b"\x00" + np.arange(10).tobytes(), last_row=9, first_row=1)),
    ("rows without a step", [*axes(range(5)), piece("a", TEN, list(TEN))]),
    ("rows without a step", [*axes(np.array([0, 2, 4])), piece("a", range(3), [1, 2, 3])]),
    ("two values in a row", [*hostile(), piece("a", range(3, 5), [0.5, 1.5], "float64")]),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_columns(number: int, taking: Any) -> None:
    text, sent = HOSTILE[number]
    body = sent if isinstance(sent, bytes) else msgspec.msgpack.encode(sent)
    with Client(taking.url, TOKEN) as client:
        client.put_run("hostile", document())
        tracemalloc.start()
        with pytest.raises(UsageError, match=text):
            client._append("runs/hostile/columns/history", 0, 10, body)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20
        assert client.beat("hostile").next_rows["history"] == 0
