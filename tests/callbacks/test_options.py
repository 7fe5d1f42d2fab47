"""The options that all callbacks have, without a framework: how many checkpoints stay, names, times, other ranks."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from readings import OneRun, points

import treering
from treering.api import Api, ApiRun
from treering.artifacts.collecting import collect
from treering.artifacts.depot import Depot
from treering.errors import NotFound, TreeringWarning, UsageError
from treering.store import Store
from treering.training import Score, Training, streams
from treering.training.streams import meeting_place

# -- how many checkpoints stay ----------------------------------------------------------------------------------------


def save(training: Training, folder: Path, losses: list[float | None], first: int = 1) -> None:
    for step, loss in enumerate(losses, first):
        path = folder / "model.bin"
        path.write_text(f"{step}")
        training.checkpoint(path, step=step, score=None if loss is None else Score("val/loss", loss))


def collected(run: ApiRun, store_dir: Path) -> list[int]:
    """The steps of the checkpoints that a collection leaves."""
    with Store.open(store_dir) as store:
        collect(Depot(store.database, store_dir), grace_s=0)
    return [version.metadata["step"] for version in run.versions()]


LOSSES: list[float | None] = [7.0, 1.0, 6.0, 2.0, 5.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("options", "losses", "left"),
    [
        ({}, LOSSES, [2, 4, 6, 7]),
        ({"checkpoints": "best+last"}, LOSSES, [2, 4, 6, 7]),
        ({"checkpoints": "all"}, LOSSES, [1, 2, 3, 4, 5, 6, 7]),
        ({"checkpoints": "last"}, LOSSES, [7]),
        ({"keep": None}, LOSSES, [1, 2, 3, 4, 5, 6, 7]),
        ({"keep": {"best": 1}}, LOSSES, [2, 7]),
        ({}, [None] * 4, [4]),
        ({"keep": {"best": 2}}, [None] * 4, [1, 2, 3, 4]),
    ],
)
def test_how_many_stay(
    options: Any, losses: list[float | None], left: list[int], tmp_path: Path, only_run: OneRun, store_dir: Path
) -> None:
    training = Training("toy", **options)
    save(training, tmp_path, losses)
    assert collected(only_run(), store_dir) == left


def test_what_a_dropped_version_was_stays_known(tmp_path: Path, only_run: OneRun, store_dir: Path) -> None:
    training = Training("toy")
    save(training, tmp_path, LOSSES)
    run = only_run()
    assert run.dropped_versions() == []
    collected(run, store_dir)
    gone = run.dropped_versions()
    assert [(one.version, one.metadata["step"], one.metadata["score"], one.size) for one in gone] == [
        (0, 1, 7.0, 1),
        (2, 3, 6.0, 1),
        (4, 5, 5.0, 1),
    ]
    name = f"model-{run.id}"
    assert gone[0].why == f"{name} keeps the last 1, the best 3 and what has an alias"
    with Api(store_dir) as api:
        assert api.dropped_versions(name) == gone
        assert api.dropped_versions(project="another") == []
        with pytest.raises(NotFound, match=rf"version {name}:v2 was dropped: {name} keeps"):
            api.version(f"{run.project}/{name}:v2")


def test_a_rule_that_nobody_asked_for_takes_the_place_of_none(
    tmp_path: Path, recorded: Callable[[], list[ApiRun]], store_dir: Path
) -> None:
    first = Training("toy")
    save(first, tmp_path, [3.0, 2.0])
    (run,) = recorded()
    with Api(store_dir) as api:
        api.keep_all(f"{run.project}/model-{run.id}")
    again = Training("toy")
    again.begin(step=2, resumed=first.state())
    save(again, tmp_path, [4.0, 5.0, 6.0, 7.0], first=3)
    assert collected(recorded()[0], store_dir) == [1, 2, 3, 4, 5, 6]
    asked = Training("toy", keep={"last": 2})
    asked.begin(step=6, resumed=again.state())
    save(asked, tmp_path, [8.0], first=7)
    assert collected(recorded()[0], store_dir) == [2, 6, 7]


# -- names and times --------------------------------------------------------------------------------------------------


def test_a_prefix_stands_before_all_series_and_no_axis(tmp_path: Path, only_run: OneRun) -> None:
    training = Training("toy", prefix="fold1/")
    training.begin()
    training.log({"loss": 0.5, "val_loss": math.nan}, step=1, prefix="train", epoch=2, batch=3)
    training.put({"time/step_ms": 1.0}, 2)
    training.summarize({"runtime": 3.0}, "train")
    path = tmp_path / "model.bin"
    path.write_text("x")
    training.checkpoint(path, step=2, score=Score("val/loss", 0.5))
    training.end()
    run = only_run()
    assert set(run.metrics) - {"treering/checkpoint_ms"} == {
        "fold1/train/loss",
        "fold1/val/loss",
        "fold1/time/step_ms",
        "epoch",
        "batch",
    }
    assert run.summary["fold1/train/runtime"] == 3.0
    assert [event.fields["series"] for event in run.events()] == ["fold1/val/loss"]
    assert "best:fold1/val/loss" in run.versions()[0].aliases


def test_rows_come_no_faster_than_asked_and_the_last_one_comes(
    monkeypatch: pytest.MonkeyPatch, only_run: OneRun
) -> None:
    now_s = 100.0
    monkeypatch.setattr("treering.training.rows.time.monotonic", lambda: now_s)
    training = Training("toy", log_every_ms=50)
    training.begin()
    for step in range(1, 21):
        training.log({"loss": float(step)}, step=step, prefix="train", epoch=0)
        training.log({"return": float(step)}, step=step, prefix="episode", episode=step)
        if step % 10 == 0:
            training.log({"loss": float(step)}, step=step, prefix="val", epoch=0)
        now_s += 0.02
    assert training.state()["step"] == 20
    training.end()
    training.log({"loss": 1.0}, step=20, prefix="test")
    training.log({"loss": 2.0}, step=20, prefix="test")
    run = only_run()
    assert [step for step, _ in points(run, "train/loss")] == [1, 4, 7, 10, 13, 16, 19, 20]
    assert [step for step, _ in points(run, "val/loss")] == [10, 20]
    assert len(points(run, "episode/return")) == 20, "each episode is a row"
    assert len(run.history("test/loss", superseded=True).values) == 2, "what comes late is not held back"


def test_a_row_that_was_held_back_comes_with_a_failure_too(only_run: OneRun) -> None:
    training = Training("toy", log_every_ms=1e6)
    training.begin()
    for step in range(1, 4):
        training.log({"loss": float(step)}, step=step)
    training.fail(ValueError("bad"))
    assert points(only_run(), "loss") == [(1, 1.0), (3, 3.0)]


def test_where_the_config_goes(only_run: OneRun) -> None:
    training = Training("toy", config_prefixes={"args": "", "model": "net", "secret": None}, config={"lr": 0.5})
    training.configure("args", {"lr": 0.1, "depth": 2})
    training.configure("model", {"layers": 3})
    training.configure("secret", {"key": 1})
    training.configure("version", "1.2")
    config = only_run().config
    assert (config["lr"], config["depth"], config["net"]) == (0.5, 2, {"layers": 3})
    assert config["toy"] == {"version": "1.2"}
    assert "secret" not in config


@pytest.mark.parametrize(
    "options",
    [
        {"upload": "yes"},
        {"rank_streams": 1},
        {"log_every_ms": -1},
        {"log_every_ms": math.nan},
        {"prefix": 3},
        {"config_prefixes": "model"},
        {"config_prefixes": {"model": 3}},
    ],
)
def test_values_that_no_option_takes(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"toy: {next(iter(options))}="):
        Training("toy", **options)


# -- other ranks ------------------------------------------------------------------------------------------------------

RANK_1 = """
import sys
from pathlib import Path
from treering.training import Training

