"""Files kept as versions: their content is that of the moment of the call, and the same content is the same version."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import run_program

import treering
from treering.api import ApiRun
from treering.errors import UsageError

Read = Callable[[str], ApiRun]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two files, one of them below another folder."""
    folder = tmp_path / "source"
    (folder / "inner").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"weights")
    (folder / "inner" / "config.json").write_text("{}")
    return folder


def find(store: Path, name: str) -> treering.Artifact:
    return treering.Api(store).version(name)


def content(version: treering.Artifact, folder: Path) -> dict[str, bytes]:
    """The files of a version as a download gives them."""
    place = Path(version.download(folder))
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def test_a_file_overwritten_right_after_is_kept_as_it_was(store: Path, source: Path, tmp_path: Path) -> None:
    path = source / "weights.bin"
    with treering.init(id="r") as run:
        for number in range(5):
            with path.open("r+b") as file:  # in place, as torch.save and Keras do
                file.write(f"content {number}".encode())
                file.truncate()
            version = run.log_artifact(path, name="weights", metadata={"number": number})
            path.write_bytes(b"overwritten")
        path.unlink()
        assert version.version == 4
        assert len(version.digest) == 64
        assert repr(version) == "<Artifact weights:v4, saved>"
    for number in range(5):
        found = find(store, f"weights:v{number}")
        assert content(found, tmp_path / f"out {number}") == {"weights.bin": f"content {number}".encode()}
        assert found.metadata == {"number": number}
    assert find(store, "weights").version == 4


def test_a_folder(store: Path, source: Path, tmp_path: Path) -> None:
    os.symlink(source / "weights.bin", source / "link.bin")
    os.symlink("nowhere", source / "broken")
    os.symlink(source, source / "inner" / "loop")
    with treering.init(id="r") as run:
        version = run.log_artifact(source, type="dataset", description="d").wait(30)
        (source / "weights.bin").write_bytes(b"later")
        assert version.version == 0
    found = find(store, "r-source")
    files = {"weights.bin": b"weights", "link.bin": b"weights", "inner/config.json": b"{}"}
    assert content(found, tmp_path / "out") == files
    assert (found.type, found.description) == ("dataset", "d")
    assert sorted(file.path for file in found.files()) == sorted(files)


def test_several_files(store: Path, source: Path, tmp_path: Path) -> None:
    with treering.init(id="r") as run:
        run.log_artifact([source / "weights.bin", source / "inner"], name="both")
        with pytest.raises(UsageError, match=r"two files called 'weights\.bin'"):
            run.log_artifact([source / "weights.bin", source / "weights.bin"], name="twice")
    assert content(find(store, "both"), tmp_path / "out") == {"weights.bin": b"weights", "config.json": b"{}"}


def test_the_same_content_is_the_same_version(store: Path, source: Path) -> None:
    path = source / "weights.bin"
    with treering.init(id="r") as run:
        first = run.log_artifact(path, name="m", aliases=["a"])
        again = run.log_artifact(path, name="m", aliases=["b"])
        path.write_bytes(b"other")
        other = run.log_artifact(path, name="m", aliases=["a", "step-3"])
        path.write_bytes(b"weights")
        back = run.log_artifact(path, name="m")
        assert [one.version for one in (first, again, other)] == [0, 0, 1]
        assert first.digest == again.digest == back.digest != other.digest
    aliases = {version.version: set(version.aliases) for version in treering.Api(store).run("r").versions()}
    assert aliases[0] >= {"b"}
    assert aliases[1] == {"a", "step-3"}
    assert find(store, "m:a").version == 1
    assert find(store, "m:b").version == 0
    assert find(store, "m").digest == first.digest
    # Bytes are kept once.
    assert [one.stored for one in treering.Api(store).versions("m")] == [7, 5, 0]


def test_20_equal_checkpoints_take_the_room_of_one(store: Path, source: Path) -> None:
    path = source / "weights.bin"
    path.write_bytes(os.urandom(5 << 20))
    with treering.init(id="r") as run:
        for number in range(20):
            run.log_artifact(path, name=f"checkpoint-{number % 2}", aliases=[f"step-{number}"])
    size = sum(file.stat().st_size for file in (store / "blobs").rglob("*") if file.is_file())
    assert 5 << 20 < size < (5 << 20) + 10_000  # with the pack's index


def test_versions_of_several_runs_are_numbered_together(store: Path, source: Path) -> None:
    for number in range(3):
        (source / "weights.bin").write_bytes(bytes([number]))
        with treering.init("p", id=f"r{number}") as run:
            assert run.log_model(source / "weights.bin", "model", aliases=["best"]).version == number
    with treering.init("other", id="o") as run:
        assert run.log_model(source / "weights.bin", "model").version == 0
    assert treering.Api(store).version("model:best", project="p").version == 2
    assert treering.Api(store).version("model:v0", project="p").type == "model"


