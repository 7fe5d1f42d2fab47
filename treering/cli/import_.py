"""`treering import`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.api._sources import store_folder
from treering.cli import _format as fmt
from treering.cli._options import json_option, place_option, project_completion
from treering.cli._output import print_json

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["command"]

# Importers belong to the integrations, which the core does not import; each has `import_folder` and `log_bytes`.
_TOOLS = {"tensorboard": "treering.integrations.tensorboard"}


@click.command()
@click.argument("tool", type=click.Choice(list(_TOOLS)))
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--project", "-p", metavar="NAME", shell_complete=project_completion, help="Project of the runs (default: as ever)."
)
@click.option("--group", "-g", metavar="NAME", help="Group of the runs.")
@click.option(
    "--each-folder", is_flag=True, help="Make each folder a run, also `train` and `validation` of one training."
)
@json_option
@place_option
def command(
    tool: str,
    folder: Path,
    project: str | None,
    group: str | None,
    each_folder: bool,
    as_json: bool,
    place: str | None,
) -> None:
    """Bring in what another tool has recorded in FOLDER; doing it again adds only what is new."""
    from treering.settings import resolve
    from treering.store import Store

    importer: Any = import_module(_TOOLS[tool])
    project = resolve({"project": project, "dir": place}).project
    with Store.open(store_folder(place), create=True) as store, _progress(quiet=as_json) as bar:
        task = bar.add_task(str(folder), total=importer.log_bytes(folder))

        def progress(count: int) -> None:
            bar.advance(task, count)

        found = importer.import_folder(
            store,
            folder,
            project=project,
            group=group,
            each_folder=each_folder,
            progress=progress,
        )
        done = list(found)
    if as_json:
        print_json([_plain(one) for one in done])
    else:
        print("\n".join([*map(_told, done), _summary(done)]))  # noqa: T201


def _progress(*, quiet: bool) -> Progress:
    """Return a bar on standard error, drawn where a person is looking."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=quiet or not sys.stderr.isatty())


def _told(one: Any) -> str:
    parts = [f"{fmt.counted(one.rows, 'row')} of {len(one.series):,} series" if one.rows else "nothing new"]
    parts += [f"{count:,} {kind}" for kind, count in sorted(one.media.items())]
    parts += [f"{fmt.counted(count, 'value')} of {plugin} left out" for plugin, count in sorted(one.left_out.items())]
    return "; ".join([f"{one.folder} -> {one.id}: {', '.join(parts)}", *one.damage])


def _summary(done: list[Any]) -> str:
    new, more = sum(one.is_new for one in done), sum(not one.is_new and bool(one.rows) for one in done)
    same = len(done) - new - more
    words = ((new, "added"), (more, "brought up to date"), (same, "here already"))
    counts = ", ".join(f"{count} {word}" for count, word in words if count)
    damaged = sum(len(one.damage) for one in done)
    trouble = f"; {fmt.counted(damaged, 'damaged file')}" if damaged else ""
    return f"{fmt.counted(len(done), 'run')}: {counts}{trouble}"


def _plain(one: Any) -> dict[str, Any]:
    return {**vars(one), "series": sorted(one.series), "media": dict(one.media), "left_out": dict(one.left_out)}
