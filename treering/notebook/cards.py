"""What a notebook shows of runs, lists, stores and files: small HTML that needs nothing else and fits any theme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.api._listing import flat, leaves
from treering.cli import _format as fmt
from treering.errors import TreeringError
from treering.notebook.addresses import project_page, report_page, run_page
from treering.reports.drawing import escape, number, sparkline
from treering.reports.finding import telling
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.api import Api, ApiReport, ApiRun
    from treering.artifacts import Artifact

__all__ = ["api_card", "artifact_card", "report_card", "run_card", "runs_card"]

# Colours of the notebook's own theme, with borders that stand out a little from any ground.
_STYLE = (
    "<style>.tr-card{font:13px/1.5 system-ui,sans-serif;color:inherit;max-width:900px}"
    ".tr-card table{border-collapse:collapse;margin:4px 0;color:inherit;font-size:12.5px}"
    ".tr-card th,.tr-card td{padding:2px 12px 2px 0;text-align:left;border:0;"
    "border-bottom:1px solid rgba(127,127,127,.28);background:none;white-space:nowrap;max-width:280px;overflow:hidden;"
    "text-overflow:ellipsis}.tr-card th{font-weight:600;opacity:.75}.tr-card tr{background:none}"
    ".tr-card .n{text-align:right;font-variant-numeric:tabular-nums}.tr-card .d{opacity:.68}"
    ".tr-card summary{cursor:pointer}.tr-card svg{vertical-align:middle;color:#179a92}"
    ".tr-card .s{border:1px solid currentColor;border-radius:9px;padding:0 8px;font-size:11.5px;margin-left:8px}"
    ".tr-card b{font-weight:650}</style>"
)
_SIGNS = {"running": "▶", "finished": "✓", "failed": "✕", "interrupted": "❚❚", "preempted": "↷", "lost": "?"}
_MOST_METRICS = 12
_MOST_RUNS = 20
_MOST_ROWS = 40
_POINTS = 240
#: A curve of more points takes longer to read than a notebook should wait.
_MOST_READ = 2_000_000


def _card(*parts: str) -> str:
    return f'{_STYLE}<div class="tr-card">{"".join(parts)}</div>'


def _state(state: str) -> str:
    return f'<span class="s">{_SIGNS.get(state, "•")} {escape(state)}</span>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numeric: frozenset[int] = frozenset()) -> str:
    """Return a table; cells are HTML."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [' class="n"' if at in numeric else "" for at in range(len(cells))]
        return f"<tr>{''.join(f'<{tag}{kind}>{cell}</{tag}>' for kind, cell in zip(kinds, cells, strict=True))}</tr>"

    top = f"<thead>{line('th', head)}</thead>" if head else ""
    return f"<table>{top}<tbody>{''.join(line('td', row) for row in rows)}</tbody></table>"


def _cell(value: Any) -> str:
    return escape(fmt.value(value)) if value is not None else ""


def _folded(title: str, values: dict[str, Any]) -> str:
    if not values:
        return ""
    rows = [[escape(fmt.one_line(key)), _cell(value)] for key, value in list(values.items())[:_MOST_ROWS]]
    more = f'<div class="d">and {len(values) - _MOST_ROWS:,} more</div>' if len(values) > _MOST_ROWS else ""
    return f"<details><summary>{title} ({len(values):,})</summary>{_table((), rows)}{more}</details>"


def _link(path: str, text: str) -> str:
    """Return a link to the dashboard that `%treering` has started, else the text alone."""
    from treering.notebook.frame import running_url

    url = running_url()
    return text if url is None else f'<a href="{escape(url + path)}" target="_blank" rel="noopener">{text}</a>'


def run_card(run: ApiRun) -> str:
    """Return a run: how it is, its metrics with their curves, its configuration."""
    failure = run.failure or {}
    said = [escape(fmt.one_line(str(failure[part]))) for part in ("type", "message") if failure.get(part)]
    title = _link(run_page(run.project, run.id), f"<b>{escape(fmt.one_line(run.name))}</b>")
    about = (
        f'<div class="d">{escape(fmt.one_line(run.project))} / {escape(run.id)} · '
        f"{run.created.astimezone():%Y-%m-%d %H:%M} · {fmt.span(run.duration)}</div>"
    )
    return _card(
        f"<div>{title}{_state(run.state)}</div>",
        about,
        f"<div>{': '.join(said)}</div>" if said else "",
        _metrics(run),
        _folded("Config", leaves(run.config)),
    )


