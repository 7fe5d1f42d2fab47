"""Accelerate's tracker: axes, checkpoints and resumption, on real loops, and two processes that train together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")

import torch
from accelerate import Accelerator, PartialState, tracking
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import ProjectConfiguration
from ports import free_port

import treering
from treering.api import Api, ApiRun
from treering.callbacks.accelerate import TreeringTracker
from treering.errors import TreeringWarning
from treering.integrations.torch import Rates

OneRun = Callable[[], ApiRun]
Runs = Callable[[], list[ApiRun]]


@pytest.fixture(autouse=True)
def fresh_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accelerate keeps what a process is for all its accelerators; each test is a process of its own."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")
    yield
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()


class Loop:
    """Four batches of a small model."""

    def __init__(self, tracker: Any, **options: Any) -> None:
        torch.manual_seed(0)
        self.accelerator = Accelerator(log_with=tracker, cpu=True, **options)
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 2)), 2)
        self.model, self.optimizer, self.data, self.scheduler = self.accelerator.prepare(
            model, optimizer, data, scheduler
        )
        self.losses: list[float] = []

    def run(self, after: Callable[[int], None] = lambda _: None, first: int = 1, **log: Any) -> None:
        for number, (batch,) in enumerate(self.data, first):
            with self.accelerator.accumulate(self.model):
                loss = self.model(batch).pow(2).mean()
                self.accelerator.backward(loss)
                self.optimizer.step()
                self.scheduler.step()
                self.optimizer.zero_grad()
            self.losses.append(loss.item())
            self.accelerator.log({"train_loss": loss}, **{name: value(number) for name, value in log.items()})
            after(number)


# -- names and axes ---------------------------------------------------------------------------------------------------


def test_registered_by_its_name(only_run: OneRun) -> None:
    # Older releases find their own trackers by name only; a tracker itself is given to them.
    by_name = hasattr(tracking, "register_tracker_class")
    loop = Loop("treering" if by_name else TreeringTracker("digits", tags=["a"]))
    loop.accelerator.init_trackers("digits", {"lr": 0.1, "odd": print}, {"treering": {"tags": ["a"]}})
    loop.run()
    loop.accelerator.end_training()
    run = only_run()
    assert (run.project, list(run.tags), run.config["lr"], run.state) == ("digits", ["a"], 0.1, "finished")
    assert run.history("train/loss").values.tolist() == pytest.approx(loop.losses)
    mine = run.config["accelerate"]
    assert mine["accelerator"]["num_processes"] == 1
    assert (mine["models"][0]["parameters"], mine["optimizers"][0]["class"]) == (3, "SGD")


def test_accumulated_gradients_make_two_updates_of_four_batches(only_run: OneRun) -> None:
    loop = Loop(TreeringTracker(), gradient_accumulation_steps=2)
    loop.accelerator.init_trackers("")
    loop.run()
    loop.accelerator.end_training()
    run = only_run()
    assert list(run.history("train/loss")) == [(step, pytest.approx(loop.losses[step - 1])) for step in (1, 2, 3, 4)]
    assert run.history("update").values.tolist() == [0, 1, 1, 2]
    assert list(run.history("lr/0")) == [(2, 0.1), (4, 0.05)], "each update's own"


def test_a_rate_that_schedulers_change_in_place_is_that_of_its_update(only_run: OneRun) -> None:
    loop = Loop(TreeringTracker())
    group = loop.optimizer.param_groups[0]
    group["lr"] = torch.tensor(0.1)
    loop.scheduler.step = lambda: group["lr"].mul_(0.5)
    loop.accelerator.init_trackers("")
    loop.run()
    loop.accelerator.end_training()
    assert only_run().history("lr/0").values.tolist() == pytest.approx([0.1, 0.05, 0.025, 0.0125])


def test_what_fails_at_an_update_does_not_stop_it(only_run: OneRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREERING_DEBUG", "0")
    monkeypatch.setattr(Rates, "take", None)
    loop = Loop(TreeringTracker())
    loop.accelerator.init_trackers("")
    with pytest.warns(TreeringWarning, match="step: TypeError") as told:
        loop.run()
    loop.accelerator.end_training()
    run = only_run()
    assert len([one for one in told if "step:" in str(one.message)]) == 1
    assert run.history("treering/errors").values[-1] >= 4


def test_the_users_step_is_the_axis(only_run: OneRun) -> None:
    loop = Loop(TreeringTracker())
    loop.accelerator.init_trackers("")
    loop.run(step=lambda number: number * 10)
    loop.accelerator.end_training()
    assert only_run().history("train/loss").x.tolist() == [10, 20, 30, 40]


def test_images_and_tables(only_run: OneRun) -> None:
    loop = Loop(TreeringTracker())
    loop.accelerator.init_trackers("")
    tracker = loop.accelerator.get_tracker("treering")
    tracker.log_images({"samples": [torch.zeros(3, 4, 5)]}, step=1)
    tracker.log_table("answers", columns=["a"], data=[[1], [2]], step=2)
    loop.accelerator.end_training()
    run = only_run()
    ((_, (image,)),) = run.history("samples")
    ((_, table),) = run.history("answers")
    assert (image.width, image.height, len(table.data)) == (5, 4, 2)


def test_the_run_is_the_tracker_within(only_run: OneRun) -> None:
    loop = Loop(TreeringTracker())
    loop.accelerator.init_trackers("")
    assert treering.run is None, "nothing is recorded yet"
    loop.accelerator.get_tracker("treering", unwrap=True).log({"mine": 1.0})
    loop.accelerator.end_training()
    assert only_run().history("mine").values.tolist() == [1.0]


def test_config_alone_is_a_run(only_run: OneRun) -> None:
    loop = Loop(TreeringTracker())
    loop.accelerator.init_trackers("", {"lr": 0.1})
    loop.accelerator.end_training()
    assert only_run().config["lr"] == 0.1


def test_the_optimizer_is_let_go(only_run: OneRun) -> None:
    from torch.optim import optimizer

    before = len(optimizer._global_optimizer_post_hooks)
    loop = Loop(TreeringTracker())
    loop.accelerator.init_trackers("")
    loop.run()
    assert len(optimizer._global_optimizer_post_hooks) == before + 1
    loop.accelerator.end_training()
    assert len(optimizer._global_optimizer_post_hooks) == before
    assert not loop.accelerator._save_model_state_pre_hook
    assert only_run().state == "finished"


# -- checkpoints ------------------------------------------------------------------------------------------------------


def test_folders_of_save_state_are_versions(tmp_path: Path, only_run: OneRun) -> None:
    loop = Loop(
        TreeringTracker(monitor="train_loss"),
        project_config=ProjectConfiguration(str(tmp_path), automatic_checkpoint_naming=True, total_limit=2),
    )
    loop.accelerator.init_trackers("")
    loop.run(lambda _: loop.accelerator.save_state())
    loop.accelerator.end_training()
    run = only_run()
    kept = {alias: version for version in run.versions() for alias in version.aliases}
    assert {f"step-{step}" for step in (1, 2, 3, 4)} <= kept.keys()
    assert kept["last"].id == kept["step-4"].id == kept["best"].id == kept["best:train/loss"].id
    folder = tmp_path / "checkpoints" / "checkpoint_3"
    on_disk = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {file.path: kept["last"].read(file.path) for file in kept["last"].files()} == on_disk
    assert {path.name for path in folder.parent.iterdir()} == {"checkpoint_2", "checkpoint_3"}


# -- processes --------------------------------------------------------------------------------------------------------

PROGRAM = """
import json, os, sys, traceback
os.environ.update(ACCELERATE_USE_CPU="1", OMP_NUM_THREADS="1")
import torch
from accelerate import Accelerator
from treering.callbacks.accelerate import TreeringTracker
import treering.journal, treering.store, treering.observer  # what a run loads

