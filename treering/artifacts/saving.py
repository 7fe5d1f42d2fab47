"""From pinned files to a version: store, commit, let go. Safe to do again at any point, by anybody."""

from __future__ import annotations

import os
import shutil
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from treering.artifacts.committing import ChunksGone, Filed, Request, commit
from treering.artifacts.depot import Depot
from treering.artifacts.manifest import Entry
from treering.artifacts.pinning import BUNDLE, PinGone, is_intact, open_pin, pin_all, read_plan
from treering.artifacts.storing import Storing
from treering.store.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from treering.artifacts.pinning import Pin
    from treering.store.database import Database

__all__ = ["INCOMING", "add_pending", "drop_pending", "pending_of", "pin", "read_request", "save_now", "save_pending"]

#: Folder of all pins, below the store's.
INCOMING = "blobs/incoming"
_TRIES = 8
_BLOCK = 8 << 20


def pin(
    store: Path,
    request: Request,
    files: Mapping[str, Path],
    kept: Iterable[Entry] = (),
    *,
    linkable: bool = False,
) -> None:
    """Secure files below the store's folder; `request.folder` says where from then on.

    Raises:
        UsageError, FileNotFoundError, StoreError: as `pin_all`.
    """
    request.folder = f"{INCOMING}/{request.run_id or 'none'}/{request.id}"
    pin_all(store / request.folder, files, kept, linkable=linkable, key=request.id)


def add_pending(database: Database, request: Request) -> None:
    """Remember, inside the caller's transaction, that a version is to be saved."""
    database.execute(
        "INSERT INTO pending_versions (id, run_id, created_us, fields) VALUES (:id, :run_id, :now, :fields) "
        "ON CONFLICT (id) DO NOTHING",
        {
            "id": request.id,
            "run_id": request.run_id,
            "now": request.created_us,
            "fields": encode(msgspec.to_builtins(request)),
        },
    )


def read_request(fields: Mapping[str, Any]) -> Request:
    """Return a request from what the journal or the table has of it."""
    return msgspec.convert(fields, Request)


def pending_of(database: Database, run_id: str) -> list[Request]:
    """Return what a run has handed over and is not saved yet, in order."""
    rows = database.query(
        "SELECT fields FROM pending_versions WHERE run_id = :run_id ORDER BY created_us, id", {"run_id": run_id}
    )
    return [read_request(decode(fields)) for (fields,) in rows]


def drop_pending(database: Database, folder: Path, request: Request) -> None:
    """Give a version up: nothing of it is left."""
    database.execute("DELETE FROM pending_versions WHERE id = :id", {"id": request.id})
    _let_go(folder, request)


def save_pending(
    database: Database,
    folder: Path,
    request: Request,
    progress: Callable[[int, int], None] | None = None,
    on_filed: Callable[[str, Filed], None] | None = None,
    helped: Callable[[float], None] | None = None,
) -> Filed | None:
    """Store and commit a pending version.

    Args:
        database: the store's, open for writing.
        folder: of the store.
        request: one of `pending_of`.
        progress: told how many bytes have been read so far, and how many there are.
        on_filed: told the version's id and what became of it as soon as it is visible; that it also survives a loss of
            power takes longer.
        helped: told on another thread, piece by piece, what processor time in seconds it has worked for this save.

    Returns:
        None when somebody else has filed or dropped it.

    Raises:
        PinGone: what was to be saved is no longer there; `drop_pending` it.
        OSError: nothing has become visible; try again later.
    """
    pins = folder / request.folder
    try:
        return _save(Depot(database, folder), folder, request, progress, on_filed, helped, pending=True)
    except PinGone:
        if not database.query("SELECT 1 FROM pending_versions WHERE id = :id", {"id": request.id}):
            return None  # somebody else was faster, and has taken the pins away
        if pins.is_dir():
            raise
        raise PinGone(f"what {request.name!r} was to hold is gone from {pins}") from None


