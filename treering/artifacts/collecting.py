"""Collecting: what no version needs any more goes, beside any number of processes that save and read.

A version goes when its time is over or the rule of its collection does not keep it (see `retention`); what it was stays
known. A chunk goes when no manifest names it, a pack when none of its chunks is left; packs that are mostly dead, and
crowds of small ones, are written anew. The index is changed in one transaction that looks again at what has been
committed meanwhile; objects are deleted after it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from treering.artifacts import index
from treering.artifacts.changing import forget_version
from treering.artifacts.coding import DIFFERENCE
from treering.artifacts.copies import delete_copy, old_copies
from treering.artifacts.lookup import used_by
from treering.artifacts.manifest import decode_manifest
from treering.artifacts.moving import Mover, enter, forget_chunk, forget_empty
from treering.artifacts.packs import PACK_BYTES, PackedChunk
from treering.artifacts.reading import ChunkReader
from treering.artifacts.rechecking import recheck
from treering.artifacts.repacking import Repacked  # msgspec looks at it
from treering.artifacts.retention import Leaving, leaving
from treering.artifacts.storing import GRACE_S
from treering.errors import CorruptData, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from treering.artifacts.depot import Depot
    from treering.artifacts.moving import Written
    from treering.artifacts.retention import Keep
    from treering.store.database import Database

    Assumed = Mapping[tuple[str, str], Keep | None]

__all__ = ["Expiring", "Plan", "collect", "plan"]

# A pack is written anew when less than this share of it is alive ...
_LIVE_SHARE = 0.5
# ... or when there are more packs than this that are smaller than a quarter of a whole one.
_MANY_SMALL = 16
_SMALL_BYTES = PACK_BYTES // 4


class Expiring(msgspec.Struct):
    """A version that goes, and what its going breaks.

    Attributes:
        version: its name and number.
        size: bytes of its files.
        why: in words.
        used_by: ids of the runs that used it.
        base_of: versions that were started from it; they stay whole.
        project: that it is in.
        id: of the version.
    """

    version: str
    size: int
    why: str
    used_by: list[str]
    base_of: list[str]
    project: str = ""
    id: str = ""


class Plan(msgspec.Struct):
    """What a collection would do, or has done.

    Attributes:
        expiring: versions that go.
        dead_chunks, dead_bytes: chunks that no other version needs, and what they take in packs.
        packs: that go whole.
        rewritten: packs whose living chunks move to new ones.
        freed_bytes: what the packs' objects shrink by.
        strangers: objects that no row of the index names.
        copies: folders of checkpoints that were fetched, and that nobody has used for a week.
        waiting: versions that wait to be repacked, and `repacked` what came of it, where that was done, too.
    """

    expiring: list[Expiring] = []
    dead_chunks: int = 0
    dead_bytes: int = 0
    packs: list[str] = []
    rewritten: list[str] = []
    freed_bytes: int = 0
    strangers: list[str] = []
    copies: list[str] = []
    waiting: list[str] = []
    repacked: Repacked | None = None


class _Pack(msgspec.Struct):
    number: int
    name: str
    size: int
    live: list[PackedChunk] = []
    dead: list[PackedChunk] = []

    @property
    def live_bytes(self) -> int:
        return sum(chunk.stored for chunk in self.live)


class _Sweep:
    """What is alive as of some moment, and what to do about the rest."""

    def __init__(self, depot: Depot, grace_s: float, now_us: int, assumed: Assumed | None = None) -> None:
        self.depot = depot
        self.database = depot.database
        self.grace_s = grace_s
        self.now_us = now_us
        self.assumed = assumed
        self.live: set[bytes] = set()
        self.expired: list[Leaving] = []
        self._newest = 0
        self._skipped: set[str] = set()

    def mark(self) -> None:
        """Read manifests that have come since the last call, and those of versions that an alias keeps by now."""
        self.expired = leaving(self.database, self.now_us, self.assumed)
        gone = {one.facts.id for one in self.expired}
        for version_id in self._skipped - gone:
            for (data,) in self.database.query("SELECT data FROM manifests WHERE version_id = :id", {"id": version_id}):
                self._take(version_id, data)
        self._skipped &= gone
        while True:
            rows = self.database.query(
                "SELECT id, version_id, data FROM manifests WHERE id > :id ORDER BY id LIMIT 20", {"id": self._newest}
            )
            if not rows:
                break
            for number, version_id, data in rows:
                if version_id in gone:
                    self._skipped.add(version_id)
                else:
                    self._take(version_id, data)
                self._newest = number
        # What a living chunk is a difference to lives with it.
        for chunk_id, base in self.database.query("SELECT id, base FROM chunk_bases"):
            if bytes(chunk_id) in self.live:
                self.live.add(bytes(base))

    def _take(self, version_id: str, data: bytes) -> None:
        entries = decode_manifest(data, f"version {version_id}")
        self.live.update(chunk_id for entry in entries for chunk_id, _ in entry.pieces())

    def packs(self) -> list[_Pack]:
        """Return all packs that are old enough, with their living and dead chunks."""
        before = self.now_us - int(self.grace_s * 1e6)
        found = {
            number: _Pack(number, name, size)
            for number, name, size in self.database.query(
                "SELECT number, name, size FROM packs WHERE created_us <= :before ORDER BY number", {"before": before}
            )
        }
        for number, chunk_id, *place in self.database.query(
            "SELECT pack, id, start, stored, size, codec FROM pack_chunks"
        ):
            pack = found.get(number)
            if pack is not None:
                chunk = PackedChunk(bytes(chunk_id), *place)
                (pack.live if chunk.id in self.live else pack.dead).append(chunk)
        return list(found.values())

    def choose(self, packs: list[_Pack]) -> tuple[list[_Pack], list[_Pack]]:
        """Return the packs that go whole, and those to be written anew."""
        whole = [pack for pack in packs if not pack.live]
        rest = [pack for pack in packs if pack.live]
        anew = [pack for pack in rest if pack.live_bytes < _LIVE_SHARE * pack.size]
        small = [pack for pack in rest if pack.size < _SMALL_BYTES and pack not in anew]
        if len(small) > _MANY_SMALL:
            anew += small
        return whole, anew

    def strangers(self) -> list[tuple[str, int]]:
        """Return the key and size of objects that no row names and nobody may be about to enter."""
        known = {self.depot.key(name) for (name,) in self.database.query("SELECT name FROM packs")}
        before_s = time.time() - GRACE_S
        return [
            (one.key, one.size)
            for one in self.depot.backend.list(f"{self.depot.prefix}/")
            if one.key not in known and one.modified_s < before_s
        ]


def _described(database: Database, expired: Iterable[Leaving]) -> list[Expiring]:
    return [
        Expiring(
            facts.title,
            facts.size,
            why,
            used_by(database, facts.id),
            [
                f"{name}:v{number}"
                for name, number in database.query(
                    "SELECT name, version FROM versions WHERE base_id = :id ORDER BY name, version", {"id": facts.id}
                )
            ],
            facts.project,
            facts.id,
        )
        for facts, why in expired
    ]


def plan(depot: Depot, *, grace_s: float = GRACE_S, now_us: int | None = None, assumed: Assumed | None = None) -> Plan:
    """Return what `collect` would do now; nothing is changed.

    Args:
        depot: to collect in.
        grace_s: packs younger than this are left alone, since a save that uses them may not be over; they are safe
            without it, too, but the save would have to begin again.
        now_us: the time to count from.
        assumed: rules by (project, name) that are taken for those of the store; None for no rule.
    """
    sweep = _Sweep(depot, grace_s, now_us if now_us is not None else time.time_ns() // 1000, assumed)
    sweep.mark()
    packs = sweep.packs()
    whole, anew = sweep.choose(packs)
    found = Plan(expiring=_described(depot.database, sweep.expired))
    _count(found, packs, whole, anew)
    strangers = sweep.strangers()
    found.strangers = [key for key, _ in strangers]
    found.freed_bytes += sum(size for _, size in strangers)
    _name_copies(found, old_copies(depot, sweep.now_us / 1e6))
    return found


def _name_copies(found: Plan, copies: list[tuple[Path, int]]) -> None:
    found.copies = [folder.name for folder, _ in copies]
    found.freed_bytes += sum(size for _, size in copies)


def _count(found: Plan, packs: list[_Pack], whole: list[_Pack], anew: list[_Pack]) -> None:
    found.dead_chunks = sum(len(pack.dead) for pack in packs)
    found.dead_bytes = sum(chunk.stored for pack in packs for chunk in pack.dead)
    found.packs = [pack.name for pack in whole]
    found.rewritten = [pack.name for pack in anew]
    found.freed_bytes = sum(pack.size for pack in whole) + sum(pack.size - pack.live_bytes for pack in anew)


def collect(depot: Depot, *, grace_s: float = GRACE_S, now_us: int | None = None) -> Plan:
    """Delete what nothing needs; returns what was done. Safe beside everything else, and to be killed at any moment.

    Args:
        depot: to collect in; its database is open for writing.
        grace_s: as for `plan`.
        now_us: as for `plan`.

    Raises:
        StoreError: the store cannot be written; what was done so far is whole.
    """
    database = depot.database
    recheck(depot)
    sweep = _Sweep(depot, grace_s, now_us if now_us is not None else time.time_ns() // 1000)
    sweep.mark()
    packs = sweep.packs()
    # Written before the transaction, so that it is short; what nobody needs by then is dead in the new pack.
    _, anew = sweep.choose(packs)
    written = _rewrite(depot, anew)
    done = Plan()
    with database.transaction():
        index.lock(database)
        sweep.mark()
        done.expiring = _described(database, sweep.expired)
        for facts, why in sweep.expired:
            forget_version(database, facts, "expired", why)
        entered = enter(database, written)
        dead = [(chunk, pack) for pack in packs for chunk in pack.dead if chunk.id not in sweep.live]
        removed = _forget_chunks(database, dead)
        done.dead_chunks, done.dead_bytes = len(removed), sum(chunk.stored for chunk in removed)
        gone = forget_empty(database, [*(pack.number for pack in packs), *entered])
        empty = [pack for pack in packs if pack.number in gone]
        if removed:
            index.raise_epoch(database)
    unused = [one.pack for one, number in zip(written, entered, strict=True) if number in gone]
    for name in [pack.name for pack in empty] + [pack.name for pack in unused]:
        depot.backend.delete(depot.key(name))
    done.packs = [pack.name for pack in empty if not pack.live]
    done.rewritten = [pack.name for pack in empty if pack.live]
    done.freed_bytes = sum(pack.size for pack in empty) - sum(
        one.pack.size for one in written if one.pack not in unused
    )
    done.strangers, stranger_bytes = _delete_strangers(sweep)
    done.freed_bytes += stranger_bytes
    copies = old_copies(depot, sweep.now_us / 1e6)
    for folder, _ in copies:
        delete_copy(folder)
    _name_copies(done, copies)
    return done


def _rewrite(depot: Depot, anew: list[_Pack]) -> list[Written]:
    """Copy living chunks, as they are packed, into new packs; they are not in the index yet."""
    reader = ChunkReader(depot)
    with Mover(depot) as mover:
        for old in anew:
            for chunk in sorted(old.live, key=lambda chunk: chunk.offset):
                try:
                    (data,) = depot.backend.read(depot.key(old.name), [(chunk.offset, chunk.stored)])
                except NotFound:  # another collection was faster
                    break
                # A damaged chunk stays where it is: `verify` names it, and nothing here makes it worse.
                if _is_sound(reader, chunk, data):
                    mover.add(chunk, old.number, data)
        return mover.finish()


def _is_sound(reader: ChunkReader, chunk: PackedChunk, data: bytes) -> bool:
    try:
        reader.check(chunk, memoryview(data))
    except CorruptData:
        return False
    return True


def _forget_chunks(database: Database, dead: list[tuple[PackedChunk, _Pack]]) -> list[PackedChunk]:
    """Take chunks out of the index; returns those that were there."""
    # What is a difference goes first, so that nothing is one to the rest.
    dead = sorted(dead, key=lambda one: one[0].codec != DIFFERENCE)
    return [chunk for chunk, pack in dead if forget_chunk(database, chunk, pack.number)]


def _delete_strangers(sweep: _Sweep) -> tuple[list[str], int]:
    """Delete objects that no row names; returns their keys and the bytes that they had."""
    deleted: list[str] = []
    freed = 0
    for key, size in sweep.strangers():
        with sweep.database.transaction():
            index.lock(sweep.database)  # nobody enters it between this look and its end
            name = key.rpartition("/")[2].removesuffix(".pack")
            if not sweep.database.query("SELECT 1 FROM packs WHERE name = :name", {"name": name}):
                sweep.depot.backend.delete(key)
                deleted.append(key)
                freed += size
    return deleted, freed
