"""Deleting a run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from treering.errors import StoreError, UsageError

if TYPE_CHECKING:
    from treering.api._run import ApiRun

__all__ = ["delete_run"]


def delete_run(run: ApiRun, *, versions: bool) -> None:
    """Delete a run's rows and its journal; see `Api.delete`."""
    run.reload()
    if run.is_running:
        raise UsageError(f"run {run.id} ({run.name}) is still running; stop it first")
    source = run.source
    place = getattr(source.database, "path", None)
    if source.folder is not None and place is not None and place.parent.name == "bundles":
        place.unlink()  # one file, one run
        return
    database = source.writable()
    try:
        with database.transaction():
            states = database.query("SELECT state FROM runs WHERE id = :id", {"id": run.id})
            if states and states[0][0] == "running":  # resumed in between
                raise UsageError(f"run {run.id} ({run.name}) is running again; stop it first")
            if versions:
                database.execute("DELETE FROM versions WHERE run_id = :id", {"id": run.id})
            database.execute("DELETE FROM runs WHERE id = :id", {"id": run.id})
    except StoreError as error:
        if "readonly" in str(error):
            raise StoreError(f"run {run.id} cannot be deleted: the store {source.folder} is read-only") from error
        raise
    finally:
        if database is not source.database:
            database.close()
    if source.folder is not None:
        shutil.rmtree(source.folder / "journal" / run.id, ignore_errors=True)
