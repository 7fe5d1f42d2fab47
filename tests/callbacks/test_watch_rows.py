"""`treering.watch`: layers in trouble, histograms, and the rows that a look becomes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from readings import OneRun, findings, points
from watched_models import mlp, train

import treering
from treering.api import Api
from treering.integrations import _torch_tensors
from treering.training.gradients import CODES, ExponentCounts, Judge, Measured

pytestmark = pytest.mark.usefixtures("one_torch_thread")


# -- layers in trouble ------------------------------------------------------------------------------------------------


def test_a_dead_layer_is_named_once(only_run: OneRun) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))
    with torch.no_grad():
        model[0].bias.fill_(-1e6)  # its outputs are below zero for ever
    optimizer = torch.optim.SGD(model.parameters(), 0.001)
    with treering.init():
        treering.watch(model, optimizer, every=1)
        train(model, optimizer, 6)
    (found,) = findings(only_run(), "dead_layer")
    assert {"0.weight", "0.bias"} <= set(found["layers"])
    assert "2.bias" not in found["layers"]
    assert found["step"] == Judge.dead_after - 1


def test_an_exploding_layer_is_named_once(only_run: OneRun) -> None:
    model = mlp(layers=3)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)

    def explode(step: int) -> None:
        if step >= 8:
            model[1].weight.grad *= 1e5

    with treering.init():
        treering.watch(model, optimizer, every=1)
        train(model, optimizer, 12, explode)
    (found,) = findings(only_run(), "exploding_layer")
    assert (found["layers"], found["step"]) == (["1.weight"], 8)


def test_what_is_usual_is_no_trouble() -> None:
    judge = Judge()
    told = []
    for step in range(200):  # falls slowly through eight powers of ten, and wakes up a layer that began at zero
        norms = [10 ** (-step / 25), 1e-9 if step < 20 else 1e-5]
        told += list(judge.judge(Measured(step, 0, step, ["a", "b"], norms, math.hypot(*norms))))
    assert told == []


# -- histograms -------------------------------------------------------------------------------------------------------


def expected_counts(values: torch.Tensor) -> dict[tuple[float, float], int]:
    """Counts by edges, the slow way."""
    found: dict[tuple[float, float], int] = {}
    for value in values.flatten().tolist():
        if value == 0:
            continue
        exponent = math.frexp(value)[1] - 1
        edges = (2.0**exponent, 2.0 ** (exponent + 1))
        edges = edges if value > 0 else (-edges[1], -edges[0])
        found[edges] = found.get(edges, 0) + 1
    return found


@pytest.mark.parametrize("count", [_torch_tensors.count_on_host, _torch_tensors.count_on_device])
def test_histograms_count_powers_of_two(count: Callable[[torch.Tensor], Any]) -> None:
    values = torch.randn(50_000) ** 5
    values[:7] = 0
    values[7:10] = torch.tensor([math.nan, math.inf, -math.inf])
    values[10] = -math.nan
    found = count(values)
    if isinstance(found, torch.Tensor):
        found = ExponentCounts(found[:CODES].numpy(), int(found[CODES]), int(found[CODES + 1]))
    histogram = found.to_histogram()
    assert (histogram.nan, histogram.inf, histogram.minus_inf) == (2, 1, 1)
    assert sum(histogram.counts) == 50_000 - 4
    true = expected_counts(values[11:])
    got = dict(zip(zip(histogram.edges, histogram.edges[1:]), histogram.counts))  # noqa: B905  # one edge more
    middle = len(histogram.counts) // 2
    for edges in list(got)[:middle] + list(got)[middle + 1 :]:
        assert got[edges] == true.get(edges, 0), edges


def test_histograms_of_steps_and_ranks_merge_exactly() -> None:
    parts = [torch.randn(1000) * scale for scale in (1e-6, 1.0, 300.0)]
    merged = _torch_tensors.count_on_host(parts[0]).to_histogram()
    for part in parts[1:]:
        merged = merged.merge(_torch_tensors.count_on_host(part).to_histogram())
    assert sum(merged.counts) == 3000
    all_values = torch.cat(parts)
    for low, high, count in zip(merged.edges, merged.edges[1:], merged.counts):  # noqa: B905  # one edge more
        inside = (all_values >= low) & (all_values < high) if low >= 0 else (all_values > low) & (all_values <= high)
        assert int(inside.sum()) == count


def test_histograms_of_gradients_and_parameters(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init():
        treering.watch(model, optimizer, every=2, histograms=True)
        train(model, optimizer, 4)
    run = only_run()
    for key in ("grad/histogram/0.weight", "param/histogram/1.bias"):
        series = run.history(key)
        assert series.x.tolist() == [0, 2]
    assert sum(run.history("grad/histogram/0.weight").values[0].counts) == 16


def test_histograms_as_in_wandb(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init():
        treering.watch(model, torch.nn.functional.mse_loss, log="parameters", log_freq=2, idx=None, log_graph=False)
        train(model, optimizer, 2)
    keys = set(only_run().metrics)
    assert "param/histogram/0.weight" in keys
    assert not any(key.startswith("grad/histogram/") for key in keys)


def test_an_empty_and_an_all_zero_tensor() -> None:
    assert _torch_tensors.count_on_host(torch.zeros(0)).to_histogram().count == 0
    histogram = _torch_tensors.count_on_host(torch.zeros(5)).to_histogram()
    assert histogram.counts[len(histogram.counts) // 2] == 5


# -- which rows -------------------------------------------------------------------------------------------------------


def train_with_rows(updates: int, rows: Callable[[treering.Run, int], None]) -> None:
    """Watch every update; `rows` logs what the program logs after each."""
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init() as run:
        treering.watch(model, optimizer, every=1)
        for update in range(updates):
            train(model, optimizer, 1, log=False)
            rows(run, update)


def test_automatic_steps_of_the_program_go_on_as_without(only_run: OneRun) -> None:
    train_with_rows(5, lambda run, _: run.log({"train/loss": 1.0}))
    run = only_run()
    assert run.history("train/loss").x.tolist() == [0, 1, 2, 3, 4]
    assert run.history("grad/norm").x.tolist() == [0, 1, 2, 3, 4]


def test_rows_rarer_than_updates(only_run: OneRun) -> None:
    train_with_rows(9, lambda run, update: run.log({"loss": 1.0}, step=update) if update % 3 == 2 else None)
    read = only_run()
    assert read.history("grad/norm").x.tolist() == [0, 0, 0, 3, 4, 5, 6, 7, 8]
    assert points(read, "grad/norm", x="update")[-1][0] == 9


def test_rows_that_count_epochs(only_run: OneRun) -> None:
    train_with_rows(12, lambda run, update: run.log({"loss": 1.0}) if update % 4 == 3 else None)
    assert only_run().history("grad/norm").x.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_a_late_row_does_not_set_back_a_resumed_run(store_dir: Path) -> None:
    run = treering.init(id="late")
    run.log({"loss": 1.0}, step=50)
    run.log_beside({"grad/norm": 1.0}, 40, time.time_ns())
    run.finish()
    with treering.init(id="late", resume="must") as again:
        assert again.step == 51
        again.log({"loss": 2.0})
    (read,) = Api(store_dir).runs()
    assert read.history("loss").x.tolist() == [50, 51]
    assert read.history("grad/norm").x.tolist() == [40]
