"""Bringing the content of versions over from another store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering.artifacts import index
from treering.artifacts.depot import Depot
from treering.artifacts.manifest import decode_manifest
from treering.artifacts.reading import ChunkReader
from treering.errors import CorruptData, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from treering.artifacts.storing import Storing
    from treering.store.database import Database

__all__ = ["bring_over"]

_BATCH = 16


def bring_over(source: Database, folder: Path, target: Depot, storing: Storing, run_id: str) -> list[str]:
    """Store the chunks of a run's versions that the target has not got; `storing` is to be entered by the caller.

    Args:
        source: where the versions are.
        folder: of the source's store.
        target: where they go.
        storing: of the target.
        run_id: whose versions they are.

    Returns:
        The digests of files that the source names and does not have whole.
    """
    missing: list[str] = []
    rows = source.query(
        "SELECT data FROM manifests JOIN versions ON versions.id = version_id WHERE run_id = :run_id",
        {"run_id": run_id},
    )
    if not rows:
        return missing
    reader = ChunkReader(Depot(source, folder))
    for (data,) in rows:
        for entry in decode_manifest(data):
            ids = list(dict.fromkeys(chunk_id for chunk_id, _ in entry.pieces()))
            there = index.known(target.database, ids)
            wanted = [one for one in ids if one not in there]
            try:
                for start in range(0, len(wanted), _BATCH):
                    for chunk in reader.chunks(wanted[start : start + _BATCH]):
                        storing.add_small(chunk, _nothing)
            except (NotFound, CorruptData):
                missing.append(entry.digest.hex())
    storing.flush()
    return missing


def _nothing(_chunk_id: bytes) -> None: ...