def _metrics(run: ApiRun) -> str:
    numeric = {key: metric for key, metric in run.metrics.items() if metric.kind in NUMERIC and not metric.hidden}
    rows: list[list[str]] = []
    for key, metric in list(numeric.items())[:_MOST_METRICS]:
        odd = f" · {metric.nan:,} NaN" if metric.nan else ""
        told = [
            number(float(value)) if isinstance(value, (int, float)) else ""
            for value in (metric.last, metric.min, metric.max)
        ]
        rows.append(
            [
                escape(fmt.one_line(key)),
                _curve(run, key, metric.count),
                *told,
                f'<span class="d">{metric.count:,}{odd}</span>',
            ]
        )
    if not rows:
        return '<div class="d">Nothing has been logged yet.</div>' if run.is_running else ""
    more = f'<div class="d">and {len(numeric) - len(rows):,} more metrics</div>' if len(numeric) > len(rows) else ""
    return _table(("metric", "", "last", "min", "max", "points"), rows, frozenset({2, 3, 4, 5})) + more


def _curve(run: ApiRun, key: str, count: int) -> str:
    if not 1 < count <= _MOST_READ:
        return ""
    try:
        points = run.reader.points("history", key, samples=_POINTS)
    except TreeringError:
        return ""
    return sparkline(points.x.astype(float), points.values.astype(float))


def runs_card(runs: Sequence[ApiRun]) -> str:
    """Return a list of runs with what tells them apart."""
    shown = runs[:_MOST_RUNS]
    if not shown:
        return _card('<div class="d">No runs.</div>')
    columns = telling(shown)[2:]
    rows: list[list[str]] = []
    for run in shown:
        values = flat(run)
        name = _link(run_page(run.project, run.id), escape(fmt.one_line(run.name, 60)))
        found = [values.get(column) for column in columns]
        cells = [number(value) if isinstance(value, float) else _cell(value) for value in found]
        rows.append([name, _state(run.state), fmt.age(run.created), fmt.span(run.duration), *cells])
    numeric = [
        at + 4
        for at, column in enumerate(columns)
        if any(isinstance(flat(run).get(column), (int, float)) for run in shown)
    ]
    head = ("run", "", "started", "took", *(escape(fmt.one_line(column.partition(".")[2], 40)) for column in columns))
    more = f'<div class="d">and {len(runs) - len(shown):,} more</div>' if len(runs) > len(shown) else ""
    return _card(
        f"<div><b>{fmt.counted(len(runs), 'run')}</b></div>",
        _table(head, rows, frozenset(numeric)),
        more,
    )


def api_card(api: Api) -> str:
    """Return a store: where it is, and its projects with their newest runs."""
    rows: list[list[str]] = []
    projects = api.projects()
    for project in projects[:_MOST_RUNS]:
        found = api.runs(project)
        newest = found[0]
        name = _link(project_page(project), escape(fmt.one_line(project)))
        rows.append([name, f"{len(found):,}", escape(fmt.one_line(newest.name, 60)), fmt.age(newest.created)])
    more = f'<div class="d">and {len(projects) - len(rows):,} more</div>' if len(projects) > len(rows) else ""
    table = (
        _table(("project", "runs", "newest", ""), rows, frozenset({1})) if rows else '<div class="d">No runs yet.</div>'
    )
    place = "" if api.folder is None else f' <span class="d">{escape(str(api.folder))}</span>'
    return _card(
        f"<div><b>treering</b>{place}</div>", table, more, '<div class="d">%treering shows the dashboard here</div>'
    )


def artifact_card(artifact: Artifact) -> str:
    """Return a version of files: what it is, and what is in it."""
    if artifact.state != "saved":
        return _card(f"<div><b>{escape(artifact.name)}</b>{_state(artifact.state)}</div>")
    aliases = "".join(f'<span class="s">{escape(alias)}</span>' for alias in artifact.aliases)
    files = artifact.files()
    about = (
        f'<div class="d">{escape(fmt.one_line(artifact.project))} · {escape(artifact.type)} · '
        f"{fmt.counted(len(files), 'file')}, {fmt.size(artifact.size)} · "
        f"{artifact.created.astimezone():%Y-%m-%d %H:%M}</div>"
    )
    rows = [[escape(fmt.one_line(one.path)), fmt.size(one.size)] for one in files[:_MOST_RUNS]]
    more = f'<div class="d">and {len(files) - len(rows):,} more</div>' if len(files) > len(rows) else ""
    return _card(
        f"<div><b>{escape(artifact.name)}:v{artifact.version}</b>{aliases}</div>",
        about,
        _table((), rows, frozenset({1})),
        more,
        _folded("Metadata", leaves(artifact.metadata)),
    )


def report_card(report: ApiReport) -> str:
    """Return what is known of a report."""
    path = report_page(report.project, report.id)
    by = f" by {escape(report.author)}" if report.author else ""
    return _card(
        f"<div>{_link(path, f'<b>{escape(report.title)}</b>')}</div>",
        f'<div class="d">{escape(report.project)} · version {report.version}, saved {fmt.age(report.updated)}{by}'
        "</div>",
    )
