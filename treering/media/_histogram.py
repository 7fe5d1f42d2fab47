"""Histograms whose bins line up: over the steps of a run, over layers, over processes.

The bins of a histogram made from values are 2**k wide and begin at whole multiples of that, so any two merge exactly:
the finer one's bins lie inside the coarser one's.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import msgspec

from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media._arrays import as_array
from treering.media._base import Media, Payload, checked, type_name
from treering.media._bins import Grid, choose_grid, count_values, pooled_deviations

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from typing_extensions import Self

__all__ = ["Histogram"]

_FEWEST_BINS, _MOST_BINS = 2, 4096
_WIDEST_EXPONENT = 1100  # beyond that of any float
_BARS = "▁▂▃▄▅▆▇█"


class _Form(msgspec.Struct):
    counts: list[int | float] = msgspec.field(default_factory=list[int | float])
    edges: list[float] | None = None
    exponent: int = 0
    first: int = 0
    nan: int = 0
    inf: int = 0
    minus_inf: int = 0
    min: float | None = None
    max: float | None = None
    sum: float | None = None
    deviations: float | None = None


class Histogram(Media):
    """How many values lie where.

    Args:
        sequence: the values: numbers, or an array or tensor of any shape and library. Not kept. NaN and infinities
            are counted apart.
        np_histogram: instead of values, counts and edges as `numpy.histogram` returns them: as many counts, whole or
            not, as there are pairs of neighbouring edges, and edges that rise. Its last bin includes its upper edge.
        num_bins: at most this many bins, 2 to 4096; at least half as many when the values are spread. They are a power
            of two wide and begin at multiples of their width.

    Attributes:
        counts: values in each bin.
        edges: one more than `counts`, or none where there is no finite value. Bins include their lower edge.
        nan: number of NaN.
        inf: number of +infinity.
        minus_inf: number of -infinity.
        min: least finite value; None without one, or where only counts were given.
        max: greatest finite value; likewise.

    Raises:
        UnsupportedValue: values that are no real numbers.
        UsageError: neither or both of `sequence` and `np_histogram`, or counts and edges that do not fit.
    """

    __slots__ = ("_deviations", "_grid", "_sum", "counts", "edges", "inf", "max", "min", "minus_inf", "nan")

    kind = "histogram"

    def __init__(
        self,
        sequence: object = None,
        np_histogram: tuple[object, object] | None = None,
        num_bins: int = 64,
    ) -> None:
        if (sequence is None) == (np_histogram is None):
            raise UsageError(
                "Histogram got "
                + ("neither values nor np_histogram" if sequence is None else "both values and np_histogram")
                + "; it takes one of them. Write Histogram(x) or Histogram(np_histogram=numpy.histogram(x))."
            )
        if not _FEWEST_BINS <= num_bins <= _MOST_BINS:
            raise UsageError(
                f"Histogram got num_bins={num_bins}; it takes {_FEWEST_BINS} to {_MOST_BINS}. 64 is the default."
            )
        self._clear()
        if np_histogram is not None:
            self._take_counts(np_histogram)
        else:
            self._take_values(_numbers(sequence, "Histogram"), num_bins)

    def _clear(self) -> None:
        self.counts: tuple[int | float, ...] = ()
        self.edges: tuple[float, ...] = ()
        self.nan = self.inf = self.minus_inf = 0
        self.min: float | None = None
        self.max: float | None = None
        self._sum: float | None = 0.0
        self._deviations: float | None = 0.0
        self._grid: Grid | None = Grid(0, 0)

    def _take_values(self, values: npt.NDArray[Any], num_bins: int) -> None:
        import numpy as np

        if values.size == 0:
            return
        if values.dtype.kind == "f":
            if values.dtype == np.longdouble:
                with np.errstate(over="ignore"):
                    values = values.astype(np.float64)
            if not (np.isfinite(values.min()) and np.isfinite(values.max())):
                self.nan = int(np.count_nonzero(np.isnan(values)))
                self.inf = int(np.count_nonzero(np.isposinf(values)))
                self.minus_inf = int(np.count_nonzero(np.isneginf(values)))
                values = values[np.isfinite(values)]
                if values.size == 0:
                    return
        self.min, self.max = float(values.min()), float(values.max())
        self._grid = choose_grid(self.min, self.max, num_bins)
        bins = self._grid.place(self.max) - self._grid.first + 1
        counts, self._sum, self._deviations = count_values(values, self._grid, bins)
        self.counts = tuple(counts)
        self.edges = self._grid.edges(bins)

    def _take_counts(self, np_histogram: tuple[object, object]) -> None:
        advice = "Write Histogram(np_histogram=numpy.histogram(x))."
        try:
            counts_given, edges_given = np_histogram
        except (TypeError, ValueError):
            raise UsageError(
                f"Histogram got a {type_name(np_histogram)} as np_histogram; it takes a pair (counts, edges). {advice}"
            ) from None
        counts = _numbers(counts_given, "Histogram's counts").tolist()
        edges = [float(edge) for edge in _numbers(edges_given, "Histogram's edges").tolist()]
        if not 1 <= len(counts) <= _MOST_BINS or len(edges) != len(counts) + 1:
            raise UsageError(
                f"Histogram got {len(counts)} counts and {len(edges)} edges; it takes 1 to {_MOST_BINS} counts and one "
                f"edge more than counts. {advice}"
            )
        if not all(math.isfinite(edge) for edge in edges) or any(a >= b for a, b in pairwise(edges)):
            raise UsageError(f"Histogram got edges that do not rise; it takes finite, rising ones. {advice}")
        if not all(math.isfinite(count) and count >= 0 for count in counts):
            raise UsageError(f"Histogram got a count that is negative, NaN or infinite; it takes 0 or more. {advice}")
        self.counts, self.edges, self._grid = tuple(counts), tuple(edges), None
        self._sum = self._deviations = None

    @property
    def count(self) -> int | float:
        """Number of finite values."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Mean of the finite values; None where there is none, or where only counts were given."""
        return self._sum / self.count if self.counts and self._sum is not None else None

    @property
    def std(self) -> float | None:
        """Standard deviation of the finite values (divided by their number); None like `mean`."""
        if self.mean is None or self._deviations is None:
            return None
        return math.sqrt(self._deviations / self.count)

    @property
    def _moments(self) -> tuple[float, float, float] | None:
        known = self._sum is not None and self._deviations is not None
        return (self.count, cast("float", self._sum), cast("float", self._deviations)) if known else None

    def merge(self, other: Histogram) -> Histogram:
        """Return the histogram of both sets of values together; every count is exact.

        Raises:
            UsageError: both were given as counts and their edges have too little in common.
        """
        if not other.counts or not self.counts:
            merged = self.from_payload((self if self.counts else other).to_payload())
        else:
            on_grid = self._grid is not None and other._grid is not None
            merged = self._merged_on_grid(other) if on_grid else self._merged_on_edges(other)
            merged.min = None if self.min is None or other.min is None else min(self.min, other.min)
            merged.max = None if self.max is None or other.max is None else max(self.max, other.max)
            if self._moments is not None and other._moments is not None:
                merged._sum = self._moments[1] + other._moments[1]
                merged._deviations = pooled_deviations(self._moments, other._moments)
            else:
                merged._sum = merged._deviations = None
        merged.nan = self.nan + other.nan
        merged.inf = self.inf + other.inf
        merged.minus_inf = self.minus_inf + other.minus_inf
        return merged

    def _merged_on_grid(self, other: Histogram) -> Histogram:
        most = max(len(self.counts), len(other.counts), 64)
        low = min(cast("float", self.min), cast("float", other.min))
        high = max(cast("float", self.max), cast("float", other.max))
        # Equal values lie in one bin of any width, so they set no bound on the common one.
        widths = [cast("Grid", one._grid).exponent for one in (self, other) if one.min != one.max]
        exponent = max([choose_grid(low, high, most).exponent, *widths])
        grid = Grid(exponent, Grid(exponent, 0).place(low))
        counts: list[int | float] = [0] * (grid.place(high) - grid.first + 1)
        for one in (self, other):
            for count, place in zip(one.counts, one._places(exponent), strict=True):
                counts[place - grid.first] += count
        merged = Histogram([])
        merged._grid, merged.counts, merged.edges = grid, tuple(counts), grid.edges(len(counts))
        return merged

    def _places(self, exponent: int) -> list[int]:
        """Return into which bins, 2**exponent wide and counted from 0, those of a grid fall."""
        if self.min is not None and self.min == self.max:
            return [Grid(exponent, 0).place(self.min)]
        grid = cast("Grid", self._grid)
        return [(grid.first + i) >> (exponent - grid.exponent) for i in range(len(self.counts))]

    def _merged_on_edges(self, other: Histogram) -> Histogram:
        """Merge on the edges that both have, or that lie outside the other: no bin is ever cut in two."""
        both = sorted({*self.edges, *other.edges})
        edges = [edge for edge in both if _is_between_bins(edge, self) and _is_between_bins(edge, other)]
        if len(edges) == 2 < max(len(self.edges), len(other.edges)):  # noqa: PLR2004  # one bin
            raise UsageError(
                f"merge got histograms whose edges have nothing in common ({_range(self)}, {_range(other)}), so that "
                "counts would have to be guessed; it takes equal edges, or histograms made from values. Give both the "
                "same edges."
            )
        counts: list[int | float] = [0] * (len(edges) - 1)
        for one in (self, other):
            place = 0
            for count, edge in zip(one.counts, one.edges, strict=False):
                while edges[place + 1] <= edge:
                    place += 1
                counts[place] += count
        merged = Histogram([])
        merged._grid, merged.counts, merged.edges = None, tuple(counts), tuple(edges)
        return merged

    def to_payload(self) -> Payload:
        """See `Media`."""
        payload: Payload = {"counts": list(self.counts)}
        if self._grid is None:
            payload["edges"] = list(self.edges)
        elif self.counts:
            payload["exponent"], payload["first"] = self._grid
        for name, value in (("nan", self.nan), ("inf", self.inf), ("minus_inf", self.minus_inf)):
            if value:
                payload[name] = value
        if self.min is not None:
            payload.update(min=self.min, max=self.max, sum=self._sum, deviations=self._deviations)
        return payload

    @classmethod
    def from_payload(cls, payload: Payload) -> Self:
        """See `Media`."""
        form = checked(payload, _Form, "a Histogram")
        self = cls.__new__(cls)
        self._clear()
        if form.edges is not None:
            try:
                self._take_counts((form.counts, form.edges))
            except UsageError as error:
                raise CorruptData(f"a Histogram in the store is damaged: {error}") from error
        else:
            if (
                len(form.counts) > _MOST_BINS
                or abs(form.exponent) > _WIDEST_EXPONENT
                or bool(form.counts) == (form.min is None)
            ):
                raise CorruptData(
                    f"a Histogram in the store is damaged: {len(form.counts)} bins 2**{form.exponent} wide"
                )
            self._grid = Grid(form.exponent, form.first)
            self.counts, self.edges = tuple(form.counts), self._grid.edges(len(form.counts))
            if form.counts:
                self.min, self.max, self._sum, self._deviations = form.min, form.max, form.sum, form.deviations
        self.nan, self.inf, self.minus_inf = form.nan, form.inf, form.minus_inf
        return self

    def __repr__(self) -> str:
        parts = [f"{self.count:g} values" if self.counts else "no finite values"]
        if self.mean is not None:
            parts.append(f"mean {self.mean:.4g}, std {self.std:.4g}")
        if self.edges:
            low, high = (self.edges[0], self.edges[-1]) if self.min is None else (self.min, cast("float", self.max))
            parts.append(f"{low:.4g} {_sparkline(self.counts)} {high:.4g}")
        parts += [
            f"{value} {name}"
            for name, value in (("NaN", self.nan), ("inf", self.inf), ("-inf", self.minus_inf))
            if value
        ]
        return f"Histogram({', '.join(parts)})"

    def _repr_html_(self) -> str:
        bars, width, height = len(self.counts), 360, 80
        most = max(self.counts, default=0) or 1
        shapes: list[str] = []
        span = self.edges[-1] / 2 - self.edges[0] / 2 if bars else 1.0
        for i, count in enumerate(self.counts):
            left = (self.edges[i] / 2 - self.edges[0] / 2) / span * width
            right = (self.edges[i + 1] / 2 - self.edges[0] / 2) / span * width
            tall = count / most * height
            title = f"{self.edges[i]:.6g} to {self.edges[i + 1]:.6g}: {count:g}"
            shapes.append(
                f'<rect x="{left:.2f}" y="{height - tall:.2f}" width="{max(right - left - 0.5, 0.5):.2f}" '
                f'height="{tall:.2f}" fill="currentColor"><title>{title}</title></rect>'
            )
        svg = f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}">{"".join(shapes)}</svg>'
        return f"<figure>{svg}<figcaption><code>{repr(self)[10:-1]}</code></figcaption></figure>"


