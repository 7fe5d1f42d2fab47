"""Damaged bytes: what was kept can be read, and one warning says what was lost."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import run_program

import treering
from treering.api import ApiRun
from treering.errors import TreeringWarning
from treering.journal import Segment, read_segment, segments_in
from treering.store import DATABASE
from treering.store.read_columns import CACHE
from treering.store.recover import recover_folder

Read = Callable[[str], ApiRun]


KILLED = """
import os, signal
import treering
run = treering.init(id="r", settings={"flush_interval_s": 60})
run.flush()
for number in range(100):
    run.log({"number": number})
os.kill(os.getpid(), signal.SIGKILL)
"""


def offsets(path: Path) -> list[int]:
    """Where each record of a segment begins."""
    segment = Segment(path)
    found = [16]
    for data in read_segment(segment).records:
        found.append((found[-1] + 16 + len(data) + 7) & ~7)
    segment.close()
    return found


def damage(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


DAMAGES: dict[str, Callable[[Path, int], None]] = {
    "checksum": lambda path, record: damage(path, record, b"\xff"),
    "length": lambda path, record: damage(path, record + 8, (20).to_bytes(8, "little")),
    "enormous length": lambda path, record: damage(path, record + 8, (2**63).to_bytes(8, "little")),
    "a length beyond the end": lambda path, record: damage(path, record + 8, (1 << 25).to_bytes(8, "little")),
    "data": lambda path, record: damage(path, record + 20, b"\x00\x00"),
    "torn": lambda path, record: damage(path, record + 16, bytes(1 << 14)),
}


@pytest.mark.parametrize("kind", list(DAMAGES))
def test_a_damaged_tail_of_a_journal(kind: str, tmp_path: Path, store: Path) -> None:
    run_program(KILLED, tmp_path)
    (path,) = segments_in(store / "journal" / "r")
    starts = offsets(path)
    DAMAGES[kind](path, starts[-11])  # the last one is the free place behind all
    (found,) = recover_folder(store).runs
    assert found.state == "lost"
    assert len(found.damage) == 1
    assert path.name in found.damage[0]
    assert f"byte {starts[-11]}" in found.damage[0]
    run = treering.Api(store).run("r")
    assert run.history("number").values.tolist() == list(range(90))
    assert run.failure is not None
    assert "journal is damaged" in run.failure["message"]
    assert [kept.name for kept in (store / "damaged").iterdir()] == [f"r-{path.name}"]
    assert not (store / "journal" / "r").exists()
    resumed = treering.init(id="r", resume="must")
    resumed.log({"number": 90})
    resumed.finish()
    assert treering.Api(store).run("r").history("number").values.tolist() == list(range(91))


@pytest.mark.parametrize(
    "content", [b"", bytes(4096), b"garbage" * 100, b"short"], ids=["empty", "zeros", "bad", "short"]
)
def test_a_segment_that_is_none(content: bytes, tmp_path: Path, store: Path) -> None:
    run_program(KILLED, tmp_path)
    (path,) = segments_in(store / "journal" / "r")
    path.with_name("00000002.journal").write_bytes(content)
    (found,) = recover_folder(store).runs
    # A file that the kill left empty is no damage.
    assert bool(found.damage) == bool(content.strip(b"\0"))
    assert treering.Api(store).run("r").history("number").values.tolist() == list(range(100))


def flip_chunk(store: Path, key: str, which: int = 0) -> tuple[int, int]:
    """Flip one bit in a chunk of a column; returns its first and last row."""
    with contextlib.closing(sqlite3.connect(store / DATABASE, timeout=10)) as database:
        chunks = database.execute(
            "SELECT column_id, first_row, last_row, data FROM chunks JOIN columns ON id = column_id WHERE key = ? "
            "ORDER BY first_row",
            [key],
        ).fetchall()
        column, first, last, data = chunks[which]
        data = data[: len(data) // 2] + bytes((data[len(data) // 2] ^ 8,)) + data[len(data) // 2 + 1 :]
        database.execute("UPDATE chunks SET data = ? WHERE column_id = ? AND first_row = ?", [data, column, first])
        database.commit()
    return first, last


def test_a_bit_flipped_in_a_chunk(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        for number in range(70_000):
            run.log({"loss": number / 7, "number": number})
    run = read("r")
    assert run.check() == []
    first, last = flip_chunk(store, "loss")
    assert (first, last) == (0, 65_535)
    CACHE.clear()
    with pytest.warns(TreeringWarning, match=r"run r, history 'loss'.*rows 0 to 65535 are damaged.*treering doctor"):
        series = read("r").history("loss")
    assert series.values.tolist() == [number / 7 for number in range(65_536, 70_000)]
    assert len(series.damage) == 1
    assert read("r").history("number").values.tolist() == list(range(70_000))
    (found,) = read("r").check()
    assert (found.first_row, found.last_row) == (0, 65_535)


def test_a_bit_flipped_under_a_living_run(store: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that cannot be merged any more keeps nothing else out, not now, not at the end, not when resumed."""
    run = treering.init(id="r", settings={"flush_interval_s": 0.01})
    for number in range(20):
        run.log({"loss": number / 7})
        assert run.flush(30)
    # Both a merged chunk and a loose one.
    spans = [flip_chunk(store, "loss", which) for which in (0, -1)]
    for number in range(20, 400):
        run.log({"loss": number / 7})
        if number % 5 == 0:
            assert run.flush(30)
    run.finish()

    def check(count: int) -> None:
        with pytest.warns(TreeringWarning, match="are damaged"):
            series = read("r").history("loss")
        lost = {row for first, last in spans for row in range(first, last + 1)}
        assert len(lost) < 20
        kept = [number for number in range(count) if number not in lost]
        assert series.row_numbers.tolist() == kept
        assert series.values.tolist() == [number / 7 for number in kept]
        assert len(read("r").check()) == len(spans)

    check(400)
    with treering.init(id="r", resume="must", resume_step=399) as run:
        for number in range(400, 500):
            run.log({"loss": number / 7})
    check(500)
    assert read("r").state == "finished"
    with treering.init(id="r", resume="must", resume_step=449) as run:
        for number in range(450, 460):
            run.log({"loss": number / 7})
    assert read("r").state == "finished"
    assert read("r").summary["loss"] == 459 / 7


def test_a_record_that_nothing_can_be_made_of(store: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bad record, whoever wrote it, does not keep the others out of the store."""
    run = treering.init(id="r", settings={"flush_interval_s": 60})
    run.flush()
    run.log({"x": 0})
    with run._lock:
        run._append(b"\xc1 is no MessagePack")
        run._append(b"\x95\x00\xa1r\x00\x00\x00")  # a row whose number is text
    run.log({"x": 1})
    with pytest.warns(TreeringWarning, match="cannot be stored"):
        run.finish()
    assert read("r").state == "finished"
    assert read("r").history("x").values.tolist() == [0, 1]
