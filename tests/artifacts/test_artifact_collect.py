"""Collecting and repacking beside saves and deletions in any order.

What a version needs never goes, and what nobody needs does.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import treering
from treering.artifacts import collecting, repacking
from treering.artifacts.checking import verify_store
from treering.artifacts.collecting import collect, plan
from treering.artifacts.committing import ChunksGone, Request, commit
from treering.artifacts.cutting import MIN_CHUNK
from treering.artifacts.depot import Depot
from treering.artifacts.lookup import select
from treering.artifacts.manifest import Entry
from treering.artifacts.reading import entries_of, read_entry
from treering.artifacts.storing import Storing
from treering.errors import UsageError
from treering.store import Store


def checkpoint(number: int) -> bytes:
    """Return numbers that are near to those of the number before, so that they are stored as differences."""
    values = np.random.default_rng(0).standard_normal(2000)
    for step in range(number):
        values += 0.001 * np.random.default_rng(step).standard_normal(2000)
    return values.astype(np.float32).tobytes()


PIECES = [random.Random(0).randbytes(900), *(checkpoint(number) for number in range(6))]


def open_store(folder: Path) -> Store:
    store = Store.open(folder, create=True)
    store.database.execute("PRAGMA synchronous = OFF")
    return store


def saving(store: Store, name: str, pieces: list[int]) -> Generator[None, None, str]:
    """Save a version step by step; whoever drives it may do anything between two steps. Returns the version's id."""
    depot = Depot(store.database, store.folder)
    request = Request(id=f"{random.getrandbits(64):x}", name=name, project="p")
    for _ in range(10):
        with Storing(depot, pack_bytes=20_000) as storing:
            entries: list[Entry] = []
            for at, piece in enumerate(pieces):
                found: list[bytes] = []
                storing.add_small(memoryview(PIECES[piece]), found.append)
                storing.settle()
                entries.append(Entry(f"f{at}", len(PIECES[piece]), found[0]))
                yield
            storing.flush()
            yield
            try:
                filed = commit(store.database, request, entries, storing, [], pending=False)
            except ChunksGone:
                continue
            assert filed is not None
            return filed.id
    raise AssertionError("collected ten times in a row")


def check(store: Store, expected: dict[str, list[int]]) -> None:
    depot = Depot(store.database, store.folder)
    assert {facts.id for facts in select(store.database, "1 = 1", {})} == set(expected)
    for version_id, pieces in expected.items():
        entries = entries_of(store.database, version_id, version_id)
        assert [read_entry(depot, entry) for entry in entries] == [PIECES[piece] for piece in pieces]
    assert verify_store(depot).damage == []