def _numbers(values: object, what: str) -> npt.NDArray[Any]:
    """Return real numbers as a flat array."""
    advice = f"{what} takes real numbers: a list, or an array or tensor of any shape."
    try:
        array = as_array(values)
    except (TypeError, ValueError) as error:
        raise UnsupportedValue(f"{what} got a {type_name(values)} ({error}). {advice} Convert it to that.") from error
    if array.dtype.kind not in "fiub":
        fix = "Give abs(x), x.real or x.imag." if array.dtype.kind == "c" else "Convert it to that."
        raise UnsupportedValue(f"{what} got a {type_name(values)} of {array.dtype}. {advice} {fix}")
    compressed = getattr(array, "compressed", None)  # a masked array's valid values
    return cast("npt.NDArray[Any]", array.ravel() if compressed is None else compressed())


def _is_between_bins(edge: float, histogram: Histogram) -> bool:
    return edge in histogram.edges or not histogram.edges[0] < edge < histogram.edges[-1]


def _range(histogram: Histogram) -> str:
    return f"{len(histogram.counts)} bins from {histogram.edges[0]:g} to {histogram.edges[-1]:g}"


def _sparkline(counts: Sequence[int | float], width: int = 16) -> str:
    """Draw the counts with characters, neighbours added up so that there are at most `width`."""
    each = -(-len(counts) // width)
    sums = [sum(counts[i : i + each]) for i in range(0, len(counts), each)]
    most = max(sums) or 1
    return "".join(" " if count == 0 else _BARS[min(int(count / most * 8), 7)] for count in sums)
