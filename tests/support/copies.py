"""Comparing a run with what a server has of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from treering.store.database import Database, open_database
from treering.store.departures import document_of
from treering.store.reader import RunReader
from treering.store.streams import STREAMS
from treering.store.values import encode


def opened(place: Path | str) -> Database:
    """The database of a store's folder, of a bundle's file, or at an address."""
    if isinstance(place, Path):
        return open_database(place if place.is_file() else place / "treering.db", read_only=True)
    return open_database(place)


def rows_of(database: Database, run_id: str, stream: str) -> dict[int, bytes]:
    """All rows of a stream by number, superseded ones too, as bytes: NaN is equal to itself there."""
    reader = RunReader(database, run_id)
    damage: list[Any] = []
    found = reader.own_rows(stream, 0, reader.next_row(stream), damage)
    assert damage == []
    return {row: encode(sorted(data.items())) for row, data in found.items()}


def said_of(database: Database, run_id: str) -> dict[str, Any]:
    """A run's document, less what each store says for itself."""
    document = msgspec.to_builtins(document_of(database, run_id), builtin_types=(bytes,), enc_hook=repr)
    return {name: value for name, value in document.items() if name not in {"version", "uses", "aliases"}}


def assert_copied(mine: Path | str, theirs: Path | str, run_id: str) -> int:
    """The server has the run as it is here: nothing lost, nothing doubled; how many rows of history it has."""
    here, there = opened(mine), opened(theirs)
    try:
        assert said_of(there, run_id) == said_of(here, run_id)
        for stream in STREAMS:
            ours, copied = rows_of(here, run_id, stream), rows_of(there, run_id, stream)
            assert copied.keys() == ours.keys()
            assert copied == ours
            assert RunReader(there, run_id).next_row(stream) == RunReader(here, run_id).next_row(stream)
            columns = {key: info.value_count for key, info in RunReader(here, run_id).columns(stream).items()}
            assert {key: info.value_count for key, info in RunReader(there, run_id).columns(stream).items()} == columns
        summaries = [
            one.query("SELECT summary FROM runs WHERE id = :id", {"id": run_id})[0][0] for one in (here, there)
        ]
        assert summaries[0] is not None
        decoded = [encode(sorted(msgspec.msgpack.decode(one).items())) for one in summaries]
        assert decoded[0] == decoded[1]
        return RunReader(there, run_id).next_row("history")
    finally:
        here.close()
        there.close()
