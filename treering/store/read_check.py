"""Checking a store: every byte that carries a checksum, every statistic that can be counted again.

Each check yields `Finding`s. One that can be repaired knows how; nothing here changes anything before it is asked to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from treering.errors import CorruptData, StoreError, TreeringError
from treering.store.columns import Chunk, decode_chunk, encode_chunks
from treering.store.stats import ColumnStats
from treering.store.superseded import cuts_of, visible
from treering.store.values import NUMERIC, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from treering.store.blobs import Blobs
    from treering.store.database import Database

__all__ = [
    "Finding",
    "check_artifacts",
    "check_blobs",
    "check_database",
    "check_run",
    "check_running",
    "repaired",
    "wanted_blobs",
]

# A blob lies there for a moment before the row that wants it; younger ones are left alone.
_YOUNG_S = 3600.0
_CHUNK_FIELDS = "first_row, last_row, count, kind, level, min, max, nan_count, rows, data, checksum"


class Finding(msgspec.Struct):
    """Something that is not as it should be.

    Attributes:
        kind: database, chunk, rows, statistics, blob, orphan or run.
        where: run and column, or file.
        message: what is wrong.
        repair: does what can be done and says what that was; None where nothing can.
        lost: whether something recorded is gone for good.
    """

    kind: str
    where: str
    message: str
    repair: Callable[[], str] | None = None
    lost: bool = False


def check_database(database: Database) -> Iterator[Finding]:
    """Let SQLite check its own pages, indexes and references."""
    if database.dialect != "sqlite":
        return
    where = str(getattr(database, "path", ""))
    for (message,) in database.query("PRAGMA integrity_check(20)"):
        if message != "ok":
            about_index = "index" in str(message)
            yield Finding("database", where, str(message), partial(_reindex, database) if about_index else None)
    for table, row, parent, _ in database.query("PRAGMA foreign_key_check"):
        yield Finding(
            "database",
            where,
            f"row {row} of {table} belongs to no row of {parent}",
            partial(_drop_row, database, table, row),
        )


def _reindex(database: Database) -> str:
    database.execute("REINDEX")
    return "built the indexes anew"


def _drop_row(database: Database, table: str, row: int) -> str:
    database.execute(f'DELETE FROM "{table}" WHERE rowid = :row', {"row": row})
    return "deleted it"


def check_running(database: Database, folder: Path | None) -> Iterator[Finding]:
    """Find runs that say they are running while nobody writes them."""
    if folder is None:
        return
    for run_id, updated_us in database.query("SELECT id, updated_us FROM runs WHERE state = 'running'"):
        # A living run holds the lock in its journal's folder, whatever it has written so far.
        if not (folder / "journal" / run_id).exists() and time.time() - updated_us / 1e6 > _YOUNG_S:
            yield Finding(
                "run",
                f"run {run_id}",
                "says that it is running, but no process has written it for an hour and its journal is gone",
                partial(_mark_lost, database, run_id, updated_us),
                lost=True,
            )


def _mark_lost(database: Database, run_id: str, updated_us: int) -> str:
    failure = encode({"type": "", "message": "its process and its journal are gone", "traceback": "", "step": None})
    values = {"run": run_id, "ended": updated_us, "failure": failure}
    with database.transaction():
        changed = database.execute(
            "UPDATE runs SET state = 'lost', ended_us = :ended, failure = :failure WHERE id = :run AND "
            "state = 'running'",
            values,
        )
        if changed:
            database.execute(
                "UPDATE attempts SET state = 'lost', ended_us = :ended, failure = :failure WHERE run_id = :run AND "
                "state = 'running'",
                values,
            )
    return "marked it as lost"


def check_run(database: Database, run_id: str, keep: Path | None = None) -> Iterator[Finding]:
    """Decode every chunk of a run and count its statistics again.

    Args:
        database: the store's; repairs write to it.
        run_id: the run; statistics of one that is still being written are not compared.
        keep: folder for damaged chunks when they are repaired, that is, taken out.
    """
    state = database.query("SELECT state FROM runs WHERE id = :run", {"run": run_id})[0][0]
    hidden = _hidden_rows(database, run_id)
    next_rows = dict(database.query("SELECT stream, next_row FROM streams WHERE run_id = :run", {"run": run_id}))
    columns = database.query(
        "SELECT id, stream, key, count, stats FROM columns WHERE run_id = :run ORDER BY id", {"run": run_id}
    )
    for column_id, stream, key, count, stats in columns:
        where = f"run {run_id}, {stream} {key!r}"
        check = _ColumnCheck(database, column_id, where, hidden if stream == "history" else None)
        yield from check.chunks(keep)
        if state == "running":
            continue
        yield from check.rows(next_rows.get(stream, 0))
        yield from check.statistics(count, stats, is_axis=key in {"_step", "_time"})


def _hidden_rows(database: Database, run_id: str) -> npt.NDArray[np.int64] | None:
    """Return the numbers of rows that a later attempt replaced; None for none."""
    cuts = cuts_of(database, run_id)
    found = database.query(
        "SELECT id FROM columns WHERE run_id = :run AND stream = 'history' AND key = '_step'", {"run": run_id}
    )
    if not cuts or not found:
        return None
    parts: list[tuple[Any, Any]] = []
    for chunk in _chunks_of(database, found[0][0]):
        try:
            parts.append(decode_chunk(chunk))
        except CorruptData:  # named by the check of `_step` itself
            continue
    if not parts:
        return None
    rows, steps = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    hidden: npt.NDArray[np.int64] = rows[~visible(rows, steps, cuts)]
    return hidden if len(hidden) else None


def _chunks_of(database: Database, column_id: int) -> Iterator[Chunk]:
    # One at a time: a column may be larger than memory, and a writer may merge chunks meanwhile.
    after = -1
    while True:
        rows = database.query(
            f"SELECT {_CHUNK_FIELDS} FROM chunks WHERE column_id = :id AND first_row > :after "
            "ORDER BY first_row LIMIT 1",
            {"id": column_id, "after": after},
        )
        if not rows:
            return
        chunk = Chunk(*rows[0])
        yield chunk
        after = chunk.first_row


class _ColumnCheck:
    """Checks of one column; `chunks` comes first and gathers what the others compare."""

    def __init__(self, database: Database, column_id: int, where: str, hidden: npt.NDArray[np.int64] | None) -> None:
        self.database = database
        self.column_id = column_id
        self.where = where
        self.hidden = hidden
        self.stats = ColumnStats()
        #: With replaced rows: a run that was resumed and has logged nothing since still counts them.
        self.stats_of_all = ColumnStats()
        self.damaged = False
        self.row_parts: list[npt.NDArray[np.int64]] = []

    def chunks(self, keep: Path | None) -> Iterator[Finding]:
        """Check each chunk's checksum, decode it, and compare its extremes."""
        for chunk in _chunks_of(self.database, self.column_id):
            try:
                rows, values = decode_chunk(chunk, self.where)
            except CorruptData as error:
                self.damaged = True
                yield Finding("chunk", self.where, str(error), partial(self._set_aside, chunk, keep), lost=True)
                continue
            self.row_parts.append(rows)
            counted = _with_extremes(chunk, values)
            if counted != chunk:
                yield self._wrong_extremes(chunk, counted)
            self._take(counted, rows, values)

    def _take(self, chunk: Chunk, rows: npt.NDArray[np.int64], values: Any) -> None:
        if self.hidden is not None:
            self.stats_of_all.add(chunk.kind, values, [chunk])
            kept = ~np.isin(rows, self.hidden, assume_unique=True)
            if not kept.all():
                values = [value for value, keep in zip(values, kept, strict=True) if keep]
                rows = rows[kept]
        if len(rows):
            parts = list(encode_chunks(chunk.kind, rows, values)) if len(rows) != chunk.count else [chunk]
            self.stats.add(chunk.kind, values, parts)

    def _wrong_extremes(self, said: Chunk, counted: Chunk) -> Finding:
        values = {"low": counted.minimum, "high": counted.maximum, "nan": counted.nan_count}
        return Finding(
            "statistics",
            self.where,
            f"rows {said.first_row} to {said.last_row} lie between {counted.minimum} and {counted.maximum}, said to "
            f"lie between {said.minimum} and {said.maximum}",
            partial(self._correct_chunk, {**values, "id": self.column_id, "row": said.first_row}),
        )

    def _correct_chunk(self, values: dict[str, Any]) -> str:
        self.database.execute(
            "UPDATE chunks SET min = :low, max = :high, nan_count = :nan WHERE column_id = :id AND first_row = :row",
            values,
        )
        return "corrected it"

    def _set_aside(self, chunk: Chunk, keep: Path | None) -> str:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"chunk-{self.column_id}-{chunk.first_row}.msgpack").write_bytes(encode([self.where, *chunk]))
        with self.database.transaction():
            self.database.execute(
                "DELETE FROM chunks WHERE column_id = :id AND first_row = :row AND checksum = :checksum",
                {"id": self.column_id, "row": chunk.first_row, "checksum": chunk.checksum},
            )
            self._write_stats()
        return f"took it out{'' if keep is None else f', its bytes are kept in {keep}'}; the rows around it are whole"

    def rows(self, next_row: int) -> Iterator[Finding]:
        """Check that no row has two values, and none lies behind the stream's end."""
        if not self.row_parts:
            return
        rows = np.concatenate(self.row_parts)
        doubled = len(rows) - len(np.unique(rows))
        if doubled:
            yield Finding("rows", self.where, f"{doubled} rows have two values")
        if int(rows.max()) >= next_row:
            yield Finding("rows", self.where, f"row {int(rows.max())} lies behind the stream's end, row {next_row}")

    def statistics(self, count: int, packed: bytes, *, is_axis: bool) -> Iterator[Finding]:
        """Compare the column's statistics with its values; `_step` and `_time` count replaced rows as well."""
        if self.damaged or (is_axis and self.hidden is not None):
            return
        said = ColumnStats(**decode(packed)) if packed else ColumnStats()
        wrong = _differing(said, self.stats)
        if wrong and self.hidden is not None and not _differing(said, self.stats_of_all):
            wrong = []
        if count != said.count:
            wrong.append(f"count is {self.stats.count}, said to be {count} and {said.count}")
        if wrong:
            yield Finding("statistics", self.where, ", ".join(wrong), self._correct)

    def _correct(self) -> str:
        with self.database.transaction():
            self._write_stats()
        return "counted them anew"

    def _write_stats(self) -> None:
        self.database.execute(
            "UPDATE columns SET count = :count, stats = :stats WHERE id = :id",
            {"count": self.stats.count, "stats": encode(self.stats), "id": self.column_id},
        )


