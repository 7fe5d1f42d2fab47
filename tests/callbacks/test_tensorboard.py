"""TensorBoard: what any writer puts into event files, read while it is written and long after."""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorboard")

# What tensorboard looks for to do without TensorFlow, which it would load for a file's name.
sys.modules["tensorboard.compat.notf"] = ModuleType("notf")

from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter as TorchWriter

import treering
from treering import Image, Text, cli
from treering.api import Api, ApiRun
from treering.errors import NotFound, TreeringWarning
from treering.integrations import _event_writers
from treering.integrations._event_files import EventFile
from treering.integrations.tensorboard import Sync, import_folder
from treering.store import Store

x_writers = pytest.importorskip("tensorboardX")

OneRun = Callable[[], ApiRun]
WRITERS: dict[str, Callable[[str], Any]] = {
    "torch": TorchWriter,
    "tensorboardX": x_writers.SummaryWriter,
}
PICTURE = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def all_kinds(writer: Any) -> None:
    """What both of PyTorch's writers take."""
    for step in (1, 2, 3):
        writer.add_scalar("train/loss", 1 / step, step, walltime=1000.0 + step / 4)
    writer.add_scalar("bad", math.nan, -5)
    writer.add_histogram("weights", np.array([0.0, 0.5, 0.5, 2.0]), 4)
    writer.add_image("sample", PICTURE, 5)
    writer.add_text("words", "**hello**", 6)
    writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 7)
    writer.add_hparams({"lr": 0.5, "layers": 3, "name": "adam", "big": True}, {"accuracy": 0.75})


def check_all_kinds(run: ApiRun) -> None:
    loss = run.history("train/loss")
    assert list(loss) == [(step, pytest.approx(1 / step)) for step in (1, 2, 3)]
    assert run.history("train/loss", x="_time").x.astype(int).tolist() == [1000250000, 1000500000, 1000750000]
    ((step, bad),) = run.history("bad")
    assert (step, math.isnan(bad)) == (-5, True)
    ((step, histogram),) = run.history("weights")
    assert (step, sum(histogram.counts), histogram.edges[0], histogram.edges[-1]) == (4, 4, 0.0, 2.0)
    ((step, image),) = run.history("sample")
    assert (step, image.pixels.tolist()) == (5, PICTURE.transpose(1, 2, 0).tolist())
    assert list(run.history("words")) == [(6, Text("**hello**", format="markdown"))]
    assert (list(run.history("both/a")), list(run.history("both/b"))) == ([(7, 1.0)], [(7, 2.0)])
    assert list(run.history("accuracy")) == [(0, 0.75)]
    assert {key: run.config[key] for key in ("lr", "layers", "name", "big")} == {
        "lr": 0.5,
        "layers": 3,
        "name": "adam",
        "big": True,
    }


# -- live -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "still open"])
def test_all_that_is_written_while_a_run_is_open(kind: str, closed: bool, tmp_path: Path, only_run: OneRun) -> None:
    with treering.init(sync_tensorboard=True), contextlib.ExitStack() as until:
        writer = WRITERS[kind](str(tmp_path / "logs"))
        until.callback(writer.close)
        all_kinds(writer)
        later = contextlib.ExitStack() if closed else until.pop_all()
    with later:
        check_all_kinds(only_run())


