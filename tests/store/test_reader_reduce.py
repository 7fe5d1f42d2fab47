"""Down-sampling: extremes, ends and gaps survive, whatever the series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from treering.errors import UsageError
from treering.store.reduce import thin

NUMBERS = hnp.arrays(np.float64, st.integers(1, 600), elements=st.floats(width=64))


@given(NUMBERS, st.integers(4, 100))
@example(np.array([0.0, -np.inf, np.nan, np.inf, 0.0]), 4)
def test_nothing_that_shows_is_lost(values: np.ndarray, samples: int) -> None:
    kept = thin(values, samples)
    assert len(kept) <= max(samples, 4)
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    seen = values[kept]
    finite = values[np.isfinite(values)]
    # Each sort of odd value takes room from the bins; with none left for the extremes, ends and gaps still show.
    if len(finite) and samples >= 8:
        assert finite.min() in seen
        assert finite.max() in seen
    if samples >= 8:
        for odd in (np.isnan, np.isposinf, np.isneginf):
            assert odd(seen).any() == odd(values).any()


@given(NUMBERS, st.integers(8, 60), st.data())
def test_an_uneven_axis_loses_nothing_either(values: np.ndarray, samples: int, data: st.DataObject) -> None:
    steps = hnp.arrays(np.int64, len(values), elements=st.sampled_from([0, 1, 1, 1, 1000, 10**12]))
    x = np.cumsum(data.draw(steps))
    kept = thin(values, samples, x)
    assert len(kept) <= samples or len(kept) == len(values)
    finite = values[np.isfinite(values)]
    if len(finite):
        assert {finite.min(), finite.max()} <= set(values[kept])


def test_a_logarithmic_axis_has_points_at_its_left() -> None:
    values, x = np.sin(np.arange(1_000_000) / 3), np.arange(1_000_000)
    values[[17, 400_000]] = 9.0
    kept = thin(values, 1000, x, log=True)
    assert len(kept) <= 1000
    assert {17, 400_000, 0, 999_999} <= set(kept)
    for low, high in ((1, 10), (10, 100), (100, 1000), (10_000, 100_000)):
        assert ((kept >= low) & (kept < high)).sum() >= 9
    assert (kept > 500_000).sum() > 100
    assert ((thin(values, 1000, x) > 0) & (thin(values, 1000, x) < 1000)).sum() < 9


@pytest.mark.parametrize("x", [np.arange(-5000, 0), np.zeros(5000), np.full(5000, np.nan), np.arange(5000) - 4999.5])
def test_a_logarithmic_axis_without_a_place_for_them(x: np.ndarray) -> None:
    values = np.zeros(5000)
    values[77] = 1.0
    kept = thin(values, 100, x, log=True)
    assert {0, 77, 4999} <= set(kept)
    assert len(kept) <= 100


def test_every_bin_keeps_its_spike() -> None:
    values = np.zeros(1_000_000)
    spikes = np.arange(500, 1_000_000, 10_000)
    values[spikes] = np.where(np.arange(len(spikes)) % 2, 1.0, -1.0)
    kept = thin(values, 2000)
    assert len(kept) <= 2000
    assert set(spikes) <= set(kept)


def test_a_spike_beside_infinities_and_nan_is_kept() -> None:
    values = np.zeros(100_000)
    values[50_000:50_050] = np.nan
    values[50_010] = np.inf
    values[50_020] = 1e30
    seen = values[thin(values, 400)]
    assert 1e30 in seen
    assert np.inf in seen
    assert np.isnan(seen).any()


def test_a_quiet_stretch_keeps_its_shape() -> None:
    # A burst of a million points in one second, then 500 points over an hour.
    x = np.concatenate([np.linspace(0, 1, 1_000_000), np.linspace(1, 3600, 500)])
    values = np.sin(np.arange(len(x)) / 20)
    kept = thin(values, 2000, x)
    assert (kept >= 1_000_000).sum() > 300


def test_an_outlier_on_the_axis_does_not_flatten_the_rest() -> None:
    x = np.arange(100_000)
    x[-1] = 10**15
    kept = thin(np.sin(np.arange(100_000) / 500), 2000, x)
    assert len(kept) > 900


@pytest.mark.parametrize("kind", ["bool", "int64", "float64", "object"])
def test_every_kind(kind: str) -> None:
    values = (np.arange(10_000) % 7 == 0).astype(kind)
    kept = thin(values, 100)
    assert kept[0] == 0
    assert kept[-1] == 9999
    assert 50 <= len(kept) <= 100


def test_integers_beyond_the_floats_keep_their_extreme() -> None:
    values = np.full(10_000, 2**62, dtype=np.int64)
    values[1234] += 1
    assert 1234 in thin(values, 100)


def test_constant_axis_and_few_points() -> None:
    assert len(thin(np.arange(6000.0), 20, np.zeros(6000))) <= 20
    assert thin(np.arange(5.0), 20).tolist() == [0, 1, 2, 3, 4]
    assert thin(np.empty(0), 20).tolist() == []


def test_too_few_samples() -> None:
    with pytest.raises(UsageError, match="samples=1"):
        thin(np.arange(5.0), 1)