def save_now(
    database: Database,
    folder: Path,
    request: Request,
    files: Mapping[str, Path],
    kept: Iterable[Entry] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Filed:
    """Pin, store and commit in one, for whoever waits for it anyway.

    Raises:
        UsageError, FileNotFoundError, StoreError: nothing has become visible.
    """
    request.created_us = request.created_us or time.time_ns() // 1000
    pin(folder, request, files, kept)
    try:
        filed = _save(Depot(database, folder), folder, request, progress, pending=False)
    except BaseException:
        _let_go(folder, request)
        raise
    finally:
        _stop_keeper()
    assert filed is not None  # noqa: S101  # only a pending one may be filed by somebody else
    return filed


def _stop_keeper() -> None:
    from treering.artifacts.leasing import stop_when_idle

    stop_when_idle()


def _save(
    depot: Depot,
    folder: Path,
    request: Request,
    progress: Callable[[int, int], None] | None,
    on_filed: Callable[[str, Filed], None] | None = None,
    helped: Callable[[float], None] | None = None,
    *,
    pending: bool,
) -> Filed | None:
    pins = read_plan(folder / request.folder)
    kept = [pin.entry for pin in pins if pin.entry is not None]
    tries_left = _TRIES if _can_repeat(pins) else 1
    while True:
        tries_left -= 1
        with Storing(depot, helped=helped) as storing:
            entries = _store(storing, folder / request.folder, pins, progress)
            storing.flush()
            try:
                filed = commit(depot.database, request, entries, storing, kept, pending=pending)
            except ChunksGone:
                if not tries_left:
                    raise
                continue
            _let_go(folder, request)
            if filed is not None and on_filed is not None:
                on_filed(request.id, filed)
            storing.sync()
            return filed


def _can_repeat(pins: Sequence[Pin]) -> bool:
    """Tell whether another try can help: chunks of a base version that was deleted are gone for good."""
    return any(pin.entry is None for pin in pins)


def _let_go(folder: Path, request: Request) -> None:
    from treering.artifacts.leasing import let_go

    let_go(request.id)
    if request.folder:
        shutil.rmtree(folder / request.folder, ignore_errors=True)


def _store(
    storing: Storing, folder: Path, pins: Sequence[Pin], progress: Callable[[int, int], None] | None
) -> list[Entry]:
    total = sum(pin.size for pin in pins if pin.entry is None)

    def tell() -> None:
        if progress is not None:
            progress(storing.read, total)

    entries = [pin.entry for pin in pins if pin.entry is not None]
    entries += [_store_large(storing, folder, pin, tell) for pin in pins if pin.name]
    entries += _store_small(storing, folder, [pin for pin in pins if not pin.name and pin.entry is None], tell)
    tell()
    return entries


def _store_large(storing: Storing, folder: Path, pin: Pin, tell: Callable[[], None]) -> Entry:
    while True:
        descriptor, path = open_pin(folder, pin)
        try:
            entry = storing.add(partial(_read_told, descriptor, tell))
            if is_intact(folder, pin, descriptor, path):
                if entry.size != pin.size:
                    raise PinGone(f"{pin.path!r} has {entry.size:,} bytes and had {pin.size:,} when it was logged")
                return msgspec.structs.replace(entry, path=pin.path)
        finally:
            os.close(descriptor)


def _read_told(descriptor: int, tell: Callable[[], None], view: memoryview) -> int:
    tell()  # of what came before
    return _read_into(descriptor, view)


def _read_into(descriptor: int, view: memoryview) -> int:
    if hasattr(os, "readv"):
        return os.readv(descriptor, [view])
    data = os.read(descriptor, len(view))
    view[: len(data)] = data
    return len(data)


def _store_small(storing: Storing, folder: Path, pins: Sequence[Pin], tell: Callable[[], None]) -> list[Entry]:
    """Store the files of the bundle, each of which is one chunk."""
    from blake3 import blake3

    ids: dict[str, bytes] = {}
    nothing = blake3(b"").digest()
    try:
        with (folder / BUNDLE).open("rb", buffering=_BLOCK) as bundle:
            for pin in pins:
                data = bundle.read(pin.size)
                if len(data) != pin.size:
                    raise PinGone(f"{pin.path!r} is cut off in what was to be saved")
                if data:
                    storing.add_small(memoryview(data), partial(ids.__setitem__, pin.path))
                    tell()
    except FileNotFoundError as error:
        raise PinGone(f"{pins[0].path!r} is gone before it was saved" if pins else str(error)) from error
    storing.settle()
    return [Entry(pin.path, pin.size, ids.get(pin.path, nothing)) for pin in pins]
