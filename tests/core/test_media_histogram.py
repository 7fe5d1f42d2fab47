from __future__ import annotations

import math
import sys
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typing_extensions import assert_type

from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media import Histogram
from treering.store.values import Carried, decode, encode, kind_of

# Below the least normal number, scaling by a power of two rounds; a value there may fall into the bin beside zero.
FINITE = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
NEAR = st.floats(-10, 10, allow_subnormal=False) | st.integers(-5, 5).map(float)
ANY = FINITE | NEAR | st.sampled_from([math.nan, math.inf, -math.inf])
VALUES = st.lists(NEAR, max_size=60) | st.lists(ANY, max_size=60)


def counted(values: Sequence[float], edges: Sequence[float]) -> tuple[int, ...]:
    """Count by hand: bins include their lower edge; the greatest float of all has no bin above it."""
    counts = [0] * (len(edges) - 1) if edges else []
    for value in values:
        if math.isfinite(value):
            counts[min(bisect_right(edges, value) - 1, len(counts) - 1)] += 1
    return tuple(counts)


def back(histogram: Histogram) -> Histogram:
    carried = decode(encode(histogram))
    assert isinstance(carried, Carried)
    assert kind_of(carried) == "histogram"
    return Histogram.from_payload(carried.payload)


@given(VALUES, st.integers(2, 100))
@example([sys.float_info.max, -sys.float_info.max], 64)
@example([1.0, math.nextafter(1.0, 2.0)], 64)
@example([1e-300, -1e-300, 0.0, -0.0], 2)
@example([1e16, 1e16 + 2], 64)
def test_every_value_is_in_its_bin(values: list[float], num_bins: int) -> None:
    histogram = Histogram(values, num_bins=num_bins)
    assert histogram.counts == counted(values, histogram.edges)
    assert len(histogram.counts) <= num_bins
    assert list(histogram.edges) == sorted(set(histogram.edges))
    finite = [value for value in values if math.isfinite(value)]
    assert histogram.count == len(finite)
    assert histogram.nan == sum(map(math.isnan, values))
    assert (histogram.inf, histogram.minus_inf) == (values.count(math.inf), values.count(-math.inf))
    assert (histogram.min, histogram.max) == ((min(finite), max(finite)) if finite else (None, None))
    # No bin is wasted: the outer ones have values in them.
    assert not finite or (histogram.counts[0] and histogram.counts[-1])


@given(VALUES)
def test_comes_back_equal(values: list[float]) -> None:
    histogram = Histogram(values)
    again = back(histogram)
    assert again == histogram
    assert (again.counts, again.edges, repr(again)) == (histogram.counts, histogram.edges, repr(histogram))
    assert (again.mean, again.std) == (histogram.mean, histogram.std)


@given(VALUES, VALUES)
@example([0.0, 0.0], [1e-9, 2e-9, 3e-9])
@example([5.0], [5.0])
@example([-1e300], [1e-300])
def test_merging_is_exact(left: list[float], right: list[float]) -> None:
    merged = back(Histogram(left)).merge(Histogram(right))
    assert merged.counts == counted(left + right, merged.edges)
    assert len(merged.counts) <= 64
    assert merged.nan == sum(map(math.isnan, left + right))
    whole = Histogram(left + right)
    assert (merged.min, merged.max, merged.inf, merged.minus_inf) == (whole.min, whole.max, whole.inf, whole.minus_inf)
    assert merged.counts == Histogram(right).merge(Histogram(left)).counts


@given(st.lists(st.lists(NEAR, min_size=1, max_size=20), min_size=2, max_size=5))
def test_merging_many_gives_bins_as_fine_as_half_the_best(parts: list[list[float]]) -> None:
    merged = Histogram([])
    for part in parts:
        merged = merged.merge(Histogram(part))
    together = [value for part in parts for value in part]
    assert merged.counts == counted(together, merged.edges)
    if merged.min != merged.max:
        assert merged.edges[1] - merged.edges[0] <= 2 * (Histogram(together).edges[1] - Histogram(together).edges[0])


