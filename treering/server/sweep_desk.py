"""Giving trials to agents: for each sweep one who chooses points and one who takes reports, both on the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from treering.errors import UsageError
from treering.sweeps.records import MOST_HELD, Offer, Result, thinned
from treering.sweeps.store import StoredSweeps
from treering.sweeps.trials import now_us

if TYPE_CHECKING:
    from treering.server.inbox import Inbox
    from treering.store.database import Database
    from treering.sweeps.records import Agent, Curve, Key, Orders

__all__ = ["SweepDesk"]

_REMEMBERED = 64
_SOON_S = 0.2
_LEASES_S = 1.0, 86_400.0
_LONGEST = 256


class _Kept:
    """A sweep that agents work on; each of the two halves is used by one thread at a time."""

    def __init__(self, database: Database, since_us: int) -> None:
        self.database = database
        self.choosing = StoredSweeps(database, since_us=since_us)
        self.noting = StoredSweeps(database, since_us=since_us)
        self.choosing_lock, self.noting_lock = threading.Lock(), threading.Lock()


class SweepDesk:
    """Answers agents, in any thread.

    Args:
        inbox: has the store.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        # While this server was not there, no agent could show that it lives.
        self._since_us = now_us()

    @property
    def sweeps(self) -> StoredSweeps:
        """The store's sweeps, for one call."""
        return StoredSweeps(self._inbox.store.database)

    def _of(self, sweep_id: str) -> _Kept:
        database = self._inbox.store.database
        with self._lock:
            kept = self._kept.get(sweep_id)
            if kept is None or kept.database is not database:
                kept = self._kept[sweep_id] = _Kept(database, self._since_us)
                while len(self._kept) > _REMEMBERED:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(sweep_id)
            return kept

    def lease(self, sweep_id: str, agent: Agent) -> Offer:
        """Give an agent a trial; the same one when it asks again."""
        check_agent(agent)
        kept = self._of(sweep_id)
        if not kept.choosing_lock.acquire(blocking=False):
            # Whoever waits here would keep a thread of the server from everybody else.
            return Offer("wait", reason="another agent's point is being chosen", wait_s=_SOON_S)
        try:
            return kept.choosing.lease(sweep_id, agent, again=True)
        finally:
            kept.choosing_lock.release()

    def beat(self, key: Key, agent: Agent) -> Orders:
        """See `Sweeps.beat`."""
        check_agent(agent)
        kept = self._of(key.sweep)
        with kept.noting_lock:
            return kept.noting.beat(key, agent)

    def report(self, key: Key, points: Curve) -> Orders:
        """See `Sweeps.report`; points that no client of ours would send are left out."""
        kept = self._of(key.sweep)
        with kept.noting_lock:
            config = kept.noting.config(kept.noting.sweep(key.sweep))
            bands = frozenset(config.early_stop.bands if config.early_stop else ())
            fine = {count: value for count, value in points if count > 0 and thinned(count, bands)}
            return kept.noting.report(key, sorted(fine.items()))

    def finish(self, key: Key, result: Result) -> bool:
        """See `Sweeps.finish`."""
        kept = self._of(key.sweep)
        with kept.noting_lock:
            return kept.noting.finish(key, result)

    def give_back(self, key: Key, reason: str) -> bool:
        """See `Sweeps.give_back`."""
        kept = self._of(key.sweep)
        with kept.noting_lock:
            return kept.noting.give_back(key, reason)


def check_agent(agent: Agent) -> None:
    """Refuse an agent that cannot be one.

    Raises:
        UsageError: its names are too long, or its lease is no time.
    """
    if not agent.id or max(map(len, (agent.id, agent.host, agent.boot))) > _LONGEST or not 0 <= agent.pid < 2**31:
        raise UsageError(f"an agent's names have 1 to {_LONGEST} letters, and its pid is a whole number")
    if len(agent.holds) > MOST_HELD or any(len(run_id) > _LONGEST for run_id in agent.holds):
        raise UsageError(f"an agent tells of {MOST_HELD} checkpoints at most; leave the oldest out")
    low, high = _LEASES_S
    if not low <= agent.lease_s <= high:
        raise UsageError(f"got a lease of {agent.lease_s} s; it takes {low:g} to {high:g} s")