training = Training("toy", rank_streams=True)
training.begin()
training.log({"loss": 1.0}, step=1)
print("begun", flush=True)
sys.stdin.readline()
training.end()
print(training.run)
"""


def system_keys(run_id: str, store_dir: Path) -> set[str]:
    with Api(store_dir) as api:
        return set(api.run(run_id).system())


def test_two_processes_are_measured_in_one_run(
    monkeypatch: pytest.MonkeyPatch, only_run: OneRun, store_dir: Path
) -> None:
    monkeypatch.setattr(streams, "_POLL_S", 0.02)
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29512", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TREERING_SYSTEM_INTERVAL_S", "0.1")
    streams._met.clear()
    left_over = store_dir / "ranks" / str(meeting_place(None)) / f"7-{os.uname().nodename}-{2**22 + 1}.jsonl"
    streams._met.clear()
    left_over.parent.mkdir(parents=True)
    left_over.write_text('{"cpu/percent": 1.0}\n')
    with subprocess.Popen(
        [sys.executable, "-c", RANK_1],
        env={**os.environ, "RANK": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        training = Training("toy", rank_streams=True)
        training.begin()
        training.log({"loss": 2.0}, step=1)
        assert other.stdout.readline() == "begun\n"
        run = training.run
        assert run is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            run.flush()
            if "rank1/process/memory_mb" in system_keys(run.id, store_dir):
                break
            time.sleep(0.02)
        out, _ = other.communicate("end\n", timeout=60)
        assert out == "None\n", "no run of its own"
        training.end()
    read = only_run()
    assert points(read, "loss") == [(1, 2.0)]
    keys = {key.partition("/")[0] for key in read.system()}
    assert "rank1" in keys
    assert "rank7" not in keys, "of a training that was killed"
    assert not list((store_dir / "ranks").rglob("*")), "nothing is left behind"


def test_processes_that_know_nothing_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in streams._SHARED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.warns(TreeringWarning, match="rank_streams: the processes have nothing in common"):
        Training("toy", rank_streams=True).begin()


def test_where_ranks_meet() -> None:
    streams._met.clear()
    env = {"MASTER_ADDR": "a", "MASTER_PORT": "1"}
    first, second = meeting_place(None, env), meeting_place(None, env)
    assert first is not None
    assert second is not None
    assert first.partition("-")[0] == second.partition("-")[0] != meeting_place(None, {**env, "MASTER_PORT": "2"})
    assert first != second, "of the next training"
    assert meeting_place("abc", env) != first
    cluster = '{"cluster": {"worker": ["x:1"]}, "task": {"type": "worker", "index": %d}}'
    one, other = (meeting_place(None, {"TF_CONFIG": cluster % index}) for index in (0, 1))
    assert one is not None
    assert other is not None
    assert one.partition("-")[0] == other.partition("-")[0]
    assert meeting_place(None, {}) is None


# -- tensors of a device ----------------------------------------------------------------------------------------------


def test_the_values_of_one_row_come_over_in_one_transfer(only_run: OneRun) -> None:
    torch = pytest.importorskip("torch")
    from counting_tensors import Transfers, on_device

    values = {
        "loss": on_device(torch.tensor(0.1)),
        "plain": 2.5,
        "half": on_device(torch.tensor(1.5, dtype=torch.bfloat16)),
        "double": on_device(torch.tensor([[0.1]], dtype=torch.float64)),
        "count": on_device(torch.tensor(2**60 + 1)),
        "on": on_device(torch.tensor(True)),
        "nan": on_device(torch.tensor(math.nan)),
        "here": torch.tensor(3.0),
    }
    training = Training("toy")
    with Transfers() as seen:
        training.log(values, step=1)
    assert seen.transfers == 1
    with Transfers() as seen:
        training.log({"loss": on_device(torch.tensor(1.0)), "other": on_device(torch.tensor(2.0))}, step=2)
    assert [name for name in seen.names if name not in {"detach", "view"}] == ["stack", "to cpu"]
    run = only_run()
    first = {key: run.history(key).values[0] for key in values}
    assert first["loss"] == float(torch.tensor(0.1))
    assert (first["half"], first["double"], first["count"], first["on"]) == (1.5, 0.1, 2**60 + 1, True)
    assert math.isnan(first["nan"])
    assert (first["plain"], first["here"]) == (2.5, 3.0)
    assert points(run, "other") == [(2, 2.0)]
    assert treering.run is None
