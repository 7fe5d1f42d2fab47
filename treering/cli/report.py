"""`treering report`: list reports, and write one as a file that opens anywhere."""

from __future__ import annotations

from pathlib import Path

import click

from treering.cli import _format as fmt
from treering.cli._options import json_option, place_option, project_completion
from treering.cli._output import print_json, print_table

__all__ = ["command"]


@click.group()
def command() -> None:
    """List reports, and write one as a file that opens anywhere.

    Reports are written in the dashboard: Markdown with live charts and tables of runs.
    """


@command.command("ls")
@click.option("--project", "-p", shell_complete=project_completion, help="Only of this project.")
@json_option
@place_option
def list_(project: str | None, as_json: bool, place: str | None) -> None:
    """List reports, the last changed first."""
    from treering.api import Api

    with Api(place) as api:
        found = api.reports(project)
        if as_json:
            names = ("id", "project", "title", "author", "version", "updated")
            print_json([{name: getattr(one, name) for name in names} for one in found])
            return
        rows = [
            (one.id, one.project, fmt.one_line(one.title, 60), str(one.version), one.author, fmt.age(one.updated))
            for one in found
        ]
    print_table(("report", "project", "title", "version", "saved by", "saved"), rows)


@command.command("export")
@click.argument("report", metavar="REPORT")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write, such as report.html.",
)
@click.option("--project", "-p", shell_complete=project_completion, help="That the report is in.")
@place_option
def export(report: str, output: Path, project: str | None, place: str | None) -> None:
    """Write REPORT, an id or a title, as one HTML file: charts and their numbers included, no network asked."""
    from treering.api import Api

    with Api(place) as api:
        path = api.report(report, project).export(output)
    click.echo(f"wrote {path} ({fmt.size(path.stat().st_size)})")
