"""Bringing runs of a store to a server after the fact: what `treering sync` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from treering.api._sources import open_sources
from treering.errors import NotFound, TreeringError
from treering.online.client import Client, Conflict
from treering.online.replica import Replica
from treering.store import Store
from treering.store.values import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from treering.api._sources import Source
    from treering.online.credentials import Server

__all__ = ["Synced", "sync_runs"]

_PATIENCE_S = 60.0
_MEANT = frozenset({"online", "offline"})


class Synced(NamedTuple):
    """What became of one run.

    Attributes:
        state: "complete", "going on" (it is still being recorded), "refused" (the server has another run of this
            id), or "failed".
        notes: what could not be brought over, and why.
    """

    run_id: str
    state: str
    notes: tuple[str, ...]


def sync_runs(
    place: str | Path | None,
    server: Server,
    names: Sequence[str] = (),
    *,
    every: bool = False,
    checkpoints: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[Synced]:
    """Bring runs to a server; doing it again changes nothing.

    Args:
        place: a store's folder or a bundle's file; None: what the settings say.
        server: where to.
        names: ids of runs; none means those that were recorded for a server (online or offline).
        every: all runs.
        checkpoints: also the versions that are meant to stay on this machine.
        say: told which run is on its way.

    Raises:
        NotFound: no such run, or no store.
        Unreachable, RefusedKey: the server cannot be used.
    """
    sources = open_sources(place)
    found = [(source, run_id) for source in sources for run_id in _wanted(source, names, every=every)]
    known = {run_id for _, run_id in found}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise NotFound(f"there is no run {unknown[0]!r} in the store; give ids as `treering runs` shows them")
    with Client(server.url, server.key, patience_s=_PATIENCE_S) as client:
        synced = [_sync(source, client, run_id, say, checkpoints=checkpoints) for source, run_id in found]
    for source in sources:
        source.database.close()
    return synced


def _wanted(source: Source, names: Sequence[str], *, every: bool) -> Iterator[str]:
    """Yield ids, the oldest first: a fork comes after what it was forked from."""
    rows = source.database.query(
        "SELECT id, process FROM runs LEFT JOIN attempts ON run_id = id AND attempts.attempt = runs.attempt "
        "ORDER BY created_us"
    )
    for run_id, process in rows:
        writer: dict[str, object] = decode(process) if process else {}
        if run_id in names or (not names and (every or writer.get("mode") in _MEANT)):
            yield run_id


def _sync(
    source: Source, client: Client, run_id: str, say: Callable[[str], None] | None, *, checkpoints: bool
) -> Synced:
    if say is not None:
        say(run_id)
    notes: list[str] = []
    assert source.folder is not None  # noqa: S101  # a store of this machine has one
    store = Store(source.folder, source.database)
    replica = Replica(store, client, run_id, notes.append, every_version=checkpoints)
    try:
        complete = replica.advance()
        ((state,),) = source.database.query("SELECT state FROM runs WHERE id = :id", {"id": run_id})
    except Conflict as conflict:
        return Synced(run_id, "refused", (*notes, str(conflict)))
    except TreeringError as error:
        from treering.online.client import RefusedKey, Unreachable

        if isinstance(error, (RefusedKey, Unreachable)):
            raise
        return Synced(run_id, "failed", (*notes, str(error)))
    return Synced(run_id, "complete" if complete and state != "running" else "going on", tuple(notes))
