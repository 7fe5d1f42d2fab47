"""Going on with a run: attempts, superseded rows, rewinding, forks, offline bundles."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from programs import run_program

import treering
from treering.api import ApiRun
from treering.errors import NotFound, RunExists, UsageError

Read = Callable[[str], ApiRun]


@pytest.fixture(params=["local", "offline"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test of this file runs in both modes."""
    monkeypatch.setenv("TREERING_MODE", request.param)
    return str(request.param)


pytestmark = pytest.mark.usefixtures("mode")


def train(steps: range, **options: Any) -> None:
    with treering.init(**options) as run:
        for step in steps:
            run.log({"loss": float(step), "attempt": run.attempt}, step=step)


def test_resume_never_is_the_default(store: Path, read: Read) -> None:
    train(range(3), id="r")
    with pytest.raises(RunExists, match="resume='allow'"):
        treering.init(id="r")
    assert len(read("r").history("loss")) == 3


def test_resume_must(store: Path, read: Read) -> None:
    with pytest.raises(NotFound, match="found no run 'r'"):
        treering.init(id="r", resume="must")
    train(range(3), id="r")
    with pytest.raises(NotFound, match="found no run 'other'"):
        treering.init(id="other", resume="must")
    train(range(3, 5), id="r", resume="must")
    assert read("r").history("loss").values.tolist() == [0, 1, 2, 3, 4]


def test_resume_allow_goes_on_where_the_run_stopped(store: Path, read: Read) -> None:
    run = treering.init(id="r", resume="allow", name="first", tags=["a"], notes="n", group="g", job_type="train")
    assert (run.attempt, run.step) == (1, 0)
    run.log({"loss": 0.5})
    run.log({"loss": 0.4}, step=10)
    run.log_event("first")
    run.finish()
    run = treering.init(id="r", resume="allow", tags=["b"])
    assert (run.attempt, run.step, run.name) == (2, 11, "first")
    assert (run.tags, run.notes, run.group, run.job_type) == (("a", "b"), "n", "g", "train")
    run.log({"loss": 0.3})
    run.log_event("second")
    run.finish()
    got = read("r")
    assert list(got.history("loss")) == [(0, 0.5), (10, 0.4), (11, 0.3)]
    assert [event.kind for event in got.events()] == ["first", "second"]
    assert [(one.number, one.state, one.first_row, one.from_step) for one in got.attempts] == [
        (1, "finished", 0, None),
        (2, "finished", 2, None),
    ]
    assert (got.tags, got.attempt, got.state) == (("a", "b"), 2, "finished")


def test_rows_of_earlier_attempts_are_superseded_from_the_first_step_of_the_new_one(store: Path, read: Read) -> None:
    train(range(10), id="r")
    train(range(5, 8), id="r", resume="must")
    got = read("r")
    assert got.history("loss").x.tolist() == list(range(8))
    assert got.history("attempt").values.tolist() == [1] * 5 + [2] * 3
    assert got.summary == {"loss": 7.0, "attempt": 2}
    every = got.history("loss", superseded=True)
    assert every.x.tolist() == [*range(10), *range(5, 8)]
    # A step of an attempt that goes back by itself supersedes nothing.
    train(range(20, 22), id="r", resume="must")
    train(range(3, 4), id="r", resume="must")
    assert read("r").history("attempt").values.tolist() == [1, 1, 1, 4]
    assert read("r").summary == {"loss": 3.0, "attempt": 4}


def test_the_step_of_the_checkpoint_may_be_told(store: Path, read: Read) -> None:
    train(range(10), id="r")
    run = treering.init(id="r", resume="must", resume_step=4)
    assert run.step == 5
    assert read("r").attempts[0].state == "finished"
    run.flush()
    # Superseded at once, whatever is logged first.
    assert read("r").history("loss").x.tolist() == [0, 1, 2, 3, 4]
    assert read("r").summary["loss"] == 4.0
    run.log({"loss": 40.0}, step=40)
    run.finish()
    assert read("r").history("loss").x.tolist() == [0, 1, 2, 3, 4, 40]


def test_resumed_at_a_step_and_killed_before_the_first_row(store: Path, read: Read, tmp_path: Path) -> None:
    train(range(10), id="r")
    run_program(
        "import os, treering; treering.init(id='r', resume='must', resume_step=4).flush(); os._exit(1)", tmp_path
    )
    assert read("r").state == "lost"
    assert read("r").history("loss").x.tolist() == [0, 1, 2, 3, 4]
    run = treering.init(id="r", resume="must")
    assert (run.attempt, run.step) == (3, 5)
    run.log({"loss": 5.0})
    run.finish()
    assert read("r").history("loss").x.tolist() == [0, 1, 2, 3, 4, 5]


def test_resumed_after_a_kill(store: Path, read: Read, tmp_path: Path) -> None:
    source = """
    import os, treering
    run = treering.init(id="r", resume="allow", config={"lr": 1})
    for number in range(10): run.log({"loss": float(run.step), "attempt": run.attempt})
    os._exit(1)
    """
    for _ in range(3):
        run_program(source, tmp_path)
    got = read("r")
    assert (got.state, got.attempt) == ("lost", 3)
    assert got.history("loss").values.tolist() == list(range(30))
    assert [attempt.state for attempt in got.attempts] == ["lost"] * 3


