"""The journal by itself: what was appended is read, whole and in order, from wherever its bytes come."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treering.journal import (
    Journal,
    JournalClosed,
    JournalFull,
    Page,
    Position,
    Segment,
    read_segment,
    segments_in,
)

SEGMENT_BYTES = 4096
BEGINNING = Position(0, 0)


def append(journal: Journal, data: bytes) -> None:
    with journal.lock:
        journal.append(data)


def read_all(journal: Journal, start: Position = BEGINNING, limit_bytes: int = 1 << 20) -> list[bytes]:
    found: list[bytes] = []
    while (page := journal.read(start, limit_bytes)).records:
        found += page.records
        start = page.end
    return found


def read_files(folder: Path) -> list[bytes]:
    """As the next process does after a crash."""
    found: list[bytes] = []
    for path in segments_in(folder):
        segment = Segment(path)
        page = read_segment(segment)
        segment.close()
        assert page.damage == ""
        found += page.records
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal", segment_bytes=SEGMENT_BYTES)
    yield journal
    journal.close(delete=False)


records = st.lists(st.binary(min_size=1, max_size=300) | st.binary(min_size=3000, max_size=9000), max_size=60)


@given(records=records, limit_bytes=st.integers(1, 5000), release=st.booleans())
@settings(max_examples=50, deadline=None)
def test_what_is_appended_is_read(records: list[bytes], limit_bytes: int, release: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), segment_bytes=SEGMENT_BYTES)
        read: list[bytes] = []
        position = BEGINNING
        for number, record in enumerate(records):
            append(journal, record)
            if number % 3 == 0:
                journal.prepare()
                page = journal.read(position, limit_bytes)
                read += page.records
                position = page.end
                if release:
                    journal.release(position)
        assert read + read_all(journal, position, limit_bytes) == records
        if not release:
            assert read_all(journal) == records
            assert read_files(Path(folder)) == records
        journal.close(delete=True)
        assert list(Path(folder).iterdir()) == []


def test_another_thread_reads_while_this_one_appends(journal: Journal) -> None:
    total, read, position = 20_000, 0, BEGINNING
    done = threading.Event()

    def work() -> None:
        for number in range(total):
            append(journal, b"%d" % number)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while read < total:
        finished = done.is_set()
        page = journal.read(position, 1 << 14)
        assert page.records == [b"%d" % number for number in range(read, read + len(page.records))]
        read += len(page.records)
        position = page.end
        journal.release(position)
        journal.prepare()
        assert page.records or not finished
    thread.join()
    assert journal.size_bytes() <= 3 * SEGMENT_BYTES


@given(data=st.data(), records=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_damage_anywhere_costs_nothing_before_it(data: st.DataObject, records: list[bytes]) -> None:
    """Flip any bits of the file: what is read is a beginning of what was written, and what is wrong is named."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), segment_bytes=SEGMENT_BYTES)
        starts = []
        for record in records:
            starts.append(journal.position().offset)
            append(journal, record)
        end = journal.position().offset
        journal.close(delete=False)
        (path,) = segments_in(Path(folder))
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(16, end - 1))
        content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        segment = Segment(path)
        page = read_segment(segment)
        segment.close()
        hit = max(number for number, start in enumerate(starts) if start <= at)
        used = starts[hit] + 16 + len(records[hit])
        if at >= used:  # padding
            assert page.records == records
        else:
            assert page.records == records[:hit]
            # Only a length of nothing looks like the end.
            assert page.damage or content[starts[hit] + 8 : starts[hit] + 16] in (bytes(8), b"\xff" * 8)
            assert page.end == Position(1, starts[hit])


@pytest.mark.parametrize("size", [0, 1, 8, 15, 16, 17, 100, SEGMENT_BYTES])
def test_a_truncated_file(size: int, tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=SEGMENT_BYTES)
    append(journal, b"x" * 100)
    journal.close(delete=False)
    (path,) = segments_in(tmp_path)
    os.truncate(path, size)
    if size % 8 or not size:
        with pytest.raises(ValueError, match="no segment"):
            Segment(path)
        return
    segment = Segment(path)
    page = read_segment(segment)
    segment.close()
    assert page.records == ([b"x" * 100] if size == SEGMENT_BYTES else [])
    assert size == SEGMENT_BYTES or page.damage or size == 16


def test_a_full_journal_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=SEGMENT_BYTES, limit_bytes=4 * SEGMENT_BYTES)
    stored: list[bytes] = []

    def fill() -> None:
        while True:
            append(journal, b"%064d" % len(stored))
            stored.append(b"%064d" % len(stored))

    with pytest.raises(JournalFull, match="limit") as caught:
        fill()
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.ENOSPC
    assert read_all(journal) == stored
    with pytest.raises(JournalFull):
        append(journal, b"x" * SEGMENT_BYTES)
    journal.release(journal.position())
    journal.prepare()
    append(journal, b"room again")
    assert read_all(journal)[-1] == b"room again"
    journal.close(delete=True)


def test_a_sealed_journal_takes_nothing_and_can_be_read(journal: Journal) -> None:
    append(journal, b"one")
    position = journal.position()
    journal.seal()
    for _ in range(2):
        with pytest.raises(JournalClosed):
            append(journal, b"two")
        journal.prepare()
        journal.restore_folder()
    assert journal.position() == position
    assert read_all(journal) == [b"one"]


def test_the_reader_is_never_kept_waiting(journal: Journal) -> None:
    """A signal handler may wait for the reader in the middle of an append."""
    append(journal, b"one")

    def work() -> None:
        journal.prepare()
        journal.read(BEGINNING, 100)
        journal.release(Position(1, 0))

    with journal.lock:
        done = threading.Thread(target=work)
        done.start()
        done.join(20)
        assert not done.is_alive()


def test_no_file_is_left_where_none_can_be_made(tmp_path: Path) -> None:
    source = tmp_path / "journal"
    source.mkdir()
    (source / "00000001.journal").write_bytes(b"someone else's")
    with pytest.raises(OSError, match="exists"):
        Journal(source, segment_bytes=SEGMENT_BYTES)
    assert (source / "00000001.journal").read_bytes() == b"someone else's"


def test_the_folder_may_be_deleted_underneath(journal: Journal) -> None:
    append(journal, b"one")
    for path in segments_in(journal.folder):
        path.unlink()
    journal.folder.rmdir()
    journal.restore_folder()
    append(journal, b"two")
    assert read_all(journal) == [b"one", b"two"]
    assert read_files(journal.folder) == [b"two"]


def test_an_empty_page_is_where_it_was_asked_for(journal: Journal) -> None:
    append(journal, b"one")
    assert journal.read(journal.position(), 100) == Page([], journal.position())
