"""What a run holds beside its rows: config, summary, definitions of metrics, names, events, media; and its modes."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from programs import run_program

import treering
from treering.api import ApiRun
from treering.errors import UsageError

Read = Callable[[str], ApiRun]

VALUES = [3.0, 1.0, math.nan, 5.0, 4.0]


# -- metrics and summaries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"x": 4.0}),
        ({"summary": "last"}, {"x": 4.0}),
        ({"summary": "copy"}, {"x": 4.0}),
        ({"summary": "first"}, {"x": 3.0}),
        ({"summary": "min"}, {"x": 1.0}),
        ({"summary": "max"}, {"x": 5.0}),
        ({"summary": "mean"}, {"x": 3.25}),
        ({"summary": "best"}, {"x": 1.0}),
        ({"summary": "best", "goal": "minimize"}, {"x": 1.0}),
        ({"summary": "best", "goal": "maximize"}, {"x": 5.0}),
        ({"summary": "none"}, {}),
        ({"summary": ["min", "max"]}, {"x": 4.0, "x.min": 1.0, "x.max": 5.0}),
        ({"summary": "min,best", "goal": "maximize"}, {"x": 4.0, "x.min": 1.0, "x.best": 5.0}),
        ({"summary": ("mean", "none")}, {"x": 4.0, "x.mean": 3.25}),
    ],
)
@pytest.mark.parametrize("before", [True, False], ids=["defined first", "defined later"])
def test_every_summary_rule(options: Any, expected: Any, before: bool, store: Path, read: Read) -> None:
    run = treering.init(id="r", settings={"flush_interval_s": 0.01})
    if before:
        run.define_metric("x", **options)
    for value in VALUES:
        run.log({"x": value})
        run.flush()
    if not before:
        run.define_metric("x", **options)
    assert dict(run.summary) == expected
    run.finish()
    assert read("r").summary == expected


def test_globs_and_exact_names(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.define_metric("*", summary="max")
        run.define_metric("val/*", x="epoch", summary="min")
        run.define_metric("val/accuracy", step_metric="epoch", summary="best", goal="maximize")
        run.define_metric("val/[ab]", hidden=True, summary="none")
        run.define_metric("epoch", hidden=True, summary="last")
        for epoch, value in enumerate([2.0, 1.0, 3.0]):
            run.log(
                {"epoch": epoch, "loss": value, "val/loss": value, "val/accuracy": value, "val/a": value, "val/c": 1}
            )
    got = read("r")
    assert got.summary == {"epoch": 2, "loss": 3.0, "val/loss": 1.0, "val/accuracy": 3.0, "val/c": 1}
    metrics = got.metrics
    assert (metrics["val/loss"].x, metrics["val/accuracy"].x, metrics["loss"].x) == ("epoch", "epoch", None)
    assert (metrics["epoch"].hidden, metrics["val/a"].hidden, metrics["loss"].hidden) == (True, True, False)
    assert got.history("val/loss", x="epoch").x.tolist() == [0, 1, 2]


def test_a_later_definition_takes_the_place_of_an_earlier_one(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.define_metric("x", summary="min")
        run.log({"x": 1})
        run.log({"x": 3})
        run.define_metric("x", summary="max")
        run.log({"x": 2})
    assert read("r").summary == {"x": 3}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": ""}, "takes a metric's key"),
        ({"name": 3}, "takes a metric's key"),
        ({"name": "x", "summary": "median"}, "it takes last, first, min"),
        ({"name": "x", "goal": "up"}, "minimize or maximize"),
    ],
)
def test_a_definition_that_makes_no_sense(arguments: Any, said: str, store: Path) -> None:
    run = treering.init()
    with pytest.raises(UsageError, match=said):
        run.define_metric(**arguments)
    run.finish()


def test_summaries_of_what_is_no_number(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.define_metric("text", summary=["min", "mean", "last"])
        run.log({"text": "a", "flag": True, "list": [1], "big": 2**70, "only nan": math.nan, "inf": math.inf})
        run.log({"text": "b", "flag": False})
    summary = read("r").summary
    assert math.isnan(summary.pop("only nan"))
    expected = {"text": "b", "text.min": None, "text.mean": None, "text.last": "b", "flag": False}
    assert summary == {**expected, "list": [1], "big": 2**70, "inf": math.inf}


def test_a_summary_set_by_hand_stays(store: Path, read: Read) -> None:
    run = treering.init(id="r")
    run.log({"x": 1, "y": 1})
    run.summary["x"] = 100
    run.summary.update({"a": {"b": [1, np.float32(0.5)]}, "nan": math.nan}, c=3)
    run.log({"x": 2, "y": 2})
    assert run.summary["x"] == 100
    assert run.summary["y"] == 2
    assert run.summary.get("z") is None
    assert len(run.summary) == 5
    del run.summary["c"]
    run.finish()
    got = read("r").summary
    assert math.isnan(got.pop("nan"))
    assert got == {"x": 100, "y": 2, "a": {"b": [1, 0.5]}, "c": None}


def test_the_summary_of_the_active_run(store: Path) -> None:
    run = treering.init()
    treering.log({"x": 1})
    treering.summary["y"] = 2
    assert dict(treering.summary) == {"x": 1, "y": 2}
    run.finish()


# -- config -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Model:
    width: int = 3
    layers: tuple[int, ...] = (1, 2)


class Cyclic:
    def __init__(self) -> None:
        self.me = self
        self.lr = 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, {}),
        ({}, {}),
        ({"lr": 0.1, "model": {"width": 3}}, {"lr": 0.1, "model": {"width": 3}}),
        (Model(), {"width": 3, "layers": [1, 2]}),
        (argparse.Namespace(lr=1, name="x"), {"lr": 1, "name": "x"}),
        (SimpleNamespace(lr=1), {"lr": 1}),
        ({"model": Model(), "path": Path("a")}, {"model": {"width": 3, "layers": [1, 2]}, "path": "a"}),
        ({"api_key": "sk-123456", "lr": 1}, {"api_key": "***", "lr": 1}),
        ("just text", {"value": "just text"}),
        ([1, 2], {"value": [1, 2]}),
        ({"nan": math.inf, "huge": 10**30, "bytes": b"x"}, None),
        ({1: "int key", None: "none key", "nul\0": 1, "sur\udc80": "\udc80"}, None),
        (Cyclic(), None),
        (sys, None),
        (lambda: 1, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_config_takes_anything(config: object, expected: object, store: Path, read: Read) -> None:
    run = treering.init(id="r", config=config)
    run.config.update(config, also=1)
    run.log({"x": 1})
    run.finish()
    got = read("r")
    assert (got.state, got.config["also"]) == ("finished", 1)
    if expected is not None:
        assert {key: value for key, value in got.config.items() if key != "also"} == expected


def test_config_is_a_dictionary_with_attributes(store: Path, read: Read) -> None:
    run = treering.init(id="r", config={"lr": 0.1, "model": {"width": 1, "depth": 2}})
    config = run.config
    config.batch = 32
    config["optimizer"] = "adam"
    config.update({"model": {"width": 5}}, allow_val_change=True)
    config.setdefaults({"lr": 99, "extra": True})
    del config["optimizer"]
    assert config.lr == config["lr"] == 0.1
    assert (config.get("none"), "lr" in config, len(config)) == (None, True, 4)
    assert dict(config) == config.as_dict()
    with pytest.raises(AttributeError, match="has no entry 'momentum'; it has lr, model"):
        _ = config.momentum
    with pytest.raises(KeyError):
        _ = config["momentum"]
    config["model"] = {"new": 1}  # set, not merged
    treering.config.last = 1
    run.finish()
    expected = {"lr": 0.1, "model": {"new": 1}, "batch": 32, "extra": True, "last": 1}
    assert read("r").config == expected


def test_a_config_can_be_copied(store: Path) -> None:
    """Frameworks copy and pickle what they are given."""
    run = treering.init(config={"lr": 0.1, "model": {"width": 1}})
    for copied in (copy.copy(run.config), copy.deepcopy(run.config), pickle.loads(pickle.dumps(run.config))):
        assert copied == {"lr": 0.1, "model": {"width": 1}}
    run.finish()


# -- names, tags, events ----------------------------------------------------------------------------------------------


def test_names_tags_and_notes_may_change(store: Path, read: Read) -> None:
    run = treering.init("project", "first", id="r", tags=["a", "b", "a"], notes="n", group="g", job_type="train")
    got = (run.project, run.name, run.tags, run.notes, run.group, run.job_type, run.path)
    assert got == ("project", "first", ("a", "b"), "n", "g", "train", "project/r")
    assert "first" in repr(run)
    run.flush()
    assert treering.Api(store).runs(filters="tag = 'a'")[0].id == "r"
    run.name, run.notes, run.tags = "second", None, ["c", "d"]
    run.tags += ("e",)
    run.finish()
    stored = read("r")
    assert (stored.name, stored.notes, stored.tags) == ("second", None, ("c", "d", "e"))
    assert (stored.project, stored.group, stored.job_type) == ("project", "g", "train")
    assert len(treering.Api(store).runs(filters="tag = 'a'")) == 0
    assert treering.Api(store).runs(filters="tag = 'e'")[0].id == "r"


def test_odd_text_anywhere(store: Path, read: Read) -> None:
    run = treering.init(id="r", notes="nul\0 sur\udc80")
    run.name = "nul\0 sur\udc80"
    run.tags = ["nul\0", "sur\udc80"]
    run.notes = "again\0 \udc80"
    run.log({"x": 1})
    run.log_event("nul\0", "sur\udc80", more="\0\udc80")
    run.summary["nul\0 sur\udc80"] = "\0 \udc80"
    run.config["nul\0 sur\udc80"] = "\0 \udc80"
    run.define_metric("nul\0 sur\udc80")
    run.mark("failed", "nul\0 sur\udc80")
    run.finish()
    got = read("r")
    assert got.state == "failed"
    assert got.failure is not None
    assert "sur" in got.failure["message"]
    assert got.history("x").values.tolist() == [1]
    assert len(got.events()) == 1
    assert len(got.summary) == 2
    assert len(got.config) == 1
    assert len(got.tags) == 2


def test_a_run_without_a_name_gets_one(store: Path) -> None:
    names = set()
    for _ in range(3):
        with treering.init() as run:
            names.add(run.name)
            assert run.project == "uncategorized"
            assert len(run.id) == 10
    assert len(names) == 3


def test_names_do_not_come_from_the_programs_random_numbers(store: Path) -> None:
    import random

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    ids = []
    for _ in range(2):
        random.seed(1)
        with treering.init() as run:
            ids.append((run.id, run.name))
        assert random.random() == 0.13436424411240122
    assert ids[0] != ids[1]


def test_events_and_alerts(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.log({"x": 1}, step=4)
        run.log_event("lr drop", "plateau", level="warn", before=0.1, after=np.float64(0.01))
        run.alert("Loss is NaN", "at step 4", "error")
        run.alert("only a title", level=SimpleNamespace(value="WARN"))  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="info, warn, error"):
            run.log_event("x", level="fatal")
        treering.log_event("by the active run")
        treering.alert("by the active run")
    first, second, third, *_ = events = read("r").events()
    assert len(events) == 5
    assert (first.kind, first.message, first.level, first.step) == ("lr drop", "plateau", "warn", 4)
    assert first.fields == {"before": 0.1, "after": 0.01}
    assert (second.kind, second.message, second.level) == ("alert", "at step 4", "error")
    assert second.fields == {"title": "Loss is NaN"}
    assert (third.message, third.level) == ("only a title", "warn")


def test_media_come_back_as_they_were(store: Path, read: Read) -> None:
    pixels = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    table = treering.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])
    histogram = treering.Histogram(np.arange(10.0))
    with treering.init(id="r") as run:
        run.log({"image": treering.Image(pixels, caption="c"), "table": table, "nested": {"h": histogram}})
        run.log({"images": [treering.Image(pixels), treering.Image(pixels)], "text": treering.Text("long " * 1000)})
        pixels[:] = 0
    got = read("r")
    ((_, image),) = got.media("image")
    np.testing.assert_array_equal(image.pixels, np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    assert got.media("table")[0][1] == table
    assert got.media("nested/h")[0][1] == histogram
    assert got.history("nested/h").kind == "histogram"
    assert len(got.media("images")[0][1]) == 2
    assert got.media("text")[0][1] == treering.Text("long " * 1000)
    # The same picture is kept once.
    assert len([path for path in (store / "blobs").rglob("*") if path.is_file()]) <= 3


# -- modes ------------------------------------------------------------------------------------------------------------


def test_a_disabled_run_takes_every_call_and_writes_nothing(store: Path, tmp_path: Path) -> None:
    run = treering.init("p", "n", mode="disabled", config={"lr": 1}, tags=["t"], id="given")
    assert (run.id, run.name, run.project, run.tags, run.config.lr) == ("given", "n", "p", ("t",), 1)
    assert treering.run is run
    for step in range(3):
        treering.log({"x": object(), "y": step})
    assert run.step == 3
    run.log({"x": 1}, step=10)
    assert run.step == 11
    run.config.more = 2
    run.summary["best"] = 3
    assert dict(run.summary) == {"y": 2, "x": 1, "best": 3}
    run.define_metric("x", summary="max")
    run.log_event("e")
    run.alert("a")
    version = run.log_artifact("no such file", name="m")
    assert (version.wait(), version.name) == (version, "m")
    assert run.log_model("no such file").version == -1
    assert run.save("no such file") == []
    run.rewind(5)
    assert run.step == 6
    run.mark("failed", ValueError())
    assert run.state == "failed"
    assert run.flush()
    with run:
        pass
    assert run.state in {"failed", "finished"}
    assert treering.run is None
    assert not store.exists()
    assert not any(path.name != "store" for path in tmp_path.iterdir())


def test_a_disabled_run_needs_no_store_layer(tmp_path: Path) -> None:
    source = """
    import sys
    import treering
    before = set(sys.modules)
    run = treering.init(mode="disabled")
    run.log({"x": 1})
    run.finish()
    assert not {"numpy", "sqlalchemy"} & set(sys.modules), set(sys.modules) - before
    """
    ended = run_program(source, tmp_path)
    assert (ended.code, ended.err) == (0, "")


def test_reinit(store: Path, read: Read) -> None:
    first = treering.init(id="1")
    again = treering.init(id="ignored", reinit="return_previous", config={"more": 1})
    assert again is first
    assert first.config.more == 1
    second = treering.init(id="2", reinit="create_new")
    assert not first.ended
    assert treering.init(reinit=False) is second
    third = treering.init(id="3", reinit="finish_previous")
    assert first.ended
    assert second.ended
    fourth = treering.init(id="4")  # in a script: another one beside
    assert not third.ended
    fifth = treering.init(id="5", reinit=True)
    assert third.ended
    assert fourth.ended
    fifth.finish()
    assert treering.init(id="6", reinit="return_previous") not in {first, fifth}
    treering.finish()
    assert {run.state for run in treering.Api(store).runs()} == {"finished"}


def test_a_second_run_in_a_notebook_ends_the_first(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treering.active._in_notebook", lambda: True)
    first = treering.init()
    second = treering.init()
    assert first.ended
    second.finish()


def test_the_greeting_says_where_the_run_goes(tmp_path: Path, store: Path) -> None:
    source = "import treering; treering.init(id='r', name='n', project='p').finish()"
    env = {"TREERING_QUIET": "0"}
    ended = run_program(source, tmp_path, env)
    assert ended.out == ""
    assert ended.err == "treering: recording n in project p -> ./store (treering show r)\n"
    ended = run_program(source.replace("id=", "resume='must', id="), tmp_path, env)
    assert "attempt 2" in ended.err
    assert run_program(source.replace("'r'", "'q'"), tmp_path).err == ""