def test_numbers_of_a_spread_sample() -> None:
    values = np.random.default_rng(0).normal(3, 2, 100_000)
    histogram = Histogram(values)
    assert 32 <= len(histogram.counts) <= 64
    assert histogram.mean == pytest.approx(values.mean(), rel=1e-12)
    assert histogram.std == pytest.approx(values.std(), rel=1e-9)
    assert histogram.counts == tuple(np.histogram(values, histogram.edges)[0].tolist())
    assert len(encode(histogram)) < 350


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "longdouble", "i1", "u1", "i4", "i8", "u8", "?"])
def test_types_of_arrays(dtype: str) -> None:
    array = np.array([0, 1, 1, 0, 1, 1]).astype(dtype).reshape(2, 3)
    histogram = Histogram(array)
    assert (histogram.count, histogram.min, histogram.max) == (6, 0.0, 1.0)
    assert histogram.mean == pytest.approx(4 / 6)
    assert (histogram.counts[0], histogram.counts[-1]) == (2, 4)
    assert Histogram(array.tolist()) == histogram


def test_a_long_double_beyond_float_counts_as_infinite() -> None:
    values = np.array([1.0, 2.0], np.longdouble)
    values[1] = np.finfo(np.longdouble).max
    if values[1] > np.longdouble(sys.float_info.max):
        histogram = Histogram(values)
        assert (histogram.count, histogram.inf) == (1, 1)


def test_what_a_program_has_at_hand() -> None:
    expected = Histogram([1.0, 2.0, 4.0])
    assert Histogram((1, 2, 4)) == expected
    assert Histogram(x for x in (1, 2, 4)) == expected
    assert Histogram({1.0: "a", 2.0: "b", 4.0: "c"}.keys()) == expected
    assert Histogram(np.ma.masked_greater([1.0, 2.0, 4.0, 9.0], 5)) == expected
    assert Histogram(np.array([[1.0], [2.0], [4.0]])[::-1]).counts == expected.counts
    assert Histogram(np.float32(3)).count == 1
    pandas = pytest.importorskip("pandas")
    assert Histogram(pandas.Series([1.0, 2.0, 4.0])) == expected
    polars = pytest.importorskip("polars")
    assert Histogram(polars.Series([1.0, 2.0, 4.0])) == expected


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    values = torch.tensor([[1.0, 2.0], [4.0, 4.0]], requires_grad=True)
    expected = Histogram([1.0, 2.0, 4.0, 4.0])
    assert Histogram(values) == expected
    assert Histogram(values * 1) == expected
    assert Histogram(values.bfloat16()) == expected
    assert Histogram(values.half()) == expected
    assert Histogram(values.detach().to_sparse()) == expected
    assert Histogram([torch.tensor(1.0), torch.tensor(2.0), torch.tensor(4.0), torch.tensor(4.0)]) == expected
    assert Histogram(np_histogram=torch.histogram(values.detach(), 3)).count == 4


def test_the_values_may_change_afterwards() -> None:
    values = np.array([1.0, 2.0, 3.0])
    histogram = Histogram(values)
    payload = encode(histogram)
    values[:] = 100
    assert encode(histogram) == payload


def test_nothing_finite() -> None:
    for values in ([], [math.nan], [math.inf, -math.inf]):
        histogram = Histogram(values)
        assert (histogram.counts, histogram.edges, histogram.mean, histogram.std) == ((), (), None, None)
        assert repr(histogram).startswith("Histogram(no finite values")
        assert "<svg" in histogram._repr_html_()


def test_ready_made() -> None:
    counts, edges = np.histogram([1.0, 2.0, 2.5, 4.0], bins=3)
    histogram = Histogram(np_histogram=(counts, edges))
    assert histogram.counts == (1, 2, 1)
    assert histogram.edges == (1.0, 2.0, 3.0, 4.0)
    assert (histogram.mean, histogram.min) == (None, None)
    assert back(histogram) == histogram
    assert Histogram(np_histogram=([0.5, 1.5], [0, 1, 2])).counts == (0.5, 1.5)
    assert "▁" in repr(histogram) or "█" in repr(histogram)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_ready_made_with_common_edges_merge_exactly(left: list[int], right: list[int]) -> None:
    a = Histogram(np_histogram=(left, list(range(len(left) + 1))))
    b = Histogram(np_histogram=(right, [2 * edge - 4 for edge in range(len(right) + 1)]))
    try:
        merged = a.merge(b)
    except UsageError:
        assert len({*a.edges, *b.edges}) > 2
        return
    assert merged.count == a.count + b.count
    for edge in merged.edges:
        below = [sum(c for c, upper in zip(h.counts, h.edges[1:], strict=True) if upper <= edge) for h in (a, b)]
        assert sum(c for c, upper in zip(merged.counts, merged.edges[1:], strict=True) if upper <= edge) == sum(below)


