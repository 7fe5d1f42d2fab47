"""Where two curves part, against the plainest way to find it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.store.parting import Tolerance, parting
from treering.store.reader import Points

VALUES = st.sampled_from([0.0, -0.0, 1.0, 1.05, -1.0, 1e300, math.inf, -math.inf, math.nan])
CURVES = st.lists(st.tuples(st.integers(0, 6), VALUES), max_size=14)
EXACTLY = Tolerance()


def points(x: Any, values: Any, kind: str = "float64") -> Points:
    dtype = {"float64": np.float64, "int64": np.int64, "bool": np.bool_}.get(kind, object)
    places = np.asarray(x, dtype=None if len(x) else np.int64)
    return Points(np.arange(len(x)), places, np.array(values, dtype=dtype), kind, len(x), 0, ())


def same(a: float, b: float, tolerance: Tolerance) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    return abs(a - b) <= tolerance.absolute + tolerance.relative * max(abs(a), abs(b))


def plainly(one: list[tuple[int, float]], other: list[tuple[int, float]], tolerance: Tolerance) -> tuple[Any, ...]:
    """The pairs in order of their places, compared one after the other."""
    pairs = []
    for place in range(7):
        mine, theirs = ([value for x, value in curve if x == place] for curve in (one, other))
        pairs += [(place, a, b) for a, b in zip(mine, theirs, strict=False)]
    apart = [at for at, (_, a, b) in enumerate(pairs) if not same(a, b, tolerance)]
    last = apart[0] if apart else len(pairs)
    gaps = [(abs(a - b), -at, x) for at, (x, a, b) in enumerate(pairs) if math.isfinite(a - b) and a != b]
    widest = max(gaps) if gaps and apart else None
    return (
        len(pairs),
        len(apart),
        pairs[apart[0]][0] if apart else None,
        pairs[last - 1][0] if last else None,
        None if widest is None else (widest[2], widest[0]),
    )


@given(CURVES, CURVES, st.sampled_from([EXACTLY, Tolerance(0.1), Tolerance(0, 0.06), Tolerance(2.0, 1.0)]))
def test_it_is_what_comparing_one_by_one_finds(
    one: list[tuple[int, float]], other: list[tuple[int, float]], tolerance: Tolerance
) -> None:
    first, second = (points([x for x, _ in curve], [value for _, value in curve]) for curve in (one, other))
    found = parting(first, second, tolerance)
    place = found.at[0] if found.at else None
    assert (found.compared, found.differing, place, found.last_same, found.widest) == plainly(one, other, tolerance)
    assert found.only_first == len(one) - found.compared
    assert found.only_second == len(other) - found.compared


def test_one_different_value_of_a_million_is_found() -> None:
    steps = np.arange(1_000_000)
    values = np.sin(steps)
    changed = values.copy()
    changed[777_777] = np.nextafter(changed[777_777], 2)
    found = parting(points(steps, values), points(steps, changed), EXACTLY)
    assert found.at == (777_777, values[777_777], changed[777_777])
    assert (found.differing, found.last_same) == (1, 777_776)
    assert parting(points(steps, values), points(steps, changed), Tolerance(1e-9)).at is None


def test_large_whole_numbers_are_compared_exactly() -> None:
    found = parting(points([0], [2**60], "int64"), points([0], [2**60 + 1], "int64"), EXACTLY)
    assert found.at == (0, 2**60, 2**60 + 1)


@pytest.mark.parametrize(("a", "b", "apart"), [("x", "x", 0), ("x", "y", 1), ({"a": [1]}, {"a": [1]}, 0)])
def test_what_is_no_number_is_the_same_or_is_not(a: object, b: object, apart: int) -> None:
    found = parting(points([3], [a], "text"), points([3], [b], "text"), Tolerance(1e9, 1.0))
    assert found.differing == apart


def test_a_place_that_is_nan_is_none() -> None:
    found = parting(points([0.5, math.nan], [1, 2]), points([0.5, math.nan], [1, 3]), EXACTLY)
    assert (found.compared, found.at, found.only_first) == (1, None, 1)


def test_curves_that_never_meet() -> None:
    found = parting(points([0, 2], [1, 1]), points([1, 3], [1, 1]), EXACTLY)
    assert (found.compared, found.only_first, found.only_second, found.last_same) == (0, 2, 2, None)
    assert parting(points([], []), points([], []), EXACTLY).compared == 0
