"""`treering runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from treering.api import Api, ApiRun, Runs
from treering.cli import _format as fmt
from treering.cli._options import filter_option, json_option, place_option, project_completion
from treering.cli._output import console, is_terminal, plain_rows, print_json, state_text
from treering.store.read_filter import Field, parse_field

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command", "run_json"]

_SHOWN = 50
_GAP = 2


@click.command()
@click.argument("project", required=False, shell_complete=project_completion)
@filter_option
@click.option(
    "--order",
    "-o",
    default="-created",
    show_default=True,
    metavar="FIELDS",
    help="Fields to sort by, a minus for descending, such as 'summary.loss,-created'.",
)
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=0),
    metavar="N",
    help="At most N; 0 for all (default: 50 on a terminal, else all).",
)
@click.option("--columns", "-c", metavar="FIELDS", help="Such as 'id,name,config.lr,summary.loss'.")
@json_option
@place_option
def command(
    project: str | None,
    filters: str | None,
    order: str,
    limit: int | None,
    columns: str | None,
    as_json: bool,
    place: str | None,
) -> None:
    """List runs, the newest first; those of PROJECT, or all.

    Fields are id, name, project, state, group, job_type, notes, tag, created, updated, ended, duration, attempts,
    parent, config.KEY and summary.KEY. Filters compare them with = != < <= > >= in contains ~ (a pattern with * and ?)
    and exists, and combine with and, or, not and brackets.
    """
    for_people = is_terminal() and not as_json
    most = (_SHOWN if for_people else None) if limit is None else limit or None
    with Api(place) as api:
        # One more than shown tells whether there are more.
        found = api.runs(project, filters, order, None if most is None else most + 1)
        runs = found[:most]
        if as_json:
            print_json([run_json(run) for run in runs])
            return
        fields = [parse_field(name.strip(), where="columns") for name in columns.split(",")] if columns else None
        if not for_people:
            fields = fields or _default_fields(runs, project)
            plain_rows(
                [_title(field) for field in fields], ([_plain_cell(run, field) for field in fields] for run in runs)
            )
            return
        _print_table(runs, fields, project, more=len(found) > len(runs))


def run_json(run: ApiRun) -> dict[str, Any]:
    """Return what a list says of a run."""
    return {
        "id": run.id,
        "name": run.name,
        "project": run.project,
        "state": run.state,
        "group": run.group,
        "job_type": run.job_type,
        "tags": list(run.tags),
        "notes": run.notes,
        "created": run.created,
        "ended": run.ended,
        "duration_s": run.duration,
        "attempts": run.attempt,
        "failure": run.failure,
        "config": run.config,
        "summary": run.summary,
    }


def _default_fields(runs: Runs, project: str | None) -> list[Field]:
    names = ["id", "name", "project", "state", "created", "duration"]
    if project is not None or len({run.project for run in runs}) <= 1:
        names.remove("project")
    return [Field("run", name) for name in names]


def _title(field: Field) -> str:
    return field.key if field.scope == "run" else f"{field.scope}.{field.key}"


def _cell(run: ApiRun, field: Field) -> Any:
    """Return a run's value of a field, None where it has none."""
    if field.scope != "run":
        values: Any = run.config if field.scope == "config" else run.summary
        return _dig(values, field.key)
    if field.key == "tag":
        return ", ".join(run.tags)
    return getattr(run, {"attempts": "attempt", "parent": "parent_id"}.get(field.key, field.key))


def _dig(values: Any, key: str) -> Any:
    """Return an entry by the name that filters use, in which nested keys are joined with dots."""
    if key in values:
        return values[key]
    for at in (at for at, character in enumerate(key) if character == "."):
        inner = values.get(key[:at])
        if isinstance(inner, dict):
            found = _dig(inner, key[at + 1 :])
            if found is not None:
                return found
    return None


def _plain_cell(run: ApiRun, field: Field) -> str:
    found = _cell(run, field)
    if found is None:
        return ""
    if field.sort == "time":
        return str(found.isoformat(timespec="seconds"))
    if isinstance(found, (bool, str)):
        return fmt.value(found)
    return repr(round(found, 3)) if field.sort == "seconds" else repr(found)


def _print_table(runs: Runs, fields: list[Field] | None, project: str | None, *, more: bool) -> None:
    out = console()
    if not runs:
        out.print("No runs.")
        return
    chosen = fields or _fitting(runs, _default_fields(runs, project), out.width)
    out.print(_table(runs, chosen))
    if more:
        out.print(f"The first {len(runs)}; --limit 0 shows all.", style="dim")


def _table(runs: Runs, fields: list[Field]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for field in fields:
        numeric = field.scope != "run" or field.sort in {"seconds", "number"}
        keep = field.scope != "run" or field.key in {"id", "state", "created", "duration"}
        table.add_column(
            field.key if field.scope == "run" else field.key.removeprefix("summary."),
            justify="right" if numeric else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=len(_shown(runs[0], field)) if keep and field.key != "id" else None,
            style="cyan" if field.key == "id" else "",
        )
    for run in runs:
        table.add_row(
            *(state_text(run.state) if field.key == "state" else Text(_shown(run, field)) for field in fields)
        )
    return table


def _shown(run: ApiRun, field: Field) -> str:
    found = _cell(run, field)
    if found is None:
        return ""
    if field == Field("run", "state"):
        return f"● {found}"
    if field.sort == "time":
        return fmt.age(found)
    return fmt.span(found) if field.sort == "seconds" else fmt.one_line(fmt.value(found), 40)


def _fitting(runs: Runs, fields: list[Field], width: int) -> list[Field]:
    """Add what tells the runs apart, as far as there is room: config that differs, then the summary's numbers."""
    used = sum(_width(runs, field) + _GAP for field in fields)
    config, summary = _varying_config(runs), _summary_numbers(runs)
    # Of both the first ones: settings without results say as little as results without settings.
    chosen: list[Field] = []
    for field in (*config[:2], *summary[:2], *config[2:4], *summary[2:], *config[4:]):
        needed = _width(runs, field) + _GAP
        if used + needed - _GAP <= width:
            chosen.append(field)
            used += needed
    return [*fields, *(field for field in (*config, *summary) if field in chosen)]


def _width(runs: Runs, field: Field) -> int:
    longest = max(len(_shown(run, field)) for run in runs)
    return max(len(field.key), min(longest, 40))


def _varying_config(runs: Runs) -> list[Field]:
    from treering.api._listing import leaves

    seen: dict[str, set[str]] = {}
    for run in runs:
        for key, found in leaves(run.config).items():
            if isinstance(found, (bool, int, float, str)):
                seen.setdefault(key, set()).add(repr(found))
    return [Field("config", key) for key, values in seen.items() if len(values) > 1]


def _summary_numbers(runs: Runs) -> list[Field]:
    counts: dict[str, int] = {}
    for run in runs:
        for key, found in run.summary.items():
            if isinstance(found, (int, float)) and not isinstance(found, bool):
                counts[key] = counts.get(key, 0) + 1
    return [Field("summary", key) for key in sorted(counts, key=lambda key: -counts[key])]