def _with_extremes(chunk: Chunk, values: Any) -> Chunk:
    """Return the chunk with the extremes that its values have."""
    if chunk.kind not in NUMERIC:
        return chunk
    numbers = np.asarray(values, dtype=np.float64)
    nan_count = int(np.isnan(numbers).sum())
    if nan_count == len(numbers):
        return chunk._replace(minimum=None, maximum=None, nan_count=nan_count)
    low, high = float(np.fmin.reduce(numbers)), float(np.fmax.reduce(numbers))
    return chunk._replace(minimum=low, maximum=high, nan_count=nan_count)


def _differing(said: ColumnStats, counted: ColumnStats) -> list[str]:
    wrong = [
        f"{name} is {getattr(counted, name)!r}, said to be {getattr(said, name)!r}"
        for name in ("count", "finite", "nan", "min", "max", "last", "last_row")
        if not _same(getattr(said, name), getattr(counted, name))
    ]
    # Floats were added up in another order.
    tolerance = 1e-9 * max(counted.finite, 1) * max(abs(counted.min or 0.0), abs(counted.max or 0.0), 1e-300)
    if math.isfinite(counted.sum) and not math.isclose(said.sum, counted.sum, rel_tol=1e-6, abs_tol=tolerance):
        wrong.append(f"sum is {counted.sum!r}, said to be {said.sum!r}")
    return wrong


