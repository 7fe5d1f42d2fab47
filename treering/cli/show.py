"""`treering show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from treering.api import Api, ApiRun
from treering.api._listing import leaves
from treering.cli import _format as fmt
from treering.cli._options import json_option, place_option, run_argument
from treering.cli._output import console, heading, print_json, state_text
from treering.cli.runs import run_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType
    from rich.table import Table

    from treering.api import Metric

__all__ = ["command", "environment_of", "git_of", "source_of"]

_SHOWN_CONFIG = 40
_SHOWN_METRICS = 40
_SPARK_WIDTH = 24
_SHOWN_FRAMES = 12
_SHOWN_EVENTS = 5


@click.command()
@run_argument(metavar="[RUN]", default="latest")
@json_option
@place_option
def command(run: str, as_json: bool, place: str | None) -> None:
    """Show all that is known of RUN, or of the latest run.

    Its state with the reason, config, metrics, code and machine, attempts, file versions, events and notes.
    """
    with Api(place) as api:
        found = api.run(run)
        if as_json:
            print_json(_everything(found))
        else:
            _print(found)


def _everything(run: ApiRun) -> dict[str, Any]:
    return {
        **run_json(run),
        "parent": run.parent_id,
        "parent_step": run.parent_step,
        "metrics": run.metrics,
        "attempts": run.attempts,
        "versions": [
            {
                "name": version.name,
                "version": version.version,
                "type": version.type,
                "aliases": version.aliases,
                "size": version.size,
                "digest": version.digest,
                "created": version.created,
                "metadata": version.metadata,
                "files": version.files(),
            }
            for version in run.versions()
        ],
        "events": run.events(),
        "capture": run.capture,
    }


def _print(run: ApiRun) -> None:
    out = console()
    for part in (_head(run), *_failure(run), *_data_loss(run), *_config(run), *_metrics(run), *_rest_of_summary(run)):
        out.print(part)
    for part in (*_around(run), *_attempts(run), *_versions(run), *_events(run)):
        out.print(part)
    if run.notes:
        out.print(heading("\nNotes"))
        out.print(run.notes)


def _grid(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True, overflow="ellipsis", max_width=40)
    table.add_column(overflow="fold")
    for name, shown in rows:
        table.add_row(Text(name), shown)
    return table


def _table(*columns: str, right: Iterable[int] = ()) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for at, name in enumerate(columns):
        table.add_column(
            name, justify="right" if at in right else "left", no_wrap=True, overflow="ellipsis", ratio=None
        )
    return table


def _head(run: ApiRun) -> RenderableType:
    from rich.text import Text

    title = Text.assemble((run.name, "bold"), "  ", state_text(run.state))
    rows: list[tuple[str, RenderableType]] = [
        ("id", Text(run.id, style="cyan")),
        ("project", Text(run.project)),
        ("started", Text(f"{fmt.stamp(run.created)} ({fmt.age(run.created)}), ran {fmt.span(run.duration)}")),
    ]
    if run.parent_id is not None:
        step = "its end" if run.parent_step is None else f"step {run.parent_step}"
        rows.append(("forked", Text(f"from {run.parent_id} at {step}")))
    for label, text in (("group", run.group), ("job type", run.job_type), ("tags", ", ".join(run.tags))):
        if text:
            rows.append((label, Text(text)))
    from rich.console import Group

    return Group(title, _grid(rows))


def _failure(run: ApiRun) -> list[RenderableType]:
    from rich.console import Group
    from rich.text import Text

    failure = run.failure
    if not failure:
        return []
    kind, message, step = failure.get("type"), failure.get("message"), failure.get("step")
    where = "" if step is None else f" at step {step}"
    reason = f"{kind}: {message}" if kind else str(message or "")
    style = "red" if run.state == "failed" else "yellow"
    parts: list[RenderableType] = [Text(f"\n{run.state.capitalize()}{where}: {reason}", style=style)]
    lines = str(failure.get("traceback") or "").rstrip().splitlines()
    if len(lines) > _SHOWN_FRAMES:
        lines = [lines[0], f"  ... {len(lines) - _SHOWN_FRAMES} lines, see --json ...", *lines[1 - _SHOWN_FRAMES :]]
    if lines:
        text = Text("\n".join(f"  {line}" for line in lines), style="dim", no_wrap=True, overflow="ellipsis")
        parts.append(Group(text))  # a bare text would lose its no_wrap on the way
    return parts


def _data_loss(run: ApiRun) -> list[RenderableType]:
    from rich.text import Text

    dropped = sum(attempt.dropped_rows for attempt in run.attempts)
    if not dropped:
        return []
    return [Text(f"\n{dropped:,} rows could not be kept (no room on the disk).", style="yellow")]


def _config(run: ApiRun) -> list[RenderableType]:
    from rich.text import Text

    flat = leaves(run.config)
    if not flat:
        return []
    # Frameworks have more to say than anybody reads; a program's own settings are short, and mostly at the top.
    keys = sorted(flat, key=lambda key: "." in key)
    parts: list[RenderableType] = [
        heading("\nConfig"),
        _grid((key, Text(fmt.value(flat[key]))) for key in keys[:_SHOWN_CONFIG]),
    ]
    if len(keys) > _SHOWN_CONFIG:
        parts.append(Text(f"and {len(keys) - _SHOWN_CONFIG:,} more, see --json", style="dim"))
    return parts


def _metrics(run: ApiRun) -> list[RenderableType]:
    from rich.text import Text

    metrics = run.metrics
    if not metrics:
        return []
    sparks = console().width >= 80  # noqa: PLR2004  # below, the numbers need the room
    table = _table("metric", "last", "min", "max", "count", *(["curve"] if sparks else []), right=(1, 2, 3, 4))
    for key, metric in list(metrics.items())[:_SHOWN_METRICS]:
        numeric = metric.min is not None or metric.nan
        cells: list[RenderableType] = [
            Text(key),
            Text(fmt.one_line(fmt.value(metric.last), 24) if metric.last is not None else metric.kind),
            Text("" if metric.min is None else fmt.number(metric.min)),
            Text("" if metric.max is None else fmt.number(metric.max)),
            Text(f"{metric.count:,}"),
        ]
        if sparks:
            cells.append(Text(_spark(run, metric) if numeric else "", style="cyan"))
        table.add_row(*cells)
    parts: list[RenderableType] = [heading("\nMetrics"), table]
    if len(metrics) > _SHOWN_METRICS:
        parts.append(Text(f"and {len(metrics) - _SHOWN_METRICS:,} more, see --json", style="dim"))
    return parts


def _spark(run: ApiRun, metric: Metric) -> str:
    from treering.cli._curve import sparkline

    series = run.history(metric.key, samples=max(8 * _SPARK_WIDTH, 4))
    return sparkline(series.row_numbers, series.values, _SPARK_WIDTH)


def _rest_of_summary(run: ApiRun) -> list[RenderableType]:
    """Show what is in the summary and not told by the metrics' table already."""
    from rich.text import Text

    metrics = run.metrics
    rest = {
        f"{key} ({', '.join(metrics[key].summary)})" if key in metrics and metrics[key].summary else key: found
        for key, found in run.summary.items()
        if key not in metrics or fmt.value(found) != fmt.value(metrics[key].last)
    }
    if not rest:
        return []
    return [heading("\nSummary"), _grid((key, Text(fmt.value(found))) for key, found in leaves(rest).items())]


