"""Curves as SVG: what an exported report and a notebook show. No style attributes, so that strict policies hold."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from treering.cli._format import span
from treering.reports.smoothing import smooth

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from treering.reports.finding import Curve

__all__ = ["COLOURS", "DASHES", "Frame", "Picture", "draw", "escape", "number", "place_text", "sparkline"]

#: Light and dark; eight that stay apart in every common form of colour blindness, the same as the dashboard's.
COLOURS = (
    ("#0072b2", "#4da3e0"),
    ("#d55e00", "#ff8a3d"),
    ("#009e73", "#2fc89b"),
    ("#a64d8f", "#dd8fc8"),
    ("#56a0d3", "#8fd0ff"),
    ("#b8860b", "#e6b93f"),
    ("#5b4ea8", "#a79bf0"),
    ("#c2185b", "#ff6f9f"),
)
DASHES = ("", "6 3", "2 2.5", "9 3 2 3")
_SPANS_S = (
    *(front * 10.0**power for power in range(-4, 0) for front in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200),
    *(count * 86_400 for count in (1, 2, 5, 10, 20, 50, 100, 500, 1000, 5000, 10_000)),
)
_TENFOLDS = (1, 2, 2.5, 5, 10)
_LARGE = 10_000
_MOST_TICKS = 40
_MINUS = "\N{MINUS SIGN}"
_MOST_MARKS = 200


@dataclass(frozen=True)
class Frame:
    """The size of a chart, and where the curves are in it, in pixels."""

    width: int = 720
    height: int = 240
    left: int = 58
    right: int = 12
    top: int = 10
    bottom: int = 26


@dataclass
class Picture:
    """A chart as SVG, and what it shows.

    Attributes:
        svg: the drawing.
        x: both ends of the x axis.
        y: both ends of the y axis.
        total: points that the lines stand for.
        lines: (label, places, values) of each line, as drawn.
        odd: how many NaN and infinities are marked.
    """

    svg: str
    x: tuple[float, float]
    y: tuple[float, float]
    total: int = 0
    lines: Sequence[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]] = ()
    odd: int = 0


def escape(text: str) -> str:
    """Return text as HTML and XML hold it: no tag, no attribute's end, nothing that cannot be written."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return html.escape("".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text))


def draw(
    curves: Sequence[Curve | None],
    *,
    x_kind: str = "number",
    log: str = "",
    smoothing: tuple[str, float] = ("none", 0.0),
    span_x: tuple[float, float] | None = None,
    frame: Frame = Frame(),
    title: str = "",
) -> Picture:
    """Draw curves.

    Args:
        curves: one for each run; None draws nothing and keeps its colour.
        x_kind: "number", "time" (microseconds since 1970) or "seconds".
        log: axes that are logarithmic: "", "x", "y" or "xy".
        smoothing: kind and strength; the raw line stays behind the smoothed one.
        span_x: both ends of the x axis; None for as far as the curves reach.
        frame: sizes.
        title: what a screen reader says.
    """
    scale = 1e6 if x_kind == "time" else 1.0
    shown = [(at, curve, curve.x / scale, curve.y) for at, curve in enumerate(curves) if curve is not None]
    x_ends = span_x or _reach([x for _, _, x, _ in shown], log="x" in log)
    lines = [(at, curve, x, smooth(x, y, *smoothing, extent=x_ends[1] - x_ends[0]), y) for at, curve, x, y in shown]
    y_ends = _padded(*_reach([y[(x >= x_ends[0]) & (x <= x_ends[1])] for _, _, x, _, y in lines], log="y" in log), log)
    place = _Places(frame, x_ends, y_ends, log)
    parts = [_axes(frame, place, x_kind, log)]
    across, down = frame.width - frame.left - frame.right, frame.height - frame.top - frame.bottom
    clip = f"c{frame.width}x{frame.height}"  # the same for all of a size
    parts.append(
        f'<clipPath id="{clip}"><rect x="{frame.left}" y="{frame.top}" width="{across}" height="{down}"/></clipPath>'
        f'<g clip-path="url(#{clip})" fill="none">'
    )
    smoothed = smoothing[0] != "none" and smoothing[1] > 0
    if smoothed:
        parts += [_line(place, at, x, raw, " raw") for at, _, x, _, raw in lines]
    parts += [_line(place, at, x, y) for at, _, x, y, _ in lines]
    odd = [mark for at, _, x, _, raw in lines for mark in _marks(frame, place, at, x, raw)]
    parts += [*odd[:_MOST_MARKS], "</g>"]
    svg = (
        f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
    told = [(curve.label, x, y) for _, curve, x, y, _ in lines]
    return Picture(svg, x_ends, y_ends, sum(curve.total for _, curve, *_ in lines), told, len(odd))


def _reach(arrays: Sequence[npt.NDArray[Any]], *, log: bool) -> tuple[float, float]:
    """Return the smallest and the largest that an axis has a place for."""
    whole = np.concatenate(arrays) if arrays else np.empty(0)
    whole = whole[np.isfinite(whole) & ((whole > 0) | (not log))]
    if not len(whole):
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(whole.min()), float(whole.max())
    if low < high:
        return low, high
    return (low / 2, high * 2) if log else (low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5))


