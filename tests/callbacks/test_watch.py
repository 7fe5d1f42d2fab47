"""`treering.watch` on real torch: each test computes by itself what the watch must have seen."""

from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch.optim.optimizer import _global_optimizer_pre_hooks
from torch.utils._python_dispatch import TorchDispatchMode

import treering
from treering._clerk import Clerk
from treering._gradients import CODES, ExponentCounts, Judge, Measured
from treering._pace import Pace
from treering.api import Api, ApiRun
from treering.errors import UsageError
from treering.integrations import _torch_lanes, _torch_tensors

OneRun = Callable[[], ApiRun]


@pytest.fixture(autouse=True)
def one_seed() -> Iterator[None]:
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def mlp(width: int = 4, layers: int = 2) -> torch.nn.Sequential:
    return torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(layers)))


def train(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int,
    each: Callable[[int], None] = lambda _: None,
    log: bool = True,
) -> None:
    """Steps on the square of the output; `each` is called between backward and step."""
    for step in range(steps):
        loss = model(torch.ones(2, 4) * (step + 1)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        each(step)
        optimizer.step()
        if log and treering.run is not None:
            treering.run.log({"train/loss": loss.item()})


def norm(model: torch.nn.Module) -> float:
    return math.sqrt(sum(float(one.grad.double().pow(2).sum()) for one in model.parameters() if one.grad is not None))


def points(run: ApiRun, key: str, **options: Any) -> list[Any]:
    return list(run.history(key, **options))


def findings(run: ApiRun, kind: str) -> list[dict[str, Any]]:
    return [event.fields for event in run.events() if event.kind == kind]


# -- the acceptance list ----------------------------------------------------------------------------------------------


def test_1_accumulation_gives_one_row_per_update(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    true: list[float] = []
    with treering.init():
        treering.watch(model, optimizer, every=1)
        for _ in range(3):
            optimizer.zero_grad()
            for part in range(4):
                (model(torch.ones(2, 4) * part).pow(2).mean() / 4).backward()
            true.append(norm(model))
            optimizer.step()
            treering.log({"done": 1})
    run = only_run()
    assert points(run, "grad/norm") == [(step, pytest.approx(one, rel=1e-6)) for step, one in enumerate(true)]
    assert run.history("update").values.tolist() == [1, 2, 3]


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_2_grad_scaler(only_run: OneRun, fused: bool) -> None:
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024)
    with treering.init() as run:
        # A fused optimizer says by itself which scale its gradients have; of another's scaler nobody knows untold.
        run.watch(model, optimizer, every=1, **({} if fused else {"scaler": scaler}))
        for batch in range(3):
            loss = (model(torch.ones(2, 4)) ** 2).mean() * (math.inf if batch == 1 else 1)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            run.log({"batch": batch})
    read = only_run()
    weights = points(read, "grad/layer/weight")
    assert [step for step, _ in weights] == [0, 2]
    assert weights[0][1] == pytest.approx(2.83, abs=0.01)
    assert weights[1][1] < 3, "the scale is not in it"
    assert points(read, "amp/skipped")[-1] == (2, 1)
    assert points(read, "amp/scale")[0] == (0, 1024)
    assert points(read, "amp/scale")[-1] == (2, 512)
    assert findings(read, "non_finite") == []


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_2_an_update_left_out_at_the_very_end_is_counted(only_run: OneRun, fused: bool) -> None:
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024)
    factors = [1, 1, math.inf, 1, math.inf, 1, 1, 1, math.inf]
    with treering.init() as run:
        run.watch(model, optimizer, every=3, scaler=scaler)
        for factor in factors:
            optimizer.zero_grad()
            scaler.scale((model(torch.ones(2, 4)) ** 2).mean() * factor).backward()
            scaler.step(optimizer)
            scaler.update()
    assert points(only_run(), "amp/skipped")[-1][1] == 3


def test_3_nan_in_one_weight_names_it(only_run: OneRun) -> None:
    model = mlp(layers=4)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def spoil(step: int) -> None:
        if step == 1:
            with torch.no_grad():
                model[2].weight[1, 1] = math.nan

    with treering.init():
        treering.watch(model, optimizer, every=1)
        for step in range(4):
            spoil(step)
            optimizer.zero_grad()
            model(torch.ones(2, 4)).pow(2).mean().backward()
            optimizer.step()
            treering.log({"done": 1})
    run = only_run()
    (found,) = findings(run, "non_finite")
    assert (found["parameter"], found["what"], found["step"]) == ("2.weight", "parameter", 1)
    assert math.isnan(run.history("grad/norm").values[-1])


