"""`treering init`."""

from __future__ import annotations

from pathlib import Path

import click

from treering.cli._options import json_option
from treering.cli._output import print_json
from treering.errors import StoreError, UsageError
from treering.places import STORE_FOLDER

__all__ = ["command"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Make .treering/ in FOLDER, or here: runs started in it or below it are then kept there."""
    from treering.store import Store

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; make it first")
    place = folder.resolve() / STORE_FOLDER
    existed = (place / "treering.db").exists()
    try:
        Store.open(place, create=True).close()
        ignore = place / ".gitignore"
        if not ignore.exists():
            ignore.write_text("# What treering records is data, not code.\n*\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{place} cannot be made: {error}") from error
    if as_json:
        print_json({"folder": str(place), "created": not existed})
    elif existed:
        print(f"{place} is there already.")  # noqa: T201
    else:
        print(f"Made {place}. Runs started in {folder.resolve()} or below it are kept there.")  # noqa: T201
