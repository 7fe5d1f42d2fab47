"""`treering version`."""

from __future__ import annotations

import click

from treering.cli._options import json_option
from treering.cli._output import print_json

__all__ = ["command", "one_line"]


def one_line() -> str:
    """Return name and version."""
    import treering

    return f"treering {treering.__version__}"


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Print the version, and what a report of a problem should say."""
    import platform
    import sqlite3

    import treering
    from treering.api._sources import store_folder
    from treering.errors import TreeringError
    from treering.store.database import FORMAT

    try:
        folder = str(store_folder(None))
    except TreeringError as error:
        folder = str(error)
    facts = {
        "treering": treering.__version__,
        "store format": FORMAT,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "store": folder,
    }
    if as_json:
        print_json(facts)
        return
    for name, found in facts.items():
        print(f"{name:<13} {found}")  # noqa: T201
