"""What is drawn follows the distribution that was asked for, and a model's coordinates lead to the same values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from treering.sweeps.config import config_of

DRAWS = 4000
E = math.e

# Name, keys, the distribution of scipy's; for those that are quantised, the one before.
CONTINUOUS: list[tuple[str, dict[str, Any], Any]] = [
    ("uniform", {"min": -1.0, "max": 3.0}, stats.uniform(-1, 4)),
    ("log_uniform", {"min": -2, "max": 3}, stats.loguniform(E**-2, E**3)),
    ("log_uniform_values", {"min": 1e-5, "max": 0.1}, stats.loguniform(1e-5, 0.1)),
    ("inv_log_uniform", {"min": -2, "max": 3}, stats.loguniform(E**-3, E**2)),
    ("inv_log_uniform_values", {"min": 0.1, "max": 7}, stats.loguniform(0.1, 7)),
    ("normal", {"mu": 2, "sigma": 3}, stats.norm(2, 3)),
    ("log_normal", {"mu": 1, "sigma": 0.5}, stats.lognorm(0.5, scale=E)),
    ("beta", {"a": 2, "b": 5}, stats.beta(2, 5)),
]
QUANTISED: list[tuple[str, dict[str, Any], Any]] = [
    ("q_uniform", {"min": -1.0, "max": 3.0, "q": 0.25}, stats.uniform(-1, 4)),
    ("q_log_uniform", {"min": 0, "max": 3, "q": 0.5}, stats.loguniform(1, E**3)),
    ("q_log_uniform_values", {"min": 1, "max": 100, "q": 3}, stats.loguniform(1, 100)),
    ("q_normal", {"mu": 2, "sigma": 3, "q": 0.5}, stats.norm(2, 3)),
    ("q_log_normal", {"mu": 1, "sigma": 0.5, "q": 0.5}, stats.lognorm(0.5, scale=E)),
    ("q_beta", {"a": 2, "b": 5, "q": 0.1}, stats.beta(2, 5)),
]


def distribution(name: str, keys: dict[str, Any]) -> Any:
    config = config_of({"method": "random", "parameters": {"x": {"distribution": name, **keys}}})
    return config.space.parameters[0].distribution


def drawn(name: str, keys: dict[str, Any]) -> list[Any]:
    generator = np.random.default_rng(7)
    one = distribution(name, keys)
    return [one.sample(generator) for _ in range(DRAWS)]


@pytest.mark.parametrize(("name", "keys", "expected"), CONTINUOUS, ids=[one[0] for one in CONTINUOUS])
def test_continuous_samples_follow_their_distribution(name: str, keys: dict[str, Any], expected: Any) -> None:
    assert stats.kstest(drawn(name, keys), expected.cdf).pvalue > 0.01


@pytest.mark.parametrize(("name", "keys", "before"), QUANTISED, ids=[one[0] for one in QUANTISED])
def test_quantised_samples_are_rounded_ones(name: str, keys: dict[str, Any], before: Any) -> None:
    q, values = keys["q"], np.array(drawn(name, keys), dtype=float)
    assert np.allclose(np.round(values / q) * q, values)
    levels = np.unique(values)
    # A value stands for all within half a q of it; the distribution function at those borders is known.
    borders = levels[:-1] + q / 2
    seen = np.array([(values < border).mean() for border in borders])
    assert np.max(np.abs(seen - before.cdf(borders))) < 1.63 / math.sqrt(DRAWS)  # Kolmogorov-Smirnov at 1 %


def test_integers_are_drawn_with_both_ends() -> None:
    values = drawn("int_uniform", {"min": 2, "max": 5})
    assert set(values) == {2, 3, 4, 5}
    assert stats.chisquare(np.unique(values, return_counts=True)[1]).pvalue > 0.01


def test_categories_are_drawn_by_their_probabilities() -> None:
    keys = {"values": ["a", "b", [1]], "probabilities": [0.2, 0.5, 0.3]}
    values = [str(one) for one in drawn("categorical_w_probabilities", keys)]
    counts = [values.count(one) for one in ("a", "b", "[1]")]
    assert stats.chisquare(counts, [DRAWS * share for share in keys["probabilities"]]).pvalue > 0.01
    plain = drawn("categorical", {"values": [1, 2]})
    assert stats.chisquare([plain.count(1), plain.count(2)]).pvalue > 0.01


def test_a_constant_is_one_value() -> None:
    assert drawn("constant", {"value": {"a": 1}})[:2] == [{"a": 1}, {"a": 1}]


@pytest.mark.parametrize(("name", "keys", "_expected"), CONTINUOUS + QUANTISED, ids=[one[0] for one in CONTINUOUS + QUANTISED])  # fmt: skip  # noqa: E501
def test_coordinates_lead_back_to_the_value(name: str, keys: dict[str, Any], _expected: Any) -> None:
    one = distribution(name, keys)
    axis = one.axis()
    for value in drawn(name, keys)[:200]:
        place = one.encode(value)
        assert place is not None
        assert axis.low <= place <= axis.high
        assert one.decode(place) == pytest.approx(value, rel=1e-6, abs=1e-9)
    assert one.encode("text") is None


def test_a_grid_leaves_out_the_upper_end_of_q_uniform() -> None:
    assert distribution("q_uniform", {"min": 0, "max": 10, "q": 2}).grid() == [0, 2, 4, 6, 8]
    assert distribution("q_uniform", {"min": 0.0, "max": 0.3, "q": 0.1}).grid() == [0.0, 0.1, 0.2]
    assert list(distribution("int_uniform", {"min": 1, "max": 3}).grid()) == [1, 2, 3]


def test_a_grid_has_each_point_once() -> None:
    config = config_of(
        {"method": "grid", "parameters": {"a": {"values": [1, 1, 2]}, "b": {"min": 0, "max": 2}, "c": {"value": 9}}}
    )
    points = list(config.space.grid())
    assert points == [{"a": a, "b": b} for a in (1, 2) for b in (0, 1, 2)]
    assert config.space.size == 9  # at most


def test_parameters_that_do_not_apply_are_left_out() -> None:
    config = config_of(
        {
            "method": "random",
            "parameters": {
                "momentum": {"min": 0.0, "max": 1.0, "when": {"optimizer.kind": "sgd"}},
                "optimizer": {"parameters": {"kind": {"values": ["sgd", "adam"]}}},
            },
        }
    )
    generator = np.random.default_rng(1)
    points = [config.space.sample(generator) for _ in range(50)]
    assert {("momentum" in point, point["optimizer/kind"]) for point in points} == {(True, "sgd"), (False, "adam")}
    for point in points:
        assert config.space.point_of(config.space.params(point)) == point
