"""`treering alert`: what was raised, the rules that raise it, and who is told."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treering.cli import _format as fmt
from treering.cli._options import json_option, place_option
from treering.cli._output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Generator

    from treering.alerts import Ledger

__all__ = ["command"]

_targets_option = click.option(
    "--alerts",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of targets; default: alerts.toml in the store's folder.",
)


@click.group()
def command() -> None:
    """Be told when something happens to a run.

    A rule is a condition: 'val/loss > 5', 'train/loss is nan', 'no progress for 30m', 'state is failed or lost'.
    `treering ui` looks after the rules while it runs; `treering alert watch` does so without a dashboard. Who is told
    stands in alerts.toml in the store's folder.
    """


@contextlib.contextmanager
def _ledger(place: str | None) -> Generator[Ledger]:
    from treering.alerts import open_ledger
    from treering.api._sources import open_sources

    with contextlib.ExitStack() as stack:
        sources = open_sources(place)
        for source in sources:
            stack.callback(source.database.close)
        yield stack.enter_context(open_ledger(sources[0]))


@command.command("ls")
@click.option("--project", "-p", help="Only of this project.")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@json_option
@place_option
def list_(project: str | None, limit: int, as_json: bool, place: str | None) -> None:
    """List what was raised, the newest first."""
    from treering.api._records import moment

    with _ledger(place) as ledger:
        found = ledger.alerts(project, limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (fmt.age(moment(one.time_us)), one.level, one.project, one.title, _sent(one.waiting, one.tries, one.trouble))
        for one in found
    ]
    print_table(("when", "level", "project", "what", "sent"), rows)


def _sent(waiting: tuple[str, ...] | None, tries: int, trouble: str | None) -> str:
    if waiting is None:
        return trouble or ("yes" if tries else "nobody to tell")
    return f"waiting ({trouble})" if trouble else "waiting"


@command.command("rules")
@json_option
@place_option
def rules(as_json: bool, place: str | None) -> None:
    """List the rules."""
    with _ledger(place) as ledger:
        found = ledger.rules()
    if as_json:
        print_json(found)
        return
    rows = [(one.id, one.project or "all", one.condition, ", ".join(one.targets) or "all") for one in found]
    print_table(("rule", "project", "condition", "targets"), rows)


@command.command("add")
@click.argument("condition")
@click.option("--project", "-p", default="", help="Only runs of this project.")
@click.option("--target", "-t", "targets", multiple=True, help="Who is told; several times for several. Default: all.")
@_targets_option
@place_option
def add(condition: str, project: str, targets: tuple[str, ...], file: Path | None, place: str | None) -> None:
    r"""Add a rule: tell people when CONDITION holds of a run.

    \b
    treering alert add 'val/loss > 5 after 1000' --target team
    treering alert add 'loss/* is nan'
    treering alert add 'no progress for 30m' --project robots
    treering alert add 'state is failed or lost'
    """
    from treering.alerts import load_targets, targets_file

    known = load_targets(targets_file(place, file))
    for name in targets:
        known[name]
    with _ledger(place) as ledger:
        rule = ledger.add_rule(condition, project, targets)
    click.echo(f"rule {rule.id}: {rule.condition}")
    if not len(known):
        click.echo("nobody is told yet: add targets to alerts.toml in the store's folder", err=True)


@command.command("rm")
@click.argument("rule")
@place_option
def remove(rule: str, place: str | None) -> None:
    """Forget a rule."""
    with _ledger(place) as ledger:
        ledger.remove_rule(rule)
    click.echo(f"forgot rule {rule}")


@command.command("targets")
@_targets_option
@place_option
def targets(file: Path | None, place: str | None) -> None:
    """List who is told."""
    from treering.alerts import load_targets, targets_file

    known = load_targets(targets_file(place, file))
    rows = [(one.name, one.kind, one.shown, one.level, "yes" if one.code else "no") for one in known]
    print_table(("target", "kind", "where", "from level", "run.alert"), rows)


@command.command("test")
@click.argument("target")
@_targets_option
@place_option
def test(target: str, file: Path | None, place: str | None) -> None:
    """Send TARGET a word of trial."""
    from treering.alerts import Alert, load_targets, targets_file
    from treering.alerts.sending import SendError, send
    from treering.errors import StoreError

    known = load_targets(targets_file(place, file))
    try:
        send(Alert.trial(), "a trial", known[target], known)
    except SendError as error:
        raise StoreError(f"it did not arrive: {error}") from error
    click.echo(f"{target} was told")


@command.command("watch")
@_targets_option
@place_option
def watch(file: Path | None, place: str | None) -> None:
    """Look after the rules until Ctrl-C, without a dashboard."""
    import logging
    import signal
    import threading

    from treering.alerts import Watcher, load_targets, targets_file
    from treering.server.shelf import Shelf

    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    path = targets_file(place, file)
    load_targets(path)  # so that a mistake in the file is told now
    shelf = Shelf(place)
    watcher = Watcher(shelf.library, lambda: load_targets(path))
    watcher.start()
    # Whoever starts it in the background may have had the first of them ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    click.echo("watching; Ctrl-C stops it")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        watcher.stop()
        shelf.close()
