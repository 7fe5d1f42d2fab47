"""Reading a run as it goes over the network; see `treering.online.delivery`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128_hexdigest

from treering.errors import NotFound
from treering.online.delivery import AttemptPart, RunDocument
from treering.store.reader import RunReader
from treering.store.streams import STREAMS
from treering.store.values import Carried, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treering.store.database import Database
    from treering.store.read_columns import Damage

__all__ = ["RowsPage", "document_of", "pages"]

#: A page has about so many bytes, and at most so many rows.
_PAGE_BYTES = 1 << 20
_PAGE_ROWS = 4096

_PLAIN = (
    *("project", "name", "state", "created_us", "attempt", "ended_us", "group_name", "job_type", "notes"),
    *("parent_id", "parent_step", "resume_key", "sweep", "next_step"),
)
_PACKED = ("tags", "config", "summary_set", "definitions", "failure", "capture")
_ATTEMPT = ("attempt", "state", "started_us", "first_row", "ended_us", "from_step", "dropped_rows")
_WITH_MEDIA = (Carried, list)
_ATTEMPT_PACKED = ("failure", "config_changes", "process")


class RowsPage(NamedTuple):
    """Rows of one stream as records of the journal.

    Attributes:
        first_row: number of the first row that the page covers.
        stop: number behind the last one.
        records: of those rows that can be read.
        digests: of the media that these rows need.
    """

    first_row: int
    stop: int
    records: list[bytes]
    digests: list[str]


def document_of(database: Database, run_id: str) -> RunDocument:
    """Return a run's document; its version is when the run's row was last changed.

    Raises:
        NotFound: no such run.
    """
    rows = database.query(
        f"SELECT updated_us, {', '.join((*_PLAIN, *_PACKED))} FROM runs WHERE id = :id", {"id": run_id}
    )
    if not rows:
        raise NotFound(f"there is no run {run_id!r}")
    version, *values = rows[0]
    fields: dict[str, Any] = {}
    for name, value in zip((*_PLAIN, *_PACKED), values, strict=True):
        # What is not there has the default of its field.
        if value is not None:
            fields[name] = decode(value) if name in _PACKED else value
    fields["tags"] = list(fields.get("tags", ()))
    digest = xxh3_128_hexdigest(values[-1]) if values[-1] is not None else ""
    return RunDocument(
        version=version,
        capture_digest=digest,
        attempts=_attempts(database, run_id),
        uses=_uses(database, run_id),
        aliases=_aliases(database, run_id),
        **fields,
    )


def _attempts(database: Database, run_id: str) -> list[AttemptPart]:
    names = (*_ATTEMPT, *_ATTEMPT_PACKED)
    rows = database.query(
        f"SELECT {', '.join(names)} FROM attempts WHERE run_id = :id ORDER BY attempt", {"id": run_id}
    )
    found: list[AttemptPart] = []
    for row in rows:
        fields: dict[str, Any] = dict(zip(names, row, strict=True))
        fields.update({name: decode(fields[name]) for name in _ATTEMPT_PACKED if fields[name] is not None})
        found.append(AttemptPart(**fields))
    return found


def _uses(database: Database, run_id: str) -> list[tuple[str, int, str]]:
    rows = database.query(
        "SELECT version_id, used_us, asked FROM version_uses WHERE run_id = :id ORDER BY used_us, version_id",
        {"id": run_id},
    )
    return [(version_id, used_us, asked) for version_id, used_us, asked in rows]


def _aliases(database: Database, run_id: str) -> list[tuple[str, str, int]]:
    """Return where aliases point that the run's versions have; "latest" is each store's own to say."""
    rows = database.query(
        "SELECT version_id, alias, moved_us FROM aliases WHERE alias <> 'latest' AND version_id IN "
        "(SELECT id FROM versions WHERE run_id = :id) ORDER BY version_id, alias",
        {"id": run_id},
    )
    return [(version_id, alias, moved_us) for version_id, alias, moved_us in rows]


def pages(
    database: Database, run_id: str, stream: str, first_row: int, stop: int, damage: list[Damage]
) -> Iterator[RowsPage]:
    """Yield the rows of a stream from `first_row` until before `stop`, superseded ones too.

    Args:
        database: may be read-only.
        run_id: whose rows.
        stream: one of the four.
        first_row: where to begin.
        stop: no more rows than there are.
        damage: gets what cannot be read; it is left out.
    """
    reader, number = RunReader(database, run_id), STREAMS.index(stream)
    for low in range(first_row, stop, _PAGE_ROWS):
        high = min(low + _PAGE_ROWS, stop)
        table = reader.own_rows(stream, low, high, damage)
        start, size = low, 0
        records: list[bytes] = []
        needed: list[str] = []
        for row in sorted(table):
            data = table[row]
            step, time_us = data.pop("_step", 0), data.pop("_time", 0)
            record = encode((number, row, step, time_us * 1000, data))
            if records and size + len(record) > _PAGE_BYTES:
                yield RowsPage(start, row, records, needed)
                start, size, records, needed = row, 0, [], []
            records.append(record)
            size += len(record)
            needed += [digest for value in data.values() if type(value) in _WITH_MEDIA for digest in _digests(value)]
        yield RowsPage(start, high, records, needed)


def _digests(value: object) -> Iterator[str]:
    from treering.media import digests

    return digests(value)
