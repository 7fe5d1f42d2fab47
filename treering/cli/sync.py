"""`treering sync`."""

from __future__ import annotations

import sys

import click

from treering.cli._options import json_option, place_option, run_completion
from treering.cli._output import print_json

__all__ = ["command"]


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=run_completion)
@click.option("--all", "every", is_flag=True, help="Every run of the store, also those recorded for this machine only.")
@click.option("--checkpoints", is_flag=True, help="Also the checkpoints that callbacks keep on this machine.")
@click.option("--url", help="The server; default: TREERING_URL, or the one of the last `treering login`.")
@json_option
@place_option
def command(
    runs: tuple[str, ...], every: bool, checkpoints: bool, url: str | None, as_json: bool, place: str | None
) -> None:
    """Bring runs to a server: those that were recorded offline, or that it has missed.

    Without RUN: all that were recorded with mode="online" or "offline". What the server has is not sent again, so this
    can be done as often as you like. Exit code 1: something could not be brought over.
    """
    from treering.online.credentials import find_server
    from treering.online.syncing import sync_runs
    from treering.settings import resolve

    settings = resolve({})
    server = find_server(url or settings.url, settings.api_key)

    def say(run_id: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"{run_id} ...", err=True)

    synced = sync_runs(place, server, runs, every=every, checkpoints=checkpoints, say=say)
    if as_json:
        print_json([one._asdict() for one in synced])
    else:
        for one in synced:
            click.echo(f"{one.run_id}: {one.state}")
            for note in one.notes:
                click.echo(f"  {note}")
        if not synced:
            click.echo('no run was recorded with mode="online" or "offline"; --all brings every run over')
    if any(one.state in {"refused", "failed"} for one in synced):
        sys.exit(1)
