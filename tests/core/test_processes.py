"""Threads, forks, late and strange moments: who may log when, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import run_program

import treering
from treering.api import ApiRun
from treering.errors import TreeringWarning, UsageError

Read = Callable[[str], ApiRun]


def test_8_threads_log(store: Path, read: Read) -> None:
    """No row is lost, each thread's rows stay in order, and so do all steps."""
    count, threads = 2000, 8
    run = treering.init(id="r", settings={"flush_interval_s": 0.01})
    begin = threading.Barrier(threads)

    def work(which: int) -> None:
        begin.wait()
        for number in range(count):
            run.log({f"thread {which}": number, "all": which})
            if number % 100 == 0:
                run.config[f"at {which}"] = number
                run.log_event("tick", str(number), thread=which)

    workers = [threading.Thread(target=work, args=(which,)) for which in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    run.finish()
    got = read("r")
    for which in range(threads):
        assert got.history(f"thread {which}").values.tolist() == list(range(count))
        ticks = [int(event.message) for event in got.events() if event.fields["thread"] == which]
        assert ticks == list(range(0, count, 100))
    assert got.history("all").x.tolist() == list(range(count * threads))
    assert got.config == {f"at {which}": count - 100 for which in range(threads)}


def test_threads_log_while_the_run_ends(store: Path, read: Read) -> None:
    """A row that comes too late for the end opens the run again; none falls between."""
    run = treering.init(id="r", settings={"flush_interval_s": 0.01})
    stop = threading.Event()
    logged = [0] * 4

    def work(which: int) -> None:
        while not stop.is_set():
            run.log({f"thread {which}": logged[which]})
            logged[which] += 1

    workers = [threading.Thread(target=work, args=(which,)) for which in range(len(logged))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for worker in workers:
            worker.start()
        for _ in range(10):
            threading.Event().wait(0.03)
            run.finish()
        stop.set()
        for worker in workers:
            worker.join()
        run.finish()
    assert len(caught) == 1
    assert "is open again" in str(caught[0].message)
    got = read("r")
    assert got.state == "finished"
    for which, count in enumerate(logged):
        assert got.history(f"thread {which}").values.tolist() == list(range(count))
    assert len(got.attempts) == 1
    assert not (store / "journal" / "r").exists()


def test_log_after_finish_reopens_the_run_with_one_warning(store: Path, read: Read) -> None:
    run = treering.init(id="r", config={"lr": 1})
    run.log({"x": 0})
    run.finish()
    assert read("r").state == "finished"
    with pytest.warns(TreeringWarning, match=r"after run r had finished.*Call finish\(\)") as caught:
        run.log({"x": 1})
    assert len(caught) == 1
    assert caught[0].filename == __file__
    run.flush()
    assert (run.state, read("r").state) == ("running", "running")
    run.finish()
    run.log({"x": 2}, step=7)  # said once is enough
    run.summary["y"] = 1
    run.finish()
    run.finish()
    got = read("r")
    assert list(got.history("x")) == [(0, 0), (1, 1), (7, 2)]
    assert (got.state, got.attempt, got.summary) == ("finished", 1, {"x": 2, "y": 1})
    assert treering.run is None


@pytest.mark.parametrize("late", ["run.config['a'] = 1", "run.summary['a'] = 1", "run.tags = ['a']", "run.name = 'a'"])
def test_what_is_set_after_finish_is_kept(late: str, store: Path, read: Read) -> None:
    run = treering.init(id="r")
    run.finish()
    exec(late)
    run.finish()
    got = read("r")
    assert (got.config, got.summary, got.tags, got.name) != ({}, {}, (), run.id)
    assert got.state == "finished"


def test_two_runs_at_a_time(store: Path, read: Read) -> None:
    first, second = treering.init(id="1"), treering.init(id="2")
    assert treering.run is second
    for number in range(100):
        first.log({"x": number})
        second.log({"x": -number})
        treering.log({"y": number})
    second.finish()
    assert treering.run is first
    treering.log({"last": 1})
    treering.finish()
    assert treering.run is None
    treering.finish()
    assert read("1").history("x").values.tolist() == list(range(100))
    assert read("2").history("x").values.tolist() == [-number for number in range(100)]
    assert len(read("2").history("y")) == 100
    assert read("1").keys() == ["x", "last"]


def test_threads_see_the_run_of_the_process(store: Path) -> None:
    run = treering.init()
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(treering.run))
    thread.start()
    thread.join()
    assert seen == [run]
    run.finish()


def test_each_thread_and_task_has_the_run_that_it_opened(store: Path, read: Read) -> None:
    outer = treering.init(id="outer")

    async def task(name: str) -> None:
        run = treering.init(id=name)
        for number in range(3):
            await asyncio.sleep(0)
            assert treering.run is run
            treering.log({"number": number})
        treering.finish()

    async def both() -> None:
        await asyncio.gather(task("a"), task("b"))

    asyncio.run(both())
    thread = threading.Thread(target=lambda: (treering.init(id="t"), treering.log({"t": 1}), treering.finish()))
    thread.start()
    thread.join()
    assert treering.run is outer
    treering.log({"mine": 1})
    outer.finish()
    for name in ("a", "b"):
        assert read(name).history("number").values.tolist() == [0, 1, 2]
    assert read("outer").keys() == ["mine"]
    assert read("t").keys() == ["t"]


@pytest.mark.parametrize("verb", ["log", "log_event", "alert", "define_metric", "log_artifact", "log_model", "save"])
def test_without_a_run_there_is_an_error_that_says_so(verb: str) -> None:
    with pytest.raises(UsageError, match=r"call treering.init\(\) first"):
        getattr(treering, verb)({} if verb == "log" else "x")


@pytest.mark.parametrize("name", ["config", "summary"])
def test_without_a_run_there_is_no_config(name: str) -> None:
    assert treering.run is None
    with pytest.raises(UsageError, match="init"):
        getattr(treering, name)


# -- forks ------------------------------------------------------------------------------------------------------------


def test_a_forked_child_is_inert(store: Path, read: Read, tmp_path: Path) -> None:
    """Its calls do nothing, its end is not the run's, and its parent goes on."""
    run = treering.init(id="r", config={"lr": 1}, settings={"flush_interval_s": 0.01})
    run.log({"x": 0})
    with forking():
        child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            for _ in range(1000):
                run.log({"x": 99, "child": 1})
            run.config["lr"] = 2
            run.summary["x"] = 5
            run.define_metric("x", summary="max")
            run.mark("failed", ValueError("in the child"))
            run.rewind(0)
            run.log_artifact(__file__)
            run.tags = ["child"]
            assert run.flush()
            assert treering.run is run
            run.finish()
            # A run of its own is its own.
            own = treering.init(id="child")
            own.log({"mine": 1})
            own.finish()
            os._exit(0)
        os._exit(1)
    for number in range(1, 50):
        run.log({"x": number})
    assert os.waitpid(child, 0)[1] == 0
    run.log({"x": 50})
    run.finish()
    got = read("r")
    assert got.history("x").values.tolist() == list(range(51))
    assert (got.state, got.config, got.tags, got.attempt, got.versions()) == ("finished", {"lr": 1}, (), 1, [])
    assert got.keys() == ["x"]
    assert read("child").history("mine").values.tolist() == [1]


@contextlib.contextmanager
def forking():  # noqa: ANN201
    """Python 3.12 and later warn of forks beside threads; that is what is tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_a_child_that_outlives_its_parent_does_not_keep_the_run(tmp_path: Path, store: Path, read: Read) -> None:
    source = """
    import os, sys, time, warnings
    import treering
    warnings.simplefilter("ignore", DeprecationWarning)
    run = treering.init(id="r")
    run.log({"x": 1})
    if not os.fork():
        for number in (0, 1, 2): os.close(number)
        time.sleep(60)
        os._exit(0)
    os._exit(9)
    """
    ended = run_program(source, tmp_path)
    assert ended.code == 9
    assert read("r").state == "lost"


@pytest.mark.parametrize("interval_s", ["0.01", "1"])
def test_a_forked_child_records_a_run_of_its_own(interval_s: str, tmp_path: Path, store: Path, read: Read) -> None:
    """Its rows are kept although SQLite forbids to write to a file that the parent had open, and will close."""
    source = """
    import os, warnings
    import treering
    warnings.simplefilter("ignore", DeprecationWarning)
    treering.init(id="before").finish()
    parent = treering.init(id="parent")
    parent.log({"x": 1})
    parent.flush()  # now the store is open here
    if INTERVAL_S < 0.5: parent.log({"y": 2})  # and may be written to just now
    child_reads, parent_writes = os.pipe()
    parent_reads, child_writes = os.pipe()
    if os.fork():
        os.read(parent_reads, 1)
        parent.finish()
        os.write(parent_writes, b"x")
        os.wait()
    else:
        run = treering.init(id="child")
        for number in range(100): run.log({"number": number})
        assert run.flush(20)
        os.write(child_writes, b"x")
        os.read(child_reads, 1)
        for number in range(100, 200): run.log({"number": number})
        run.finish()
        try: treering.init(id="before", resume="must")
        except treering.errors.UsageError as error: print(error)
        os._exit(0)
    """
    source = source.replace("INTERVAL_S", interval_s)
    ended = run_program(source, tmp_path, {"TREERING_FLUSH_INTERVAL_S": interval_s})
    assert (ended.code, ended.err) == (0, "")
    assert "spawn" in ended.out
    assert read("parent").history("x").values.tolist() == [1]
    assert (read("child").state, read("parent").state) == ("finished", "finished")
    assert read("child").history("number").values.tolist() == list(range(200))


def test_workers_of_a_data_loader(tmp_path: Path, store: Path) -> None:
    pytest.importorskip("torch")
    source = """
    import torch, treering

    class Data(torch.utils.data.Dataset):
        def __len__(self): return 32
        def __getitem__(self, index):
            run.log({"in worker": index})
            treering.log({"in worker": index})
            return torch.tensor(float(index))

    if __name__ == "__main__":
        run = treering.init(id="r", settings={"flush_interval_s": 0.01})
        for epoch in range(2):
            loader = torch.utils.data.DataLoader(Data(), batch_size=4, num_workers=2, multiprocessing_context="fork")
            for batch in loader:
                run.log({"sum": batch.sum()})
    """
    ended = run_program(source, tmp_path, {"PYTHONWARNINGS": "ignore::DeprecationWarning"})
    assert (ended.code, ended.err) == (0, "")
    run = treering.Api(store).run("r")
    assert run.state == "finished"
    assert run.keys() == ["sum"]
    sums = [float(sum(range(start, start + 4))) for start in range(0, 32, 4)]
    assert run.history("sum").values.tolist() == sums * 2


def test_forks_at_any_moment(tmp_path: Path, store: Path) -> None:
    """Children made while threads are in the middle of everything end, and change nothing."""
    source = """
    import os, threading, warnings
    import treering
    warnings.simplefilter("ignore", DeprecationWarning)
    run = treering.init(id="r", settings={"flush_interval_s": 0.01})
    stop = threading.Event()
    def work(which):
        number = 0
        while not stop.is_set():
            run.log({f"thread {which}": number})
            number += 1
        counts[which] = number
    counts = {}
    threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
    for thread in threads: thread.start()
    for _ in range(30):
        child = os.fork()
        if not child:
            run.log({"child": 1}); run.config["child"] = 1; run.flush(); run.finish()
            os._exit(7)
        assert os.waitpid(child, 0)[1] >> 8 == 7
    stop.set()
    for thread in threads: thread.join()
    run.finish()
    print(counts[0], counts[1])
    """
    ended = run_program(source, tmp_path)
    assert (ended.code, ended.err) == (0, "")
    run = treering.Api(store).run("r")
    assert run.config == {}
    assert sorted(run.keys()) == ["thread 0", "thread 1"]
    for which, count in enumerate(map(int, ended.out.split())):
        assert run.history(f"thread {which}").values.tolist() == list(range(count))


def log_some(which: int, count: int) -> None:
    run = treering.init(project="many", id=f"run-{which}")
    for number in range(count):
        run.log({"number": number, "which": which})
    run.finish()


def test_16_processes_in_one_new_store(store: Path) -> None:
    """All start at the same moment in a folder that is not there yet."""
    count = 500
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["treering", "treering.start", "numpy"])
    workers = [context.Process(target=log_some, args=(which, count)) for which in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 16
    runs = treering.Api(store).runs("many")
    assert {run.state for run in runs} == {"finished"}
    assert len(runs) == 16
    for run in runs:
        assert run.history("number").values.tolist() == list(range(count))
        assert set(run.history("which").values.tolist()) == {int(run.id.removeprefix("run-"))}
    assert list((store / "journal").iterdir()) == []


# -- the end of the interpreter ---------------------------------------------------------------------------------------


def test_logging_while_python_ends(tmp_path: Path, store: Path, read: Read) -> None:
    """In atexit functions before and after ours, from threads that outlive the program, and in a finaliser."""
    source = """
    import atexit, sys, threading, time
    atexit.register(lambda: run.log({"after ours": 1}))
    import treering
    run = treering.init(id="r")
    atexit.register(lambda: run.log({"before ours": 1}))

    class Late:
        def __del__(self, run=run):
            run.log({"finaliser": 1})
    late = Late()
    sys.kept = Late()
    run.log({"x": 1})

    def work():
        time.sleep(0.3)
        run.log({"thread": 1})
    threading.Thread(target=work).start()
    """
    ended = run_program(source, tmp_path)
    assert ended.code == 0, ended.err
    assert "Exception ignored" not in ended.err, ended.err
    got = read("r")
    assert got.state == "finished"
    assert {"x", "thread", "before ours", "after ours"} <= set(got.keys())
    assert "is open again" in ended.err


def test_an_exception_in_a_finaliser_is_not_the_runs(tmp_path: Path, store: Path, read: Read) -> None:
    source = """
    import treering
    run = treering.init(id="r")
    class Bad:
        def __del__(self):
            run.log({"deleted": 1})
            raise ValueError("in a finaliser")
    for number in range(3):
        bad = Bad()
        del bad
        run.log({"x": number})
    bad = Bad()
    """
    ended = run_program(source, tmp_path)
    assert ended.code == 0
    assert ended.err.count("ValueError: in a finaliser") == 4
    assert read("r").state == "finished"
    assert read("r").history("x").values.tolist() == [0, 1, 2]
    assert len(read("r").history("deleted")) >= 3


def test_finalisers_called_in_the_middle_of_logging(store: Path, read: Read) -> None:
    class Value:
        """Logs when it goes, and it goes while it is being logged."""

        def __float__(self) -> float:
            Gone()
            return 1.0

    class Gone:
        def __del__(self) -> None:
            run.log({"gone": 1})
            run.log_event("gone")
            run.summary["gone by hand"] = 1

    run = treering.init(id="r")
    for _ in range(100):
        run.log({"x": Value()})
    run.finish()
    got = read("r")
    assert len(got.history("x")) == len(got.history("gone")) == len(got.events()) == 100
    assert got.history("gone").row_numbers.tolist() == list(range(1, 200, 2))
    assert got.summary == {"x": 1.0, "gone": 1, "gone by hand": 1}


def test_nothing_is_left_behind(store: Path, tmp_path: Path) -> None:
    """No thread, no file but the store's, no environment variable, no output."""
    source = """
    import os, sys, threading
    before = dict(os.environ), os.listdir("."), sys.stdout, sys.stderr
    import treering
    with treering.init(id="r") as run:
        run.log({"x": 1})
        run.log_artifact(__file__)
    assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
    assert before == (dict(os.environ), os.listdir("."), sys.stdout, sys.stderr)
    print(sorted(os.listdir(os.environ["TREERING_DIR"])))
    """
    folder = tmp_path / "program"
    ended = run_program(source, folder)
    assert (ended.out, ended.err) == ("['blobs', 'journal', 'treering.db']\n", "")
    assert not any((store / "journal").iterdir())
    assert not any((store / "blobs" / "incoming").iterdir())


def test_importing_treering_does_nothing(tmp_path: Path) -> None:
    program = "import threading, sys, signal; import treering; print(threading.active_count(), signal.getsignal(15))"
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert ended.stdout in {"1 0\n", "1 Handlers.SIG_DFL\n"}
    assert list(tmp_path.iterdir()) == []