@pytest.mark.parametrize("linkable", [True, False], ids=["linkable", "any"])
def test_a_large_file_is_not_copied(linkable: bool, store: Path, source: Path, tmp_path: Path) -> None:
    path = source / "weights.bin"
    data = os.urandom(6 << 20)
    path.write_bytes(data)
    with treering.init(id="r", settings={"flush_interval_s": 60}) as run:
        version = run.log_artifact(path, name="m", linkable=linkable)
        (pin,) = (store / "blobs" / "incoming" / "r" / version.id).glob("f*")
        assert pin.stat().st_ino == path.stat().st_ino or pin.stat().st_nlink == 1  # cloned where the disk can
        path.unlink()
        path.write_bytes(b"a new file")
        version.wait(30)
    assert content(find(store, "m"), tmp_path / "out") == {"weights.bin": data}


def test_save(store: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source)
    with treering.init(id="r") as run:
        assert len(run.save("*.bin")) == 1
        assert len(treering.save("inner/config.json")) == 1
        assert len(run.save(source / "inner", base_path=source)) == 1
        assert len(run.save("**/*.json", base_path=source)) == 1
        with pytest.raises(FileNotFoundError, match=r"nothing at '\*\.pt'"):
            run.save("*.pt")
    files = treering.Api(store).run("r").files()
    assert set(files) == {"r-weights.bin:weights.bin", "r-inner-config.json:config.json", "r-inner:config.json"}


def test_names_and_aliases_that_cannot_be(store: Path, source: Path) -> None:
    path = source / "weights.bin"
    with treering.init() as run:
        for name in ("", "a/b", "../x", "a..b", ".hidden", "a" * 201, "naïve\0", "a b"):
            with pytest.raises(UsageError, match="letters, digits"):
                run.log_artifact(path, name=name)
        for alias in ("", "a\nb", "x" * 201):
            with pytest.raises(UsageError, match="printable"):
                run.log_artifact(path, name="m", aliases=[alias])
        with pytest.raises(UsageError, match="treering gives"):
            run.log_artifact(path, name="m", aliases="v3")
        with pytest.raises(UsageError, match="no files"):
            run.log_artifact([])
        with pytest.raises(FileNotFoundError, match="no file at"):
            run.log_artifact(source / "missing")
        (source / "empty").mkdir()
        with pytest.raises(FileNotFoundError, match="no files below"):
            run.log_artifact(source / "empty")
        run.log_artifact(path, name="m", aliases="one")
    assert find(store, "m:one").version == 0
    assert len(treering.Api(store).runs()[0].versions()) == 1


def test_files_with_odd_names(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    names = [b"with space", "ключ 🦉".encode(), b"new\nline", b"bytes \xff\xfe"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(name)
    with treering.init(id="r") as run:
        run.log_artifact(folder, name="odd")
        run.log_artifact(Path(os.fsdecode(os.fsencode(folder) + b"/" + names[3])))
        run.log({"x": 1})
        assert run.flush(20)
    got = treering.Api(store).run("r")
    assert got.state == "finished"
    assert got.history("x").values.tolist() == [1]
    assert {file.path for file in find(store, "odd").files()} == {"with space", "ключ 🦉", "new\nline", "bytes %FF%FE"}


def test_a_kill_leaves_whole_versions_or_none(tmp_path: Path, store: Path, source: Path) -> None:
    """What was logged before the kill is filed by the next reader, from the content that was secured."""
    script = """
    import os, sys
    import treering
    run = treering.init(id="r", settings={"flush_interval_s": 60})
    run.flush()
    path = sys.path[0] + "/data"
    for number in range(5):
        open(path, "w").write(f"content {number}")
        run.log_artifact(path, name="m", aliases=[f"n{number}"])
    os.unlink(path)
    os._exit(1)
    """
    assert run_program(script, tmp_path / "program").code == 1
    got = treering.Api(store).run("r")
    assert got.state == "lost"
    for number in range(5):
        found = find(store, f"m:n{number}")
        assert found.version == number
        assert content(found, tmp_path / f"{number}") == {"data": f"content {number}".encode()}
    assert not (store / "blobs" / "incoming" / "r").exists()


def test_damage_to_a_kept_file_is_found(store: Path, source: Path, tmp_path: Path) -> None:
    with treering.init(id="r") as run:
        run.log_artifact(source / "weights.bin", name="m")
    (pack,) = (store / "blobs").rglob("*.pack")
    pack.write_bytes(pack.read_bytes().replace(b"weights", b"wEights"))
    with pytest.raises(treering.TreeringError, match=r"in pack packs/.*does not match its digest"):
        find(store, "m").download(tmp_path / "out")
    assert not (tmp_path / "out" / "weights.bin").exists()
