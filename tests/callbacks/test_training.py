"""What all callbacks share: names, ranks, options and which run, without a framework."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from readings import OneRun, Runs

import treering
from treering.errors import NotFound, RunExists, TreeringWarning, UsageError
from treering.training import Training, learning_rates, metric_name, number
from treering.training.ranks import process_rank

# -- names and values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("loss", "train", "train/loss"),
        ("loss", None, "loss"),
        ("val_loss", "train", "val/loss"),
        ("eval_loss", "train", "eval/loss"),
        ("test_acc_top5", None, "test/acc_top5"),
        ("train_loss", "train", "train/loss"),
        ("valid_loss", "train", "train/valid_loss"),
        ("val_", "train", "train/val_"),
        ("rollout/ep_rew_mean", "train", "rollout/ep_rew_mean"),
        ("a/b/c", None, "a/b/c"),
    ],
)
def test_metric_names(name: str, prefix: str | None, expected: str) -> None:
    assert metric_name(name, prefix) == expected


def test_learning_rates_are_named_by_group() -> None:
    assert learning_rates([0.1, 0.2]) == {"lr/0": 0.1, "lr/1": 0.2}
    assert learning_rates({"head": 0.1}) == {"lr/head": 0.1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.array([[7]]), 7),
        (np.bool_(True), True),
        ("text", "text"),
        (None, None),
    ],
)
def test_single_values_become_python_numbers(value: object, expected: object) -> None:
    assert number(value) == expected
    assert type(number(value)) is type(expected)


def test_larger_arrays_stay() -> None:
    values = np.arange(3)
    assert number(values) is values


def task(kind: str, index: int, **cluster: int) -> str:
    """What TensorFlow's launchers tell a process."""
    addresses = {name: [f"host{at}:1" for at in range(count)] for name, count in cluster.items()}
    return json.dumps({"cluster": addresses, "task": {"type": kind, "index": index}})


# -- ranks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({}, 0),
        ({"RANK": "3", "LOCAL_RANK": "1"}, 3),
        ({"SLURM_PROCID": "2"}, 2),
        ({"OMPI_COMM_WORLD_RANK": "5"}, 5),
        ({"LOCAL_RANK": "1"}, 1),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, 1),
        ({"NODE_RANK": "1", "LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "4"}, 6),
        ({"RANK": "not a number"}, 0),
        ({"RANK": ""}, 0),
        ({"TF_CONFIG": task("chief", 0, chief=1, worker=2)}, 0),
        ({"TF_CONFIG": task("worker", 1, chief=1, worker=2)}, 2),
        ({"TF_CONFIG": task("worker", 0, worker=2)}, 0),
        ({"TF_CONFIG": task("worker", 1, worker=2)}, 1),
        ({"TF_CONFIG": task("ps", 0, worker=2, ps=1)}, 2),
        ({"TF_CONFIG": task("evaluator", 0, chief=1)}, 1),
        ({"TF_CONFIG": "{}"}, 0),
        ({"TF_CONFIG": "not JSON"}, 0),
        ({"TF_CONFIG": '{"task": 3}'}, 0),
        ({"TF_CONFIG": task("worker", 1, worker=2), "RANK": "0"}, 0),
    ],
)
def test_rank_from_the_launchers_variables(environ: dict[str, str], rank: int) -> None:
    assert process_rank(environ) == rank


def test_a_process_group_that_is_up_wins_over_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("RANK", "3")
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        assert process_rank() == 0
    finally:
        torch.distributed.destroy_process_group()
    assert process_rank() == 3


def test_jax_is_asked_only_when_it_is_distributed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands for a JAX whose distributed client runs, which needs several hosts; asking earlier would start devices.
    jax: Any = ModuleType("jax")
    jax.distributed = ModuleType("jax.distributed")
    jax.distributed.is_initialized = lambda: False
    monkeypatch.setitem(sys.modules, "jax", jax)
    assert process_rank({"RANK": "1"}) == 1
    jax.distributed.is_initialized, jax.process_index = lambda: True, lambda: 2
    assert process_rank({"RANK": "1"}) == 2


def test_explicit_rank_wins_over_the_frameworks(store_dir: Path) -> None:
    training = Training("toy", rank=0)
    training.framework_rank = 1
    assert training.run is not None
    other = Training("toy")
    other.framework_rank = 1
    other.begin()
    other.log({"loss": 1.0}, step=1)
    other.configure("model", {"layers": 3})
    other.summarize({"loss": 1.0})
    other.checkpoint("nowhere", step=1)
    other.end()
    other.fail(ValueError())
    assert other.run is None
    assert other.state() == {}


# -- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"projct": "p"}, "unknown option 'projct'; options are run, log_every, project"),
        ({"checkpoints": "some"}, "checkpoints='some'; use 'all', 'best\\+last'"),
        ({"log_every": 0}, "log_every=0; use"),
    ],
)
def test_wrong_options_are_refused_at_once(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Training("toy", **options)


def test_a_run_and_an_id_exclude_each_other() -> None:
    with treering.init() as run, pytest.raises(UsageError, match="both run= and id="):
        Training("toy", run, id="x")


# -- which run --------------------------------------------------------------------------------------------------------


def test_options_reach_the_run(only_run: OneRun) -> None:
    training = Training(
        "toy", project="p", name="n", group="g", job_type="j", tags=["t"], notes="why", config={"lr": 0.1}
    )
    training.log({"loss": 1.0}, step=1)
    run = only_run()
    assert (run.project, run.name, run.group, run.job_type, list(run.tags), run.notes) == (
        "p",
        "n",
        "g",
        "j",
        ["t"],
        "why",
    )
    assert run.config == {"lr": 0.1}


def test_what_an_active_run_cannot_take_is_said(only_run: OneRun) -> None:
    with treering.init(name="mine"), pytest.warns(TreeringWarning, match="name, group ignored: the training joins"):
        Training("toy", name="n", group="g").begin()


def test_an_id_in_the_checkpoint_comes_before_the_active_run(recorded: Runs) -> None:
    first = Training("toy")
    for step in range(1, 7):
        first.log({"loss": float(step)}, step=step)
    first.step = 4
    state = first.state()
    assert first.opened is not None
    first.opened.finish()
    treering.init(name="active")
    second = Training("toy")
    second.begin(step=4, resumed=pickle.loads(pickle.dumps(state)))
    second.log({"loss": 50.0}, step=5)
    resumed, active = sorted(recorded(), key=lambda run: run.name == "active")
    assert resumed.attempt == 2
    assert list(resumed.history("loss")) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 50.0)]
    assert list(resumed.history("loss", superseded=True).values) == [1, 2, 3, 4, 5, 6, 50]
    assert active.metrics == {}


