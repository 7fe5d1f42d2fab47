"""Trouble around a training: it goes on, one warning says what is wrong, and what was kept can be read."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import UNPRIVILEGED, run_program, started

import treering
from treering.api import ApiRun
from treering.errors import TreeringWarning
from treering.store import DATABASE
from treering.store.database import FORMAT
from treering.store.recover import recover_folder

Read = Callable[[str], ApiRun]


def warnings_in(text: str) -> list[str]:
    return re.findall(r"TreeringWarning: (.*)", text)


# -- full disks -------------------------------------------------------------------------------------------------------

FULL = """
import os, time
import treering

run = treering.init(project="p", id="r")
run.log({"text": "first"})
run.flush()
FILL
number = 0
def log_some(count):
    global number
    for _ in range(count):
        run.log({"number": number, "text": os.urandom(500).hex()})
        number += 1

log_some(30_000)
assert not run.flush()
FREE
assert run.flush()
time.sleep(0.3)
log_some(100)
run.finish()
print(number)
"""


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of that size; needs to be root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount() -> bool:
    """Whether a test may make a file system; containers often may not: then a process's own limit stands for it."""
    if sys.platform != "linux" or os.getuid() != 0 or shutil.which("mount") is None:
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


def check_full_disk(out: str, err: str, store: Path) -> None:
    """Rows from before and after are there, those in between as far as there was room, the others are counted."""
    run = treering.Api(store).run("r")
    assert run.state == "finished"
    numbers = run.history("number").values.tolist()
    dropped = run.attempts[-1].dropped_rows
    logged = int(out.rsplit(maxsplit=1)[-1])
    assert 0 < dropped < 30_000
    assert len(numbers) + dropped == logged
    assert numbers == sorted(set(numbers))
    assert numbers[-100:] == list(range(logged - 100, logged))
    assert numbers[:1000] == list(range(1000))
    # The step counts what was logged, kept or not.
    steps = run.history("number").x.tolist()
    assert [step - 1 for step in steps] == numbers
    said = warnings_in(err)
    assert len(said) == len(set(said)) <= 2
    assert any("cannot keep what is logged" in text for text in said)


