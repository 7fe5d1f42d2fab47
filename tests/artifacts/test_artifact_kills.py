"""Processes killed while they save, collect, repack and download: versions are whole or not there, for ever."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from artifact_yard import COLLECT, DOWNLOAD, PUT, RECOVER, REPACK, SAVE, Order, content, open_yard
from victims import Victims

import treering
from treering.artifacts.checking import verify_store
from treering.artifacts.depot import Depot
from treering.store import Store

KILLS = 25
ACTS = [SAVE, PUT, REPACK, SAVE, COLLECT, REPACK, DOWNLOAD, PUT, RECOVER, SAVE]


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    with open_yard(tmp_path_factory.mktemp("yard")) as opened:
        yield opened


def check(store: Path) -> dict[tuple[int, int], str]:
    """Check every byte of every version against what it was made of; returns digests by (number, turn)."""
    found: dict[tuple[int, int], str] = {}
    with treering.Api(store) as api:
        versions = api.versions()
        for version in versions:
            number, turn = version.metadata["number"], version.metadata["turn"]
            files = {file.path: file.read() for file in version.files()}
            assert files == content(number, turn), version
            found[number, turn] = version.digest
        for name in {version.name for version in versions}:
            numbers = [version.version for version in versions if version.name == name]
            assert sorted(numbers) == list(range(len(numbers)))
    with Store.open(store) as opened:
        assert verify_store(Depot(opened.database, store)).damage == []
        assert opened.database.query("SELECT COUNT(*) FROM pending_versions") == [(0,)]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(seed: int, yard: Victims, store_dir: Path) -> None:
    """A hundred kills in all; after each the store is whole and holds what was acknowledged."""
    draw = random.Random(seed)
    with treering.init("p", id="first", dir=store_dir, settings={"console": False, "system_interval_s": 0}):
        pass
    known: dict[tuple[int, int], str] = {}
    acknowledged: set[tuple[int, int]] = set()
    for kill in range(KILLS):
        act, number = draw.choice(ACTS), 100 * seed + kill
        done, _ = yard.kill(Order(act, str(store_dir), number, draw.uniform(0.0, 0.15)))
        if act in {SAVE, PUT}:
            acknowledged |= {(number, turn) for turn in range(done)}
        if draw.random() < 0.5:
            continue  # two dead ones at once
        found = check(store_dir)
        assert found.items() >= known.items()  # what was there stays, byte by byte
        assert found.keys() >= acknowledged
        known = found
    assert check(store_dir).keys() >= acknowledged
    # Nothing is left of the dead but packs that no row names, which go when they are old enough.
    assert not list((store_dir / "blobs" / "incoming").glob("r*"))
    for part in (store_dir.parent / "downloads").rglob("*"):
        if part.is_file() and not part.name.endswith("-part"):
            version = treering.Api(store_dir).version(part.parent.name.replace("-", ":v"))
            assert version.read(part.name) == part.read_bytes()


def test_an_interrupted_download_goes_on(store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from treering.artifacts import leasing, reading

    source = tmp_path / "large.bin"
    source.write_bytes(random.Random(1).randbytes(24 << 20))
    artifact = treering.Artifact("a")
    artifact.add_file(source)
    artifact.save("p")
    whole, left = reading.ChunkReader.fill, 3

    def fail_soon(self: reading.ChunkReader, pieces: list[tuple[bytes, int]], view: memoryview) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ConnectionResetError("cut off")
        whole(self, pieces, view)

    monkeypatch.setattr(reading.ChunkReader, "fill", fail_soon)
    with pytest.raises(treering.TreeringError, match="cannot be written"):
        artifact.download(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".large.bin.treering-part"]
    left, asked = 1000, 1000
    artifact.download(tmp_path / "out")
    batches = -(-(24 << 20) // (2 << 20))
    assert asked - left < batches + 1 - 1  # those that had come are not read again
    assert (tmp_path / "out" / "large.bin").read_bytes() == source.read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["large.bin"]
    assert leasing._keeper is None  # nobody is left behind by the save
