"""What a loss of power takes with it is noticed, and stored again by whoever saves the same content."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

import treering
from treering.artifacts.checking import verify_store
from treering.artifacts.depot import Depot
from treering.artifacts.rechecking import recheck
from treering.store import Store

DATA = random.Random(1).randbytes(1_500_000)


def put(data: bytes, name: str) -> treering.Artifact:
    artifact = treering.Artifact(name)
    artifact.add(data, "data")
    artifact.save("p")
    return artifact


def no_page_arrived(pack: Path) -> None:
    pack.write_bytes(bytes(pack.stat().st_size))


def some_pages_arrived(pack: Path) -> None:
    data = bytearray(pack.read_bytes())
    data[4096:400_000] = bytes(400_000 - 4096)
    pack.write_bytes(data)


def the_file_is_empty(pack: Path) -> None:
    pack.write_bytes(b"")


def the_file_is_gone(pack: Path) -> None:
    pack.unlink()


@pytest.mark.parametrize("loss", [no_page_arrived, some_pages_arrived, the_file_is_empty, the_file_is_gone])
def test_what_was_lost_is_stored_again(
    loss: Callable[[Path], None], store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, kept = put(DATA, "lost"), put(b"kept", "kept")
    with Store.open(store_dir) as store:
        depot = Depot(store.database, store_dir)
        ((name,),) = store.database.query("SELECT name FROM packs WHERE size > 1000000")
        loss(depot.scratch / depot.key(name))
        # Before the machine was started, and not known to be on the disk.
        store.database.execute("UPDATE packs SET synced = 0, created_us = 1000000")
        monkeypatch.setattr("psutil.boot_time", lambda: 2.0)
        again = put(DATA + b"and more", "again")
        assert again.read("data") == DATA + b"and more"
        assert kept.read("data") == b"kept"
        assert store.database.query("SELECT COUNT(*) FROM packs WHERE synced = 0") == [(0,)]
        damage = verify_store(depot).damage
        assert {file for one in damage for file in one.files} <= {"lost:v0, 'data'"}
        put(DATA, "same")
        assert verify_store(depot).damage == []
    assert lost.read("data") == DATA


def test_what_arrived_is_known_to_be_there(store_dir: Path) -> None:
    artifact = put(DATA, "a")
    with Store.open(store_dir) as store:
        depot = Depot(store.database, store_dir)
        store.database.execute("UPDATE packs SET synced = 0")
        assert recheck(depot) == 0  # written since the machine was started
        assert store.database.query("SELECT synced FROM packs") == [(0,)]
        assert recheck(depot, before_us=1 << 60) == 0
        assert store.database.query("SELECT synced FROM packs") == [(1,)]
    assert artifact.read("data") == DATA
