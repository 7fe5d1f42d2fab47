"""Saving an artifact without a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from treering.artifacts import registry
from treering.artifacts.home import Home
from treering.artifacts.saving import save_now
from treering.store import DATABASE, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from treering.artifacts._artifact import Artifact

__all__ = ["save_alone"]


def save_alone(
    artifact: Artifact,
    project: str | None,
    folder: str | os.PathLike[str] | None,
    progress: Callable[[int, int], None] | None = None,
    *,
    stage: str = "",
) -> None:
    """Save a draft into the store that the settings name; see `Artifact.save`.

    Args:
        artifact: the draft.
        project: default what the settings say.
        folder: of the store; default what the settings say.
        progress: told how many bytes have been read so far, and how many there are.
        stage: of a registry, to put it into.
    """
    from treering.settings import find_store, resolve

    given = {name: value for name, value in (("dir", folder), ("project", project)) if value is not None}
    settings = resolve({name: os.fspath(value) for name, value in given.items()})
    place = find_store(settings)
    request, draft = artifact.request()
    request.project, request.stage = settings.project, stage
    with Store.open(place, create=True) as store:
        registry.check_words(store.database, settings.project, request.aliases)
        filed = save_now(store.database, store.folder, request, draft.files, draft.kept.values(), progress)
    artifact.begin_saving(request, Home(place, path=Path(place, DATABASE)))
    artifact.resolve(filed)