def _same(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124  # two NaN


def wanted_blobs(database: Database) -> dict[str, str]:
    """Return the digest of every blob that something in the database needs, with what needs it."""
    from treering.media import digests

    wanted: dict[str, str] = {}
    columns = database.query(
        "SELECT DISTINCT k.id, k.run_id, k.stream, k.key FROM columns k JOIN chunks c ON c.column_id = k.id "
        "WHERE c.kind IN ('media', 'json')"
    )
    for column_id, run_id, stream, key in columns:
        for chunk in _chunks_of(database, column_id):
            try:
                _, values = decode_chunk(chunk)
            except CorruptData:  # named by the check of its run
                continue
            for value in values:
                for digest in digests(value):
                    wanted.setdefault(digest, f"run {run_id}, {stream} {key!r}")
    for run_id, summary in database.query("SELECT id, summary FROM runs WHERE summary IS NOT NULL"):
        for value in decode(summary).values():
            for digest in digests(value):
                wanted.setdefault(digest, f"run {run_id}, summary")
    return wanted


def check_artifacts(database: Database, folder: Path | None) -> Iterator[Finding]:
    """Read everything that the versions in a database are made of, and check it."""
    if not database.query("SELECT 1 FROM versions LIMIT 1"):
        return
    from treering.artifacts.checking import verify_store
    from treering.artifacts.depot import Depot

    for damage in verify_store(Depot(database, folder)).damage:
        for where in damage.files or [damage.where]:
            of_file = where != damage.where
            message = f"its bytes in {damage.where} are damaged: {damage.message}" if of_file else damage.message
            yield Finding("blob", f"version {where}" if of_file else where, message, lost=of_file)


def check_blobs(blobs: Blobs, wanted: dict[str, str]) -> Iterator[Finding]:
    """Check that every wanted blob is there and matches its name, and find those that nothing wants."""
    from treering.store.blobs import hash_file

    present = set(blobs.digests())
    for digest, where in wanted.items():
        if digest not in present:
            yield Finding("blob", where, f"its bytes ({digest[:12]}...) are gone", lost=True)
    now_s = time.time()
    for digest in sorted(present):
        path = blobs.path(digest)
        if digest not in wanted:
            if now_s - path.stat().st_mtime > _YOUNG_S:
                message = f"{path.stat().st_size:,} bytes that no run and no version needs"
                yield Finding("orphan", str(path), message, partial(_delete, path))
            continue
        try:
            found = hash_file(path)
        except OSError as error:
            found = str(error)
        if found != digest:
            yield Finding("blob", wanted[digest], f"its bytes in {path} are damaged", lost=True)


def _delete(path: Path) -> str:
    try:
        path.unlink()
    except OSError as error:
        raise StoreError(f"{path} cannot be deleted: {error.strerror}") from error
    return "deleted them"


def repaired(finding: Finding) -> str:
    """Repair what a finding names and say what was done, or why not."""
    if finding.repair is None:
        return ""
    try:
        return finding.repair()
    except TreeringError as error:
        return f"could not be repaired: {error}"