def test_3_an_infinite_gradient_names_its_parameter(only_run: OneRun) -> None:
    model = mlp(layers=3)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)

    def spoil(step: int) -> None:
        if step == 2:
            model[1].bias.grad[0] = math.inf

    with treering.init():
        treering.watch(model, optimizer, every=1)
        train(model, optimizer, 4, spoil)
    (found,) = findings(only_run(), "non_finite")
    assert (found["parameter"], found["what"], found["step"]) == ("1.bias", "gradient", 2)
    assert (found["value"], found["layers"]) == ("inf", 1)


def test_4_unfreezing_shows_up(only_run: OneRun) -> None:
    model = mlp()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init():
        treering.watch(model, optimizer, every=1)
        train(model, optimizer, 2)
        model[0].requires_grad_(True)
        train(model, optimizer, 2)
    run = only_run()
    assert run.history("grad/layer/1.weight").x.tolist() == [0, 1, 2, 3]
    assert run.history("grad/layer/0.weight").x.tolist() == [2, 3]


def test_5_a_budget_is_kept(only_run: OneRun) -> None:
    """What looking takes, against what the steps between take, as far as a test can say; figures: benchmarks."""
    model = mlp(width=4, layers=40)
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)
    with treering.init() as run:
        watch: Any = run.watch(model, optimizer)
        train(model, optimizer, 300)
        (meter,) = watch._meters
        assert meter._pace.interval > 10, "a look at 80 tensors costs more than a tenth of such a step"
    looks = only_run().history("grad/norm").x.tolist()
    assert looks[0] == 0
    assert 3 <= len(looks) < 60


class Breaks(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.one(x)
        torch._dynamo.graph_break()
        return self.two(x)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # what torch looks for by itself
def test_6_a_compiled_model_has_as_many_graphs(only_run: OneRun) -> None:
    counts: list[tuple[int, int]] = []
    with treering.init():
        for watched in (False, True):
            torch._dynamo.reset()
            model = Breaks()
            optimizer = torch.optim.SGD(model.parameters(), 0.01)
            compiled = torch.compile(model, backend="aot_eager")
            if watched:
                treering.watch(compiled, optimizer, every=1)
            seen = torch._dynamo.utils.counters
            seen.clear()
            train(compiled, optimizer, 3)
            counts.append((sum(seen["graph_break"].values()), seen["stats"]["unique_graphs"]))
    torch._dynamo.reset()
    assert counts[0] == counts[1]
    assert counts[0][1] == 2
    assert len(only_run().history("grad/layer/one.weight")) == 3


def test_7_two_optimizers_give_two_sets_of_series(only_run: OneRun) -> None:
    generator, discriminator = mlp(), mlp()
    optimizers = [
        torch.optim.SGD(one.parameters(), 0.01 * (at + 1)) for at, one in enumerate((generator, discriminator))
    ]
    with treering.init():
        treering.watch(generator, optimizers[0], every=1, name="generator")
        treering.watch(discriminator, optimizers[1], every=1, name="discriminator")
        for _ in range(2):
            for model, optimizer in zip((generator, discriminator), optimizers, strict=True):
                train(model, optimizer, 1, log=False)
            treering.log({"done": 1})
    run = only_run()
    for name, rate in (("generator", 0.01), ("discriminator", 0.02)):
        assert run.history(f"grad/{name}/norm").x.tolist() == [0, 1]
        assert run.history(f"grad/{name}/layer/0.weight").x.tolist() == [0, 1]
        assert points(run, f"lr/{name}/0") == [(0, rate), (1, rate)]


def test_7_without_names_they_get_numbers(only_run: OneRun) -> None:
    models = mlp(), mlp()
    with treering.init() as run:
        for model in models:
            run.watch(model, every=1)
        for model in models:
            train(model, torch.optim.SGD(model.parameters(), 0.01), 1, log=False)
        both = torch.nn.ModuleList([mlp(), mlp()])
        split = [torch.optim.SGD(one.parameters(), 0.01) for one in both]
        run.unwatch()
        run.watch(both, split, every=1)
        for one, optimizer in zip(both, split, strict=True):
            train(one, optimizer, 1, log=False)
    keys = set(only_run().metrics)
    assert {"grad/norm", "grad/1/norm", "grad/layer/0.weight", "grad/1/layer/0.weight"} <= keys
    assert {"grad/0/norm", "grad/0/layer/0.0.weight", "grad/1/layer/1.0.weight"} <= keys


# -- true values ------------------------------------------------------------------------------------------------------


def test_norms_updates_and_rates_are_the_true_ones(only_run: OneRun) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 4))
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    true: dict[str, list[float]] = {"grad/norm": [], "grad/layer/1.weight": [], "update/ratio": [], "lr/0": []}
    true["update/layer/0.bias"] = []
    with treering.init():
        treering.watch(model, every=1)
        for step in range(3):
            optimizer.zero_grad()
            model(torch.ones(2, 4) * (step + 1)).pow(2).mean().backward()
            true["grad/norm"].append(norm(model))
            true["grad/layer/1.weight"].append(float(model[1].weight.grad.double().norm()))
            true["lr/0"].append(optimizer.param_groups[0]["lr"])
            before = [one.detach().clone() for one in model.parameters()]
            optimizer.step()
            changes = [one.detach() - old for one, old in zip(model.parameters(), before, strict=True)]
            flat = [torch.cat([one.flatten() for one in those]).norm().item() for those in (changes, before)]
            true["update/ratio"].append(flat[0] / flat[1])
            true["update/layer/0.bias"].append(float(changes[1].norm() / before[1].norm()))
            schedule.step()
            treering.log({"done": 1})
    run = only_run()
    for key, values in true.items():
        assert run.history(key).values.tolist() == pytest.approx(values, rel=1e-5), key


