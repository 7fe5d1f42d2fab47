"""One HTML file of a report: it opens from a disk, asks no network, and holds the numbers that its charts show."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from treering.api._listing import flat
from treering.cli import _format as fmt
from treering.reports.blocks import KINDS, BlockError, read_block
from treering.reports.drawing import COLOURS, DASHES, Frame, draw, escape, number
from treering.reports.finding import FoundChart, FoundRuns, find, read_curve
from treering.reports.markup import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.api import Api, ApiRun
    from treering.reports.drawing import Picture
    from treering.reports.ledger import Report

__all__ = ["X_KINDS", "page"]

_FOLDER = Path(__file__).parent
_MOST_CHARTS = 100
#: What an x axis is, where it is no plain number.
X_KINDS = {"_time": "time", "_runtime": "seconds"}
_LONGEST_CELL = 300
_DIGITS = 9
_NUMBER = ' class="number"'


def page(api: Api, report: Report, text: str) -> str:
    """Return a report as one HTML file, with the numbers as they are now.

    Args:
        api: the store that its charts and tables are read from.
        report: what is known of it.
        text: its Markdown.
    """
    drawn = _Drawn(api, report.project)
    body = render(text, drawn.block)
    style = (_FOLDER / "page.css").read_text(encoding="utf-8") + _colours()
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    now = datetime.now(timezone.utc)
    saved = datetime.fromtimestamp(report.updated_us / 1e6, timezone.utc)
    by = f" by {escape(report.author)}" if report.author else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" '
        f'content="light dark">\n<meta name="referrer" content="no-referrer">\n<title>{escape(report.title)}</title>\n'
        f'<style>{style}</style>\n</head>\n<body>\n<main>\n<h1>{escape(report.title)}</h1>\n<p class="about">'
        f"{escape(report.project)} · version {report.version}, saved {saved:%Y-%m-%d %H:%M} UTC{by}</p>\n{body}\n"
        f"<footer>Numbers as of {now:%Y-%m-%d %H:%M} UTC. Made with treering; this file asks no network.</footer>\n"
        f"</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _colours() -> str:
    """Return the rules for the colours of lines, in both schemes."""
    sides = [
        "".join(f".s{at}{{stroke:{pair[side]}}}.s{at}.odd{{fill:{pair[side]}}}" for at, pair in enumerate(COLOURS))
        for side in (0, 1)
    ]
    return f"{sides[0]}@media (prefers-color-scheme:dark){{{sides[1]}}}"


class _Drawn:
    """Draws the blocks of one report."""

    def __init__(self, api: Api, project: str) -> None:
        self._api = api
        self._project = project
        self._charts = 0

    def block(self, kind: str, text: str) -> str:
        if kind not in KINDS:
            return f"<pre><code>{escape(text)}</code></pre>\n"
        try:
            found = find(self._api, self._project, read_block(kind, text))
        except BlockError as error:
            return f'<p class="trouble">{escape(str(error))}</p>\n'
        return self._chart(found) if isinstance(found, FoundChart) else _table(found)

    def _chart(self, found: FoundChart) -> str:
        title = f"<h3>{escape(found.block.title)}</h3>\n" if found.block.title else ""
        told = [f"no run has {key}" for key in found.missing]
        if not found.runs:
            told = ["no run matches"]
        parts: list[str] = []
        for key, x in found.keys:
            if self._charts >= _MOST_CHARTS:
                told.append(f"more than {_MOST_CHARTS} charts: the others are left out")
                break
            self._charts += 1
            parts.append(_figure(found, key, x))
        notes = f'<p class="more">{escape("; ".join(told))}</p>\n' if told else ""
        return f"{title}{''.join(parts)}{notes}"


def _figure(found: FoundChart, key: str, x: str) -> str:
    block = found.block
    frame = Frame(height=block.height)
    curves = [read_curve(run, key, x, block, frame.width) for run in found.runs]
    kind = X_KINDS.get(x, "number")
    picture = draw(
        curves,
        x_kind=kind,
        log=block.log,
        smoothing=block.smoothing,
        span_x=block.range,
        frame=frame,
        title=f"{key} over {x.removeprefix('_')}",
    )
    data = {
        "x": picture.x,
        "kind": kind,
        "log": "x" in block.log,
        "frame": asdict(frame),
        "lines": [
            {"label": label, "x": [_exact(place) for place in places], "y": [_exact(value) for value in values]}
            for label, places, values in picture.lines
        ],
    }
    # Inside a script nothing is escaped, and only "<" could end it.
    written = msgspec.json.encode(data).decode().replace("<", "\\u003c").replace("\u2028", "\\u2028")
    more = f" · the first {len(found.runs)} runs; there are more" if found.more else ""
    odd = f" · {picture.odd} NaN or infinite, marked" if picture.odd else ""
    return (
        f"<figure data-chart><figcaption><b>{escape(key)}</b><span>{picture.total:,} points{odd}{more}</span>"
        f'</figcaption>{picture.svg}{_legend(curves, picture)}<div class="tip" hidden></div>'
        f'<script type="application/json">{written}</script></figure>\n'
    )


def _exact(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def _legend(curves: Sequence[Any], picture: Picture) -> str:
    """Return which line is whose, each with its last value."""
    rows: list[str] = []
    lines = iter(picture.lines)
    for at, curve in enumerate(curves):
        if curve is None:
            continue
        label, _, values = next(lines)
        dash = DASHES[at // len(COLOURS) % len(DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        rows.append(
            f'<li><svg viewBox="0 0 24 10" aria-hidden="true"><path class="s{at % len(COLOURS)}" d="M0 5h24" '
            f'stroke-width="2"{dashed}/></svg>{escape(label)}<span class="number">{number(float(values[-1]))}</span>'
            "</li>"
        )
    return f'<ul class="legend">{"".join(rows)}</ul>'


def _table(found: FoundRuns) -> str:
    title = f"<h3>{escape(found.block.title)}</h3>\n" if found.block.title else ""
    if not found.runs:
        return f'{title}<p class="more">no run matches</p>\n'
    rows = [[_cell(flat(run), run, column) for column in found.columns] for run in found.runs]
    sides = [_NUMBER if any(row[at].startswith(f"<td{_NUMBER}") for row in rows) else "" for at in range(len(rows[0]))]
    titles = [escape(column.partition(".")[2] or column) for column in found.columns]
    head = "".join(f"<th{side}>{name}</th>" for side, name in zip(sides, titles, strict=True))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    more = f'<p class="more">the first {len(found.runs)} runs; there are more</p>\n' if found.more else ""
    return (
        f'{title}<div class="wide"><table class="runs"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div>\n{more}"
    )


def _cell(row: dict[str, Any], run: ApiRun, column: str) -> str:
    value = {"duration": fmt.span(run.duration), "tag": ", ".join(run.tags), "attempts": run.attempt}.get(column)
    value = row.get(column) if value is None else value
    if isinstance(value, float):
        return f'<td{_NUMBER} title="{value!r}">{number(value)}</td>'
    if isinstance(value, datetime):
        return f"<td>{value:%Y-%m-%d %H:%M}</td>"
    kind = _NUMBER if isinstance(value, int) and not isinstance(value, bool) else ""
    return f"<td{kind}>{'' if value is None else escape(fmt.one_line(str(value), _LONGEST_CELL))}</td>"
