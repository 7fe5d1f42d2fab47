"""Taking over a run that a server knows, so that it can be gone on with on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from treering._notice import warn
from treering.errors import NotFound, UsageError
from treering.online.client import Client, RefusedKey, Unreachable
from treering.online.delivery import read_document
from treering.store import DATABASE, Store
from treering.store.arriving_documents import OtherRun, apply_document
from treering.store.history import HistoryWriter
from treering.store.runs import RunWriter
from treering.store.values import encode

if TYPE_CHECKING:
    from pathlib import Path

    from treering.online.credentials import Server
    from treering.online.delivery import RunDocument

__all__ = ["pull_run"]

_PATIENCE_S = 5.0


def pull_run(folder: Path, server: Server, run_id: str) -> None:
    """Bring what a server knows of a run, all but its rows, into the store, unless the store knows as much.

    A server that cannot be asked is a warning: the run goes on with what is known here.

    Raises:
        UsageError: the run was gone on with here and elsewhere, each without knowing of the other.
    """
    try:
        with Client(server.url, server.key, patience_s=_PATIENCE_S) as client:
            found = client.document(run_id)
    except NotFound:
        return
    except (Unreachable, RefusedKey) as error:
        warn(f"the server cannot be asked for run {run_id!r} ({error}); it goes on with what is known here")
        return
    document = read_document(encode(found["document"]))
    with _store_of(folder, run_id) as store:
        _take_over(store, run_id, document, found["next_rows"])


def _store_of(folder: Path, run_id: str) -> Store:
    if Store.bundle_path(folder, run_id).exists():
        return Store.open_bundle(folder, run_id)
    if not (folder / DATABASE).exists():
        folder.mkdir(parents=True, exist_ok=True)
    return Store.open(folder, create=True)


def _take_over(store: Store, run_id: str, document: RunDocument, next_rows: dict[str, Any]) -> None:
    database = store.database
    run, history = RunWriter(database, run_id), HistoryWriter(database, run_id)
    with database.transaction():
        run.load()
        history.load()
        known = dict(database.query("SELECT stream, next_row FROM streams WHERE run_id = :id", {"id": run_id}))
        ahead = {stream: count for stream, count in next_rows.items() if count > known.get(stream, 0)}
        if run.exists and not ahead and run.attempt >= document.attempt:
            return  # what is here is on its way there
        # All of it is over: nobody here writes it, and whoever does elsewhere has ended.
        shown = msgspec.structs.replace(document, complete=True)
        try:
            apply_document(run, history, shown, stale=False)
        except OtherRun as error:
            raise UsageError(
                f"run {run_id!r} is another one on the server than in {store.folder}, or was gone on with in both: "
                f"{error}"
            ) from None
        database.execute_many(
            "INSERT INTO streams (run_id, stream, next_row) VALUES (:id, :stream, :count) "
            "ON CONFLICT (run_id, stream) DO UPDATE SET next_row = excluded.next_row",
            [{"id": run_id, "stream": stream, "count": count} for stream, count in ahead.items()],
        )
