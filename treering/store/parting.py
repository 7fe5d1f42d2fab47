"""Where two curves part: the first place at which both have a value and the values are not the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from treering.store.values import NUMERIC

if TYPE_CHECKING:
    import numpy.typing as npt

    from treering.store.reader import Points

    Mask = npt.NDArray[np.bool_]
    Positions = npt.NDArray[np.intp]

__all__ = ["Parting", "Tolerance", "parting"]


class Tolerance(NamedTuple):
    """Numbers are the same when they differ by no more than `absolute` + `relative` x the larger of their sizes."""

    absolute: float = 0.0
    relative: float = 0.0


class Parting(NamedTuple):
    """How far two curves are the same.

    Attributes:
        compared: places at which both have a value; a place that comes several times is compared each time.
        only_first: values of the first curve without a partner in the second.
        only_second: the other way round.
        differing: compared places at which the values are not the same.
        at: (x, value of the first, value of the second) of the first such place; None where there is none.
        last_same: x of the place compared before that, or the last one of all; None where there is none.
        widest: (x, difference) where finite numbers are farthest apart; None where none are apart.
    """

    compared: int
    only_first: int
    only_second: int
    differing: int
    at: tuple[Any, Any, Any] | None
    last_same: Any
    widest: tuple[Any, float] | None


def parting(first: Points, second: Points, tolerance: Tolerance) -> Parting:
    """Compare two curves over the same x axis, every value of them, in order of the axis.

    Args:
        first: all points of one.
        second: all points of the other.
        tolerance: applies to numbers; anything else is the same or is not. NaN is the same as NaN, and an infinity as
            the same infinity.
    """
    one, other = _common(first.x, second.x)
    x, a, b = first.x[one], first.values[one], second.values[other]
    numeric = {first.kind, second.kind} <= NUMERIC
    apart = _apart(a, b, tolerance) if numeric else _unlike(a, b)
    where = np.flatnonzero(apart)
    at, before = None, len(x)
    if len(where):
        before = int(where[0])
        at = (x[before].item(), a[before : before + 1].tolist()[0], b[before : before + 1].tolist()[0])
    return Parting(
        compared=len(x),
        only_first=len(first.x) - len(x),
        only_second=len(second.x) - len(x),
        differing=len(where),
        at=at,
        last_same=x[before - 1].item() if before else None,
        widest=_widest(x, a, b) if numeric and len(where) else None,
    )


def _common(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> tuple[Positions, Positions]:
    """Return the positions of partners: the n-th value at a place and the n-th of the other curve there."""
    places, ranks = np.unique(np.concatenate([x, y]), return_inverse=True)
    repeats = max(_most(ranks[: len(x)]), _most(ranks[len(x) :]))
    nan = places.dtype.kind == "f" and len(places) and bool(np.isnan(places[-1]))
    _, one, other = np.intersect1d(
        _numbered(ranks[: len(x)], repeats),
        _numbered(ranks[len(x) :], repeats),
        assume_unique=True,
        return_indices=True,
    )
    if nan:  # a metric as the axis may be NaN, which is no place
        known = ranks[one] != len(places) - 1
        one, other = one[known], other[known]
    return one, other


def _most(ranks: npt.NDArray[np.intp]) -> int:
    return int(np.bincount(ranks).max()) if len(ranks) else 1


def _numbered(ranks: npt.NDArray[np.intp], repeats: int) -> npt.NDArray[np.int64]:
    """Return one number for each (place, how often it came before), in the order of the curve."""
    order = np.argsort(ranks, kind="stable")
    ordered = ranks[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    nth = np.arange(len(ordered)) - np.repeat(starts, np.diff(starts, append=len(ordered)))
    found = np.empty(len(ranks), dtype=np.int64)
    found[order] = ordered.astype(np.int64) * repeats + nth
    return found


def _apart(a: npt.NDArray[Any], b: npt.NDArray[Any], tolerance: Tolerance) -> Mask:
    if tolerance == (0.0, 0.0):
        exact: Mask = (a != b) & ~(_isnan(a) & _isnan(b))
        return exact
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(x - y) <= tolerance.absolute + tolerance.relative * np.maximum(np.abs(x), np.abs(y))
    same: Mask = (x == y) | (near & np.isfinite(x) & np.isfinite(y)) | (np.isnan(x) & np.isnan(y))
    return ~same


def _isnan(values: npt.NDArray[Any]) -> Mask:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=np.bool_)


def _unlike(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Mask:
    # One by one: what a comparison of objects gives is theirs to say, and an array of them would ask for more.
    return np.fromiter((x != y for x, y in zip(a.tolist(), b.tolist(), strict=True)), dtype=np.bool_, count=len(a))


def _widest(x: npt.NDArray[Any], a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[Any, float] | None:
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.abs(a.astype(np.float64) - b.astype(np.float64))
    gaps[~np.isfinite(gaps)] = -1.0
    at = int(np.argmax(gaps))
    return (x[at].item(), float(gaps[at])) if gaps[at] > 0 else None