if can_mount():

    def test_a_full_disk(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with small_disk(tmp_path / "disk", "120m") as disk:
            fill = f"open({str(disk / 'ballast')!r}, 'wb').write(bytes(96 << 20))"
            free = f"os.unlink({str(disk / 'ballast')!r})"
            source = FULL.replace("FILL", fill).replace("FREE", free)
            ended = run_program(source, tmp_path, {"TREERING_DIR": str(disk / "store")})
            assert ended.code == 0, ended.err
            check_full_disk(ended.out, ended.err, disk / "store")

    def test_a_disk_that_is_full_from_the_start(tmp_path: Path, store: Path) -> None:
        with small_disk(tmp_path / "disk", "1m") as disk:
            source = "import treering\nwith treering.init(id='r') as run:\n run.log({'x': 1})\nprint(run.store_dir)"
            env = {"TREERING_DIR": str(disk), "TMPDIR": str(tmp_path)}
            ended = run_program(source, tmp_path, env)
            assert ended.code == 0, ended.err
            (said,) = warnings_in(ended.err)
            assert "cannot be written" in said
            assert "treering merge" in said
            refuge = Path(ended.out.strip())
            assert refuge.parent == tmp_path
            assert treering.Api(refuge).run("r").state == "finished"


def test_a_process_that_may_not_write_large_files(tmp_path: Path, store: Path) -> None:
    fill = """
import resource
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
"""
    free = "resource.setrlimit(resource.RLIMIT_FSIZE, limits)"
    ended = run_program(FULL.replace("FILL", fill).replace("FREE", free), tmp_path)
    assert ended.code == 0, ended.err
    check_full_disk(ended.out, ended.err, store)


def test_a_process_that_may_not_write_at_all(tmp_path: Path, store: Path) -> None:
    source = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    import treering
    run = treering.init(id="r", config={"lr": 1})
    run.log({"x": 1})
    run.config["more"] = 2
    run.summary["y"] = 3
    run.log_artifact(__file__)
    run.finish()
    print("trained", run.step, run.config.lr)
    """
    ended = run_program(source, tmp_path, {"TMPDIR": str(tmp_path)})
    assert (ended.code, ended.out) == (0, "trained 1 1\n"), ended.err
    (said,) = warnings_in(ended.err)
    assert "this run is not recorded" in said


def test_a_full_disk_at_the_end(tmp_path: Path, store: Path) -> None:
    """What cannot be written at the end stays in the journal, and the next reader brings it in."""
    source = """
    import os, resource, signal
    import treering
    run = treering.init(id="r", settings={"flush_interval_s": 60})
    run.flush()
    for number in range(2000):
        run.log({"number": number, "text": os.urandom(200).hex()})
    open(__file__, "a").write("#" * 2000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
    version = run.log_artifact(__file__, name="too-large")
    run.finish()
    try: version.wait(0.1)
    except TimeoutError as error: print(error)
    """
    ended = run_program(source, tmp_path)
    assert ended.code == 0, ended.err
    assert "'too-large' is not in the store" in ended.out
    said = warnings_in(ended.err)
    assert any("cannot be kept: File too large. The training goes on" in text for text in said)
    assert any("next `treering` command there brings them in" in text for text in said)
    run = treering.Api(store).run("r")
    assert run.state == "finished"
    assert run.history("number").values.tolist() == list(range(2000))


def test_a_journal_at_its_limit(store: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest journal holds any number of rows as long as the writer can follow."""
    run = treering.init(id="r", settings={"journal_limit_mb": 16, "flush_interval_s": 0.01})
    text = "x" * 100_000
    for number in range(600):
        run.log({"number": number, "text": text})
        if number % 50 == 0:
            assert run.flush(60)
    run.finish()
    assert read("r").history("number").values.tolist() == list(range(600))


def test_a_row_larger_than_the_journal(store: Path, read: Read) -> None:
    run = treering.init(id="r", settings={"journal_limit_mb": 16})
    run.log({"x": 0})
    with pytest.warns(TreeringWarning, match=r"limit of 16 MiB.*goes on"):
        run.log({"x": 1, "text": "x" * (17 << 20)})
    run.log({"x": 2})
    run.finish()
    series = read("r").history("x")
    assert list(series) == [(0, 0), (2, 2)]
    assert read("r").attempts[0].dropped_rows == 1


def test_the_end_is_told_when_the_journal_is_full(store: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    from treering.journal import Journal, JournalFull

    run = treering.init(id="r")
    run.log({"x": 1})
    append = Journal.append

    def full(self: Journal, data: bytes) -> None:
        if b"end" in data:
            raise JournalFull(errno.ENOSPC, "no room")
        append(self, data)

    monkeypatch.setattr(Journal, "append", full)
    run._append = run._journal.append
    run.finish()
    assert read("r").state == "finished"


# -- stores that cannot be written, or go away ------------------------------------------------------------------------


def test_a_read_only_store(tmp_path: Path, store: Path) -> None:
    treering.init(id="before").finish()
    for path in (*store.rglob("*"), store):
        path.chmod(0o555 if path.is_dir() else 0o444)
    source = f"""{UNPRIVILEGED}
unprivileged()
import treering
assert treering.Api().run("before").state == "finished"
with treering.init(id="r") as run:
    run.log({{"x": 1}})
print(run.store_dir)
"""
    ended = run_program(source, tmp_path, {"TMPDIR": str(tmp_path)})
    assert ended.code == 0, ended.err
    (said,) = warnings_in(ended.err)
    assert str(store) in said
    refuge = Path(ended.out.strip())
    assert treering.Api(refuge).run("r").history("x").values.tolist() == [1]


@pytest.mark.parametrize("what", ["the store", "the database"])
def test_a_store_that_is_deleted_in_the_middle(what: str, tmp_path: Path, store: Path) -> None:
    source = """
    import sys
    import treering
    run = treering.init(id="r", project="p", config={"lr": 0.1}, tags=["t"], settings={"flush_interval_s": 0.02})
    run.define_metric("loss", summary="min")
    run.summary["mine"] = 5
    for number in range(100): run.log({"loss": 1.0, "number": number})
    run.flush()
    print("before", flush=True)
    sys.stdin.readline()
    for number in range(100, 200): run.log({"loss": 2.0, "number": number})
    run.config["after"] = 1
    run.flush()
    print("after", flush=True)
    sys.stdin.readline()
    run.log({"number": 200})
    """
    with started(source, tmp_path) as program:
        program.wait_for("before")
        if what == "the store":
            shutil.rmtree(store)
        else:
            for path in store.glob("treering.db*"):
                path.unlink()
        program.say("")
        program.wait_for("after")
        # Another process that looks after dead runs finds this one alive.
        assert recover_folder(store).living == ["r"]
        program.say("")
        ended = program.end()
    assert ended.code == 0, ended.err
    (said,) = warnings_in(ended.err)
    assert "was deleted" in said
    run = treering.Api(store).run("r")
    assert (run.state, run.project, run.tags) == ("finished", "p", ("t",))
    assert run.config == {"lr": 0.1, "after": 1}
    assert run.history("number").values.tolist() == list(range(100, 201))
    assert run.summary["mine"] == 5
    assert run.summary["loss"] == 2
    assert not (store / "journal" / "r").exists()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""], ids=["garbage", "empty"])
def test_a_damaged_database_file(content: bytes, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store.mkdir()
    (store / DATABASE).write_bytes(content)
    if not content:  # as after a crash in the very first moment
        treering.init(id="r").finish()
        assert treering.Api(store).run("r").state == "finished"
        return
    with pytest.warns(TreeringWarning, match="cannot be written"):
        run = treering.init(id="r")
    run.log({"x": 1})
    run.finish()
    assert treering.Api(run.store_dir).run("r").history("x").values.tolist() == [1]


def test_a_store_of_a_newer_treering(store: Path, read: Read) -> None:
    """Its journal waits for a treering that can write the store."""
    treering.init().finish()
    set_format(store, 99)
    run = treering.init(settings={"flush_interval_s": 60})
    run.log({"x": 1})
    with pytest.warns(TreeringWarning) as caught:
        run.finish()
    said = [str(warning.message) for warning in caught]
    assert any("its last rows are kept in" in text for text in said)
    set_format(store, FORMAT)
    assert read(run.id).state == "finished"
    assert read(run.id).history("x").values.tolist() == [1]


def set_format(store: Path, version: int) -> None:
    with contextlib.closing(sqlite3.connect(store / DATABASE)) as database:
        database.execute(f"PRAGMA user_version = {version}")


def test_a_store_that_is_locked_for_a_while(store: Path, read: Read) -> None:
    treering.init().finish()
    with contextlib.closing(sqlite3.connect(store / DATABASE, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        run = treering.init(id="r", settings={"flush_interval_s": 0.02})
        for number in range(1000):
            run.log({"number": number})
        assert not run.flush(0.2)
        timer = threading.Timer(0.3, other.execute, ["ROLLBACK"])
        timer.start()
        run.finish()
        timer.join()
    assert read("r").history("number").values.tolist() == list(range(1000))
