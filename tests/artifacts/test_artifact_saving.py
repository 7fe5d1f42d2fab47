"""Saving beside a training: sources that change at once, several processes, full disks, the dead and the unlucky."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import run_program, started

import treering
from treering.artifacts import leasing, pacing, saving
from treering.artifacts.pinning import read_plan

SIZE = 6 << 20


def filled(path: Path, seed: int, size: int = SIZE) -> bytes:
    data = random.Random(seed).randbytes(size)
    path.write_bytes(data)
    return data


@pytest.fixture
def slow_saves(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Saves wait for this before they read a large file, and once more after every block."""
    free = threading.Event()
    whole = saving._read_into

    def read(descriptor: int, view: memoryview) -> int:
        free.wait(30)
        return whole(descriptor, view)

    monkeypatch.setattr(saving, "_read_into", read)
    return free


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"overwritten")


def cut_off(path: Path) -> None:
    path.write_bytes(b"new")


def replace(path: Path) -> None:
    path.with_name("new").write_bytes(b"new")
    path.with_name("new").replace(path)


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [overwrite, cut_off, replace, delete])
def test_a_source_that_changes_while_it_is_saved(
    change: object, slow_saves: threading.Event, store_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "weights.bin"
    data = filled(path, 1)
    run = treering.init("p", settings={"system_interval_s": 0})
    artifact = run.log_artifact(path, name="m")
    assert [pin.size for pin in read_plan(store_dir / saving.INCOMING / run.id / artifact.id)] == [SIZE]
    change(path)  # type: ignore[operator]  # parametrized
    slow_saves.set()
    assert artifact.wait(30).read() == data
    run.finish()
    assert leasing._keeper is None  # nobody is left behind


def test_a_source_that_is_open_for_writing_is_copied(
    slow_saves: threading.Event, store_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "weights.bin"
    data = filled(path, 1)
    with path.open("r+b") as file, treering.init("p", settings={"system_interval_s": 0}) as run:
        artifact = run.log_artifact(path, name="m")
        file.write(b"overwritten")
        file.flush()
        slow_saves.set()
        assert artifact.wait(30).read() == data


def test_the_files_of_a_killed_training_are_rescued(tmp_path: Path, store_dir: Path) -> None:
    """Killed before anything was stored, and the next training writes over the same file at once."""
    source = """
    import os, sys, treering
    run = treering.init("p", id="r", settings={"flush_interval_s": 60})
    run.flush()
    run.log_artifact(sys.path[0] + "/weights.bin", name="m", aliases=["best"])
    os.kill(os.getpid(), 9)
    """
    folder = tmp_path / "program"
    folder.mkdir()
    data = filled(folder / "weights.bin", 1)
    assert run_program(source, folder).code == -9
    overwrite(folder / "weights.bin")
    assert treering.Api(store_dir).version("m:best").read() == data
    assert not any((store_dir / "blobs" / "incoming").iterdir())


def test_a_file_that_was_written_over_after_all_is_dropped(
    store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a lease could not prevent is noticed, and no version comes of it."""
    path = tmp_path / "weights.bin"
    filled(path, 1)
    monkeypatch.setattr(leasing, "keep", lambda _key, files: [True] * len(files))
    run = treering.init("p", settings={"flush_interval_s": 60, "system_interval_s": 0})
    run.flush()
    artifact = run.log_artifact(path, name="m")
    overwrite(path)
    with pytest.warns(treering.TreeringWarning, match=r"'weights\.bin' was written over before it was saved"):
        run.finish()
    with pytest.raises(TimeoutError, match="was written over before it was saved"):
        artifact.wait()
    assert artifact.state == "failed"
    assert treering.Api(store_dir).versions() == []
    assert not any((store_dir / "blobs" / "incoming").iterdir())


def test_two_processes_never_get_the_same_number(tmp_path: Path, store_dir: Path) -> None:
    source = """
    import sys, treering
    run = treering.init("p", id=sys.stdin.readline().strip(), settings={"flush_interval_s": 0.01})
    print("ready", flush=True)
    sys.stdin.readline()
    path = sys.path[0] + "/data"
    logged = []
    for number in range(20):
        open(path, "w").write(f"{run.id} {number}")
        logged.append(run.log_artifact(path, name="m"))
    print(*(one.wait(60).version for one in logged))
    run.finish()
    """
    with started(source, tmp_path / "a") as one, started(source, tmp_path / "b") as other:
        for program, name in ((one, "a"), (other, "b")):
            program.say(name)
        for program in (one, other):
            program.wait_for("ready")
        for program in (one, other):
            program.say("go")
        numbers = [[int(word) for word in program.wait_for_line().split()] for program in (one, other)]
        assert [program.end().code for program in (one, other)] == [0, 0]
    assert sorted(numbers[0] + numbers[1]) == list(range(40))
    assert all(each == sorted(each) for each in numbers)  # each in the order of its calls
    with treering.Api(store_dir) as api:
        for version in api.versions("m"):
            name, number = version.read().decode().split()
            assert numbers[name == "b"][int(number)] == version.version
        assert api.version("m").version == 39


def test_a_full_disk_in_the_middle(tmp_path: Path, store_dir: Path) -> None:
    """Packs may not grow beyond a limit: the training goes on, nothing is half-visible, and later it is saved."""
    source = """
    import os, random, resource, signal, sys, treering
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    run = treering.init("p", id="r", settings={"flush_interval_s": 0.01})
    path = sys.path[0] + "/data"
    open(path, "wb").write(random.Random(1).randbytes(6 << 20))
    run.log({"before": 1})
    run.flush()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, limits[1]))
    artifact = run.log_artifact(path, name="m", linkable=True)
    try: artifact.wait(0.5)
    except TimeoutError as error: print(error)
    run.log({"after": 1})
    print(len(treering.Api().versions()), flush=True)
    if sys.stdin.readline().strip() == "free":
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        print(artifact.wait(60).version)
    run.finish()
    """
    for answer in ("free", "give up"):
        folder = tmp_path / answer
        with started(source, folder, {"TREERING_DIR": str(folder / "store")}) as program:
            program.say(answer)
            ended = program.end()
        assert ended.code == 0, ended.err
        assert ended.out.startswith("'m' is not in the store yet")
        assert "no pack can be written" in ended.err
        assert "The training goes on" in ended.err
        if answer == "give up":
            assert "are not saved yet; their files are secured" in ended.err
        with treering.Api(folder / "store") as api:
            assert api.version("m").read() == random.Random(1).randbytes(6 << 20)
            assert api.run("r").history("after").values.tolist() == [1]
        assert not any((folder / "store" / "blobs" / "incoming").iterdir())


def test_the_end_waits_and_shows_how_far_it_is(
    slow_saves: threading.Event,
    store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """... for so long as it may; then the next command saves the rest."""
    from treering import recording

    monkeypatch.setattr(recording, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(recording, "_SAVE_TIMEOUT_S", 1.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    data = filled(tmp_path / "weights.bin", 1)
    run = treering.init("p", id="r", settings={"flush_interval_s": 0.01, "system_interval_s": 0})
    logged = [run.log_artifact(tmp_path / "weights.bin", name=name) for name in ("m", "n")]
    with pytest.warns(
        treering.TreeringWarning, match="2 artifacts of run r are not saved yet; their files are secured"
    ):
        run.finish()
    said = capsys.readouterr().err
    assert "treering: saving 2 artifacts of run r ..." in said
    assert "m: ░░░░░░░░░░░░░░░░░░░░ 0 of 6 MB, 1 more to save" in said
    with pytest.raises(TimeoutError):
        logged[0].wait(0.1)
    slow_saves.set()
    wait_for(lambda: logged[1].state == "saved")
    for name in ("m", "n"):
        assert treering.Api(store_dir).version(name).read() == data


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_how_far_a_save_is(store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from treering.artifacts.alone import save_alone

    filled(tmp_path / "large", 1, 20 << 20)
    filled(tmp_path / "small", 2, 1000)
    artifact = treering.Artifact("m")
    artifact.add_dir(tmp_path)
    told: list[tuple[int, int]] = []
    save_alone(artifact, "p", store_dir, lambda read, total: told.append((read, total)))
    assert {total for _, total in told} == {artifact.size}
    assert told[-1][0] == artifact.size
    assert [read for read, _ in told] == sorted(read for read, _ in told)
    assert len({read for read, _ in told}) > 3  # within a file, too


def test_the_call_does_not_wait_for_the_save(slow_saves: threading.Event, store_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    filled(path, 1)
    run = treering.init("p", settings={"flush_interval_s": 0.01, "system_interval_s": 0})
    artifact = run.log_artifact(path, name="m")
    run.log({"x": 1})
    assert run._recording.flush_rows(30)
    assert treering.Api(store_dir).run(run.id).metrics["x"].last == 1  # rows arrive while the artifact waits
    assert artifact.state == "saving"
    assert treering.Api(store_dir).versions() == []
    assert not run.flush(0.05)
    slow_saves.set()
    assert run.flush(30)
    assert artifact.state == "saved"
    run.finish()


def test_offline_runs_carry_their_artifacts(store_dir: Path, tmp_path: Path) -> None:
    data = filled(tmp_path / "a", 1, 700_000)
    with treering.init("p", id="off", mode="offline") as run:
        run.log_artifact(tmp_path / "a", name="m", aliases=["best"])
    assert treering.Api(store_dir).version("m:best").read() == data
    from treering.artifacts.checking import verify_store
    from treering.artifacts.collecting import collect
    from treering.artifacts.depot import Depot
    from treering.store import Store
    from treering.store.bundle import merge

    with Store.open(tmp_path / "other", create=True) as other:
        assert merge(other, store_dir / "bundles" / "off.db").missing_blobs == []
        assert merge(other, store_dir / "bundles" / "off.db").unchanged == ["off"]
        collect(Depot(other.database, other.folder), grace_s=0.0)
        assert verify_store(Depot(other.database, other.folder)).damage == []
    assert treering.Api(tmp_path / "other").version("m:best").read() == data
    assert os.listdir(tmp_path / "other" / "blobs" / "packs")


def waits(run: treering.Run, artifact: treering.Artifact, _path: Path) -> None:
    artifact.wait(30)


def flushes(run: treering.Run, _artifact: treering.Artifact, _path: Path) -> None:
    run.flush(30)


def ends(run: treering.Run, _artifact: treering.Artifact, _path: Path) -> None:
    run.finish()


def logs_another(run: treering.Run, artifact: treering.Artifact, path: Path) -> None:
    run.log_artifact(path, name="another")
    while artifact.state == "saving":
        time.sleep(0.01)


@pytest.mark.parametrize("hurry", [waits, flushes, ends, logs_another])
def test_a_save_rests_until_somebody_waits(
    hurry: Callable[[treering.Run, treering.Artifact, Path], None],
    store_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pacing, "_SHARE_OF_TWO", 1e-9)
    monkeypatch.setattr(pacing, "_LONGEST_REST_S", 3600.0)
    monkeypatch.setattr(pacing, "_MOST_OWED_S", 3600.0)
    monkeypatch.setattr(pacing, "_idle_s", lambda: 0.0)
    filled(tmp_path / "weights.bin", 1)
    run = treering.init("p", settings={"system_interval_s": 0})
    artifact = run.log_artifact(tmp_path / "weights.bin", name="m")
    time.sleep(0.3)  # time enough for a save that does not rest
    assert artifact.state == "saving"
    hurry(run, artifact, tmp_path / "weights.bin")
    assert artifact.state == "saved"
    run.finish()
