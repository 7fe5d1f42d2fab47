"""Frameworks under test: our own bugs are raised, and what was recorded is read back from the store."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from treering import lifecycle
from treering.api import Api, ApiRun
from treering.training import adopted

# Ray has a session of its own, `nox -s ray`: it wants older releases of others.
collect_ignore = [] if importlib.util.find_spec("ray") else ["test_ray.py", "test_rllib.py"]

# What every run captures beside its metrics is tested elsewhere; here it would cost each of many runs some time.
LEFT_OUT = ("CONSOLE", "CAPTURE_GIT", "CAPTURE_SOURCE", "CAPTURE_ENVIRONMENT", "SYSTEM_INTERVAL_S")

# What frameworks say to us or to each other, and only there.
THEIR_WARNINGS = (
    "ignore:__array__ implementation:DeprecationWarning",  # Keras 3.15 converts its variables so; NumPy 2 warns
    "ignore::FutureWarning:lightning\\.",  # of what it uses of torch
    "ignore::FutureWarning:pytorch_lightning\\.",
    "ignore:.*does not have many workers:UserWarning",
    "ignore:The number of training batches:UserWarning",
    "ignore:Checkpoint directory .* exists and is not empty:UserWarning",
    "ignore:You defined a `validation_step` but have no `val_dataloader`:UserWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the frameworks' own warnings pass; ours are errors, as everywhere."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for warning in THEIR_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


def finish_all() -> None:
    """End every run of this process, those too that were opened again after their end."""
    for run in lifecycle.live_runs():
        run.finish()


@pytest.fixture(autouse=True)
def own_bugs_are_raised(isolation: None, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Guards re-raise; the store is this test's own; no run is left to the next test."""
    monkeypatch.setenv("TREERING_DEBUG", "1")
    monkeypatch.setenv("TREERING_QUIET", "1")
    for name in LEFT_OUT:
        monkeypatch.setenv(f"TREERING_{name}", "0")
    yield
    adopted.opened_by_adapters.clear()
    finish_all()


@pytest.fixture
def recorded(store_dir: Path) -> Callable[[], list[ApiRun]]:
    """Call it for the runs in the store, oldest first; ends the ones that are open in this process."""

    def read() -> list[ApiRun]:
        finish_all()
        return list(Api(store_dir).runs(order="created"))

    return read


@pytest.fixture
def only_run(recorded: Callable[[], list[ApiRun]]) -> Callable[[], ApiRun]:
    """Call it for the one run in the store."""

    def read() -> ApiRun:
        (run,) = recorded()
        return run

    return read


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """One seed, and one thread: the models are tiny."""
    import torch

    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
