"""The newest good checkpoint of the run that a training goes on in: what `resume="auto"` starts from."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import NotFound, TreeringError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from treering._run import Run
    from treering.artifacts import Artifact
    from treering.training import Training

__all__ = ["Earlier", "Restored", "earlier_run_in", "newest_checkpoint", "writer_of"]

_COMPARED_BYTES = 8 << 20


class Restored(NamedTuple):
    """A checkpoint, copied out of the store and checked byte by byte.

    Attributes:
        path: the file; the folder where the checkpoint is one or has several files.
        step: what it holds.
        metadata: what its adapter said about it: "epoch" where there are epochs.
    """

    path: Path
    step: int
    metadata: dict[str, Any]


def newest_checkpoint(training: Training) -> Restored | None:
    """Return the last checkpoint of the run that `training` resumes; None for a new run, or one that has none.

    Opens the run, since only the store knows which one goes on. A checkpoint that is damaged is left out with a
    warning, and the one before it is taken. The copy lies in the store's folder `restored` until the next one.

    Args:
        training: one with the option `resume`, or with an `id`.
    """
    run = training.run
    if run is None or run.attempt == 1 or run.mode == "disabled":
        return None
    from treering.api import Api
    from treering.artifacts.copies import RESTORED

    place = run.store_dir / RESTORED / run.id
    shutil.rmtree(place, ignore_errors=True)
    run.fetch_checkpoint()
    versions = [one for one in Api(run.store_dir).run(run.id).versions() if one.name == f"model-{run.id}"]
    for version in sorted(versions, key=lambda one: one.version, reverse=True):
        step = version.metadata.get("step")
        if not isinstance(step, int):
            continue
        folder = place / f"checkpoint-{step}"  # Transformers wants it called so
        try:
            version.download(folder)
        except (TreeringError, OSError) as error:
            training.warn(f"checkpoint {version.name}:v{version.version} of step {step} is left out: {error}")
            shutil.rmtree(folder, ignore_errors=True)
            continue
        files = [one.path for one in version.files()]
        alone = len(files) == 1 and "/" not in files[0]
        return Restored(folder / files[0] if alone else folder, step, version.metadata)
    return None


class Earlier(NamedTuple):
    """A run that may be the one that a training goes on from.

    Attributes:
        run: its id.
        step: of its last checkpoint.
        path: of that checkpoint, as it was when it was recorded.
    """

    run: str
    step: int | None
    path: str


def earlier_run_in(folders: Iterable[str], run: Run) -> Earlier | None:
    """Return the last run of the same project that saved its checkpoints in one of these folders, or below.

    None where there is none, or where the last one is `run` itself.

    Args:
        folders: relative ones are those of the present working folder, and so are the paths of earlier checkpoints.
        run: that asks.
    """
    from treering.api._sources import open_sources
    from treering.api._versions import versions_of

    places = [os.path.join(os.path.realpath(folder), "") for folder in folders]
    sources = open_sources(run.store_dir)
    condition = "type = 'model' AND project = :value"
    found = [version for source in sources for version in versions_of(source, condition, run.project)]
    for version in sorted(found, key=lambda one: one.created, reverse=True):
        path = version.metadata.get("path")
        if isinstance(path, str) and os.path.realpath(path).startswith(tuple(places)):
            step = version.metadata.get("step")
            return None if version.run_id in {run.id, ""} else Earlier(version.run_id, step, path)
    return None


def writer_of(path: Path) -> dict[str, Any]:
    """Return what a checkpoint file is in the store: the run that wrote it, its project, and the version's metadata.

    Found by its content, so nothing has to lie beside it; the newest version where several are the same. Nothing where
    no run of this store has written such a file.
    """
    from treering.api._sources import open_sources
    from treering.api._versions import versions_of

    try:
        sources = open_sources(None)
    except NotFound:
        return {}
    size = path.stat().st_size
    condition = "type = 'model' AND files = 1 AND size = CAST(:value AS INTEGER)"
    found = [version for source in sources for version in versions_of(source, condition, str(size))]
    for version in sorted(found, key=lambda one: one.created, reverse=True):
        if _holds(version, path):
            return {**version.metadata, "run": version.run_id, "project": version.project}
    return {}


def _holds(version: Artifact, path: Path) -> bool:
    """Whether the one file of a version is the same as one on disk."""
    (kept,) = version.files()
    try:
        with path.open("rb") as file:
            for start in range(0, kept.size, _COMPARED_BYTES):
                if file.read(_COMPARED_BYTES) != kept.read(start, min(_COMPARED_BYTES, kept.size - start)):
                    return False
    except (TreeringError, OSError):  # it is damaged in the store: another may be sound
        return False
    return True
