"""Real runs, read back: what `treering.init` records is what `treering.Api` gives."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import treering
from treering.api import Api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUIET = {
    "console": False,
    "system_interval_s": 0,
    "capture_git": False,
    "capture_source": False,
    "capture_environment": False,
    "flush_interval_s": 0.05,
}


@pytest.fixture
def start(store_dir: Path) -> Callable[..., treering.Run]:
    """`treering.init` with everything off that the test does not ask for."""

    def run(settings: dict[str, Any] | None = None, **given: Any) -> treering.Run:
        return treering.init(dir=store_dir, settings={**QUIET, **(settings or {})}, **given)

    return run


def test_every_value_comes_back(start: Callable[..., treering.Run]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "a": 1.5,
            "n": 3,
            "flag": True,
            "text": "héllo\n",
            "none": None,
            "list": [1, "x", None],
            "nested": {"b": -0.0},
        },
        {"a": float("nan"), "n": 2**63, "big": 2**100, "empty": {}},
        {"a": float("-inf"), "n": -(2**63), "flag": False},
    ]
    with start(config={"lr": 0.1, "net": {"depth": 3}}, tags=["x"], notes="n", group="g") as run:
        for row in rows:
            run.log(row)
    read = Api().run(run.id)
    found = list(read.scan_history())
    assert [row["_step"] for row in found] == [0, 1, 2]
    assert found[0]["nested/b"] == 0.0
    assert np.signbit(found[0]["nested/b"])
    assert {key: found[0][key] for key in ("a", "n", "flag", "text", "none", "list")} == {
        key: rows[0][key] for key in ("a", "n", "flag", "text", "none", "list")
    }
    assert np.isnan(found[1]["a"])
    assert (found[1]["n"], found[1]["big"], found[1]["empty"]) == (2**63, 2**100, {})
    assert (found[2]["a"], found[2]["n"], found[2]["flag"]) == (float("-inf"), -(2**63), False)
    assert (read.config, read.tags, read.notes, read.group) == ({"lr": 0.1, "net": {"depth": 3}}, ("x",), "n", "g")
    assert read.state == "finished"
    assert read.check() == []


def test_media_come_back_as_they_were(start: Callable[..., treering.Run]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    with start() as run:
        run.log({"image": treering.Image(pixels), "hist": treering.Histogram([1.0, 2.0, 2.0])}, step=3)
        run.log({"table": treering.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])}, step=7)
    read = Api().run(run.id)
    ((step, image),) = read.media("image")
    assert step == 3
    np.testing.assert_array_equal(image.pixels, pixels)
    assert read.history("hist").values[0].count == 3
    assert read.media("table")[0][0] == 7
    assert isinstance(read.summary["image"], treering.Image)
    assert '"_kind":"histogram"' in read.history("hist").to_polars()["hist"][0]


def test_a_resumed_run_is_one_curve(start: Callable[..., treering.Run]) -> None:
    run = start(id="r")
    for step in range(10):
        run.log({"loss": float(step)})
    run.finish(state="failed")
    run = start(id="r", resume="must", resume_step=5)
    for step in range(6, 9):
        run.log({"loss": 100.0 + step})
    run.rewind(7)
    run.log({"loss": 208.0})
    run.finish()
    read = Api().run("r")
    assert read.history("loss").values.tolist() == [0, 1, 2, 3, 4, 5, 106, 107, 208]
    assert read.history("loss").x.tolist() == list(range(9))
    assert len(list(read.scan_history(superseded=True))) == 14
    assert [(attempt.number, attempt.from_step) for attempt in read.attempts] == [(1, None), (2, 6), (3, 8)]
    assert (read.metrics["loss"].max, read.metrics["loss"].count) == (208.0, 9)


def test_a_fork_begins_with_its_parent(start: Callable[..., treering.Run]) -> None:
    with start(id="parent") as run:
        for step in range(10):
            run.log({"loss": float(step), "old": 1})
    with start(id="child", fork_from="parent?step=4") as run:
        run.log({"loss": 50.0})
    read = Api().run("child")
    assert (read.parent_id, read.parent_step) == ("parent", 4)
    assert read.history("loss").values.tolist() == [0, 1, 2, 3, 4, 50]
    assert read.history("loss").x.tolist() == [0, 1, 2, 3, 4, 5]
    assert read.history("old").rows == 5


def test_metrics_over_the_axis_that_was_defined(start: Callable[..., treering.Run]) -> None:
    with start() as run:
        run.define_metric("val/*", x="epoch", summary="min", goal="minimize")
        for epoch in range(3):
            run.log({"epoch": epoch})
            run.log({"val/loss": 1 / (epoch + 1)})
    read = Api().run(run.id)
    metric = read.metrics["val/loss"]
    assert (metric.x, metric.summary, metric.goal) == ("epoch", ("min",), "minimize")
    assert read.history("val/loss", x=metric.x or "").x.tolist() == [0, 1, 2]
    assert read.summary["val/loss"] == 1 / 3


def test_an_offline_run_is_read_beside_the_others(start: Callable[..., treering.Run], store_dir: Path) -> None:
    with start(id="local") as run:
        run.log({"a": 1.0})
    with start(id="away", mode="offline") as run:
        run.log({"a": 2.0})
    assert {one.id: one.history("a").values.tolist() for one in Api().runs()} == {"local": [1.0], "away": [2.0]}
    assert Api(store_dir / "bundles" / "away.db").run("latest").history("a").values.tolist() == [2.0]


def test_a_run_is_read_while_it_is_logged(start: Callable[..., treering.Run]) -> None:
    run = start(id="live")
    run.log({"loss": 0.0})
    assert run.flush(10)
    read = Api().run("live")
    stopped = threading.Event()

    def write() -> None:
        for step in range(1, 20_000):
            run.log({"loss": float(step)})
        stopped.set()

    writer = threading.Thread(target=write)
    writer.start()
    lengths: list[int] = []
    while not stopped.is_set() or not lengths:
        series = read.history("loss")
        assert series.values.tolist() == [float(step) for step in range(len(series))]
        assert series.x.tolist() == list(range(len(series)))
        lengths.append(len(series))
    writer.join()
    assert run.flush(10)
    assert read.history("loss").rows == 20_000
    assert lengths == sorted(lengths)
    assert read.is_running
    run.finish()
    assert not read.reload().is_running


PRINTING = """
    import sys, treering
    quiet = dict(quiet=True, system_interval_s=0, capture_git=False, capture_source=False, capture_environment=False)
    with treering.init(dir=sys.argv[1], id="talks", resume="allow", settings=quiet) as run:
        print("hello", sys.argv[2])
        for i in range(101):
            sys.stderr.write(f"\\r{i} %")
        sys.stderr.write("\\n")
        run.log({"a": 1})
        run.alert("Careful", "text", level="warn")
"""


def test_the_console_of_two_processes_of_one_run(store_dir: Path) -> None:
    for word in ("first", "second"):
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PRINTING), str(store_dir), word], check=True, capture_output=True
        )
    read = Api(store_dir).run("talks")
    assert read.console().lines == ["hello first", "100 %", "hello second", "100 %"]
    assert [line.source for line in read.console()] == ["stdout", "stderr", "stdout", "stderr"]
    assert [(event.kind, event.level, event.fields["title"]) for event in read.events()] == [
        ("alert", "warn", "Careful")
    ] * 2


def test_files_come_back(start: Callable[..., treering.Run], tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    with start() as run:
        for content in (b"one", b"two"):
            model.write_bytes(content)
            run.log_model(model, name="net", aliases=["best"] if content == b"one" else [])
    api = Api()
    first, second = api.run(run.id).versions()
    assert (first.aliases, second.aliases) == (("best",), ("latest",))
    assert (first.read(), second.read()) == (b"one", b"two")
    (file,) = second.files()
    assert (second.download(tmp_path / "out") / file.path).read_bytes() == b"two"
    assert api.version("net:best").run_id == run.id