def test_a_live_run_is_rewound_when_an_earlier_checkpoint_is_resumed(only_run: OneRun) -> None:
    first = Training("toy")
    for step in range(1, 7):
        first.log({"loss": float(step)}, step=step)
    second = Training("toy")
    second.begin(step=2, resumed={**first.state()})
    assert second.run is first.run
    second.log({"loss": 30.0}, step=3)
    run = only_run()
    assert list(run.history("loss")) == [(1, 1.0), (2, 2.0), (3, 30.0)]
    assert run.attempt == 2


def test_an_id_that_is_taken_is_said_before_training(store_dir: Path) -> None:
    treering.init(id="taken").finish()
    training = Training("toy", id="taken")
    with pytest.raises(RunExists), training.guard("begin"):
        training.begin()
    with pytest.raises(NotFound), Training("toy", id="unknown", resume="must").guard("begin") as _:
        Training("toy", id="unknown", resume="must").begin()


def test_a_given_id_can_be_resumed(only_run: OneRun) -> None:
    with treering.init(id="mine") as run:
        run.log({"loss": 1.0}, step=1)
    training = Training("toy", id="mine", resume="allow")
    training.begin()
    training.log({"loss": 2.0}, step=2)
    assert list(only_run().history("loss")) == [(1, 1.0), (2, 2.0)]


def test_two_trainings_from_one_checkpoint_do_not_share_a_run(recorded: Runs, store_dir: Path) -> None:
    # Another process goes on from the checkpoint, and is not done yet.
    program = """
import treering
run = treering.init(id="taken", project="p")
for step in range(1, 6):
    run.log({"loss": float(step)}, step=step)
run.flush()
print("ready", flush=True)
input()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        training = Training("toy")
        with pytest.warns(TreeringWarning, match="being written by process .* forked off at step 3"):
            training.begin(step=3, resumed={"run": "taken", "project": "p"})
        training.log({"loss": 40.0}, step=4)
        other.communicate("\n")
    runs = {run.id: run for run in recorded()}
    forked = runs.pop(training.run.id if training.run else "")
    assert (forked.parent_id, forked.parent_step, forked.project) == ("taken", 3, "p")
    assert list(forked.history("loss")) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 40.0)]
    assert [run.history("loss").rows for run in runs.values()] == [5]


def test_copies_find_the_same_run(only_run: OneRun) -> None:
    training = Training("toy")
    training.log({"loss": 1.0}, step=1)
    for other in (pickle.loads(pickle.dumps(training)), copy.deepcopy(training)):
        assert other.opened is None
        assert other.run is training.run


def test_trainings_in_threads_keep_to_their_runs(recorded: Runs) -> None:
    barrier = threading.Barrier(4, timeout=120)

    def train(name: str) -> None:
        training = Training("toy", name=name)
        training.begin()
        barrier.wait()
        for step in range(1, 51):
            training.log({"loss": float(step), name: 1.0}, step=step)
        training.end()

    threads = [threading.Thread(target=train, args=(f"thread-{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = recorded()
    assert {run.name for run in runs} == {f"thread-{index}" for index in range(4)}
    for run in runs:
        assert set(run.metrics) == {"loss", run.name}
        assert run.history("loss").rows == 50
        assert run.state == "finished"


def test_a_training_without_an_end_is_failed_once_the_next_begins(recorded: Runs) -> None:
    first = Training("toy", name="first")
    first.begin()
    first.log({"loss": 1.0}, step=1)
    Training("toy", name="second").begin()
    runs = {run.name: run for run in recorded()}
    assert runs["first"].state == "failed"
    assert runs["first"].failure is not None
    assert "did not reach its end" in runs["first"].failure["message"]


def test_a_training_around_another_goes_on(recorded: Runs) -> None:
    outer = Training("toy", name="outer")
    outer.begin()
    inner = Training("toy", name="inner")
    inner.begin()
    inner.end()
    outer.log({"loss": 1.0}, step=1)
    outer.end()
    assert {run.name: run.state for run in recorded()} == {"outer": "finished", "inner": "finished"}


def test_a_run_that_was_closed_for_the_next_is_opened_again_without_a_word(recorded: Runs) -> None:
    first = Training("toy", name="first")
    first.begin()
    first.log({"loss": 1.0}, step=1)
    first.end()
    Training("toy", name="second").begin()
    first.log({"loss": 0.5}, step=1, prefix="test")
    first.begin(step=1)
    first.log({"loss": 2.0}, step=2)
    first.end()
    runs = {run.name: run for run in recorded()}
    assert (runs["first"].state, runs["first"].attempt) == ("finished", 1)
    assert list(runs["first"].history("loss")) == [(1, 1.0), (2, 2.0)]
    assert list(runs["first"].history("test/loss")) == [(1, 0.5)]
