"""The rows of sweeps and trials in a database, read and written inside the caller's transactions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from treering.errors import NotFound
from treering.store.values import decode, encode
from treering.sweeps.records import Agent, Sweep, Trial

if TYPE_CHECKING:
    from treering.store.database import Database

__all__ = ["Rows", "now_us"]

_SWEEP = "id, project, name, state, reason, config, source, created_us, created, revision"
_TRIAL = "sweep_id, number, state, attempt, run_id, agent, revision, data"
_DATA = (
    *("point", "params", "origin", "created_us", "started_us", "ended_us", "values", "constraints", "curve", "order"),
    *("audited", "prediction", "failure", "deaths", "memory"),
)


def now_us() -> int:
    """Return the time, in microseconds since 1970."""
    return time.time_ns() // 1000


class Rows:
    """Reads and writes the two tables.

    Args:
        database: of the store.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def insert_sweep(self, sweep: Sweep) -> bool:
        """Add a sweep; False when there is one of this id."""
        added = self.database.execute(
            "INSERT INTO sweeps (id, project, name, state, reason, created_us, revision, created, suggester_until_us, "
            "source, config) VALUES (:id, :project, :name, :state, '', :created_us, 0, 0, 0, :source, :config) "
            "ON CONFLICT (id) DO NOTHING",
            {
                "id": sweep.id,
                "project": sweep.project,
                "name": sweep.name,
                "state": sweep.state,
                "created_us": sweep.created_us,
                "source": sweep.source,
                "config": encode({"config": sweep.config, "prior": sweep.prior}),
            },
        )
        return bool(added)

    def sweep(self, sweep_id: str) -> Sweep:
        """Return a sweep.

        Raises:
            NotFound: there is none of this id.
        """
        found = self.sweeps("id = :id", {"id": sweep_id})
        if not found:
            raise NotFound(f"there is no sweep {sweep_id!r} in this store; see `treering sweep list`")
        return found[0]

    def sweeps(self, where: str = "1 = 1", parameters: dict[str, Any] | None = None) -> list[Sweep]:
        """Return sweeps, the newest first."""
        rows = self.database.query(f"SELECT {_SWEEP} FROM sweeps WHERE {where} ORDER BY created_us DESC", parameters)
        return [_sweep(dict(zip(_SWEEP.split(", "), row, strict=True))) for row in rows]

    def touch(self, sweep_id: str) -> int:
        """Return the sweep's next revision. First in each transaction that writes: on PostgreSQL it locks the sweep.

        Raises:
            NotFound: there is no such sweep.
        """
        rows = self.database.query(
            "UPDATE sweeps SET revision = revision + 1 WHERE id = :id RETURNING revision", {"id": sweep_id}
        )
        if not rows:
            self.sweep(sweep_id)
        return int(rows[0][0])

    def set_sweep(self, sweep_id: str, **values: Any) -> None:
        """Set columns of a sweep."""
        names = ", ".join(f"{name} = :{name}" for name in values)
        self.database.execute(f"UPDATE sweeps SET {names} WHERE id = :id", {**values, "id": sweep_id})

    def suggester(self, sweep_id: str) -> tuple[str | None, int]:
        """Return who computes the next point, and until when he has for it."""
        rows = self.database.query("SELECT suggester, suggester_until_us FROM sweeps WHERE id = :id", {"id": sweep_id})
        return rows[0] if rows else (None, 0)

    # -- trials -------------------------------------------------------------------------------------------------------

    def insert_trial(self, trial: Trial, key: str) -> bool:
        """Add a trial; False when its point has been tried."""
        return bool(
            self.database.execute(
                "INSERT INTO trials (sweep_id, number, state, point_key, attempt, run_id, agent, lease_until_us, "
                "revision, decided, data) VALUES (:sweep, :number, :state, :key, :attempt, :run_id, '', 0, "
                ":revision, 0, :data) ON CONFLICT (sweep_id, point_key) DO NOTHING",
                {**_plain(trial), "key": key, "data": _packed(trial)},
            )
        )

    def save_trial(self, trial: Trial) -> None:
        """Write what has changed of a trial."""
        self.database.execute(
            "UPDATE trials SET state = :state, attempt = :attempt, run_id = :run_id, agent = :agent, "
            "revision = :revision, data = :data WHERE sweep_id = :sweep AND number = :number",
            {**_plain(trial), "data": _packed(trial)},
        )

    def trial(self, sweep_id: str, number: int) -> Trial | None:
        """Return a trial, or None."""
        found = self.trials(sweep_id, "number = :number", {"number": number})
        return found[0] if found else None

    def trials(self, sweep_id: str, where: str = "1 = 1", parameters: dict[str, Any] | None = None) -> list[Trial]:
        """Return trials in order of their numbers."""
        rows = self.database.query(
            f"SELECT {_TRIAL} FROM trials WHERE sweep_id = :sweep AND {where} ORDER BY number",
            {**(parameters or {}), "sweep": sweep_id},
        )
        return [_trial(row) for row in rows]

    def states(self, sweep_id: str) -> dict[str, int]:
        """Return how many trials there are in each state."""
        query = "SELECT state, COUNT(*) FROM trials WHERE sweep_id = :id GROUP BY state"
        return {state: int(count) for state, count in self.database.query(query, {"id": sweep_id})}

    def keys(self, sweep_id: str) -> set[str]:
        """Return the keys of all points tried."""
        return {
            key for (key,) in self.database.query("SELECT point_key FROM trials WHERE sweep_id = :id", {"id": sweep_id})
        }

    def hold(self, trial: Trial, agent: Agent) -> None:
        """Give a trial to an agent for the time of its lease."""
        self.database.execute(
            "UPDATE trials SET lease_until_us = :until, holder = :holder WHERE sweep_id = :sweep AND number = :number",
            {
                "until": now_us() + int(agent.lease_s * 1e6),
                "holder": msgspec.msgpack.encode(msgspec.structs.replace(agent, holds=())),
                "sweep": trial.sweep,
                "number": trial.number,
            },
        )

    def holders(self, sweep_id: str) -> list[tuple[int, int, Agent]]:
        """Return (number, end of the lease, agent) of each running trial."""
        return self._held(sweep_id, "state = 'running'")

    def leases(self, sweep_id: str) -> list[tuple[int, int, Agent]]:
        """Return (number, end of the lease, agent) of each trial that an agent has or had last."""
        return self._held(sweep_id, "holder IS NOT NULL")

    def _held(self, sweep_id: str, where: str) -> list[tuple[int, int, Agent]]:
        rows = self.database.query(
            f"SELECT number, lease_until_us, holder FROM trials WHERE sweep_id = :id AND {where} ORDER BY number",
            {"id": sweep_id},
        )
        return [(number, until, msgspec.msgpack.decode(holder, type=Agent)) for number, until, holder in rows]

    def decided(self, sweep_id: str, number: int) -> int:
        """Return at how many log calls early stopping last looked at a trial."""
        query = "SELECT decided FROM trials WHERE sweep_id = :id AND number = :number"
        return int(self.database.query(query, {"id": sweep_id, "number": number})[0][0])

    def set_decided(self, sweep_id: str, number: int, count: int) -> None:
        """Remember it."""
        self.database.execute(
            "UPDATE trials SET decided = :count WHERE sweep_id = :id AND number = :number",
            {"id": sweep_id, "number": number, "count": count},
        )

    def has_checkpoint(self, run_id: str) -> bool:
        """Tell whether a run has kept a model that it can go on from."""
        return bool(
            self.database.query(
                "SELECT 1 FROM versions WHERE run_id = :run AND name = :name LIMIT 1",
                {"run": run_id, "name": f"model-{run_id}"},
            )
        )

    def checkpointed(self, limit: int) -> list[str]:
        """Return the runs that have kept a model to go on from, those of the newest models first."""
        rows = self.database.query(
            "SELECT run_id FROM versions WHERE name = 'model-' || run_id GROUP BY run_id "
            "ORDER BY MAX(created_us) DESC LIMIT :limit",
            {"limit": limit},
        )
        return [run_id for (run_id,) in rows]


def _sweep(row: dict[str, Any]) -> Sweep:
    return msgspec.convert({**row, **decode(row["config"])}, Sweep)


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "sweep": trial.sweep,
        "number": trial.number,
        "state": trial.state,
        "attempt": trial.attempt,
        "run_id": trial.run_id,
        "agent": trial.agent,
        "revision": trial.revision,
    }


def _packed(trial: Trial) -> bytes:
    return encode({name: msgspec.to_builtins(getattr(trial, name)) for name in _DATA})


def _trial(row: tuple[Any, ...]) -> Trial:
    sweep, number, state, attempt, run_id, agent, revision, data = row
    fields = decode(data)
    return msgspec.convert(
        {
            "sweep": sweep,
            "number": number,
            "state": state,
            "attempt": attempt,
            "run_id": run_id,
            "agent": agent,
            "revision": revision,
            **fields,
        },
        Trial,
    )