def git_of(capture: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was recorded of the code's repository."""
    return capture.get("git") or {}


def source_of(capture: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was recorded of the program itself."""
    return capture.get("source") or {}


def environment_of(capture: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was recorded of the machine and the programs on it."""
    return capture.get("environment") or {}


def _around(run: ApiRun) -> list[RenderableType]:
    from rich.text import Text

    capture = run.capture
    git, environment = git_of(capture), environment_of(capture)
    rows: list[tuple[str, RenderableType]] = []
    if git.get("commit"):
        dirty = ", uncommitted changes" if git.get("dirty") else ""
        branch = f" on {git['branch']}" if git.get("branch") else ""
        rows.append(("commit", Text(f"{str(git['commit'])[:12]}{branch}{dirty}")))
    source = source_of(capture)
    if source.get("path"):
        rows.append(("source", Text(str(source["path"]))))
    rows += [(name, Text(shown)) for name, shown in _machine(environment)]
    return [heading("\nCode and machine"), _grid(rows)] if rows else []


def _machine(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what matters most of the environment, in words; all of it is in --json."""
    rows: list[tuple[str, str]] = []
    command: list[object] | str = environment.get("command") or ""
    rows.append(("command", command if isinstance(command, str) else " ".join(map(str, command))))
    rows.append(("folder", str(environment.get("cwd") or "")))
    rows.append(("host", "@".join(str(environment[key]) for key in ("user", "host") if environment.get(key))))
    rows.append(("system", _values(environment.get("os"), "name", "release")))
    rows.append(("python", _values(environment.get("python"), "version", "executable")))
    rows.append(("cpu", _values(environment.get("cpu"), "model", "logical", unit="cores")))
    memory: dict[str, Any] = environment.get("memory") or {}
    rows.append(("memory", fmt.size(memory["total_bytes"]) if memory.get("total_bytes") else ""))
    gpus: list[dict[str, Any]] = environment.get("gpus") or []
    names = [str(gpu.get("name", "GPU")) for gpu in gpus]
    rows.append(("gpus", ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))))
    rows += [(key, _values(environment.get(key))) for key in ("container", "cluster")]
    packages = environment.get("packages")
    rows.append(("packages", f"{len(packages)}, see --json" if packages else ""))
    return [(name, shown) for name, shown in rows if shown]


def _values(found: Any, *keys: str, unit: str = "") -> str:
    """Return the values of some keys of a part of the environment; without keys, of all of them by name."""
    if not isinstance(found, dict):
        return "" if found in (None, "", []) else fmt.value(found)
    parts = cast("dict[str, Any]", found)
    if not keys:
        return ", ".join(f"{key} {fmt.value(item)}" for key, item in parts.items() if item not in (None, "", [], {}))
    shown = [fmt.value(parts[key]) for key in keys if parts.get(key) not in (None, "")]
    return ", ".join(shown) + (f" {unit}" if unit and len(shown) == len(keys) else "")


def _attempts(run: ApiRun) -> list[RenderableType]:
    from rich.text import Text

    attempts = run.attempts
    if len(attempts) <= 1:
        return []
    table = _table("attempt", "state", "started", "ran", "from step", right=(0, 3, 4))
    for attempt in attempts:
        ended = attempt.ended or (None if attempt.state == "running" else attempt.started)
        ran = "" if ended is None else fmt.span((ended - attempt.started).total_seconds())
        table.add_row(
            Text(str(attempt.number)),
            state_text(attempt.state),
            Text(fmt.stamp(attempt.started)),
            Text(ran),
            Text("" if attempt.from_step is None else str(attempt.from_step)),
        )
    return [heading("\nAttempts"), table]


def _versions(run: ApiRun) -> list[RenderableType]:
    from rich.text import Text

    versions = run.versions()
    if not versions:
        return []
    table = _table("version", "type", "size", "made", "aliases", right=(2,))
    for version in versions:
        table.add_row(
            Text(f"{version.name}:v{version.version}"),
            Text(version.type),
            Text(fmt.size(version.size)),
            Text(fmt.age(version.created)),
            Text(", ".join(version.aliases)),
        )
    return [heading("\nVersions"), table]


def _events(run: ApiRun) -> list[RenderableType]:
    from rich.text import Text

    events = run.events()
    if not events:
        return []
    table = _table("time", "event", "message")
    for event in events[-_SHOWN_EVENTS:]:
        style = {"warn": "yellow", "error": "red"}.get(event.level, "")
        title = event.fields.get("title")
        message = f"{title}: {event.message}" if title and event.message else str(title or event.message)
        table.add_row(Text(fmt.stamp(event.time)), Text(event.kind, style=style), Text(fmt.one_line(message)))
    more = len(events) - _SHOWN_EVENTS
    return [heading(f"\nEvents{f' (the last of {len(events)})' if more > 0 else ''}"), table]
