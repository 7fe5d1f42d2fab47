"""`treering merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.api._sources import store_folder
from treering.cli._options import json_option, place_option
from treering.cli._output import print_json
from treering.errors import NotFound

if TYPE_CHECKING:
    from treering.store.bundle import Merged

__all__ = ["command"]

_SHOWN_IDS = 5


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@place_option
def command(files: tuple[Path, ...], as_json: bool, place: str | None) -> None:
    """Take runs from bundles, or from the folders of other stores; doing it twice changes nothing."""
    from treering.store import Store
    from treering.store.bundle import merge

    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise NotFound(f"there is no file {', '.join(missing)}; a bundle is a file such as bundles/RUN.db")
    merged: list[dict[str, Any]] = []
    with Store.open(store_folder(place), create=True) as store:
        for file in files:
            result = merge(store, file)
            merged.append({"file": str(file), **{name: getattr(result, name) for name in result.__struct_fields__}})
            if not as_json:
                print(f"{file}: {_told(result)}")  # noqa: T201
    if as_json:
        print_json(merged)


def _told(result: Merged) -> str:
    parts = [
        f"{len(ids)} {word} ({', '.join(ids[:_SHOWN_IDS])}{', ...' if len(ids) > _SHOWN_IDS else ''})"
        for word, ids in (("added", result.added), ("brought up to date", result.updated))
        if ids
    ]
    if result.unchanged:
        parts.append(f"{len(result.unchanged)} here already")
    if result.missing_blobs:
        parts.append(f"{len(result.missing_blobs)} media or files are missing beside the bundle")
    return "; ".join(parts) or "no runs"
