"""`treering delete`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from treering.api import Api
from treering.cli import _format as fmt
from treering.cli._options import json_option, place_option, run_argument
from treering.cli._output import print_json
from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.api import ApiRun

__all__ = ["command"]


@click.command()
@run_argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--versions", is_flag=True, help="Also delete the file versions that they made.")
@json_option
@place_option
def command(names: tuple[str, ...], yes: bool, versions: bool, as_json: bool, place: str | None) -> None:
    """Delete runs for good, having asked; a running one is refused."""
    with Api(place) as api:
        # All are found before the first is deleted, so that a typing error in the last deletes nothing.
        runs = list({run.id: run for run in (api.run(name) for name in names)}.values())
        running = [run for run in runs if run.is_running]
        if running:
            raise UsageError(f"{_named(running)} still {'runs' if len(running) == 1 else 'run'}; stop it first")
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError("delete asks before it deletes, and nobody is there to answer; give --yes")
            kept = {run.id: run.versions() for run in runs}
            for run in runs:
                files = f", {len(kept[run.id])} file versions" if kept[run.id] else ""
                click.echo(f"{run.id}  {run.name}  {run.state}, {fmt.age(run.created)}{files}", err=True)
            if any(kept.values()):
                click.echo("Their file versions go too." if versions else "Their file versions are kept.", err=True)
            click.confirm(f"Delete {'this run' if len(runs) == 1 else f'these {len(runs)} runs'} for good?", abort=True)
        for run in runs:
            api.delete(run, versions=versions)
    if as_json:
        print_json({"deleted": [run.id for run in runs]})
    else:
        click.echo(f"Deleted {_named(runs)}.")


def _named(runs: Sequence[ApiRun]) -> str:
    return ", ".join(f"{run.name} ({run.id})" if run.name != run.id else run.id for run in runs)
