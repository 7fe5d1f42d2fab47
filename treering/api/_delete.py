"""Deleting a run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from treering.artifacts.changing import forget_version
from treering.artifacts.lookup import select
from treering.artifacts.registry import check_free
from treering.errors import StoreError, UsageError

if TYPE_CHECKING:
    from treering.api._run import ApiRun
    from treering.store.database import Database

__all__ = ["delete_run"]


def delete_run(run: ApiRun, *, versions: bool) -> None:
    """Delete a run's rows and its journal; see `Api.delete`."""
    run.reload()
    if run.is_running:
        raise UsageError(f"run {run.id} ({run.name}) is still running; stop it first")
    source = run.source
    path = getattr(source.database, "path", None)
    try:
        if path is not None and path.parent.name == "bundles":
            path.unlink()  # one file, one run
        else:
            _delete_rows(run, versions=versions)
    except OSError as error:
        if isinstance(error, PermissionError) or "readonly" in str(error):
            raise StoreError(f"run {run.id} cannot be deleted, for the store {source.folder} is read-only") from error
        raise
    if source.folder is not None:
        shutil.rmtree(source.folder / "journal" / run.id, ignore_errors=True)


def _delete_rows(run: ApiRun, *, versions: bool) -> None:
    database = run.source.writable()
    try:
        with database.transaction():
            _delete_in(database, run, versions=versions)
    finally:
        if database is not run.source.database:
            database.close()


def _delete_in(database: Database, run: ApiRun, *, versions: bool) -> None:
    states = database.query("SELECT state FROM runs WHERE id = :id", {"id": run.id})
    if states and states[0][0] == "running":  # resumed in between
        raise UsageError(f"run {run.id} ({run.name}) is running again; stop it first")
    if versions:
        for facts in select(database, "run_id = :id", {"id": run.id}):
            check_free(database, facts)
            forget_version(database, facts)
    database.execute("DELETE FROM runs WHERE id = :id", {"id": run.id})
