"""`treering.watch` on real torch: each test computes by itself what the watch must have seen."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from readings import OneRun, findings, points
from watched_models import mlp, norm, train

import treering

pytestmark = pytest.mark.usefixtures("one_torch_thread")


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
