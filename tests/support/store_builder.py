"""Stores written by hand: any run, attempt, row and blob a reader may meet, without a living run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from treering.records import Row
from treering.store.columns import encode_chunks
from treering.store.database import Database, open_database
from treering.store.history import HistoryWriter
from treering.store.runs import flatten_values
from treering.store.stats import ColumnStats
from treering.store.streams import STREAMS
from treering.store.values import decode, encode

#: 2026-01-01 00:00 UTC, microseconds.
START_US = 1_767_225_600_000_000


class StoreBuilder:
    """One store being written.

    Args:
        place: folder of an embedded store, or a PostgreSQL address.
    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        where = place / "treering.db" if isinstance(place, Path) else place
        self.database: Database = open_database(where, create=True)
        self._runs = 0

    def run(self, run_id: str, **given: Any) -> RunBuilder:
        """Add a run; each starts a minute after the one before. Packed columns are given as plain data."""
        created_us = START_US + self._runs * 60_000_000
        self._runs += 1
        row: dict[str, Any] = {
            "id": run_id,
            "project": "p",
            "name": f"name-{run_id}",
            "state": "finished",
            "created_us": created_us,
            "updated_us": created_us + 30_000_000,
            "ended_us": created_us + 30_000_000,
            **given,
        }
        values = {scope: flatten_values(row.get(scope, {})) for scope in ("config", "summary")}
        for name in ("config", "summary", "tags", "failure", "capture", "definitions"):
            if name in row:
                row[name] = encode(row[name])
        columns = ", ".join(row)
        self.database.execute(f"INSERT INTO runs ({columns}) VALUES ({', '.join(f':{name}' for name in row)})", row)
        self.database.execute_many(
            "INSERT INTO run_values (run_id, scope, key, number, text) VALUES (:r, :s, :k, :n, :t)",
            [
                {"r": run_id, "s": scope, "k": key, "n": number, "t": text}
                for scope in values
                for key, (number, text) in values[scope].items()
            ],
        )
        for tag in given.get("tags", ()):
            self.database.execute("INSERT INTO run_tags (run_id, tag) VALUES (:r, :t)", {"r": run_id, "t": tag})
        builder = RunBuilder(self.database, run_id, created_us)
        builder.attempt()
        return builder


class RunBuilder:
    """One run being written."""

    def __init__(self, database: Database, run_id: str, created_us: int) -> None:
        self.database = database
        self.id = run_id
        self.created_us = created_us
        self.writer = HistoryWriter(database, run_id)
        self._attempts = 0

    def attempt(self, from_step: int | None = None, **given: Any) -> RunBuilder:
        """Open the next attempt."""
        self._attempts += 1
        row = {
            "run_id": self.id,
            "attempt": self._attempts,
            "state": "finished",
            "started_us": self.created_us + self._attempts - 1,
            "ended_us": None,
            "from_step": from_step,
            "first_row": self.writer.next_row("history"),
            **given,
        }
        columns = ", ".join(row)
        self.database.execute(f"INSERT INTO attempts ({columns}) VALUES ({', '.join(f':{name}' for name in row)})", row)
        return self

    def log(
        self, rows: Iterable[tuple[int, Mapping[str, Any]]], stream: str = "history", *, batch: int = 1000
    ) -> RunBuilder:
        """Append rows of (step, data), a second apart, `batch` at a time as a living run's writer would."""
        pending = list(rows)
        number = STREAMS.index(stream)
        for start in range(0, len(pending), batch):
            first = self.writer.next_row(stream)
            prepared = self.writer.prepare(
                stream,
                [
                    Row(
                        number,
                        first + at,
                        step,
                        (self.created_us + (first + at) * 1_000_000) * 1000,
                        decode(encode(data)),
                    )
                    for at, (step, data) in enumerate(pending[start : start + batch])
                ],
            )
            assert prepared is not None
            with self.database.transaction():
                self.writer.append(prepared)
        return self

    def column(self, key: str, kind: str, rows: Sequence[int], values: Any, stream: str = "history") -> None:
        """Write a column as its final chunks, for series too long to log row by row."""
        stats = ColumnStats()
        chunks = list(encode_chunks(kind, rows, values))
        stats.add(kind, values, chunks)
        with self.database.transaction():
            ((column_id,),) = self.database.query(
                "INSERT INTO columns (run_id, stream, key, kind, count, stats) VALUES (:r, :s, :k, :kind, :n, :stats) "
                "RETURNING id",
                {"r": self.id, "s": stream, "k": key, "kind": kind, "n": len(values), "stats": encode(stats)},
            )
            self.database.execute_many(
                "INSERT INTO chunks (column_id, first_row, last_row, count, kind, level, min, max, nan_count, rows, "
                "data, checksum) VALUES (:column_id, :first_row, :last_row, :count, :kind, :level, :minimum, "
                ":maximum, :nan_count, :rows, :data, :checksum)",
                [{"column_id": column_id, **chunk._asdict()} for chunk in chunks],
            )
            self.database.execute(
                "INSERT INTO streams (run_id, stream, next_row) VALUES (:r, :s, :n) ON CONFLICT (run_id, stream) "
                "DO UPDATE SET next_row = excluded.next_row",
                {"r": self.id, "s": stream, "n": rows[-1] + 1},
            )
