"""Bins that line up: 2**k wide, beginning at whole multiples of that. No value is compared with a rounded edge."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Counted", "Grid", "choose_grid", "count_values", "pooled_deviations"]

# Values a pass: 64 KiB as float64, which stays in the cache and below the size that malloc asks the kernel for;
# measured, 4 ns a value against 11 with blocks four times as large and 7 of numpy.histogram.
_BLOCK = 1 << 13
# Exponents of the least positive float, and of one whose reciprocal is surely a float too.
_LEAST, _SAFE = -1074, 1000
_TINY = math.ldexp(1.0, _LEAST)
_DIGITS = sys.float_info.mant_dig - 1


class Grid(NamedTuple):
    """Bins [i * 2**exponent, (i + 1) * 2**exponent) for i from `first` on."""

    exponent: int
    first: int

    def place(self, value: float) -> int:
        """Return the number, counted from 0 and not from `first`, of the bin that `value` lies in."""
        scaled = _scaled(value, -self.exponent)
        # A negative number may become too small for a float; it lies below zero all the same.
        return math.floor(min(scaled, -_TINY) if value < 0.0 else scaled)

    def edges(self, bins: int) -> tuple[float, ...]:
        """Return the edges of `bins` bins from `first` on."""
        return tuple(_scaled(float(self.first + i), self.exponent) for i in range(bins + 1)) if bins else ()


def _scaled(value: float, exponent: int) -> float:
    """Return value * 2**exponent, the nearest finite number where that is too large."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(sys.float_info.max, value)


def choose_grid(low: float, high: float, num_bins: int) -> Grid:
    """Return the finest grid that covers low..high with `num_bins`, no finer than numbers of that size are."""
    size = math.frexp(max(abs(low), abs(high)))[1]
    if low == high:
        exponent = max(size - 6, _LEAST)
        return Grid(exponent, Grid(exponent, 0).place(low))
    half_span = high / 2 - low / 2  # the span itself can be too large for a float
    exponent = max(math.frexp(half_span / num_bins)[1], size - _DIGITS, _LEAST)
    while True:
        grid = Grid(exponent, Grid(exponent, 0).place(low))
        if grid.place(high) - grid.first < num_bins:
            return grid
        exponent += 1


class Counted(NamedTuple):
    """Values in each bin, and what cannot be told from that: their sum, and that of their squared deviations."""

    counts: list[int]
    total: float
    deviations: float


def count_values(values: npt.NDArray[Any], grid: Grid, bins: int) -> Counted:
    """Count finite values, all of which lie within the first `bins` bins of `grid`."""
    import numpy as np

    counts = np.zeros(bins, dtype=np.int64)
    total = deviations = 0.0
    with np.errstate(all="ignore"):
        for start in range(0, values.size, _BLOCK):
            block = values[start : start + _BLOCK].astype(np.float64)
            block_total = float(block.sum())
            around_mean = block - block_total / block.size
            deviations = pooled_deviations(
                (start, total, deviations), (block.size, block_total, float(np.dot(around_mean, around_mean)))
            )
            total += block_total
            places = _places(block, grid.exponent)
            places -= grid.first
            counts += np.bincount(places.astype(np.intp), minlength=bins)
    return Counted(counts.tolist(), total, deviations)


def _places(block: npt.NDArray[np.float64], exponent: int) -> npt.NDArray[np.float64]:
    """Return each value's bin as `Grid.place` does; uses `block` up."""
    import numpy as np

    negative = block < 0.0 if exponent > 0 else None
    if abs(exponent) < _SAFE:
        block *= math.ldexp(1.0, -exponent)  # a power of two, hence exact, but for what becomes too small for a float
    else:
        block = np.ldexp(block, -exponent)
    if negative is not None:
        np.minimum(block, -_TINY, out=block, where=negative)
    return np.floor(block, out=block)


def pooled_deviations(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """Return the sum of squared deviations from the common mean of two sets, each (number, sum, own deviations)."""
    (number_a, total_a, deviations_a), (number_b, total_b, deviations_b) = a, b
    if not number_a or not number_b:
        return deviations_a + deviations_b
    between = total_b / number_b - total_a / number_a
    return deviations_a + deviations_b + between * between * (number_a * number_b / (number_a + number_b))
