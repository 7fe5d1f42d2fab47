"""Bringing in what the dead left behind: their journals, and runs written as bundles."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from treering.errors import StoreError
from treering.journal import Page, Position, Segment, read_segment, segments_in
from treering.lease import Lease, boot_id, holder_of, seems_alive_elsewhere
from treering.records import Operation, decode_record
from treering.store import DATABASE, Store
from treering.store.database import is_inherited
from treering.writer import BATCH_BYTES, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RecoveredRun", "Report", "recover", "recover_folder", "recover_in_background"]

# A folder without a journal that is older than this is left over; a run that starts has its journal at once.
_STARTING_S = 30.0


class RecoveredRun(msgspec.Struct):
    """What became of one dead run's journal.

    Attributes:
        id: of the run.
        state: it has now.
        rows: records taken from the journal.
        damage: what could not be read, in words; empty when nothing.
    """

    id: str
    state: str
    rows: int
    damage: list[str]


class Report(msgspec.Struct):
    """What a recovery did.

    Attributes:
        runs: that were dead.
        living: ids of runs whose process lives.
        troubles: journals that could not be brought in now, in words; they stay where they are.
    """

    runs: list[RecoveredRun] = []
    living: list[str] = []
    troubles: list[str] = []


def recover(store: Store) -> Report:
    """Bring the journals of dead runs into their store; the living are left alone.

    Safe beside any number of processes that log, read or recover.
    """
    return recover_folder(store.folder)


def recover_folder(folder: Path) -> Report:
    """The same, for a store that need not be open or even be there."""
    report = Report()
    if is_inherited(folder / DATABASE):
        return report  # whoever forked this process off, or anybody else, may do it
    for place in _journals(folder):
        lease = Lease(place / "lock")
        try:
            if _is_starting(place):
                continue
            if seems_alive_elsewhere(lease.path) or not lease.acquire(recovers=True):
                report.living.append(place.name)
                continue
        except FileNotFoundError:
            continue  # its run has ended in this very moment
        except OSError as error:
            report.troubles.append(f"{place}: {error}")
            continue
        try:
            found = _replay(folder, place)
            if found is not None:
                report.runs.append(found)
            _remove(place, lease)
        except (StoreError, OSError) as error:
            report.troubles.append(f"{place}: {error}")
        finally:
            lease.release()
    _finish_saves(folder, report)
    return report


def _finish_saves(folder: Path, report: Report) -> None:
    """Complete or drop what processes that are gone were saving."""
    from treering.artifacts.interrupted import complete, has_interrupted, runs_with_pins

    if not has_interrupted(folder):
        return
    try:
        if (folder / DATABASE).exists():
            with Store.open(folder) as store:
                report.troubles += complete(store)
        for run_id in runs_with_pins(folder):
            if Store.bundle_path(folder, run_id).exists() and not (folder / "journal" / run_id).exists():
                with Store.open_bundle(folder, run_id) as store:
                    report.troubles += complete(store, run_id)
    except (StoreError, OSError) as error:
        report.troubles.append(f"{folder / 'blobs' / 'incoming'}: {error}")


def _is_starting(place: Path) -> bool:
    """Tell whether a run may be just about to lease this folder, made a moment ago and without a journal yet."""
    return not segments_in(place) and time.time() - place.stat().st_mtime < _STARTING_S


def recover_in_background(folder: Path) -> threading.Thread | None:
    """Recover on a thread if there is any journal but this process's own; returns the thread."""
    if not any(holder_of(place / "lock").get("pid") != os.getpid() for place in _journals(folder)):
        return None
    thread = threading.Thread(target=_quietly, args=(folder,), name="treering-recover", daemon=True)
    thread.start()
    return thread


def _quietly(folder: Path) -> None:
    # What goes wrong here goes wrong again, in words, for the next command that reads the store.
    with contextlib.suppress(Exception):
        recover_folder(folder)


