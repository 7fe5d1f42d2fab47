"""What an artifact that is in a store can be used for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from treering.artifacts.reading import ChunkReader, matching
from treering.artifacts.references import fetch
from treering.artifacts.writing import places_for, write_entries
from treering.errors import CorruptData, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treering.api import ApiRun
    from treering.artifacts.home import Home
    from treering.artifacts.manifest import Entry

__all__ = ["compare", "download", "remove_others", "runs_of", "verify"]

_BATCH = 64


def download(
    home: Home,
    entries: Sequence[Entry],
    folder: Path,
    patterns: str | Sequence[str] | None,
    what: str,
    progress: Callable[[int], None] | None,
) -> None:
    """Write files into a folder; see `Artifact.download`."""
    chosen = matching(entries, patterns, what)
    stored = [entry for entry in chosen if entry.reference is None]
    with home.depot() as depot:
        write_entries(depot, stored, folder, what, progress)
    referred = [entry for entry in chosen if entry.reference is not None]
    for entry, place in zip(referred, places_for(folder, referred, what), strict=True):
        fetch(entry, Path(place))


def remove_others(entries: Sequence[Entry], folder: Path) -> None:
    """Delete everything from a folder that is none of these files."""
    wanted = {entry.path for entry in entries}
    for root, folders, files in os.walk(folder, topdown=False):
        below = os.path.relpath(root, folder).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        for name in files:
            if prefix + name not in wanted:
                os.unlink(os.path.join(root, name))
        for name in folders:
            place = os.path.join(root, name)
            if os.path.islink(place):
                os.unlink(place)
            elif not os.listdir(place):
                shutil.rmtree(place)


def compare(entries: Sequence[Entry], folder: Path, what: str) -> None:
    """Check that a folder holds these files, byte by byte.

    Raises:
        NotFound: a file is missing.
        CorruptData: one is different.
    """
    for entry in entries:
        place = folder / entry.path
        if not place.is_file():
            raise NotFound(f"{entry.path!r} of {what} is not in {folder}")
        if entry.reference is None and not _is_same(entry, place):
            raise CorruptData(f"{place} is not what {entry.path!r} of {what} is")


def _is_same(entry: Entry, place: Path) -> bool:
    if place.stat().st_size != entry.size:
        return False
    with place.open("rb") as file:
        return all(blake3(file.read(size)).digest() == chunk_id for chunk_id, size in entry.pieces())


def verify(home: Home, entries: Sequence[Entry], what: str) -> None:
    """Read and check every byte in the store.

    Raises:
        NotFound, CorruptData: the text names the file.
    """
    with home.depot() as depot:
        reader = ChunkReader(depot)
        reader.locate({chunk_id for entry in entries for chunk_id, _ in entry.pieces()})
        for entry in entries:
            ids = [chunk_id for chunk_id, _ in entry.pieces()]
            try:
                for start in range(0, len(ids), _BATCH):
                    reader.chunks(ids[start : start + _BATCH])
            except NotFound as error:
                raise NotFound(f"{entry.path!r} of {what}: {error}") from None
            except CorruptData as error:
                raise CorruptData(f"{entry.path!r} of {what}: {error}") from None


def runs_of(home: Home, ids: Sequence[str]) -> list[ApiRun]:
    """Return the runs of these ids that are in the store."""
    from treering.api import Api

    if home.folder is None:
        raise NotFound("the runs of this store are found with Api()")
    api = Api(home.folder)
    found: list[ApiRun] = []
    for run_id in ids:
        try:
            found.append(api.run(run_id))
        except NotFound:
            continue  # deleted since
    return found
