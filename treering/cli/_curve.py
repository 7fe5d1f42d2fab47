"""Curves in characters, on which every spike shows.

Each cell of braille is 2 by 4 dots, and each column of dots spans from the smallest to the largest value that falls
into it, however many these are. A library draws lines between points that it has thinned out itself; what we need is
this one rule and little else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Numbers = npt.NDArray[Any]

__all__ = ["Canvas", "Scale", "sparkline", "ticks"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_BRAILLE = 0x2800
# Powers of ten that are easier to read in full.
_PLAIN_POWERS = range(-3, 4)
# The bit of each dot of a cell, by column and row.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


class Scale(NamedTuple):
    """From values to dots.

    Attributes:
        low, high: of the values shown.
        dots: how many there are.
        log: logarithmic.
    """

    low: float
    high: float
    dots: int
    log: bool = False

    def place(self, values: Numbers) -> Numbers:
        """Return the dot of each value, 0 for the lowest."""
        low, high = self._bent(np.array([self.low, self.high]))
        share = (self._bent(values) - low) / (high - low) if high > low else np.full(len(values), 0.5)
        dots: Numbers = np.clip(np.rint(share * (self.dots - 1)), 0, self.dots - 1).astype(np.int64)
        return dots

    def _bent(self, values: Numbers) -> Numbers:
        return np.log10(values) if self.log else values.astype(np.float64)

    def value_at(self, share: float) -> float:
        """Return the value that lies at a share (0 to 1) of the axis."""
        if self.log:
            return float(10 ** (math.log10(self.low) + share * (math.log10(self.high) - math.log10(self.low))))
        return self.low + share * (self.high - self.low)


class Canvas:
    """A field of dots, `width` by `height` cells; each cell has the colour of what was drawn there last."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.cells = np.zeros((height, width), dtype=np.int64)
        self.owner = np.full((height, width), -1, dtype=np.int64)

    def draw(self, x: Numbers, y: Numbers, x_scale: Scale, y_scale: Scale, owner: int) -> None:
        """Draw one curve; a value that is no finite number is a gap.

        Args:
            x: (n,) finite places.
            y: (n,) values.
            x_scale: over 2 * width dots.
            y_scale: over 4 * height dots.
            owner: number of the curve.
        """
        drawable = np.isfinite(y) & ((y > 0) | (not y_scale.log))
        if not drawable.any():
            return
        columns = x_scale.place(x)
        rows = y_scale.place(np.where(drawable, y, y_scale.low))
        before: int | None = None
        last_column = -2
        for column, low, high, first, last in _spans(columns, rows, drawable):
            if before is not None and column - last_column > 1:
                self._bridge(last_column, before, column, first, owner)
            elif before is not None:
                # Neighbouring columns touch, as a line would.
                self._column(column, min(low, before + (before < low)), max(high, before - (before > high)), owner)
            self._column(column, low, high, owner)
            before, last_column = last, column
            if last < 0:
                before = None

    def _bridge(self, from_column: int, from_row: int, to_column: int, to_row: int, owner: int) -> None:
        """Draw a straight line between two points that have columns between them."""
        width = to_column - from_column
        previous = from_row
        for column in range(from_column + 1, to_column + 1):
            row = round(from_row + (to_row - from_row) * (column - from_column) / width)
            self._column(column, min(row, previous), max(row, previous), owner)
            previous = row

    def _column(self, column: int, low: int, high: int, owner: int) -> None:
        for row in range(low, high + 1):
            line, dot = divmod(4 * self.height - 1 - row, 4)
            self.cells[line, column // 2] |= _DOTS[column % 2][dot]
            self.owner[line, column // 2] = owner

    def lines(self) -> list[list[tuple[str, int]]]:
        """Return each line as its characters, each with the number of its curve, or -1."""
        return [
            [(chr(_BRAILLE + cell) if cell else " ", owner) for cell, owner in zip(cells, owners, strict=True)]
            for cells, owners in zip(self.cells.tolist(), self.owner.tolist(), strict=True)
        ]


def _spans(columns: Numbers, rows: Numbers, drawable: Numbers) -> list[tuple[int, int, int, int, int]]:
    """Return (column, lowest, highest, first, last row) for each stretch of points in one column.

    `last` is -1 where a gap follows, so that no line is drawn across it.
    """
    spans: list[tuple[int, int, int, int, int]] = []
    edges = np.flatnonzero((np.diff(columns) != 0) | (np.diff(drawable.astype(np.int8)) != 0)) + 1
    starts = [0, *edges.tolist()]
    for start, stop in zip(starts, [*starts[1:], len(columns)], strict=True):
        if not drawable[start]:
            if spans:
                spans[-1] = (*spans[-1][:4], -1)
            continue
        part = rows[start:stop]
        spans.append((int(columns[start]), int(part.min()), int(part.max()), int(part[0]), int(part[-1])))
    return spans


def sparkline(x: Numbers, values: Numbers, width: int) -> str:
    """Return a curve of one line; a cell holding points shows the one that is farthest from the middle of all."""
    numbers = values.astype(np.float64) if values.dtype != object else np.empty(0)
    finite = np.isfinite(numbers)
    if not finite.any():
        return ""
    numbers, x = numbers[finite], x[finite]
    low, high = float(numbers.min()), float(numbers.max())
    width = min(width, len(numbers))
    cells = Scale(float(x[0]), float(x[-1]), width).place(x)
    middle = float(np.median(numbers))
    text = ""
    for cell in range(width):
        here = numbers[cells == cell]
        if not len(here):
            text += text[-1:] or " "
            continue
        shown = float(here[np.abs(here - middle).argmax()])
        share = (shown - low) / (high - low) if high > low else 0.5
        text += _BLOCKS[round(share * (len(_BLOCKS) - 1))]
    return text


def ticks(scale: Scale, count: int) -> list[tuple[float, str]]:
    """Return about `count` round places on an axis, as (share of the axis, label)."""
    if scale.log:
        return _log_ticks(scale, count)
    span = scale.high - scale.low
    if not span > 0:
        return [(0.5, _label(scale.low, 0.0))]
    step = _round_step(span / max(count, 1))
    first = math.ceil(scale.low / step - 1e-9)
    marks = [number * step for number in range(first, math.floor(scale.high / step + 1e-9) + 1)]
    return [((mark - scale.low) / span, _label(mark, step)) for mark in marks]


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return float(next(factor for factor in (1, 2, 5, 10) if factor * power >= step * 0.999) * power)


def _log_ticks(scale: Scale, count: int) -> list[tuple[float, str]]:
    low, high = math.log10(scale.low), math.log10(scale.high)
    powers = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    if high <= low or len(powers) < 2:  # noqa: PLR2004  # less than a decade: plain numbers say more
        return [(share, f"{scale.value_at(share):.3g}") for share in (0.0, 1.0)]
    powers = powers[:: max(1, math.ceil(len(powers) / max(count, 1)))]
    words = {power: f"{10.0**power:g}" if power in _PLAIN_POWERS else f"1e{power}" for power in powers}
    return [((power - low) / (high - low), words[power]) for power in powers]


def _label(mark: float, step: float) -> str:
    if mark and (abs(mark) >= 1e6 or abs(mark) < 1e-4):  # noqa: PLR2004
        text = f"{mark:.3g}"
        return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 4
    return f"{mark + 0.0:,.{min(digits, 6)}f}"


def shared(parts: Sequence[Numbers], *, log: bool) -> tuple[float, float] | None:
    """Return the smallest and the largest number of several curves that can be drawn; None when there is none."""
    finite = [part[np.isfinite(part) & ((part > 0) | (not log))] for part in parts]
    finite = [part for part in finite if len(part)]
    if not finite:
        return None
    return min(float(part.min()) for part in finite), max(float(part.max()) for part in finite)