def test_rows_come_while_the_training_goes_on(tmp_path: Path, store_dir: Path) -> None:
    run = treering.init(settings={"sync_tensorboard": True, "flush_interval_s": 0.05})
    with TorchWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 1)
        writer.flush()
        deadline = time.monotonic() + 90
        while not any("loss" in found.metrics for found in Api(store_dir).runs()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        writer.add_scalar("loss", 0.25, 2)
    run.finish()
    assert list(Api(store_dir).run(run.id).history("loss")) == [(1, 0.5), (2, 0.25)]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_writer_that_was_there_before(kind: str, tmp_path: Path, recorded: Callable[[], list[ApiRun]]) -> None:
    """What it writes while a run is open is the run's; what it wrote before belongs to what was trained before."""
    writer = WRITERS[kind](str(tmp_path))
    for step in range(5):
        writer.add_scalar("loss", float(step), step, walltime=1000.0 + step)
    with treering.init():
        writer.add_scalar("loss", 5.0, 5)
    for step in (6, 8):
        with treering.init(sync_tensorboard=True):
            writer.add_scalar("loss", float(step), step, walltime=1000.0 + step)
        writer.add_scalar("loss", step + 1.0, step + 1)
    writer.close()
    unsynced, first, second = recorded()
    assert not unsynced.metrics
    assert list(first.history("loss")) == [(6, 6.0)]
    assert list(second.history("loss")) == [(8, 8.0)]


def test_a_writer_stays_with_the_run_that_follows_it(tmp_path: Path, recorded: Callable[[], list[ApiRun]]) -> None:
    older = treering.init(sync_tensorboard=True)
    with TorchWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 1.0, 1)
        writer.flush()
        newer = treering.init(sync_tensorboard=True)
        for step in range(2, 30):
            writer.add_scalar("loss", float(step), step)
        newer.finish()
        writer.add_scalar("loss", 30.0, 30)
        older.finish()
    first, second = recorded()
    assert first.history("loss").x.tolist() == list(range(1, 31))
    assert not second.metrics


def test_logs_that_somebody_reads_are_not_written(tmp_path: Path, only_run: OneRun) -> None:
    with TorchWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 1.0, 1)
    (path,) = tmp_path.glob("*tfevents*")
    with path.open("rb"), treering.init(sync_tensorboard=True):
        assert path not in {source.place for source in _event_writers.present()}
    assert not only_run().metrics


def test_a_forked_child_leaves_the_files_to_its_parent(tmp_path: Path, only_run: OneRun) -> None:
    with treering.init(sync_tensorboard=True):
        pid = os.fork()
        if not pid:
            with TorchWriter(str(tmp_path)) as writer:
                writer.add_scalar("loss", 1.0, 1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    assert not only_run().metrics


def test_folders_tell_writers_apart(tmp_path: Path, only_run: OneRun) -> None:
    with treering.init(sync_tensorboard=True):
        for name in ("a", "b", "a/deep/er"):
            with TorchWriter(str(tmp_path / name)) as writer:
                writer.add_scalar("loss", 1.0, 1)
    assert {key for key in only_run().metrics if "loss" in key} == {"loss", "b/loss", "deep/er/loss"}


def test_the_newest_run_gets_it(tmp_path: Path, recorded: Callable[[], list[ApiRun]]) -> None:
    older, newer = treering.init(sync_tensorboard=True), treering.init(sync_tensorboard=True)
    with TorchWriter(str(tmp_path / "a")) as writer:
        writer.add_scalar("loss", 1.0, 1)
    newer.finish()
    with TorchWriter(str(tmp_path / "b")) as writer:
        writer.add_scalar("loss", 2.0, 1)
    older.finish()
    assert [list(run.history("loss")) for run in recorded()] == [[(1, 2.0)], [(1, 1.0)]]


def test_the_users_config_wins(tmp_path: Path, only_run: OneRun) -> None:
    with treering.init(sync_tensorboard=True, config={"lr": 7}), TorchWriter(str(tmp_path)) as writer:
        writer.add_hparams({"lr": 0.5, "size": 2}, {})
    assert only_run().config == {"lr": 7, "size": 2}


def test_afterwards_everything_is_as_before(tmp_path: Path) -> None:
    original, finders = EventFileWriter.__init__, list(sys.meta_path)
    with treering.init(sync_tensorboard=True):
        assert EventFileWriter.__init__ is not original
    assert EventFileWriter.__init__ is original
    assert sys.meta_path == finders
    assert (_event_writers._ears, _event_writers._wrapped) == ([], [])


def test_without_being_asked_nothing_is_read(tmp_path: Path, only_run: OneRun) -> None:
    with treering.init(), TorchWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 1.0, 1)
    assert not only_run().metrics


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    run = treering.init()
    sync = Sync(run, interval_s=60)
    sync.start()
    with TorchWriter(str(tmp_path)) as writer:
        writer.add_pr_curve("curve", np.array([0, 1]), np.array([0.25, 0.75]), 1)
    with pytest.warns(TreeringWarning, match="pr_curves"):
        sync.stop()
    run.finish()


