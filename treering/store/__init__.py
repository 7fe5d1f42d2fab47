"""The embedded store: one folder that holds everything recorded.

treering.db      the database (SQLite): runs, columns, chunks, versions
blobs/           media and files, each once, under the name of its BLAKE3 hash
journal/RUN/     what a living run has logged and the database does not hold yet
bundles/RUN.db   runs written as a file of their own: offline runs, and runs on network file systems
damaged/         journal segments that failed their check, kept for inspection
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from treering.store.blobs import Blobs
from treering.store.database import Database, Sqlite, open_database
from treering.store.streams import STREAMS
from treering.store.values import decode

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["KnownRun", "Store"]

DATABASE = "treering.db"


class KnownRun(NamedTuple):
    """What starting, resuming or forking needs to know of a run that is in the store."""

    id: str
    project: str
    name: str
    state: str
    attempt: int
    next_step: int
    next_row: int
    journal_segment: int
    next_rows: dict[int, int]
    config: dict[str, Any]
    group: str | None
    job_type: str | None
    notes: str | None
    tags: tuple[str, ...]


class Store:
    """A folder, its database and its blobs.

    Args:
        folder: of the store; for bundles and blobs even where the database is elsewhere.
        database: open.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.blobs = Blobs(folder / "blobs")

    @classmethod
    def open(cls, folder: Path, *, create: bool = False, read_only: bool = False, wal: bool = True) -> Store:
        """Open the embedded store in `folder`.

        Raises:
            NotFound: there is none and not `create`.
            StoreError: it cannot be opened.
        """
        database = open_database(folder / DATABASE, create=create, read_only=read_only, wal=wal)
        return cls(folder, database)

    @classmethod
    def open_bundle(cls, folder: Path, run_id: str, *, create: bool = False) -> Store:
        """Open the file of one run; it has one writer, so it needs no log beside it."""
        return cls(folder, Sqlite(cls.bundle_path(folder, run_id), create=create, wal=False))

    @staticmethod
    def bundle_path(folder: Path, run_id: str) -> Path:
        """Return where the bundle of a run lies in a store's folder."""
        return folder / "bundles" / f"{run_id}.db"

    @staticmethod
    def journal_path(folder: Path, run_id: str) -> Path:
        """Return the folder of a run's journal in a store's folder."""
        return folder / "journal" / run_id

    def known_run(self, run_id: str) -> KnownRun | None:
        """Return what is known of a run, or None."""
        rows = self.database.query(
            "SELECT id, project, name, state, attempt, next_step, config, group_name, job_type, notes, tags FROM runs "
            "WHERE id = :id",
            {"id": run_id},
        )
        if not rows:
            return None
        *plain, config, group, job_type, notes, tags = rows[0]
        streams = dict(self.database.query("SELECT stream, next_row FROM streams WHERE run_id = :id", {"id": run_id}))
        ((segment,),) = self.database.query(
            "SELECT COALESCE(MAX(journal_segment), 0) FROM attempts WHERE run_id = :id", {"id": run_id}
        )
        known_id, project, name, state, attempt, next_step = plain
        return KnownRun(
            id=known_id,
            project=project,
            name=name,
            state=state,
            attempt=attempt,
            next_step=next_step,
            next_row=streams.get("history", 0),
            journal_segment=segment,
            next_rows={number: streams.get(stream, 0) for number, stream in enumerate(STREAMS) if number},
            config=decode(config) if config else {},
            group=group,
            job_type=job_type,
            notes=notes,
            tags=tuple(decode(tags)) if tags else (),
        )

    def newest_run(self, project: str, resume_key: str) -> tuple[int, str, str] | None:
        """Return (created, in microseconds since 1970; id; state) of the newest run of this key."""
        rows = self.database.query(
            "SELECT created_us, id, state FROM runs WHERE resume_key = :key AND project = :project "
            "ORDER BY created_us DESC LIMIT 1",
            {"key": resume_key, "project": project},
        )
        return rows[0] if rows else None

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