def test_the_update_of_a_large_tensor_is_estimated_closely(only_run: OneRun) -> None:
    model = torch.nn.Embedding(256, 256)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    with treering.init():
        treering.watch(model, optimizer, every=1)
        model.weight.grad = torch.randn(256, 256) * torch.linspace(0, 1, 256)  # columns differ
        true = 0.5 * float(model.weight.grad.norm() / model.weight.detach().norm())
        optimizer.step()
    assert only_run().history("update/ratio").values[0] == pytest.approx(true, rel=0.1)


def test_clipping(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    before: list[float] = []
    with treering.init():
        watch = treering.watch(model, optimizer, every=1)

        def clip(_step: int) -> None:
            total = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            before.append(float(total))
            watch.clipped(total)

        train(model, optimizer, 2, clip)
    run = only_run()
    assert run.history("grad/norm").values.tolist() == pytest.approx([0.25, 0.25], rel=1e-4)
    assert run.history("grad/norm_preclip").values.tolist() == pytest.approx(before)
    assert min(before) > 0.25


def test_gradients_that_a_closure_computes_are_those_of_this_step(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    true: list[float] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(torch.ones(2, 4) * (len(true) + 1)).pow(2).mean()
        loss.backward()
        true.append(norm(model))
        return loss

    with treering.init():
        treering.watch(model, optimizer, every=1)
        losses = [optimizer.step(closure), optimizer.step(closure=closure)]
    assert all(isinstance(loss, torch.Tensor) for loss in losses)
    assert only_run().history("grad/norm").values.tolist() == pytest.approx(true, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64], ids=str)
def test_other_types_of_numbers(only_run: OneRun, dtype: torch.dtype) -> None:
    weight = torch.nn.Parameter(torch.ones(300, dtype=dtype))
    optimizer = torch.optim.SGD([weight], 0.5)
    with treering.init():
        treering.watch(optimizer=optimizer, every=1, histograms=True)
        weight.grad = torch.full_like(weight, 2000.0)  # in half precision the sum of squares has no room
        optimizer.step()
    run = only_run()
    assert run.history("grad/norm").values[0] == pytest.approx(2000 * math.sqrt(300), rel=1e-3)
    assert run.history("grad/layer/0.0").values[0] == pytest.approx(2000 * math.sqrt(300), rel=1e-3)
    assert run.history("grad/histogram/0.0").values[0].counts[-1] == 300


def test_sparse_gradients(only_run: OneRun) -> None:
    model = torch.nn.Embedding(10, 4, sparse=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    with treering.init():
        treering.watch(model, optimizer, every=1, histograms="gradients")
        model(torch.tensor([1, 1, 3])).sum().backward()
        optimizer.step()
    run = only_run()
    assert run.history("grad/norm").values[0] == pytest.approx(math.sqrt(4 * 4 + 4))
    assert sum(run.history("grad/histogram/weight").values[0].counts) == 8


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


def test_automatic_steps_of_the_program_go_on_as_without(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init():
        treering.watch(model, optimizer, every=1)
        train(model, optimizer, 5)
    run = only_run()
    assert run.history("train/loss").x.tolist() == [0, 1, 2, 3, 4]
    assert run.history("grad/norm").x.tolist() == [0, 1, 2, 3, 4]


def test_rows_rarer_than_updates(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init() as run:
        treering.watch(model, optimizer, every=1)
        for step in range(9):
            train(model, optimizer, 1, log=False)
            if step % 3 == 2:
                run.log({"loss": 1.0}, step=step)
    read = only_run()
    assert read.history("grad/norm").x.tolist() == [0, 0, 0, 3, 4, 5, 6, 7, 8]
    assert points(read, "grad/norm", x="update")[-1][0] == 9


def test_rows_that_count_epochs(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init() as run:
        treering.watch(model, optimizer, every=1)
        for _ in range(3):
            train(model, optimizer, 4, log=False)
            run.log({"loss": 1.0})
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


# -- its life ---------------------------------------------------------------------------------------------------------


def test_calling_twice_changes_options_and_adds_nothing(only_run: OneRun) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init():
        first = treering.watch(model, optimizer, every=1)
        train(model, optimizer, 2)
        assert treering.watch(model, optimizer, every=1, layers=False) is first
        assert len(optimizer._optimizer_step_pre_hooks) == 1
        train(model, optimizer, 2)
    run = only_run()
    assert run.history("grad/norm").x.tolist() == [0, 1, 2, 3]
    assert run.history("grad/layer/0.weight").x.tolist() == [0, 1]


def test_include_and_exclude(only_run: OneRun) -> None:
    model = mlp(layers=3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    true: list[float] = []
    with treering.init():
        treering.watch(model, optimizer, every=1, include="*.weight", exclude=["1.*"])
        train(model, optimizer, 1, lambda _: true.append(norm(model)))
    run = only_run()
    layers = {key for key in run.metrics if key.startswith("grad/layer/")}
    assert layers == {"grad/layer/0.weight", "grad/layer/2.weight"}
    assert run.history("grad/norm").values.tolist() == pytest.approx(true, rel=1e-6), "the total is of all"


@pytest.mark.parametrize("how", ["unwatch", "close", "finish"])
def test_nothing_is_left_behind(only_run: OneRun, how: str) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = treering.init()
    watch = run.watch(model, every=1)
    train(model, optimizer, 2)
    {"unwatch": lambda: treering.unwatch(model), "close": watch.close, "finish": run.finish}[how]()
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    assert not _global_optimizer_pre_hooks
    train(model, optimizer, 2, log=False)
    assert only_run().history("grad/norm").x.tolist() == [0, 1]


def test_a_model_is_not_kept_alive() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    gone = weakref.ref(model)
    with treering.init() as run:
        run.watch(model, optimizer, every=1)
        train(model, optimizer, 2)
        run.flush()
        del model, optimizer
        gc.collect()
        assert gone() is None


def test_misuse_is_told() -> None:
    model = mlp()
    with pytest.raises(UsageError, match="needs a run"):
        treering.watch(model)
    with treering.init() as run:
        for options in ({"every": 0}, {"budget": 2.0}, {"histograms": "all"}, {"log": "everything"}, {"evry": 1}):
            with pytest.raises(UsageError, match="watch\\(\\) got"):
                run.watch(model, **options)  # type: ignore[arg-type]  # what it is about
        with pytest.raises(UsageError, match="it takes a model or an optimizer"):
            run.watch(None)
        with pytest.raises(UsageError, match="got an optimizer that is none"):
            run.watch(model, SimpleNamespace(optimizer=None))


def test_a_disabled_run_watches_nothing() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with treering.init(mode="disabled"):
        treering.watch(model, optimizer).close()
        assert not optimizer._optimizer_step_pre_hooks


def test_a_bug_of_ours_does_not_stop_the_training(monkeypatch: pytest.MonkeyPatch, only_run: OneRun) -> None:
    monkeypatch.delenv("TREERING_DEBUG")
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("treering.integrations._torch_watch.norms_of", broken)
    with treering.init():
        treering.watch(model, optimizer, every=1)
        with pytest.warns(treering.TreeringWarning, match="a bug of ours"):
            train(model, optimizer, 3)
    assert only_run().history("train/loss").x.tolist() == [0, 1, 2]


# -- what the device is asked for -------------------------------------------------------------------------------------


class FakeCuda:
    """Stands for `torch.cuda`: writes down who asks for what, and lets its work take a while."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.released = threading.Event()

    def note(self, what: str) -> None:
        thread = "training" if threading.current_thread() is threading.main_thread() else "clerk"
        self.calls.append((thread, what))

    def Event(self, enable_timing: bool = False) -> Any:  # noqa: N802  # torch's name
        def query() -> bool:
            self.note("query")
            return self.released.is_set()

        return SimpleNamespace(
            record=lambda stream: self.note(f"record on {stream.name}"), query=query, elapsed_time=lambda end: 0.1
        )

    def Stream(self, device: torch.device) -> Any:  # noqa: N802  # torch's name
        return self._stream("ours")

    def current_stream(self, device: torch.device) -> Any:
        return self._stream("theirs")

    def _stream(self, name: str) -> Any:
        return SimpleNamespace(name=name, wait_event=lambda event: self.note("wait for event"))

    def stream(self, stream: Any) -> Any:
        fake = self

        class Inside:
            def __enter__(self) -> None:
                fake.note(f"enter {stream.name}")

            def __exit__(self, *_: object) -> None:
                fake.note(f"leave {stream.name}")

        return Inside()

    def pin(self, shape: torch.Size, dtype: torch.dtype) -> Any:
        self.note("pin")
        return torch.empty(shape, dtype=dtype)


class Operations(TorchDispatchMode):
    """Writes down what this thread asks torch for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        elsewhere = (kwargs or {}).get("device") is not None
        self.names.append(func.overloadpacket.__name__ + " to a device" * elsewhere)
        return func(*args, **(kwargs or {}))


# What makes a program wait for its device.
WAITS = {
    "_local_scalar_dense",
    "item",
    "nonzero",
    "is_nonzero",
    "equal",
    "_to_copy to a device",
    "masked_select",
    "bincount",
}


def test_the_training_thread_never_waits(
    monkeypatch: pytest.MonkeyPatch, only_run: OneRun, request: pytest.FixtureRequest
) -> None:
    fake = FakeCuda()
    request.addfinalizer(fake.released.set)
    lane = _torch_lanes.CudaLane(torch.device("cpu"), fake, fake.pin)
    monkeypatch.setattr(_torch_lanes, "lane_of", lambda device: lane)
    monkeypatch.setattr("treering.integrations._torch_watch.counts_of", _torch_tensors.count_on_device)
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    asked = Operations()

    def backward(step: int) -> None:
        optimizer.zero_grad()
        model(torch.ones(2, 4) * step).pow(2).mean().backward()

    with treering.init() as run:
        run.watch(model, optimizer, every=1, histograms=True)
        for step in range(3):
            backward(step + 1)
            with asked:
                optimizer.step()
            run.log({"step": step})
        assert "_foreach_norm" in asked.names
        assert not WAITS & set(asked.names)
        trained = [what for thread, what in fake.calls if thread == "training"]
        assert trained == ["record on theirs", "record on theirs"] * 3
        while ("clerk", "query") not in fake.calls:
            time.sleep(0.001)
        clerks = [what for thread, what in fake.calls if thread == "clerk"]
        copied = clerks[: clerks.index("query")]
        assert copied[:2] == ["enter ours", "wait for event"]
        assert copied[-2:] == ["record on ours", "leave ours"]
        assert set(copied[2:-2]) == {"pin"}
        fake.released.set()  # the device gets there; until then there was no row
    run_read = only_run()
    assert run_read.history("grad/norm").x.tolist() == [0, 1, 2]
    assert sum(run_read.history("grad/histogram/0.weight").values[0].counts) == 16


def test_a_device_that_hangs_costs_no_memory() -> None:
    clerk, stuck, done = Clerk(), threading.Event(), []
    clerk.give(stuck.wait)  # type: ignore[arg-type]  # returns something, which nobody looks at
    taken = [clerk.give(lambda: done.append(1)) for _ in range(1000)]
    assert 0 < sum(taken) < 1000
    assert not clerk.wait(0.01)
    stuck.set()
    assert clerk.wait(10.0)
    assert len(done) == sum(taken)


# -- the pace ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cost_s", "step_s"), [(1e-3, 1e-3), (1e-4, 1e-2), (5e-2, 1e-1)])
def test_the_pace_settles_on_the_budget(cost_s: float, step_s: float) -> None:
    pace, spent_s, looks = Pace(None, 0.02), 0.0, 0
    for step in range(1, 20_001):
        if step == pace.due_at:
            looks += 1
            slow = 50.0 if looks in {1, 7} else 1.0  # what is slow once does not count
            pace.spent(step, cost_s * slow, step_s)
            spent_s += cost_s
    assert pace.interval == math.ceil(round(cost_s / (0.02 * step_s), 6))
    assert spent_s <= 0.021 * 20_000 * step_s + 5 * cost_s


def test_a_pace_thins_out() -> None:
    pace, looks = Pace(None, 1.0, thin=100), 0
    for step in range(1, 100_001):
        if step == pace.due_at:
            looks += 1
            pace.spent(step, 1e-9, 1.0)
    assert 100 < looks < 1500
