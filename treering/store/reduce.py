"""Choosing the points of a series that a picture needs: no extreme is ever lost.

Points are put into as many bins as fit and the smallest and the largest of each bin are kept, as are the first and
the last point of all. Where there are NaN or infinities, each bin also keeps the first of each sort, so that a gap in
a curve stays a gap, and they never stand in for the finite extremes beside them.

Bins hold equally many points. Where points lie unevenly on the x axis (hours without
a row, then a burst), half of the bins divide the axis instead, since a quiet hour would otherwise be one bin. So they
do for a logarithmic axis, on which a tenth of the points takes as much room as all the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from treering.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    Indices = npt.NDArray[np.intp]

__all__ = ["MIN_SAMPLES", "distinct", "thin"]

#: First, last, smallest, largest.
MIN_SAMPLES = 4
_PROBES = 1000


def thin(values: npt.NDArray[Any], samples: int, x: npt.NDArray[Any] | None = None, *, log: bool = False) -> Indices:
    """Return the positions of at most `samples` points that keep the series' shape.

    Args:
        values: (n,) numbers; of objects, evenly spread ones are taken, as they have no extremes.
        samples: at least `MIN_SAMPLES`.
        x: (n,) places on the x axis; used where they are numbers in ascending order.
        log: the axis is logarithmic.

    Returns:
        Ascending positions; all of them when n <= samples.

    Raises:
        UsageError: `samples` is too small.
    """
    if samples < MIN_SAMPLES:
        raise UsageError(f"samples={samples!r} is too few; give {MIN_SAMPLES} or more, or None for every point")
    count = len(values)
    if count <= samples:
        return np.arange(count)
    if values.dtype == object:
        spread: Indices = np.rint(np.linspace(0, count - 1, samples)).astype(np.intp)
        return distinct(spread)
    numbers: npt.NDArray[Any] = values.view(np.uint8) if values.dtype == bool else values
    odd = _odd_sorts(numbers)
    bins = (samples - 2) // (2 + len(odd))
    kept = [np.array([0, count - 1], dtype=np.intp)]
    # Without a single bin there is one point for each sort, as far as there is room.
    kept.extend(_first_of_each_bin(positions, count, bins) for positions in (odd if bins else odd[: samples - 2]))
    if odd:
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    edges = None if x is None else _uneven_edges(x, bins // 2, log=log)
    if edges is not None:
        kept.extend(_extremes_between(numbers, edges))
        bins -= len(edges) - 1
    if bins > 0:
        kept.extend(_extremes_of_equal_bins(numbers, bins))
    return distinct(np.concatenate(kept))


def distinct(positions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return sorted integers, each once. `np.unique` does the same and imports numpy.ma for it, which takes 20 ms."""
    positions = np.sort(positions)
    new = np.ones(len(positions), dtype=np.bool_)
    np.not_equal(positions[1:], positions[:-1], out=new[1:])
    return positions[new]


def _odd_sorts(numbers: npt.NDArray[Any]) -> list[Indices]:
    """Return the positions of NaN, of infinity and of minus infinity, each as far as there are any."""
    if numbers.dtype.kind != "f":
        return []
    with np.errstate(all="ignore"):
        # One pass without a temporary array; a sum that overflows only costs the checks below.
        if np.isfinite(numbers.sum()):
            return []
    sorts = (np.isnan(numbers), numbers == np.inf, numbers == -np.inf)
    return [positions for positions in map(np.flatnonzero, sorts) if len(positions)]


def _first_of_each_bin(positions: Indices, count: int, bins: int) -> Indices:
    if len(positions) <= bins:
        return positions
    bin_of = positions * bins // count  # ascending, as the positions are
    return positions[np.flatnonzero(np.diff(bin_of, prepend=-1))]


def _extremes_of_equal_bins(numbers: npt.NDArray[Any], bins: int) -> list[Indices]:
    """Return the extremes of bins of equal counts, but for one: those that hold one more come first."""
    width, more = divmod(len(numbers), bins)
    lows, highs = _without_missing(numbers)
    kept: list[Indices] = []
    for first, number, each in ((0, more, width + 1), (more * (width + 1), bins - more, width)):
        if number:
            starts = first + each * np.arange(number)
            rows = slice(first, first + number * each)
            kept += [starts + lows[rows].reshape(number, each).argmin(axis=1)]
            kept += [starts + highs[rows].reshape(number, each).argmax(axis=1)]
    return kept


def _uneven_edges(x: npt.NDArray[Any], bins: int, *, log: bool) -> Indices | None:
    """Return where equally wide stretches of the x axis begin and end, or None where equal counts do as well."""
    if bins <= 1 or x.dtype.kind not in "iuf" or (not log and _looks_even(x)) or not bool((x[1:] >= x[:-1]).all()):
        return None
    # What is not above zero has no place on a logarithmic axis.
    begin = int(np.searchsorted(x, 0, side="right")) if log else 0
    low, high = float(x[min(begin, len(x) - 1)]), float(x[-1])
    if not 0 < high - low < np.inf:
        return None
    marks = (np.geomspace if log else np.linspace)(low, high, bins + 1)[1:-1]
    if x.dtype.kind in "iu":  # else searchsorted would copy all of x as floats
        marks = np.ceil(marks).astype(x.dtype)
    edges = np.concatenate(([0], np.searchsorted(x, marks), [len(x)]))
    counts, even = np.diff(edges), len(x) / bins
    if counts.min() >= even / 2 and counts.max() <= even * 2:
        return None
    return distinct(edges)


def _looks_even(x: npt.NDArray[Any]) -> bool:
    """Tell from a thousandth of the places whether they are spread evenly, as steps nearly always are."""
    few = x[np.linspace(0, len(x) - 1, _PROBES).astype(np.intp)].astype(np.float64)
    widths = np.diff(few)
    even = (few[-1] - few[0]) / (_PROBES - 1)
    return bool(even > 0 and widths.min() >= even / 2 and widths.max() <= even * 2)


def _without_missing(numbers: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the numbers to look for the smallest and for the largest in: NaN is neither."""
    if numbers.dtype.kind != "f":
        return numbers, numbers
    missing = np.isnan(numbers)
    if not missing.any():
        return numbers, numbers
    return np.where(missing, np.inf, numbers), np.where(missing, -np.inf, numbers)


def _extremes_between(numbers: npt.NDArray[Any], edges: Indices) -> list[Indices]:
    lows, highs = _without_missing(numbers)
    spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    smallest = [start + int(lows[start:stop].argmin()) for start, stop in spans]
    largest = [start + int(highs[start:stop].argmax()) for start, stop in spans]
    return [np.array(smallest, dtype=np.intp), np.array(largest, dtype=np.intp)]
