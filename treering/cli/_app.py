"""What the command line takes. Each command's work is in a module of its own, imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    help="Read, compare and look after what treering has recorded.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _complete_run(incomplete: str) -> list[tuple[str, str]]:
    from treering.cli._complete import run_names

    return run_names(incomplete)


def _complete_project(incomplete: str) -> list[str]:
    from treering.cli._complete import project_names

    return project_names(incomplete)


def _print_version(given: bool) -> None:
    if given:
        from treering.cli.version import one_line

        typer.echo(one_line())
        raise typer.Exit


Dir = Annotated[
    str | None,
    typer.Option("--dir", "-d", metavar="PLACE", help="Folder of the store, a bundle's file, or postgresql://..."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Id, beginning of an id, name, project/name, or 'latest'.",
        autocompletion=_complete_run,
    ),
]
LatestRun = Annotated[
    str,
    typer.Argument(
        metavar="[RUN]",
        help="Id, beginning of an id, name, or project/name; the latest run when left out.",
        autocompletion=_complete_run,
        show_default=False,
    ),
]
Project = Annotated[
    str | None,
    typer.Argument(metavar="[PROJECT]", help="Only this project.", autocompletion=_complete_project),
]
Filter = Annotated[
    str | None,
    typer.Option("--filter", "-f", metavar="TEXT", help="Such as \"state = 'failed' and config.lr < 0.01\"."),
]
Start = Annotated[str | None, typer.Option(help="Leave out what is before this place on the x axis.")]
Stop = Annotated[str | None, typer.Option(help="Leave out what is at or after this place on the x axis.")]


@app.callback()
def _treering(
    version: Annotated[  # its callback acts
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def runs(
    project: Project = None,
    filter: Filter = None,  # noqa: A002  # the option's name
    order: Annotated[
        str, typer.Option("--order", "-o", metavar="FIELDS", help="Such as '-created' or 'summary.loss,name'.")
    ] = "-created",
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", metavar="N", help="At most N; 0 for all (default: 50 on a terminal, else all)."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", "-c", metavar="FIELDS", help="Such as 'id,name,config.lr,summary.loss'."),
    ] = None,
    json: Json = False,
    dir: Dir = None,  # noqa: A002  # the option's name
) -> None:
    """List runs, the newest first."""
    from treering.cli.runs import list_runs

    list_runs(project, filter, order, limit, columns, as_json=json, place=dir)


@app.command()
def show(run: LatestRun = "latest", json: Json = False, dir: Dir = None) -> None:  # noqa: A002
    """Show one run: state and reason, config, metrics, machine and code, attempts, versions."""
    from treering.cli.show import show_run

    show_run(run, as_json=json, place=dir)


@app.command()
def tail(
    run: LatestRun = "latest",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Begin with this many of the last lines.")] = 10,
    keys: Annotated[
        str | None, typer.Option("--keys", "-k", metavar="KEYS", help="Only these metrics, separated by commas.")
    ] = None,
    metrics: Annotated[bool, typer.Option(help="Show metrics.")] = True,
    console: Annotated[bool, typer.Option(help="Show what the run prints.")] = True,
    follow: Annotated[bool, typer.Option(help="Go on until the run ends.")] = True,
    json: Json = False,
    dir: Dir = None,  # noqa: A002
) -> None:
    """Follow a run: its metrics, output and events as they come, until it ends."""
    from treering.cli.tail import tail_run

    chosen = None if keys is None else [key.strip() for key in keys.split(",") if key.strip()]
    tail_run(run, lines, chosen, metrics=metrics, console=console, follow=follow, as_json=json, place=dir)


@app.command()
def plot(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN[,RUN...]", help="One run or several, as in show.", autocompletion=_complete_run),
    ],
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Metrics.")],
    x: Annotated[str, typer.Option("--x", "-x", help="_step, _time, _runtime, _row or a metric.")] = "_step",
    start: Start = None,
    stop: Stop = None,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic y axis.")] = False,
    width: Annotated[int | None, typer.Option("--width", min=30, help="Columns (default: the terminal's).")] = None,
    height: Annotated[int | None, typer.Option("--height", min=6, help="Lines.")] = None,
    json: Json = False,
    dir: Dir = None,  # noqa: A002
) -> None:
    """Draw metrics as curves in the terminal; every spike shows."""
    from treering.cli.plot import plot_runs

    plot_runs(run.split(","), keys, x, (start, stop), log=log, size=(width, height), as_json=json, place=dir)


@app.command()
def diff(
    first: RunName,
    second: RunName,
    equal: Annotated[bool, typer.Option("--all", "-a", help="Also show what is the same.")] = False,
    json: Json = False,
    dir: Dir = None,  # noqa: A002
) -> None:
    """Compare two runs: config, code, environment and metrics."""
    from treering.cli.diff import diff_runs

    diff_runs(first, second, equal=equal, as_json=json, place=dir)


@app.command()
def export(
    run: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Runs, as in show; all, or those of --filter, when left out."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write; without it, to the screen.")
    ] = None,
    format: Annotated[  # noqa: A002  # the option's name
        str | None,
        typer.Option("--format", metavar="FORMAT", help="parquet, csv or json; else by the file's name, else csv."),
    ] = None,
    keys: Annotated[
        str | None, typer.Option("--keys", "-k", metavar="KEYS", help="Only these metrics, separated by commas.")
    ] = None,
    stream: Annotated[
        str,
        typer.Option("--stream", metavar="NAME", help="history, system, console or events; or runs: one row a run."),
    ] = "history",
    project: Annotated[
        str | None,
        typer.Option("--project", "-p", help="Only this project.", autocompletion=_complete_project),
    ] = None,
    filter: Filter = None,  # noqa: A002
    superseded: Annotated[bool, typer.Option("--superseded", help="Also what a later attempt replaced.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    dir: Dir = None,  # noqa: A002
) -> None:
    """Write runs as Parquet, CSV or JSON."""
    from treering.cli.export import export_runs

    chosen = None if keys is None else [key.strip() for key in keys.split(",") if key.strip()]
    export_runs(
        run or [],
        output,
        "json" if json else format,
        chosen,
        stream,
        choice=(project, filter),
        superseded=superseded,
        place=dir,
    )


@app.command()
def delete(
    run: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, as in show.", autocompletion=_complete_run)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    versions: Annotated[bool, typer.Option("--versions", help="Also the file versions that they made.")] = False,
    json: Json = False,
    dir: Dir = None,  # noqa: A002
) -> None:
    """Delete runs for good; asks first."""
    from treering.cli.delete import delete_runs

    delete_runs(run, yes=yes, versions=versions, as_json=json, place=dir)


@app.command()
def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be; without it nothing is changed.")
    ] = False,
    json: Json = False,
    dir: Dir = None,  # noqa: A002
) -> None:
    """Check the store: every chunk, file and statistic; bring in what dead runs left behind."""
    from treering.cli.doctor import check_store

    check_store(repair=repair, as_json=json, place=dir)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to make .treering/.", show_default="here")] = Path(),
    json: Json = False,
) -> None:
    """Make this folder, and all below it, keep its runs in .treering/ here."""
    from treering.cli.init import init_folder

    init_folder(folder, as_json=json)


@app.command()
def merge(
    file: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Bundles: what offline runs leave behind.")],
    json: Json = False,
    dir: Dir = None,  # noqa: A002
) -> None:
    """Take runs from bundles into the store; doing it twice changes nothing."""
    from treering.cli.merge import merge_files

    merge_files(file, as_json=json, place=dir)


@app.command()
def version(json: Json = False) -> None:
    """Print the version, and what a report of a problem should say."""
    from treering.cli.version import print_version

    print_version(as_json=json)