def test_ready_made_merges_with_a_grid() -> None:
    merged = Histogram(np_histogram=([1, 2], [0, 1, 2])).merge(Histogram([0.5, 1.5, 1.75]))
    assert (merged.counts, merged.edges, merged.mean, merged.min) == ((2, 4), (0.0, 1.0, 2.0), None, None)
    apart = Histogram(np_histogram=([1], [0, 1])).merge(Histogram(np_histogram=([2], [5, 6])))
    assert (apart.counts, apart.edges) == ((1, 0, 2), (0.0, 1.0, 5.0, 6.0))
    with pytest.raises(UsageError, match="Give both the same edges"):
        Histogram(np_histogram=([1, 2], [0, 1, 3])).merge(Histogram(np_histogram=([1, 2], [0, 2, 3])))
    empty = Histogram([math.nan])
    assert empty.merge(merged).counts == merged.counts
    assert empty.merge(merged).nan == 1
    assert merged.merge(empty).edges == merged.edges


@pytest.mark.parametrize(
    ("values", "in_text"),
    [
        ("abc", "got a str"),
        (["a", "b"], "got a list of <U1"),
        ([1, None], "got a list of object"),
        ([[1, 2], [3]], "got a list"),
        (np.array([1 + 2j]), "abs(x)"),
        (np.array(["2020-01-01"], "M8[D]"), "datetime64"),
        ({"a": 1}, "got a dict"),
        (object(), "got a object"),
    ],
)
def test_refused_values(values: object, in_text: str) -> None:
    with pytest.raises(UnsupportedValue) as caught:
        Histogram(values)
    assert in_text in str(caught.value)
    assert "real numbers" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "in_text"),
    [
        ({}, "neither"),
        ({"sequence": [1], "np_histogram": ([1], [0, 1])}, "both"),
        ({"sequence": [1], "num_bins": 1}, "2 to 4096"),
        ({"sequence": [1], "num_bins": 5000}, "2 to 4096"),
        ({"np_histogram": ([1], [0])}, "one edge more"),
        ({"np_histogram": ([], [0])}, "one edge more"),
        ({"np_histogram": ([1], [1, 1])}, "rising"),
        ({"np_histogram": ([1], [0, math.inf])}, "rising"),
        ({"np_histogram": ([-1], [0, 1])}, "0 or more"),
        ({"np_histogram": ([math.nan], [0, 1])}, "0 or more"),
        ({"np_histogram": 3}, "pair (counts, edges)"),
        ({"np_histogram": ([1], [0, 1], 3)}, "pair (counts, edges)"),
    ],
)
def test_refused_arguments(arguments: dict[str, object], in_text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Histogram(**arguments)  # type: ignore[arg-type]
    assert in_text in str(caught.value)


@pytest.mark.parametrize(
    "payload",
    [
        {"counts": "x"},
        {"counts": [1], "edges": [2.0, 1.0]},
        {"counts": [1], "exponent": 10**6, "min": 0.0},
        {"counts": [1]},
        {"counts": [1] * 5000, "min": 0.0},
        {"counts": [], "nan": "many"},
    ],
)
def test_damaged_payloads(payload: dict[str, object]) -> None:
    with pytest.raises(CorruptData, match="Histogram"):
        Histogram.from_payload(payload)


def test_looks() -> None:
    histogram = Histogram([0, 0, 0, 1, math.nan])
    assert repr(histogram) == "Histogram(4 values, mean 0.25, std 0.433, 0 █             ▃ 1, 1 NaN)" or "█" in repr(
        histogram
    )
    assert histogram._repr_html_().count("<rect") == len(histogram.counts)
    assert histogram != Histogram([0, 0, 0, 1])
    assert histogram != 3
    with pytest.raises(TypeError):
        hash(histogram)
    assert_type(histogram.counts, tuple[int | float, ...])
