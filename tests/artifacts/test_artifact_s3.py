"""Artifacts in an object store, on a real S3 server."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from ports import free_port
from programs import started
from s3_server import s3  # noqa: F401  # a fixture

import treering
from treering.artifacts import storing
from treering.artifacts.backends import open_backend
from treering.artifacts.checking import verify_store
from treering.artifacts.collecting import collect
from treering.artifacts.cutting import MAX_CHUNK
from treering.artifacts.depot import URL_KEY, Depot
from treering.artifacts.reading import read_entry
from treering.errors import CorruptData, NotFound, StoreError, UsageError
from treering.store import Store


@pytest.fixture
def url(s3: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:  # noqa: F811  # that fixture
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    return f"s3://bucket/{request.node.name}?endpoint={s3}&region=us-east-1"


@pytest.fixture
def store(url: str, store_dir: Path) -> Store:
    with Store.open(store_dir, create=True) as opened:
        opened.database.execute("INSERT INTO store_info (key, value) VALUES (:k, :v)", {"k": URL_KEY, "v": url})
        yield opened


def test_the_same_as_in_a_folder(store: Store, store_dir: Path, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(20 << 20)
    (tmp_path / "weights.bin").write_bytes(data)
    with treering.init("p", id="r", settings={"system_interval_s": 0}) as run:
        artifact = run.log_artifact(tmp_path / "weights.bin", name="m")
        (tmp_path / "weights.bin").write_bytes(b"overwritten")
        # A chunk may be there, too, that was read short when the file was cut off, and again from its copy.
        torn = artifact.wait(60).stored - len(data)
        assert 0 <= torn < MAX_CHUNK
    assert not list((store_dir / "blobs").rglob("*.pack"))
    assert artifact.get_path("weights.bin").read(10 << 20, 1000) == data[10 << 20 :][:1000]
    assert (artifact.download(tmp_path / "out") / "weights.bin").read_bytes() == data
    depot = Depot(store.database, store_dir)
    assert verify_store(depot).damage == []
    (object_,) = depot.backend.list("packs/")
    assert depot.backend.size(object_.key) == object_.size
    changed = data[: 10 << 20] + b"inserted" + data[10 << 20 :]
    (tmp_path / "weights.bin").write_bytes(changed)
    second = treering.Artifact("m")
    second.add_file(tmp_path / "weights.bin")
    second.save("p")
    assert second.stored < 2 << 20
    artifact.delete()
    assert collect(depot, grace_s=0.0).dead_chunks == 1 + bool(torn)
    assert second.read() == changed
    second.delete()
    assert len(collect(depot, grace_s=0.0).packs) == 2
    assert list(depot.backend.list("packs/")) == []


def test_a_save_that_is_cut_off_sends_the_rest(store: Store, store_dir: Path) -> None:
    depot = Depot(store.database, store_dir)
    source = memoryview(random.Random(2).randbytes(24 << 20))

    def reader(until: int) -> Callable[[memoryview], int]:
        at = 0

        def read_into(view: memoryview) -> int:
            nonlocal at
            if at >= until:
                raise ConnectionResetError("cut off")
            part = source[at : at + len(view)]
            view[: len(part)] = part
            at += len(part)
            return len(part)

        return read_into

    with storing.Storing(depot, pack_bytes=1 << 20) as first, pytest.raises(ConnectionResetError):
        first.add(reader(20 << 20))
    assert len(list(depot.backend.list("packs/"))) > 10
    with storing.Storing(depot, pack_bytes=1 << 20) as second:
        entry = second.add(reader(1 << 40))
        second.flush()
        with depot.database.transaction():
            second.enter()
    assert entry.size == len(source)
    # Of 24: the 4 that were never read, blocks that were read ahead and the pack that was being filled.
    assert second.stored < 15 << 20
    assert read_entry(depot, entry) == source


def test_a_process_that_is_killed_loses_what_was_in_the_air(store: Store, store_dir: Path, tmp_path: Path) -> None:
    depot = Depot(store.database, store_dir)
    source = """
    import os, random, sys
    from pathlib import Path
    from treering.artifacts import storing
    from treering.artifacts.depot import Depot
    from treering.store import Store
    folder = Path(sys.path[0]) / "store"
    left = memoryview(random.Random(3).randbytes(24 << 20))
    def read_into(view):
        global left
        part, left = left[: len(view)], left[len(view) :]
        view[: len(part)] = part
        if len(left) < 4 << 20:
            os.kill(os.getpid(), 9)
        return len(part)
    storing.Storing(Depot(Store.open(folder).database, folder), pack_bytes=1 << 20).add(read_into)
    """
    with started(source, tmp_path) as program:
        assert program.end().code == -9
    content = io.BytesIO(random.Random(3).randbytes(24 << 20))
    with storing.Storing(depot, pack_bytes=1 << 20) as again:
        entry = again.add(content.readinto)
        again.flush()
        with depot.database.transaction():
            again.enter()
    # Of 24: the 4 that were never read, blocks that were read ahead, three packs in the air and the one being filled.
    assert again.stored < 21 << 20
    assert read_entry(depot, entry) == content.getvalue()


def test_damage_and_loss_are_named(store: Store, store_dir: Path, tmp_path: Path) -> None:
    artifact = treering.Artifact("m")
    artifact.add(random.Random(1).randbytes(100_000), "x")
    artifact.save("p")
    depot = Depot(store.database, store_dir)
    (object_,) = depot.backend.list("packs/")
    (raw,) = depot.backend.read(object_.key, [(0, object_.size)])
    (tmp_path / "pack").write_bytes(raw[:1000] + bytes([raw[1000] ^ 1]) + raw[1001:])
    depot.backend.put(object_.key, tmp_path / "pack")
    with pytest.raises(CorruptData, match=object_.key):
        artifact.read()
    depot.backend.delete(object_.key)
    depot.backend.delete(object_.key)
    with pytest.raises(NotFound, match="not there"):
        artifact.read()
    assert depot.backend.size(object_.key) is None


def test_references_to_objects(url: str, store_dir: Path, tmp_path: Path) -> None:
    backend = open_backend(tmp_path, url)
    prefix = url.partition("?")[0]
    for name in ("a.bin", "sub/b.bin"):
        (tmp_path / "file").write_bytes(name.encode())
        backend.put(f"data/{name}", tmp_path / "file")
    artifact = treering.Artifact("refs")
    assert artifact.add_reference(f"{prefix}/data/", "d") == ["d/a.bin", "d/sub/b.bin"]
    assert artifact.add_reference(f"{prefix}/data/a.bin") == ["a.bin"]
    artifact.save("p")
    assert artifact.stored == 0
    artifact.download(tmp_path / "out")
    assert (tmp_path / "out" / "d" / "sub" / "b.bin").read_bytes() == b"sub/b.bin"
    (tmp_path / "file").write_bytes(b"another")
    backend.put("data/a.bin", tmp_path / "file")
    with pytest.raises(CorruptData, match="has changed since"):
        artifact.download(tmp_path / "again", "a.bin")


def test_a_server_that_is_not_there(store_dir: Path, tmp_path: Path) -> None:
    backend = open_backend(
        tmp_path, f"s3://bucket/x?endpoint=http://127.0.0.1:{free_port()}&region=r&skip_signature=true"
    )
    with pytest.raises(StoreError, match="s3://bucket/x: packs/p cannot be read"):
        backend.read("packs/p", [(0, 1)])
    with pytest.raises(UsageError, match="cannot be opened"):
        open_backend(tmp_path, "nonsense://x")