def test_metrics_are_summarised_over_what_is_shown(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        for rule in ("min", "max", "mean", "first", "last"):
            run.define_metric(rule, summary=rule)
        for value in (5, 1, 9, 7):
            run.log(dict.fromkeys(("min", "max", "mean", "first", "last"), value))
    assert read("r").summary == {"min": 1, "max": 9, "mean": 5.5, "first": 5, "last": 7}
    run = treering.init(id="r", resume="must", resume_step=1)
    assert dict(run.summary) == {"min": 1, "max": 5, "mean": 3, "first": 5, "last": 1}
    run.log(dict.fromkeys(("min", "max", "mean", "first", "last"), 6))
    assert dict(run.summary) == {"min": 1, "max": 6, "mean": 4, "first": 5, "last": 6}
    run.rewind(-1)
    run.log({"min": 3})
    run.finish()
    assert read("r").summary["min"] == 3
    assert read("r").keys() != []


def test_rewind(store: Path, read: Read) -> None:
    run = treering.init(id="r")
    for step in range(10):
        run.log({"loss": float(step)})
    run.rewind(4)
    assert (run.step, run.attempt, run.state) == (5, 2, "running")
    run.log({"loss": 50.0})
    run.log({"loss": 60.0})
    run.rewind(5)
    run.log({"loss": 600.0})
    run.finish()
    got = read("r")
    assert list(got.history("loss")) == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 50), (6, 600)]
    assert [attempt.state for attempt in got.attempts] == ["rewound", "rewound", "finished"]
    assert len(got.history("loss", superseded=True)) == 13
    assert got.summary["loss"] == 600
    run = treering.init(id="r", resume="must")
    assert (run.step, run.attempt) == (7, 4)
    run.finish()


def test_going_back_right_after_resuming_is_no_attempt_more(store: Path, read: Read) -> None:
    """What a callback does that learns only from the checkpoint how far it is behind the last row."""
    train(range(10), id="r")
    run = treering.init(id="r", resume="must")
    for step in (6, 4):
        run.rewind(step)
    assert (run.attempt, run.step) == (2, 5)
    run.flush()
    assert read("r").history("loss").x.tolist() == [0, 1, 2, 3, 4], "at once, whatever is logged first"
    run.log({"loss": 50.0, "attempt": run.attempt}, step=7)
    run.finish()
    got = read("r")
    assert list(got.history("loss")) == [*((step, step) for step in range(5)), (7, 50)]
    assert [(one.number, one.state, one.from_step) for one in got.attempts] == [
        (1, "finished", None),
        (2, "finished", 5),
    ]
    assert got.summary == {"loss": 50.0, "attempt": 2}
    run = treering.init(id="r", resume="must")
    run.rewind(1)
    run.log({"loss": 2.0})
    run.rewind(0)  # this one has a row, and so stays an attempt
    run.log({"loss": 1.0})
    run.finish()
    assert [(one.number, one.state, one.from_step) for one in read("r").attempts][2:] == [
        (3, "rewound", 2),
        (4, "finished", 1),
    ]
    assert list(read("r").history("loss")) == [(0, 0), (1, 1)]


def test_going_back_after_a_resumption_that_failed_is_an_attempt_more(store: Path, read: Read) -> None:
    train(range(10), id="r")
    run = treering.init(id="r", resume="must")
    run.mark("failed", "no data")
    run.rewind(4)
    run.mark("running")
    run.finish()
    assert [(one.number, one.state) for one in read("r").attempts] == [(1, "finished"), (2, "failed"), (3, "finished")]


def test_a_fork_begins_as_a_copy(store: Path, read: Read, mode: str) -> None:
    if mode == "offline":
        return  # a bundle has one run; the others are elsewhere
    train(range(10), id="parent", config={"lr": 1, "model": {"width": 2}}, group="g")
    run = treering.init(id="child", fork_from="parent?step=4", config={"lr": 2})
    assert (run.step, run.config.as_dict(), run.group) == (5, {"lr": 2, "model": {"width": 2}}, "g")
    run.log({"loss": 50.0})
    run.finish()
    got = read("child")
    assert (got.parent_id, got.parent_step) == ("parent", 4)
    assert list(got.history("loss")) == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 50)]
    with treering.init(id="grandchild", fork_from=("child", 2)) as run:
        run.log({"loss": 30.0})
    assert read("grandchild").history("loss").values.tolist() == [0, 1, 2, 30]
    with treering.init(id="whole", fork_from="child") as run:
        assert run.step == 6
        run.log({"loss": 7.0})
    assert read("whole").history("loss").values.tolist() == [0, 1, 2, 3, 4, 50, 7]
    assert len(read("parent").history("loss")) == 10


def test_a_fork_needs_its_parent(store: Path) -> None:
    with pytest.raises(NotFound, match="no run 'nobody'"):
        treering.init(fork_from="nobody?step=3")