def test_other_processes_files_are_theirs(tmp_path: Path, only_run: OneRun) -> None:
    """TensorFlow picks names itself: they are looked for in its folder, where other ranks may write as well."""
    now = int(time.time())
    names = {
        f"events.out.tfevents.{now}.a.b.{os.getpid()}.0.v2": True,
        f"events.out.tfevents.{now}.a.b.{os.getpid() + 1}.0.v2": False,
        f"events.out.tfevents.{now - 9}.a.b.{os.getpid()}.1.v2": False,
        f"events.out.tfevents.{now}.host-1.example": True,
        "checkpoint": False,
    }
    for name in names:
        (tmp_path / name).touch()
    found = _event_writers.Source(tmp_path, lambda: None, since_s=now).files()
    assert {path.name for path in found} == {name for name, ours in names.items() if ours}


def rows_of(run: ApiRun) -> int:
    return sum(len(run.history(key)) for key in run.metrics)


# -- import -----------------------------------------------------------------------------------------------------------


def bring_in(folder: Path, store_dir: Path, **options: Any) -> list[Any]:
    with Store.open(store_dir, create=True) as store:
        return list(import_folder(store, folder, project="old", **options))


@pytest.mark.parametrize("kind", WRITERS)
def test_import(kind: str, tmp_path: Path, store_dir: Path) -> None:
    writer = WRITERS[kind](str(tmp_path / "logs"))
    all_kinds(writer)
    writer.close()
    (found,) = bring_in(tmp_path / "logs", store_dir)
    (run,) = Api(store_dir).runs()
    check_all_kinds(run)
    assert (run.id, run.name, run.project, run.state) == (found.id, "logs", "old", "finished")
    assert run.created.timestamp() == pytest.approx(1000.25)
    assert (found.rows, dict(found.media), found.damage) == (
        rows_of(run),
        {"histograms": 1, "images": 1, "texts": 1},
        [],
    )


def test_imported_again_only_what_is_new_is_added(tmp_path: Path, store_dir: Path) -> None:
    with TorchWriter(str(tmp_path / "a")) as writer:
        writer.add_scalar("loss", 1.0, 1)
        writer.flush()
        (first,) = bring_in(tmp_path, store_dir)
        (nothing,) = bring_in(tmp_path, store_dir)
        writer.add_scalar("loss", 2.0, 2)
        writer.flush()
        (more,) = bring_in(tmp_path, store_dir)
    with TorchWriter(str(tmp_path / "a")) as writer:
        writer.add_scalar("loss", 3.0, 3)
    shutil.move(tmp_path / "a", tmp_path / "elsewhere")
    (moved,) = bring_in(tmp_path, store_dir)
    assert len({one.id for one in (first, nothing, more, moved)}) == 1
    assert [one.rows for one in (first, nothing, more, moved)] == [1, 0, 1, 1]
    assert [one.is_new for one in (first, nothing, more, moved)] == [True, False, False, False]
    (run,) = Api(store_dir).runs()
    assert list(run.history("loss")) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert run.summary["loss"] == 3.0


def test_what_belongs_together_is_one_run(tmp_path: Path, store_dir: Path) -> None:
    for name in ("first/train", "first/validation", "second", "second/other", "third"):
        with TorchWriter(str(tmp_path / name)) as writer:
            writer.add_scalar("loss", 1.0, 1)
            if name == "third":
                writer.add_scalars("pair/of", {"x": 1.0}, 1)
                writer.add_hparams({"lr": 0.5}, {"score": 1.0})
    found = {one.name: one.series for one in bring_in(tmp_path, store_dir)}
    assert found == {
        "first": {"train/loss", "val/loss"},
        "second": {"loss"},
        "second/other": {"loss"},
        "third": {"loss", "pair/of/x", "score"},
    }
    each = [one.name for one in bring_in(tmp_path, store_dir / "other", each_folder=True)]
    assert "first/validation" in each
    assert len(each) == 7


