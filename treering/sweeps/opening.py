"""Which sweeps a place holds: those of an embedded store, of PostgreSQL, of a shared folder, or of a server."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treering.online.credentials import find_server, has_their_server
from treering.places import find_store, is_network_file_system
from treering.settings import resolve
from treering.store import DATABASE, Store
from treering.store.database import Sqlite, open_database

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from treering.sweeps.store import Sweeps
    from treering.sweeps.trials import Rows

__all__ = ["checkpointed_runs", "is_server", "open_sweeps", "place_for", "place_of", "rows_in_files", "with_entity"]


def place_of(place: str | Path | None = None, *, shared: bool = False) -> str:
    """Return the full name of the place that a user names, or of the one that is meant where he names none.

    Args:
        place: a folder, or an address such as "postgresql://..." or "https://...", a server's.
        shared: the folder is one that machines share without a server.
    """
    text = str(place) if place is not None else ""
    if "://" in text:
        return text
    if not text and not shared and (server := _server_meant()) is not None:
        return server
    prefix = "shared:"
    shared = shared or text.startswith(prefix)
    text = text.removeprefix(prefix)
    folder = find_store(resolve({"dir": text or None}))
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    return f"{prefix}{folder}" if shared or is_network_file_system(existing) else str(folder)


def with_entity(config: Mapping[str, Any], given: str | None = None) -> dict[str, Any]:
    """Return a sweep's configuration with the team that it is of: the one given, its own, or the environment's."""
    named = given or config.get("entity") or os.environ.get("TREERING_ENTITY") or os.environ.get("WANDB_ENTITY")
    return {**config, "entity": named} if named else dict(config)


def is_server(place: str) -> bool:
    """Tell whether a place is a server's address."""
    return place.startswith(("http://", "https://"))


def _server_meant() -> str | None:
    """Return the server that takes sweeps where no place is named; None where the store does.

    It is the server of online runs, and one that the environment names where it names no folder.
    """
    settings = resolve()
    named = settings.sources.get("url") == "TREERING_URL" or has_their_server(os.environ)
    if settings.mode != "online" and (not named or settings.dir is not None):
        return None
    return find_server(settings.url, settings.api_key).url


def place_for(sweep_id: str, place: str | Path | None = None) -> str:
    """Return the full name of the place that has a sweep: its own file in a shared folder tells by itself."""
    found = place_of(place)
    if "://" not in found and not found.startswith("shared:") and (Path(found) / "sweeps" / f"{sweep_id}.db").is_file():
        return f"shared:{found}"
    return found


@contextlib.contextmanager
def open_sweeps(place: str) -> Generator[Sweeps]:
    """Open the sweeps of a place that `place_of` returned; for one thread."""
    from treering.sweeps.shared import SharedSweeps
    from treering.sweeps.store import StoredSweeps
    from treering.sweeps.trials import Rows

    if is_server(place):
        from treering.online.client import Client
        from treering.sweeps.remote import RemoteSweeps

        server = find_server(place, resolve().api_key)
        with Client(server.url, server.key) as client:
            yield RemoteSweeps(client)
        return
    if place.startswith("shared:"):
        yield SharedSweeps(Path(place.removeprefix("shared:")))
        return
    if "://" in place:
        database: Any = open_database(place, create=True)
        try:
            yield StoredSweeps(database)
        finally:
            database.close()
        return
    folder = Path(place)
    database = Sqlite(folder / DATABASE, create=True)
    try:
        in_database = Rows(database).has_checkpoint
        yield StoredSweeps(
            database,
            lambda run_id: in_database(run_id) or bundle_has_checkpoint(folder, run_id),
            elsewhere=lambda name: rows_in_files(folder, name),
        )
    finally:
        database.close()


def bundle_has_checkpoint(folder: Path, run_id: str) -> bool:
    """Tell whether a run in a file of its own has kept a model."""
    from treering.sweeps.trials import Rows

    if not Store.bundle_path(folder, run_id).exists():
        return False
    with Store.open_bundle(folder, run_id) as store:
        return Rows(store.database).has_checkpoint(run_id)


def rows_in_files(folder: Path, name: str) -> Iterator[Rows]:
    """Open what a folder has of a sweep or a run of this id outside of its database."""
    from treering.sweeps.shared import SharedFile
    from treering.sweeps.trials import Rows

    if os.sep in name:
        return
    if (path := folder / "sweeps" / f"{name}.db").is_file():
        yield Rows(SharedFile(path))
    if Store.bundle_path(folder, name).exists():
        with Store.open_bundle(folder, name) as store:
            yield Rows(store.database)


def checkpointed_runs(limit: int) -> list[str]:
    """Return runs of this machine's own store that have kept a model to go on from, the newest first."""
    from treering.sweeps.trials import Rows

    folder = find_store(resolve())
    found: list[str] = []
    if (folder / DATABASE).exists():
        with Store.open(folder) as store:
            found = Rows(store.database).checkpointed(limit)
    bundles = sorted((folder / "bundles").glob("*.db"), key=lambda path: path.stat().st_mtime, reverse=True)
    own = [path.stem for path in bundles[:limit] if bundle_has_checkpoint(folder, path.stem)]
    return [*own, *found][:limit]
