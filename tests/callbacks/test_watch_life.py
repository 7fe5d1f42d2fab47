"""`treering.watch`: its options and its end, what it asks of a device, and how often it looks."""

from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from readings import OneRun
from torch.optim.optimizer import _global_optimizer_pre_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from watched_models import mlp, norm, train

import treering
from treering.errors import UsageError
from treering.integrations import _torch_lanes, _torch_tensors
from treering.training.clerk import Clerk
from treering.training.pace import Pace

pytestmark = pytest.mark.usefixtures("one_torch_thread")


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
    assert clerk.wait(60.0)
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