def _journals(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(place for place in (folder / "journal").iterdir() if place.is_dir())
    return []


def _replay(folder: Path, place: Path) -> RecoveredRun | None:
    run_id = place.name
    paths = segments_in(place)
    if not paths:
        return None
    found = RecoveredRun(run_id, "lost", 0, [])
    with _open(folder, run_id, paths) as store:
        writer = Writer(store, run_id)
        for page in _read(folder, place, paths, writer.position, found.damage):
            found.rows += writer.write(page)
        found.damage += writer.refused
        if not writer.run.exists:
            return None  # killed before it had said who it is
        if writer.run.row["ended_us"] is None:
            failure = _what_is_known(writer, place, found.damage)
            state = writer.run.row["state"]
            # A program that said how it went, and was killed before it could end, has said it.
            state = "lost" if state == "running" else state
            writer.conclude(Operation("end", _last_sign_ns(place), {"state": state, "failure": failure}))
        found.state = writer.run.row["state"]
        from treering.artifacts.interrupted import complete

        found.damage += complete(store, run_id)
    return found


def _open(folder: Path, run_id: str, paths: list[Path]) -> Store:
    if Store.bundle_path(folder, run_id).exists() or _wants_bundle(paths[0]):
        return Store.open_bundle(folder, run_id, create=True)
    return Store.open(folder, create=True)


def _wants_bundle(path: Path) -> bool:
    """Tell whether a run that was killed before it had made its bundle wanted one; its first record says so."""
    try:
        segment = Segment(path)
    except (OSError, ValueError):
        return False
    try:
        records = read_segment(segment, limit_bytes=1).records
        return bool(records) and bool(decode_record(records[0]).data.get("fields", {}).get("bundle"))
    except msgspec.MsgspecError:
        return False
    finally:
        segment.close()


def _read(folder: Path, place: Path, paths: list[Path], start: Position, damage: list[str]) -> Iterator[Page]:
    for path in paths:
        if int(path.stem) < start.segment or not path.stat().st_size:  # empty: killed while making it
            continue
        try:
            segment = Segment(path)
        except (OSError, ValueError) as error:
            _keep_damaged(folder, place, path, f"{path.name}: {error}", damage)
            continue
        try:
            offset = start.offset if segment.number == start.segment else 0
            while True:
                page = read_segment(segment, offset, BATCH_BYTES)
                if page.records:
                    yield page
                if page.damage:
                    _keep_damaged(folder, place, path, f"{path.name} {page.damage}", damage)
                if page.damage or not page.records:
                    break
                offset = page.end.offset
        finally:
            segment.close()


def _keep_damaged(folder: Path, place: Path, path: Path, what: str, damage: list[str]) -> None:
    """Copy a segment aside, since what follows the damage in it is not read."""
    damage.append(what)
    with contextlib.suppress(OSError):
        (folder / "damaged").mkdir(exist_ok=True)
        import shutil

        shutil.copyfile(path, folder / "damaged" / f"{place.name}-{path.name}")


def _what_is_known(writer: Writer, place: Path, damage: list[str]) -> dict[str, object]:
    failure = writer.run.row["failure"]
    if failure is not None:
        return failure  # type: ignore[no-any-return]  # decoded MessagePack
    boot = holder_of(place / "lock").get("boot_before") or writer_boot(writer)
    rebooted = bool(boot) and boot != boot_id()
    message = (
        "the machine was restarted or lost power"
        if rebooted
        else "the process was killed (SIGKILL, out of memory, or a crash)"
    )
    if damage:
        message += f"; the end of its journal is damaged: {'; '.join(damage)}"
    return {"type": "", "message": message, "traceback": "", "step": writer.run.row["next_step"] - 1}


def writer_boot(writer: Writer) -> str:
    """Return the boot id of the machine that wrote the run's present attempt."""
    from treering.store.values import decode

    rows = writer.store.database.query(
        "SELECT process FROM attempts WHERE run_id = :run_id AND attempt = :attempt",
        {"run_id": writer.run.run_id, "attempt": writer.run.attempt},
    )
    return str(decode(rows[0][0]).get("boot", "")) if rows and rows[0][0] else ""


def _last_sign_ns(place: Path) -> int:
    """Return when the journal was last written to, in nanoseconds since 1970."""
    times = [path.stat().st_mtime_ns for path in segments_in(place)]
    return max(times)


def _remove(place: Path, lease: Lease) -> None:
    for path in segments_in(place):
        path.unlink()
    lease.release(unlink=True)
    with contextlib.suppress(OSError):
        place.rmdir()