def test_a_killed_import_goes_on_where_it_was(tmp_path: Path, store_dir: Path) -> None:
    with TorchWriter(str(tmp_path / "logs")) as writer:
        for step in range(300):
            writer.add_text("long", f"{step} " + "x" * 40_000, step)
    program = (
        "import os, sys, treering\n"
        "from pathlib import Path\n"
        "from treering.importing import ImportedRun\n"
        "from treering.integrations.tensorboard import import_folder\n"
        "from treering.store import Store\n"
        "commit, times = ImportedRun.commit, []\n"
        "def commit_and_die(self, note):\n"
        "    commit(self, note); times.append(1)\n"
        "    if len(times) == 2: os.kill(os.getpid(), 9)\n"
        "ImportedRun.commit = commit_and_die\n"
        "list(import_folder(Store.open(Path(sys.argv[2]), create=True), Path(sys.argv[1]), project='old'))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "logs"), str(store_dir)]
    assert subprocess.run(command, check=False).returncode == -9
    (half,) = Api(store_dir).runs()
    assert half.state == "finished"
    before = rows_of(half)
    assert 0 < before < 300
    (rest,) = bring_in(tmp_path / "logs", store_dir)
    assert before + rest.rows == 300
    (run,) = Api(store_dir).runs()
    assert run.history("long").x.tolist() == list(range(300))


def test_damage_is_told_and_what_is_before_it_kept(tmp_path: Path, store_dir: Path) -> None:
    with TorchWriter(str(tmp_path)) as writer:
        for step in range(3):
            writer.add_scalar("loss", 1.0, step)
    (path,) = tmp_path.glob("*tfevents*")
    whole = path.read_bytes()
    path.write_bytes(whole[:-50] + b"\xff" * 50)
    (found,) = bring_in(tmp_path, store_dir)
    assert found.rows == 2
    (damage,) = found.damage
    assert str(path) in damage


def test_a_folder_without_logs(tmp_path: Path, store_dir: Path) -> None:
    with pytest.raises(NotFound, match="no event file"):
        bring_in(tmp_path, store_dir)


def test_a_failed_session_is_a_failed_run(tmp_path: Path, store_dir: Path) -> None:
    data: Any = plugin_data_pb2
    path = tmp_path / "events.out.tfevents.1.host"
    parts = {
        "start": {"session_start_info": {"hparams": {"lr": {"number_value": 0.5}}}},
        "end": {"session_end_info": {"status": 2}},
    }
    values = [
        {
            "tag": f"_hparams_/session_{name}_info",
            "metadata": {
                "plugin_data": {
                    "plugin_name": "hparams",
                    "content": data.HParamsPluginData(**part).SerializeToString(),
                }
            },
        }
        for name, part in parts.items()
    ]
    write(path, [event_pb2.Event(summary={"value": [value]}, wall_time=5.0) for value in values])
    bring_in(tmp_path, store_dir)
    (run,) = Api(store_dir).runs()
    assert (run.state, run.config["lr"]) == ("failed", 0.5)


def test_the_command(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["treering", "import", "tensorboard", *arguments])
        code = cli.run_and_tell()
        return code, capsys.readouterr().out

    with TorchWriter(str(tmp_path / "a")) as writer:
        writer.add_scalar("loss", 1.0, 1)
    code, output = call(str(tmp_path), "--project", "p", "--group", "g")
    assert (code, "1 row of 1 series" in output, "1 run: 1 added" in output) == (0, True, True)
    code, output = call(str(tmp_path), "--project", "p", "--json")
    assert (code, json.loads(output)[0]["rows"]) == (0, 0)
    (run,) = Api(store_dir).runs()
    assert (run.project, run.group) == ("p", "g")
    assert call(str(tmp_path / "missing"))[0] == 2


# -- the format, against TensorBoard's own reader ---------------------------------------------------------------------


def write(path: Path, events: list[Any]) -> None:
    with path.open("wb") as file:
        records = RecordWriter(file)
        for event in events:
            records.write(event.SerializeToString())


FLOATS = st.floats(width=32)
SCALARS = st.builds(
    lambda tag, value, step, time_s: (tag, value, step, time_s),
    st.text(min_size=1, max_size=8).filter(lambda text: not text.startswith("_hparams_/") and "/text_" not in text),
    FLOATS,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(0, 1e10),
)


@given(st.lists(SCALARS, max_size=8), st.randoms(use_true_random=False))
def test_any_scalars_as_tensorboard_reads_them(
    tmp_path_factory: pytest.TempPathFactory, scalars: list[tuple[str, float, int, float]], dice: random.Random
) -> None:
    path = tmp_path_factory.mktemp("any") / "events.out.tfevents.1.host"
    events = [
        event_pb2.Event(step=step, wall_time=time_s, summary={"value": [{"tag": tag, "simple_value": value}]})
        for tag, value, step, time_s in scalars
    ]
    write(path, events)
    theirs = [
        (event.step, event.wall_time, {one.tag: one.simple_value for one in event.summary.value})
        for event in LegacyEventFileLoader(str(path)).Load()
    ]
    data, ours = path.read_bytes(), []
    file = EventFile(path)
    for end in (*sorted(dice.randrange(len(data) + 1) for _ in range(3)), len(data)):  # as it grows
        path.write_bytes(data[:end])
        ours += [(event.step, event.time_s, event.values) for event in file.read()]
    assert repr(ours) == repr(theirs)
    assert file.damage == ""


DTYPES = ["DT_FLOAT", "DT_DOUBLE", "DT_INT32", "DT_UINT8", "DT_INT64", "DT_BOOL", "DT_HALF", "DT_BFLOAT16"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars_of_every_type(dtype: str, tmp_path: Path) -> None:
    number = 1.0 if dtype == "DT_BOOL" else 3.0
    bits = {"DT_HALF": np.float16(3).view(np.uint16), "DT_BFLOAT16": struct.unpack(">HH", struct.pack(">f", 3.0))[0]}
    lists = {"DT_FLOAT": "float_val", "DT_DOUBLE": "double_val", "DT_INT64": "int64_val", "DT_BOOL": "bool_val"}
    field = "half_val" if dtype in bits else lists.get(dtype, "int_val")
    value: Any = int(bits[dtype]) if dtype in bits else number if "_F" in dtype or "_DO" in dtype else int(number)
    tensor = tensor_pb2.TensorProto(dtype=dtype, **{field: [value]})
    metadata = summary_pb2.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
    path = tmp_path / "events.out.tfevents.1.host"
    first = summary_pb2.Summary.Value(tag="a", tensor=tensor, metadata=metadata)
    # Only the first value of a tag has to say what it is for.
    later = summary_pb2.Summary.Value(tag="a", tensor=tensor)
    write(path, [event_pb2.Event(summary={"value": [one]}) for one in (first, later)])
    assert [event.values for event in EventFile(path).read()] == [{"a": number}] * 2


def test_histograms_keep_their_counts(tmp_path: Path) -> None:
    values = np.concatenate([np.random.default_rng(0).normal(size=1000), np.zeros(10)])
    with TorchWriter(str(tmp_path)) as writer:
        for step, bins in enumerate(("tensorflow", "auto", "fd")):
            writer.add_histogram("h", values, step, bins=bins)
        writer.add_histogram("h", np.full(7, 2.5), 3)
    (path,) = tmp_path.iterdir()
    *spread, equal = [event.values["h"] for event in EventFile(path).read()]
    for histogram in spread:
        assert histogram.count == 1010
        assert histogram.edges[0] <= values.min()
        assert histogram.edges[-1] >= values.max()
        centres = [(low + high) / 2 for low, high in zip(histogram.edges, histogram.edges[1:], strict=False)]
        mean = sum(count * centre for count, centre in zip(histogram.counts, centres, strict=True)) / 1010
        assert mean == pytest.approx(values.mean(), abs=0.1)
    assert equal.count == 7
    assert equal.edges[0] <= 2.5 <= equal.edges[-1]


def test_a_record_larger_than_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treering.integrations._event_files._READ_BYTES", 100)
    with TorchWriter(str(tmp_path)) as writer:
        writer.add_text("long", "x" * 1000, 1)
        writer.add_scalar("loss", 1.0, 2)
    (path,) = tmp_path.iterdir()
    assert [list(event.values) for event in EventFile(path).read()] == [["long"], ["loss"]]


def test_pictures_of_every_writer(tmp_path: Path) -> None:
    with TorchWriter(str(tmp_path)) as writer:
        writer.add_images("many", np.stack([PICTURE, PICTURE]), 1)
    (path,) = tmp_path.iterdir()
    (event,) = EventFile(path).read()
    assert isinstance(event.values["many"], Image)
