"""Curves in characters: what is drawn is what is there."""

from __future__ import annotations

import numpy as np
import pytest

from treering.cli._curve import Canvas, Scale, sparkline, ticks


def drawn(x: list[float], y: list[float], width: int = 10, height: int = 4, *, log: bool = False) -> list[str]:
    """One curve over the whole canvas, a string a line."""
    values, places = np.array(y), np.array(x)
    finite = values[np.isfinite(values) & ((values > 0) | (not log))]
    canvas = Canvas(width, height)
    x_scale = Scale(places.min(), places.max(), 2 * width)
    canvas.draw(places, values, x_scale, Scale(finite.min(), finite.max(), 4 * height, log), 0)
    return ["".join(character for character, _ in line) for line in canvas.lines()]


@pytest.mark.parametrize("at", [0, 1, 50, 99, 100])
def test_a_column_of_dots_spans_all_that_falls_into_it(at: int) -> None:
    x = np.linspace(0, 9, 101)
    y = np.zeros(101)
    y[at] = 1.0
    top = drawn(x.tolist(), y.tolist())[0]
    assert top.strip() != ""
    assert abs(len(top.rstrip()) - 1 - x[at]) <= 1.5


def test_a_line_is_drawn_between_distant_points() -> None:
    lines = drawn([0, 9], [0, 1])
    assert all(any(line[column] != " " for line in lines) for column in range(10))


def test_nothing_is_drawn_across_a_gap() -> None:
    x = np.linspace(0, 9, 100)
    y = np.where((x > 3) & (x < 6), np.nan, 1.0)
    y[0] = 0.0
    lines = drawn(x.tolist(), y.tolist())
    assert all(line[4:6].strip() == "" for line in lines)
    assert any(line[8] != " " for line in lines)


def test_a_logarithmic_axis_leaves_out_what_it_cannot_show() -> None:
    lines = drawn([0, 1, 2, 3], [100.0, 10.0, 0.0, 1.0], log=True)
    assert lines[0][0] != " "
    assert lines[-1][-1] != " "
    assert all(line[6].strip() == "" for line in lines)


def test_sparklines_keep_the_spike() -> None:
    values = np.zeros(10_000)
    values[7777] = 1.0
    line = sparkline(np.arange(10_000), values, 20)
    assert line == "▁" * 15 + "█" + "▁" * 4
    assert sparkline(np.arange(3), np.array([1.0, 2.0, 3.0]), 20) == "▁▅█"
    assert sparkline(np.arange(2), np.array([np.nan, np.inf]), 20) == ""


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 2000, ["0", "500", "1,000", "1,500", "2,000"]),
        (-0.03, 0.07, ["-0.02", "0.00", "0.02", "0.04", "0.06"]),
        (5, 5, ["5.0000"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in ticks(Scale(low, high, 100), 5)] == labels


def test_logarithmic_ticks() -> None:
    assert [label for _, label in ticks(Scale(1e-5, 10.0, 100, log=True), 4)] == ["1e-5", "0.001", "0.1", "10"]
