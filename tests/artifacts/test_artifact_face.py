"""What a user does with artifacts: put files in, log, use, read in part, follow where things came from."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

import treering
from treering.artifacts.checking import verify_store
from treering.artifacts.depot import Depot
from treering.errors import CorruptData, NotFound, UsageError
from treering.store import Store


@pytest.fixture
def run(store_dir: Path) -> treering.Run:
    settings = {"system_interval_s": 0, "console": False, "capture_git": False, "flush_interval_s": 0.01}
    with treering.init("p", id="r", settings=settings) as opened:
        yield opened


def test_everything_that_can_be_put_in(run: treering.Run, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    artifact = treering.Artifact("all", "dataset", metadata={"rows": 3}, description="d")
    assert artifact.state == "draft"
    assert artifact.add_file(folder / "a.txt", "renamed.txt") == "renamed.txt"
    assert artifact.add_dir(folder, "data") == ["data/a.txt", "data/sub/b.txt"]
    with artifact.new_file("notes/n.txt") as file:
        file.write("ключ")
    assert artifact.add({"k": [1, 2]}, "plain") == "plain.json"
    assert artifact.add(np.arange(3), "array") == "array.npy"
    assert artifact.add(b"bytes", "raw") == "raw"
    artifact.add("gone", "gone")
    artifact.remove("gone.txt")
    with pytest.raises(NotFound, match="found no 'gone'"):
        artifact.remove("gone")
    with pytest.raises(UsageError, match="add_dir"):
        artifact.add_file(folder)
    with pytest.raises(UsageError, match="it takes text, bytes, arrays, plain data and media"):
        artifact.add(object(), "x")
    with pytest.raises(UsageError, match="is a draft"):
        artifact.files()
    artifact.ttl = timedelta(days=2)
    artifact.aliases, artifact.tags = "first", None
    assert run.log_artifact(artifact, aliases=["one"], tags="t", metadata={"more": 1}) is artifact
    (folder / "a.txt").write_text("later")
    assert artifact.wait(30).state == "saved"
    assert {file.path: file.read() for file in artifact.files()} == {
        "array.npy": artifact.read("array.npy"),
        "data/a.txt": b"a",
        "data/sub/b.txt": b"b",
        "notes/n.txt": "ключ".encode(),
        "plain.json": json.dumps({"k": [1, 2]}, indent=1).encode(),
        "raw": b"bytes",
        "renamed.txt": b"a",
    }
    assert (artifact.version, artifact.project, artifact.run_id) == (0, "p", "r")
    assert (artifact.aliases, artifact.tags) == (("first", "latest", "one"), ("t",))
    assert (artifact.metadata, artifact.description, artifact.ttl) == ({"rows": 3, "more": 1}, "d", timedelta(days=2))
    with pytest.raises(UsageError, match=r"new_draft\(\)"):
        artifact.add("x", "y")
    with pytest.raises(UsageError, match="has no files"):
        run.log_artifact(treering.Artifact("empty"))


def test_what_may_change(run: treering.Run) -> None:
    artifact, other = treering.Artifact("m"), treering.Artifact("m")
    artifact.add("1", "x")
    other.add("2", "x")
    run.log_artifact(artifact, aliases=["best"]).wait()
    run.log_artifact(other, aliases=None).wait()
    assert treering.Api().version("m").id == other.id
    other.aliases = ["best", "production"]
    other.tags = ["t1", "t2"]
    other.description, other.metadata, other.ttl = "new", {"score": 1}, timedelta(hours=1)
    found = treering.Api().version("p/m:production")
    assert (found.version, found.aliases, found.tags) == (1, ("best", "latest", "production"), ("t1", "t2"))
    assert (found.description, found.metadata, found.ttl) == ("new", {"score": 1}, timedelta(hours=1))
    assert treering.Api().version("m:v0").aliases == ()
    with pytest.raises(UsageError, match="looks like a version's number"):
        other.aliases = ["v7"]
    with pytest.raises(UsageError, match="above zero"):
        other.ttl = timedelta(0)


def test_using_and_where_things_come_from(run: treering.Run, store_dir: Path) -> None:
    data = treering.Artifact("data", "dataset")
    data.add("rows", "rows")
    run.log_artifact(data)
    assert run.use_artifact("data:latest", type="dataset").read() == b"rows"  # what was logged a moment ago, too
    with pytest.raises(UsageError, match="is a 'dataset'"):
        run.use_artifact("data", type="model")
    with pytest.raises(NotFound, match="there is no version data:v9 in project 'p'; it has v0 to v0 and latest"):
        run.use_artifact("data:v9")
    with treering.init("q", id="trains", reinit=True, settings={"system_interval_s": 0}) as training:
        training.use_artifact("p/data:v0")
        model = treering.Artifact("model", "model")
        model.add("weights", "w")
        training.log_artifact(model).wait()
        registered = training.link_model(model, "shop", stage="staging").wait()
    assert (registered.project, registered.name, registered.version, registered.stored) == (
        "model-registry",
        "shop",
        0,
        0,
    )
    assert [one.id for one in data.used_by()] == ["r", "trains"]
    assert model.logged_by() is not None
    assert [one.name for one in treering.Api().run("trains").used_versions()] == ["data"]
    from treering.artifacts.lineage import lineage_of

    links = lineage_of(registered)
    assert {(link.source, link.how, link.target) for link in links} == {
        ("run r", "made", "data:v0"),
        ("data:v0", "used", "run trains"),
        ("run trains", "made", "model:v0"),
        ("run trains", "made", "shop:v0"),
        ("model:v0", "started from", "shop:v0"),
    }
    assert len(links) == 5
    assert {link.target for link in lineage_of(data)} == {"data:v0", "run r", "run trains", "model:v0", "shop:v0"}


def test_an_artifact_that_grows(run: treering.Run) -> None:
    first = treering.Artifact("data")
    for number in range(5):
        first.add(random.Random(number).randbytes(50_000), f"f{number}")
    run.log_artifact(first).wait()
    second = first.new_draft()
    second.add(b"new", "f5")
    second.remove("f0")
    run.log_artifact(second).wait()
    assert (second.version, second.stored) == (1, 3)
    assert [file.path for file in second.files()] == ["f1", "f2", "f3", "f4", "f5"]
    assert second.read("f4") == first.read("f4")
    again = second.new_draft()
    run.log_artifact(again).wait()
    assert again.version == 1  # nothing was changed
    assert again.id == second.id


def test_saving_without_a_run(store_dir: Path, tmp_path: Path) -> None:
    artifact = treering.Artifact("m")
    artifact.add("x", "x")
    artifact.save("alone")
    assert (artifact.project, artifact.run_id, artifact.logged_by()) == ("alone", "", None)
    assert treering.Api().version("alone/m").read() == b"x"
    with pytest.raises(NotFound, match="none called 'y'"):
        artifact.get_path("y")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stray").write_text("stray")
    (tmp_path / "out" / "x.txt").write_text("old")
    with pytest.raises(CorruptData, match="is not what"):
        artifact.verify(tmp_path / "out")
    artifact.checkout(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.txt"]
    artifact.verify(tmp_path / "out")


def test_reading_a_part(run: treering.Run, tmp_path: Path) -> None:
    torch = pytest.importorskip("safetensors.numpy")
    tensors = {f"layer{number}": np.random.default_rng(number).random((256, 1024)).astype("f4") for number in range(5)}
    torch.save_file(tensors, tmp_path / "m.safetensors")
    for name in ("a.json", "b.json", "sub/c.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    artifact = treering.Artifact("m")
    for name in ("m.safetensors", "a.json", "b.json", "sub/c.json"):
        artifact.add_file(tmp_path / name, name)
    run.log_artifact(artifact).wait()
    assert artifact.download(tmp_path / "o1", "a.json") == tmp_path / "o1"
    artifact.download(tmp_path / "o2", ["*.json"])
    artifact.download(tmp_path / "o3", "sub")
    found = [sorted(path.name for path in (tmp_path / f"o{n}").rglob("*.json")) for n in (1, 2, 3)]
    assert found == [["a.json"], ["a.json", "b.json", "c.json"], ["c.json"]]
    with pytest.raises(NotFound, match="none called"):
        artifact.download(tmp_path / "o4", "*.bin")
    file = artifact.get_path("m.safetensors")
    whole = (tmp_path / "m.safetensors").read_bytes()
    assert file.read(1000, 500_000) == whole[1000:501_000]
    assert file.read(len(whole) - 10, 100) == whole[-10:]
    assert set(file.tensors()) == set(tensors)
    # Another tensor's chunks are damaged; this one's are read without them.
    assert np.array_equal(file.read_tensor("layer3"), tensors["layer3"])
    with pytest.raises(NotFound, match="none called 'x'"):
        file.read_tensor("x")


def test_a_flipped_byte_is_found_and_named(store_dir: Path, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(2 << 20)
    (tmp_path / "weights.bin").write_bytes(data)
    for name in ("m", "n"):
        artifact = treering.Artifact(name)
        artifact.add_file(tmp_path / "weights.bin")
        artifact.save("p")
    (pack,) = (store_dir / "blobs").rglob("*.pack")
    raw = bytearray(pack.read_bytes())
    for position in random.Random(2).sample(range(8, len(raw)), 12):
        raw[position] ^= 1 << position % 8
        pack.write_bytes(raw)
        with Store.open(store_dir) as store:
            damage = verify_store(Depot(store.database, store_dir)).damage
        assert len(damage) == 1, position
        assert damage[0].where.endswith(pack.name)
        if "chunk" in damage[0].message:
            assert damage[0].files == ["m:v0, 'weights.bin'", "n:v0, 'weights.bin'"]
            with pytest.raises(CorruptData, match=pack.name):
                artifact.download(tmp_path / "out")
            assert not (tmp_path / "out" / "weights.bin").exists()
            with pytest.raises(CorruptData, match=r"'weights\.bin' of n:v0"):
                artifact.verify()
        raw[position] ^= 1 << position % 8
    pack.write_bytes(raw[:-1])
    with Store.open(store_dir) as store:
        assert "bytes and should have" in verify_store(Depot(store.database, store_dir)).damage[-1].message


def test_references(run: treering.Run, tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("1,2")
    artifact = treering.Artifact("refs")
    assert artifact.add_reference(file.as_uri(), "in/data.csv") == ["in/data.csv"]
    assert artifact.add_reference("https://example.invalid/x.bin", checksum=False) == ["x.bin"]
    with pytest.raises(UsageError, match="it takes s3://"):
        artifact.add_reference(str(file))
    with pytest.raises(NotFound, match="found nothing"):
        artifact.add_reference((tmp_path / "none").as_uri())
    artifact.remove("x.bin")
    run.log_artifact(artifact).wait()
    assert artifact.stored == 0
    entry = artifact.get_path("in/data.csv")
    assert entry.uri == file.as_uri()
    artifact.download(tmp_path / "out")
    assert (tmp_path / "out" / "in" / "data.csv").read_text() == "1,2"
    file.write_text("3,4")
    with pytest.raises(CorruptData, match="has changed since it was added"):
        artifact.download(tmp_path / "out2")


def test_damaged_lists_and_missing_packs_say_so(store_dir: Path) -> None:
    artifact = treering.Artifact("m")
    artifact.add("x" * 100, "x")
    artifact.save("p")
    (pack,) = (store_dir / "blobs").rglob("*.pack")
    pack.unlink()
    with pytest.raises(NotFound, match="is gone"):
        artifact.read()
    with Store.open(store_dir) as store:
        (damage,) = verify_store(Depot(store.database, store_dir)).damage
        assert (damage.message, damage.files) == ("the pack is gone", ["m:v0, 'x.txt'"])
        store.database.execute("UPDATE manifests SET data = :data", {"data": b"rubbish"})
    with pytest.raises(CorruptData, match="list of files of m:v0 is damaged"):
        treering.Api().version("m").files()


def test_text_is_compressed_and_noise_is_not(store_dir: Path) -> None:
    text, noise = treering.Artifact("text"), treering.Artifact("noise")
    text.add("the same words again and again, " * 50_000, "t")
    noise.add(random.Random(1).randbytes(1_600_000), "n")
    text.save("p")
    noise.save("p")
    assert text.stored < text.size / 20
    assert noise.stored == noise.size
    assert text.read() == b"the same words again and again, " * 50_000
