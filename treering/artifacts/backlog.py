"""Versions that wait to be repacked: entered with their commit, taken out when it is done, by whoever has the time.

That is the saver of their run while the training goes on, or at its end; the saver of another run; or
`treering artifact gc`. Each version is a row of `store_info`, whose value says until when somebody is at it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from treering.artifacts.depot import URL_KEY
from treering.artifacts.lookup import select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treering.artifacts.depot import Depot
    from treering.artifacts.lookup import Facts
    from treering.artifacts.repacking import Repacked
    from treering.store.database import Database

__all__ = ["catch_up", "enter_waiting", "forget_waiting", "waiting"]

_KEY = "repack "
# The version's row for a row of `store_info`, of which there are few.
_JOINED = f"store_info JOIN versions ON versions.id = SUBSTR(store_info.key, {len(_KEY) + 1})"
# A version smaller than this is left as it is when nobody asks for it.
_WORTH_BYTES = 1 << 20
# Who is at a version says so again after the one, and is taken for dead after the other.
_RENEWED_S, _CLAIMED_S = 60.0, 600.0


def enter_waiting(database: Database, version_id: str, size: int) -> None:
    """Remember a version that is worth it, inside the transaction that makes it visible.

    Those in an object store are repacked on request alone, since their packs would have to be fetched.
    """
    if size < _WORTH_BYTES or database.query("SELECT 1 FROM store_info WHERE key = :key", {"key": URL_KEY}):
        return
    database.execute(
        "INSERT INTO store_info (key, value) VALUES (:key, '0') ON CONFLICT (key) DO NOTHING",
        {"key": _KEY + version_id},
    )


def waiting(database: Database) -> list[Facts]:
    """Return the versions that nobody has repacked yet, those that somebody is at among them; the oldest first."""
    return select(
        database,
        f"id IN (SELECT SUBSTR(key, {len(_KEY) + 1}) FROM store_info WHERE key LIKE :like)",
        {"like": f"{_KEY}%"},
    )


def forget_waiting(database: Database, version_ids: Sequence[str]) -> None:
    """Say that versions are repacked."""
    database.execute_many("DELETE FROM store_info WHERE key = :key", [{"key": _KEY + one} for one in version_ids])


def catch_up(
    depot: Depot,
    *,
    stop: Callable[[], bool] | None = None,
    progress: Callable[[int], None] | None = None,
    claimed: bool = False,
) -> Repacked:
    """Repack what waits for it and nobody is at, one collection after another, and what comes meanwhile.

    Args:
        depot: that has them; its database is open for writing.
        stop: asked after each chunk whether to leave the rest to somebody else.
        progress: told the number of bytes of each chunk that was looked at.
        claimed: take what somebody is at, too, who may have been killed; that is safe, and at worst done twice.

    Raises:
        StoreError: the store cannot be written; what was done so far is whole.
    """
    from treering.artifacts.repacking import Repacked, repack

    done = Repacked()
    if depot.backend.remote:
        return done
    while not (stop is not None and stop()):
        claim = _Claim(depot.database, stop, at_once=claimed)
        if not claim.version_ids:
            break
        try:
            part = repack(depot, _with_previous(depot.database, claim.version_ids), stop=claim.ask, progress=progress)
        except BaseException:
            claim.let_go()
            raise
        done = done.plus(part)
        if claim.is_stopped:
            claim.let_go()
            break
        forget_waiting(depot.database, claim.version_ids)
    return done


def _with_previous(database: Database, version_ids: Sequence[str]) -> list[str]:
    """Return versions and the one before each, which may be a difference from now on, the older ones first."""
    found: dict[str, int] = {}
    for version_id in version_ids:
        rows = database.query(
            "SELECT other.id, other.version FROM versions JOIN versions AS other ON other.project = versions.project "
            "AND other.name = versions.name AND other.version <= versions.version WHERE versions.id = :id "
            "ORDER BY other.version DESC LIMIT 2",
            {"id": version_id},
        )
        found.update(rows)
    return sorted(found, key=found.__getitem__)


class _Claim:
    """The versions of a collection that wait and that nobody else is at."""

    def __init__(self, database: Database, stop: Callable[[], bool] | None, *, at_once: bool) -> None:
        self._database = database
        self._stop = stop
        self._at_once = at_once
        self._renewed_s = time.monotonic()
        self.is_stopped = False
        self.version_ids = self._take()

    def _take(self) -> list[str]:
        # Where it is asked for, what somebody may be at, who may be dead, is no reason to leave it.
        before_us = 1 << 62 if self._at_once else time.time_ns() // 1000
        with self._database.transaction():
            # What was deleted meanwhile waits for nothing.
            self._database.execute(
                f"DELETE FROM store_info WHERE key LIKE :like AND SUBSTR(key, {len(_KEY) + 1}) NOT IN "
                "(SELECT id FROM versions)",
                {"like": f"{_KEY}%"},
            )
            rows = self._database.query(
                f"SELECT versions.id, project, name FROM {_JOINED} WHERE store_info.key LIKE :like "
                "AND CAST(value AS BIGINT) < :before ORDER BY created_us, versions.id",
                {"like": f"{_KEY}%", "before": before_us},
            )
            chosen = [version_id for version_id, *collection in rows if collection == list(rows[0][1:])]
            self._write(chosen, _CLAIMED_S)
        return chosen

    def ask(self) -> bool:
        """Tell whether to stop; also says, now and then, that we still are at it."""
        if time.monotonic() - self._renewed_s > _RENEWED_S:
            self._renewed_s = time.monotonic()
            self._write(self.version_ids, _CLAIMED_S)
        self.is_stopped = self._stop is not None and self._stop()
        return self.is_stopped

    def let_go(self) -> None:
        """Leave them to somebody else."""
        self._write(self.version_ids, None)

    def _write(self, version_ids: Sequence[str], for_s: float | None) -> None:
        until = 0 if for_s is None else time.time_ns() // 1000 + int(for_s * 1e6)
        self._database.execute_many(
            "UPDATE store_info SET value = :until WHERE key = :key",
            [{"key": _KEY + one, "until": str(until)} for one in version_ids],
        )