def test_config_on_resume(store: Path, read: Read) -> None:
    """Equal: nothing. Different: the new values count, and the attempt keeps what changed. Never an error."""
    config = {"lr": 0.1, "model": {"width": 1, "depth": 2}, "gone": 1}
    treering.init(id="r", config=config).finish()
    treering.init(id="r", resume="must", config=config).finish()
    run = treering.init(id="r", resume="must", config={"lr": 0.2, "model": {"width": 3}, "new": 1})
    assert run.config["lr"] == 0.2
    run.finish()
    run = treering.init(id="r", resume="must")
    expected = {"lr": 0.2, "model": {"width": 3, "depth": 2}, "gone": 1, "new": 1}
    assert run.config.as_dict() == expected
    run.finish()
    got = read("r")
    assert got.config == expected
    changes = [attempt.config_changes for attempt in got.attempts]
    assert changes[:2] == [None, None]
    assert changes[3] is None
    assert changes[2] is not None
    assert changes[2]["lr"] == [0.1, 0.2]
    assert set(changes[2]) == {"lr", "model"}


def test_a_run_that_is_being_written_cannot_be_resumed(store: Path, tmp_path: Path) -> None:
    run = treering.init(id="r")
    with pytest.raises(UsageError, match=f"being written by process {os.getpid()}"):
        treering.init(id="r", resume="must")
    run.flush()
    source = (
        "import treering\ntry: treering.init(id='r', resume='allow')\nexcept treering.errors.UsageError as e: print(e)"
    )
    assert f"process {os.getpid()}" in run_program(source, tmp_path).out
    run.log({"x": 1})
    run.finish()
    treering.init(id="r", resume="must").finish()


AUTO = """
import os, sys
import treering
run = treering.init(project="p", resume="auto", name="auto")
first = run.step
for _ in range(3): run.log({"loss": run.step})
print(run.id, run.attempt, first, flush=True)
if sys.stdin.readline() != "ok\\n": os._exit(1)
"""


def test_resume_auto_finds_the_unfinished_run_of_the_program(store: Path, read: Read, tmp_path: Path) -> None:
    from programs import started

    def attempt(folder: Path, answer: str) -> tuple[str, int, int]:
        with started(AUTO, folder) as program:
            program.say(answer)
            ended = program.end()
        assert ended.err == ""
        run_id, number, first = ended.out.split()
        return run_id, int(number), int(first)

    one = attempt(tmp_path / "a", "no")
    assert one[1:] == (1, 0)
    assert attempt(tmp_path / "a", "no") == (one[0], 2, 3)
    other = attempt(tmp_path / "b", "no")  # another script
    assert other[0] != one[0]
    assert attempt(tmp_path / "a", "ok") == (one[0], 3, 6)
    assert read(one[0]).state == "finished"
    assert read(one[0]).history("loss").values.tolist() == list(range(9))
    with started(AUTO, tmp_path / "b") as program:  # while one goes on with the run, a second begins another
        program.wait_for_line()
        beside = attempt(tmp_path / "b", "ok")
        assert beside[0] != other[0]
        program.end()
    new = attempt(tmp_path / "a", "ok")  # nothing unfinished any more
    assert new[0] not in {one[0], other[0]}
    assert new[1] == 1


def test_where_a_run_is_it_stays(store: Path, read: Read, mode: str) -> None:
    """A run begun in a bundle goes on there, and one begun in the store there, whatever the mode is later."""
    train(range(3), id="r")
    for other in ("local", "offline"):
        start = treering.Api(store).run("r").history("loss").x.tolist()[-1] + 1
        train(range(start, start + 2), id="r", resume="must", mode=other)
    assert len(treering.Api(store).runs()) == 1
    assert read("r").history("loss").values.tolist() == list(range(7))
    assert (store / "bundles" / "r.db").exists() == (mode == "offline")


def test_an_offline_run_is_one_file(store: Path, mode: str) -> None:
    with treering.init(id="r", config={"lr": 1}) as run:
        run.log({"loss": 1.0})
        assert run.mode == mode
    if mode == "offline":
        assert not (store / "treering.db").exists()
        assert [path.name for path in (store / "bundles").iterdir()] == ["r.db"]
        carried = store.parent / "carried.db"
        (store / "bundles" / "r.db").rename(carried)
        assert treering.Api(carried).run("r").history("loss").values.tolist() == [1.0]


def test_an_offline_run_that_is_killed_at_once(store: Path, mode: str, tmp_path: Path) -> None:
    source = """
    import os, treering
    from treering.writer import Background
    Background.run = lambda self: None  # the writer has not come so far as to make a file
    run = treering.init(id="r")
    run.log({"loss": 1.0})
    os._exit(1)
    """
    run_program(source, tmp_path)
    assert treering.Api(store).run("r").history("loss").values.tolist() == [1.0]
    assert (store / "bundles" / "r.db").exists() == (mode == "offline")
    assert (store / "treering.db").exists() == (mode == "local")