def _padded(low: float, high: float, log: str) -> tuple[float, float]:
    if "y" in log:
        room = (high / low) ** 0.04
        return low / room, high * room
    room = 0.04 * (high - low)
    return low - room, high + room


class _Places:
    """Where values lie in the picture."""

    def __init__(self, frame: Frame, x: tuple[float, float], y: tuple[float, float], log: str) -> None:
        self.x_ends, self.y_ends = x, y
        self._x = (x, "x" in log, float(frame.left), float(frame.width - frame.right))
        self._y = (y, "y" in log, float(frame.height - frame.bottom), float(frame.top))

    def x(self, values: Any) -> Any:
        return _placed(values, *self._x)

    def y(self, values: Any) -> Any:
        return _placed(values, *self._y)


def _placed(values: Any, ends: tuple[float, float], log: bool, begin: float, stop: float) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        given = np.log10(values) if log else np.asarray(values, dtype=float)
        low, high = (math.log10(ends[0]), math.log10(ends[1])) if log else ends
        return begin + (given - low) * (stop - begin) / (high - low)


def _line(place: _Places, at: int, x: npt.NDArray[Any], y: npt.NDArray[Any], more: str = "") -> str:
    dash = DASHES[at // len(COLOURS) % len(DASHES)]
    drawn = _path(place.x(x), place.y(y))
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path class="s{at % len(COLOURS)}{more}" d="{drawn}"{dashed} vector-effect="non-scaling-stroke"/>'


def _path(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> str:
    """Return a path with a gap wherever there is no number; a point with nothing beside it is a short stroke."""
    good = np.isfinite(x) & np.isfinite(y)
    x, y = np.clip(x, -1e5, 1e5), np.clip(y, -1e5, 1e5)
    words: list[str] = []
    down = False
    for at in range(len(x)):
        if not good[at]:
            down = False
            continue
        words.append(f"{'L' if down else 'M'}{x[at]:.1f} {y[at]:.1f}")
        if not down and (at + 1 == len(x) or not good[at + 1]):
            words.append("h0.5")
        down = True
    return "".join(words)


def _marks(frame: Frame, place: _Places, at: int, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> list[str]:
    """NaN is a cross on the bottom, an infinity an arrow at the side that it left by."""
    found: list[str] = []
    for where in np.flatnonzero(~np.isfinite(y))[:_MOST_MARKS]:
        px = float(place.x(x[where]))
        if not math.isfinite(px):
            continue
        low, high = frame.height - frame.bottom, frame.top
        if math.isnan(y[where]):
            drawn = f"M{px - 4:.1f} {low - 10}l8 8m0 -8l-8 8"
        elif y[where] > 0:
            drawn = f"M{px:.1f} {high + 1}l-4 8h8z"
        else:
            drawn = f"M{px:.1f} {low - 1}l-4 -8h8z"
        found.append(f'<path class="s{at % len(COLOURS)} odd" d="{drawn}"/>')
    return found


def _axes(frame: Frame, place: _Places, x_kind: str, log: str) -> str:
    parts: list[str] = []
    across, down = frame.width - frame.left - frame.right, frame.height - frame.top - frame.bottom
    y_places = ticks(*place.y_ends, room=down / 30, log="y" in log)
    for value in y_places:
        at = float(place.y(value))
        parts.append(f'<path class="grid" d="M{frame.left} {at:.1f}h{across}"/>')
        parts.append(
            f'<text class="tick" x="{frame.left - 6}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>'
        )
    x_places = ticks(*place.x_ends, room=across / 80, log="x" in log, spans=x_kind != "number")
    step = x_places[1] - x_places[0] if len(x_places) > 1 else 0.0
    for value in x_places:
        at = float(place.x(value))
        text = escape(_x_tick(value, x_kind, step))
        anchor = "end" if at > frame.width - frame.right - 20 else "middle"
        parts.append(f'<path class="grid" d="M{at:.1f} {frame.top}v{down}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{frame.height - 8}" text-anchor="{anchor}">{text}</text>')
    return "".join(parts)


def _x_tick(value: float, x_kind: str, step: float) -> str:
    if x_kind == "seconds":
        return "0" if value == 0 else span(value)
    if x_kind == "time":
        form = "%m-%d" if step >= _SPANS_S[-11] else "%H:%M" if step >= 60 else "%H:%M:%S"  # noqa: PLR2004  # a minute
        return datetime.fromtimestamp(value, timezone.utc).strftime(form)
    return number(value)


def ticks(low: float, high: float, *, room: float, log: bool, spans: bool = False) -> list[float]:
    """Return where ticks are: about as many as there is room for.

    Args:
        low: end of the axis.
        high: its other end.
        room: for how many there is room.
        log: whether the axis is logarithmic.
        spans: whether it is one of time, in seconds.
    """
    most = min(max(int(room), 2), _MOST_TICKS)
    if not high > low:
        return [low]
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        skip = max(1, math.ceil((last - first) / most))
        fronts = (1, 2, 5) if last - first < most / 2 else (1,)
        powers = range(first, last + 1, skip)
        found = [front * 10.0**power for power in powers for front in fronts if -307 < power < 308]  # noqa: PLR2004  # floats
        return [one for one in found if low <= one <= high]
    least = (high - low) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next((front * power for front in _TENFOLDS if front * power >= least * 0.999), least)
    if spans:
        step = next((one for one in _SPANS_S if one >= least), step)
    first_at = math.ceil(low / step - 1e-9)
    count = min(math.floor(high / step + 1e-9) - first_at + 1, 100)
    return [float(f"{(first_at + at) * step:.12g}") for at in range(max(count, 0))]


def number(value: float) -> str:
    """Return a number in a few letters: 0.0312, 950, 12.3k, 3.1e-07."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "\N{INFINITY}" if value > 0 else f"{_MINUS}\N{INFINITY}"
    size = abs(value)
    for large, word in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= max(large, _LARGE) and size < 1e13:  # noqa: PLR2004  # beyond it powers are read better
            return f"{value / large:.3g}{word}".replace("-", _MINUS)
    return f"{value:.4g}".replace("-", _MINUS)


def place_text(value: float, x_kind: str) -> str:
    """Return a place on the x axis, in full."""
    if x_kind == "time":
        return f"{datetime.fromtimestamp(value, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    return span(value) if x_kind == "seconds" else f"{value:,.10g}"


def sparkline(x: npt.NDArray[Any], y: npt.NDArray[Any], width: int = 120, height: int = 26) -> str:
    """Return a curve without axes, as small as a word."""
    low, high = _reach([y], log=False)
    x_ends = _reach([x], log=False)
    frame = Frame(width, height, 1, 1, 2, 2)
    drawn = _path(
        *(
            _placed(values, ends, log=False, begin=begin, stop=stop)
            for values, ends, begin, stop in (
                (x, x_ends, frame.left, width - frame.right),
                (y, (low, high), height - frame.bottom, frame.top),
            )
        )
    )
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<path d="{drawn}" fill="none" stroke="currentColor" stroke-width="1.3"/></svg>'
    )