torch.distributed  # loaded once, for all
folder = sys.argv[1]


def train(end, load=None, save=None, die=False):
    accelerator = Accelerator(log_with=TreeringTracker("pair"), cpu=True)
    accelerator.init_trackers("", {"batches": 4})
    model, optimizer = torch.nn.Linear(2, 1), None
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model, optimizer = accelerator.prepare(model, optimizer)
    begin = 0
    if load:
        accelerator.load_state(load)
        begin = save_step
    for step in range(begin + 1, end + 1):
        loss = model(torch.ones(2, 2)).pow(2).mean()
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        accelerator.log({"train_loss": loss.item()}, step=step)
        if save and step == save_step:
            accelerator.save_state(save)
    if die:
        os.kill(os.getpid(), 9)
    accelerator.end_training()


save_step = 2


def child(environment, *arguments, **options):
    pid = os.fork()
    if pid:
        return pid
    try:
        os.environ.update(environment)
        train(*arguments, **options)
        sys.exit(0)
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def ends(*pids):
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


first = {"TREERING_DIR": folder + "/alone"}
codes = ends(child(first, 4, save=folder + "/state", die=True))
codes += ends(child(first, 5, load=folder + "/state"))
ranks = [
    {"TREERING_DIR": folder + "/pair", "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
     "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": sys.argv[2]}
    for rank in (0, 1)
]
codes += ends(*[child(rank, 4, save=folder + "/both") for rank in ranks])
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One program that loads everything once and forks off each training."""
    folder = tmp_path_factory.mktemp("processes")
    bare = {f"TREERING_{name}": "0" for name in ("CONSOLE", "CAPTURE_GIT", "CAPTURE_SOURCE", "CAPTURE_ENVIRONMENT")}
    environment = {**os.environ, **bare, "TREERING_SYSTEM_INTERVAL_S": "0", "TREERING_DEBUG": "1"}
    command = [sys.executable, "-c", PROGRAM, str(folder), str(free_port())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [-9, 0, 0, 0], done.stderr
    return folder


def test_loaded_in_a_new_process_it_is_the_same_run(processes: Path) -> None:
    (run,) = Api(processes / "alone").runs()
    assert (run.attempt, run.state) == (2, "finished")
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4, 5]
    assert run.history("train/loss", superseded=True).x.tolist() == [1, 2, 3, 4, 3, 4, 5]
    assert run.history("update").values.tolist() == [1, 2, 3, 4, 5]
    (version,) = run.versions()
    assert set(version.aliases) == {"latest", "last", "step-2"}


def test_two_processes_are_one_run(processes: Path) -> None:
    (run,) = Api(processes / "pair").runs()
    assert (run.project, run.state, run.config["batches"]) == ("pair", "finished", 4)
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]
    assert run.config["accelerate"]["accelerator"]["num_processes"] == 2
    (version,) = run.versions()
    names = {file.path for file in version.files()}
    assert {"random_states_0.pkl", "random_states_1.pkl", "treering.json"} <= names
