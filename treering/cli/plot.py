"""`treering plot`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import click
import numpy as np

from treering.api import Api
from treering.cli import _format as fmt
from treering.cli._curve import Canvas, Scale, shared, ticks
from treering.cli._options import json_option, place_option, run_argument
from treering.cli._output import console, is_terminal, print_json
from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from treering.api import ApiRun, Series

__all__ = ["command"]

_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red", "white")
_SAMPLES_A_DOT = 8
_MAX_HEIGHT = 22
_DAY_S = 86400.0


class _Curve(NamedTuple):
    label: str
    series: Series


@click.command()
@run_argument("runs", metavar="RUN[,RUN...]")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--x", "-x", default="_step", show_default=True, help="_step, _time, _runtime, _row or a metric.")
@click.option("--start", help="Leave out what is before this place on the x axis.")
@click.option("--stop", help="Leave out what is at or after this place on the x axis.")
@click.option("--log", is_flag=True, help="Logarithmic y axis.")
@click.option("--width", type=click.IntRange(30, 400), help="Columns (default: the terminal's).")
@click.option("--height", type=click.IntRange(6, 200), help="Lines.")
@json_option
@place_option
def command(
    runs: str,
    keys: tuple[str, ...],
    x: str,
    start: str | None,
    stop: str | None,
    log: bool,
    width: int | None,
    height: int | None,
    as_json: bool,
    place: str | None,
) -> None:
    """Draw the metrics KEY... of one run, or of several over each other; no spike is ever left out."""
    out = console()
    # A pipe has no width; what is then drawn is for a file or a chat.
    width = width or (out.width if is_terminal() or "COLUMNS" in os.environ else 100)
    height = height or min(max(out.height - 6, 8), _MAX_HEIGHT)
    with Api(place) as api:
        found = [api.run(name.strip()) for name in runs.split(",") if name.strip()]
        curves = [
            _Curve(
                _label(run, key, found, keys),
                _read(run, key, x, (start, stop), None if as_json else _SAMPLES_A_DOT * width),
            )
            for run in found
            for key in keys
        ]
    if as_json:
        print_json([_json(curve) for curve in curves])
    elif out.color_system or len(curves) == 1:
        _print(curves, x, width, height, log=log)
    else:
        # Without colours, curves in one picture could not be told apart.
        for curve in curves:
            _print([curve], x, width, height, log=log)


def _label(run: ApiRun, key: str, runs: Sequence[ApiRun], keys: Sequence[str]) -> str:
    if len(runs) == 1:
        return key
    name = run.name if len({one.name for one in runs}) == len(runs) else run.id
    return name if len(keys) == 1 else f"{name} {key}"


def _read(run: ApiRun, key: str, x: str, span: tuple[str | None, str | None], samples: int | None) -> Series:
    start, stop = (_place(word, x) for word in span)
    series = run.history(key, x, start=start, stop=stop, samples=samples)
    if series.values.dtype == object:
        raise UsageError(f"{key!r} of run {run.id} is {series.kind}, and only numbers can be drawn")
    return series


def _place(word: str | None, x: str) -> float | str | None:
    if word is None or x == "_time":
        return word
    try:
        return float(word)
    except ValueError:
        raise UsageError(f"--start and --stop take a number on the x axis {x!r}, not {word!r}") from None


def _json(curve: _Curve) -> dict[str, object]:
    series = curve.series
    return {
        "label": curve.label,
        "key": series.key,
        "x_key": series.x_key,
        "x": series.x.tolist(),
        "y": series.values.tolist(),
    }


def _print(curves: Sequence[_Curve], x: str, width: int, height: int, *, log: bool) -> None:
    from rich.text import Text

    out = console()
    xs = [_numbers(curve.series.x) for curve in curves]
    ys = [curve.series.values.astype(np.float64) for curve in curves]
    x_range, y_range = shared(xs, log=False), shared(ys, log=log)
    out.print(_legend(curves))
    if x_range is None or y_range is None:
        out.print("Nothing to draw: no finite number" + (" above 0." if log else "."), style="yellow")
        return
    y_range = _widened(y_range, log=log)
    labels = ticks(Scale(*y_range, 4 * height, log), max(height // 3, 2))
    margin = max((len(label) for _, label in labels), default=1) + 2
    columns = max(width - margin, 10)
    x_scale, y_scale = Scale(*x_range, 2 * columns), Scale(*y_range, 4 * height, log)
    canvas = Canvas(columns, height)
    for number, (places, values) in enumerate(zip(xs, ys, strict=True)):
        canvas.draw(places, values, x_scale, y_scale, number)
    marks = {height - 1 - round(share * (height - 1)): label for share, label in labels}
    for at, cells in enumerate(canvas.lines()):
        line = Text(f"{marks.get(at, ''):>{margin - 2}} {'┤' if at in marks else '│'}", style="dim")
        for character, owner in cells:
            line.append(character, style=f"not dim {_COLOURS[owner % len(_COLOURS)]}" if owner >= 0 else None)
        out.print(line, soft_wrap=True)
    out.print(_x_axis(x_scale, x, columns, margin), soft_wrap=True)
    _print_notes(curves, ys)


def _numbers(x: np.ndarray) -> np.ndarray:
    return x.astype("datetime64[us]").astype(np.float64) / 1e6 if x.dtype.kind == "M" else x.astype(np.float64)


def _widened(given: tuple[float, float], *, log: bool) -> tuple[float, float]:
    """Give a constant some room above and below."""
    low, high = given
    if high > low:
        return given
    if log:
        return low / 2, high * 2
    room = abs(low) * 0.1 or 1.0
    return low - room, high + room


def _legend(curves: Sequence[_Curve]) -> Text:
    from rich.text import Text

    text = Text()
    for number, curve in enumerate(curves):
        values = curve.series.values
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        text.append("━━ ", style=_COLOURS[number % len(_COLOURS)])
        text.append(curve.label, style="bold")
        if len(finite):
            text.append(
                f"  last {fmt.number(values[-1].item())}, min {fmt.number(finite.min().item())}, "
                f"max {fmt.number(finite.max().item())}, {curve.series.total:,} points",
                style="dim",
            )
        text.append("\n" if number < len(curves) - 1 else "")
    return text


def _x_axis(scale: Scale, x: str, columns: int, margin: int) -> Text:
    from rich.text import Text

    line, labels = ["─"] * columns, [" "] * (columns + margin)
    end_of_last = -2
    for share, label in _x_labels(scale, x, max(columns // 14, 2)):
        at = round(share * (columns - 1))
        begin = min(max(at + margin - len(label) // 2, 0), columns + margin - len(label))
        if begin <= end_of_last + 1:
            continue
        line[at] = "┬"
        labels[begin : begin + len(label)] = label
        end_of_last = begin + len(label)
    title = {"_step": "step", "_time": "time", "_runtime": "time since start", "_row": "row"}.get(x, x)
    text = f"{'└':>{margin}}{''.join(line)}\n{''.join(labels).rstrip()}\n{title:>{columns + margin}}"
    return Text(text, style="dim")


def _x_labels(scale: Scale, x: str, count: int) -> list[tuple[float, str]]:
    if x == "_time":
        from datetime import datetime, timezone

        span_s = scale.high - scale.low
        form = "%H:%M:%S.%f" if span_s < count else "%H:%M:%S" if span_s < _DAY_S else "%m-%d %H:%M"
        shares = [number / max(count - 1, 1) for number in range(count)]
        times = [datetime.fromtimestamp(scale.value_at(share), timezone.utc).astimezone() for share in shares]
        texts = [time.strftime(form) for time in times]
        return [(share, text[:-4] if "." in text else text) for share, text in zip(shares, texts, strict=True)]
    marks = ticks(scale, count)
    if x == "_runtime":
        return [(share, fmt.span(scale.value_at(share))) for share, _ in marks]
    return marks


def _print_notes(curves: Sequence[_Curve], ys: Sequence[np.ndarray]) -> None:
    for curve, values in zip(curves, ys, strict=True):
        missing = int((~np.isfinite(values)).sum())
        if missing:
            console().print(f"{curve.label}: NaN or infinite in places, drawn as gaps", style="yellow")
        if curve.series.without_x:
            console().print(f"{curve.label}: {curve.series.without_x:,} points have no x yet", style="yellow")