class Interleaving:
    """Saves, deletions and collections that take turns as a seed says."""

    def __init__(self, store: Store, draw: random.Random) -> None:
        self.store = store
        self.draw = draw
        self.running: list[tuple[Generator[None, None, str], list[int]]] = []
        self.expected: dict[str, list[int]] = {}

    def begin(self) -> None:
        name = f"m{self.draw.randrange(3)}"
        pieces = [self.draw.randrange(len(PIECES)) for _ in range(self.draw.randint(1, 3))]
        self.running.append((saving(self.store, name, pieces), pieces))

    def go_on(self) -> None:
        if not self.running:
            return
        at = self.draw.randrange(len(self.running))
        save, pieces = self.running[at]
        try:
            next(save)
        except StopIteration as ended:
            self.expected[ended.value] = pieces
            del self.running[at]

    def delete(self) -> None:
        if self.expected:
            gone = self.draw.choice(sorted(self.expected))
            self.store.database.execute("DELETE FROM versions WHERE id = :id", {"id": gone})
            del self.expected[gone]

    def collect(self) -> None:
        """Collect, with saves going on between the look and the transaction."""
        packs = collecting._Sweep.packs

        def interrupted(sweep: collecting._Sweep) -> object:
            for _ in range(self.draw.randrange(8)):
                self.go_on()
            return packs(sweep)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(collecting._Sweep, "packs", interrupted)
            collect(Depot(self.store.database, self.store.folder), grace_s=0.0)

    def repack(self) -> None:
        """Repack, with anything going on between the reading and the transaction."""
        replace = repacking._Version._replace

        def interrupted(version: repacking._Version, *given: Any) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(repacking._Version, "_replace", replace)
                for _ in range(self.draw.randrange(4)):
                    self.draw.choice([self.go_on, self.go_on, self.delete, self.collect, self.repack])()
            replace(version, *given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(repacking._Version, "_replace", interrupted)
            # One that is stopped half way keeps what it has done.
            repacking.repack(Depot(self.store.database, self.store.folder), stop=lambda: self.draw.random() < 0.1)

    def walk(self, steps: int) -> None:
        acts = [self.begin] * 3 + [self.go_on] * 10 + [self.delete] * 2 + [self.collect] * 2 + [self.repack]
        for _ in range(steps):
            self.draw.choice(acts)()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_any_interleaving(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = open_store(tmp_path_factory.mktemp("store"))
    walk = Interleaving(store, random.Random(seed))
    for _ in range(4):
        walk.walk(40)
        check(store, walk.expected)
    for save, _ in walk.running:
        save.close()
    for version_id in walk.expected:
        store.database.execute("DELETE FROM versions WHERE id = :id", {"id": version_id})
    collect(Depot(store.database, store.folder), grace_s=0.0)
    assert store.database.query("SELECT COUNT(*) FROM pack_chunks") == [(0,)]
    assert store.database.query("SELECT COUNT(*) FROM packs") == [(0,)]
    assert store.database.query("SELECT COUNT(*) FROM chunk_bases") == [(0,)]
    store.close()


def put(name: str, data: bytes, **options: object) -> treering.Artifact:
    artifact = treering.Artifact(name)
    artifact.add(data, "data")
    for key, value in options.items():
        setattr(artifact, key, value)
    artifact.save("p")
    return artifact


def depot_of(folder: Path) -> Depot:
    return Depot(Store.open(folder).database, folder)


def test_what_a_plan_says_is_what_happens(store_dir: Path) -> None:
    shared, own = random.Random(1).randbytes(300_000), random.Random(2).randbytes(600_000)
    kept = put("kept", shared)
    expiring = put("going", shared[:] + own, ttl=timedelta(days=1))
    put("going-2", b"later", ttl=timedelta(days=1))
    draft = expiring.new_draft("next")
    draft.add(b"x", "more")
    draft.save("p")
    called = put("called", b"called", ttl=timedelta(days=1), aliases=["production"])
    with treering.init("p", id="user") as run:
        run.use_artifact("going:v0")
    depot = depot_of(store_dir)
    later_us = time.time_ns() // 1000 + 2 * 86_400_000_000
    assert plan(depot).expiring == []
    planned = plan(depot, now_us=later_us)
    first, second = planned.expiring
    assert (first.version, first.used_by, first.base_of) == ("going:v0", ["user"], ["next:v0"])
    assert (second.version, second.used_by, second.base_of) == ("going-2:v0", [], [])
    assert planned.dead_chunks == 1  # the rest of "going" is in "next"
    done = collect(depot, now_us=later_us)
    assert done.expiring == planned.expiring
    assert (done.dead_chunks, done.packs) == (planned.dead_chunks, planned.packs)
    with treering.Api(store_dir) as api:
        assert {version.name for version in api.versions()} == {"kept", "next", "called"}
    for artifact in (kept, called, draft):
        artifact.verify()


def test_copies_that_nobody_uses_go(store_dir: Path) -> None:
    put("a", b"x" * 1000)
    depot = depot_of(store_dir)
    for name in ("new", "old", "read"):
        copy = store_dir / "restored" / name / "weights.bin"
        copy.parent.mkdir(parents=True)
        copy.write_bytes(b"y" * 500)
        long_ago, now = time.time() - 8 * 86400, time.time()
        if name != "new":
            os.utime(copy, (now if name == "read" else long_ago, long_ago))
            os.utime(copy.parent, (long_ago, long_ago))
    would = plan(depot)
    assert (would.copies, would.freed_bytes) == (["old"], 500)
    assert collect(depot).copies == ["old"]
    assert sorted(folder.name for folder in (store_dir / "restored").iterdir()) == ["new", "read"]


def test_young_packs_and_strangers_are_left_alone(store_dir: Path) -> None:
    put("a", b"x" * 1000).delete(with_aliases=True)
    depot = depot_of(store_dir)
    stranger = store_dir / "blobs" / "packs" / "ab" / ("ab" * 16 + ".pack")
    stranger.parent.mkdir(parents=True, exist_ok=True)
    stranger.write_bytes(b"half a pack")
    assert collect(depot).packs == []
    assert stranger.exists()
    old = time.time() - 7200
    os.utime(stranger, (old, old))
    assert collect(depot).strangers == ["packs/ab/" + stranger.name]
    assert not stranger.exists()
    assert len(collect(depot, now_us=time.time_ns() // 1000 + 7_200_000_000).packs) == 1


def test_mostly_dead_packs_and_crowds_of_small_ones_are_written_anew(store_dir: Path) -> None:
    data = {f"f{number}": random.Random(number).randbytes(MIN_CHUNK) for number in range(10)}
    first = treering.Artifact("first")
    for name, content in data.items():
        first.add(content, name)
    first.save("p")
    second = first.new_draft("second")
    for number in range(8):
        second.remove(f"f{number}")
    second.save("p")
    small = [put(f"small-{number}", b"%d" % number) for number in range(20)]
    first.delete(with_aliases=True)
    depot = depot_of(store_dir)
    done = collect(depot, grace_s=0.0)
    assert (done.dead_chunks, len(done.packs), len(done.rewritten)) == (8, 0, 21)
    assert len(list((store_dir / "blobs").rglob("*.pack"))) == 1
    assert second.read("f9") == data["f9"]
    assert [artifact.read() for artifact in small] == [b"%d" % number for number in range(20)]
    assert verify_store(depot).damage == []
    assert collect(depot, grace_s=0.0).freed_bytes == 0


def test_a_version_that_is_called_something_is_not_deleted_in_passing(store_dir: Path) -> None:
    artifact = put("a", b"1", aliases=["best"])
    with pytest.raises(UsageError, match="is called best"):
        artifact.delete()
    newer = put("a", b"2")
    assert newer.version == 1
    newer.delete()
    assert newer.state == "deleted"
    assert treering.Api(store_dir).version("a").version == 0  # the newest one left is the latest
    assert put("a", b"3").version == 2  # a number means one thing for ever
    assert artifact.read() == b"1"
