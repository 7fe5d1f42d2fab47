"""Sweeps on a server: the calls of `Sweeps`, each of which may come through twice and counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from treering.errors import UsageError
from treering.start import new_id
from treering.sweeps.records import Offer, Orders, Sweep, Trial

if TYPE_CHECKING:
    from treering.online.client import Client
    from treering.sweeps.records import Agent, Curve, Key, Result

__all__ = ["RemoteSweeps"]

_LONGEST_TEXT = 2000


class RemoteSweeps:
    """The sweeps of a server; see `treering.sweeps.store.Sweeps`.

    Args:
        client: of the server; used by one thread at a time.

    Every call raises `Unreachable` while the server does not answer, and may be made again.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, config: dict[str, Any], *, project: str | None = None, source: str | None = None) -> Sweep:
        """See `Sweeps`."""
        given = {"config": config, "project": project, "source": source}
        # Its id is ours, so that asking again makes no second one.
        return self._sweep(self._client.exchange("PUT", f"agent/sweeps/{new_id()}", given))

    @staticmethod
    def _sweep(plain: Any) -> Sweep:
        return msgspec.convert(plain, Sweep)

    def sweep(self, sweep_id: str) -> Sweep:
        """See `Sweeps`."""
        return self._sweep(self._client.exchange("GET", f"agent/sweeps/{quote(sweep_id, safe='')}"))

    def sweeps(self, project: str | None = None) -> list[Sweep]:
        """See `Sweeps`."""
        parameters = {} if project is None else {"project": project}
        return [self._sweep(one) for one in self._client.exchange("GET", "agent/sweeps", **parameters)]

    def change(self, sweep_id: str, action: str) -> Sweep:
        """See `Sweeps`."""
        return self._sweep(self._client.exchange("POST", f"agent/sweeps/{quote(sweep_id, safe='')}/{_word(action)}"))

    def trials(self, sweep_id: str, after: int = -1) -> list[Trial]:
        """See `Sweeps`."""
        found = self._client.exchange("GET", f"agent/sweeps/{quote(sweep_id, safe='')}/trials", after=after)
        return msgspec.convert(found, list[Trial])

    def lease(self, sweep_id: str, agent: Agent) -> Offer:
        """See `Sweeps`. An agent has one trial at a time: asking again brings the one whose offer was lost."""
        told = self._client.exchange("POST", f"agent/sweeps/{quote(sweep_id, safe='')}/lease", _abroad(agent))
        return msgspec.convert(told, Offer)

    def beat(self, key: Key, agent: Agent) -> Orders:
        """See `Sweeps`."""
        return self._orders(key, "beat", _abroad(agent))

    def report(self, key: Key, points: Curve) -> Orders:
        """See `Sweeps`."""
        return self._orders(key, "report", points)

    def finish(self, key: Key, result: Result) -> bool:
        """See `Sweeps`."""
        return bool(self._of(key, "finish", msgspec.to_builtins(result)))

    def give_back(self, key: Key, reason: str) -> bool:
        """See `Sweeps`."""
        return bool(self._of(key, "give-back", reason[:_LONGEST_TEXT]))

    def _of(self, key: Key, act: str, data: Any) -> Any:
        path = f"agent/sweeps/{quote(key.sweep, safe='')}/trials/{key.number}/{key.attempt}/{act}"
        return self._client.exchange("POST", path, data)

    def _orders(self, key: Key, act: str, data: Any) -> Orders:
        return msgspec.convert(self._of(key, act, data), Orders)


def _abroad(agent: Agent) -> dict[str, Any]:
    """Return an agent as another machine is told of it: its process means nothing there, or somebody else's."""
    return {**msgspec.structs.asdict(agent), "pid": 0}


def _word(action: str) -> str:
    if not action.isalpha():
        raise UsageError(f"a sweep cannot {action!r}")
    return action
