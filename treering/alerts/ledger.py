"""Rules and alerts in the store. Several servers may work on one: each alert is raised once and sent by one of them."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from treering.alerts.conditions import parse_condition
from treering.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from treering.api._sources import Source
    from treering.store.database import Database

__all__ = ["Alert", "Ledger", "Rule", "open_ledger"]

#: Word from a training's own code (`run.alert`) belongs to no rule.
CODE = ""
_CLAIM_US = 120_000_000
_RETRY_US = 30_000_000
_LONGEST_WAIT_US = 3_600_000_000
#: About a day of trying.
_TRIES = 30
_LONGEST_TEXT = 10_000


class Rule(msgspec.Struct, frozen=True):
    """What a user wants to be told of.

    Attributes:
        id: of eight letters.
        project: whose runs; "" for all.
        condition: see `parse_condition`.
        targets: names of who is told; empty for everybody.
        created_us: microseconds since 1970; runs that ended before do not concern it.
    """

    id: str
    project: str
    condition: str
    targets: tuple[str, ...]
    created_us: int


class Alert(msgspec.Struct, frozen=True):
    """Something that people are told.

    Attributes:
        id: grows with time.
        time_us: microseconds since 1970.
        project: of the run.
        run_id: the run.
        rule_id: the rule that raised it; "" for the training's own code.
        occasion: one alert a rule, run and occasion.
        level: "info", "warn" or "error".
        title: in a few words.
        text: all of it.
        waiting: targets that have not got it yet; None when none is left.
        tries: how often sending was tried.
        trouble: why the last try failed.
    """

    id: int
    time_us: int
    project: str
    run_id: str
    rule_id: str
    occasion: str
    level: str
    title: str
    text: str
    waiting: tuple[str, ...] | None
    tries: int
    trouble: str | None

    @classmethod
    def trial(cls) -> Alert:
        """Return what a target is tried with."""
        text = "This is a trial: alerts of treering arrive here."
        return cls(0, _now_us(), "", "", CODE, "trial", "info", "A trial", text, None, 0, None)


_ALERT = "id, time_us, project, run_id, rule_id, occasion, level, title, text, waiting, tries, trouble"


class Ledger:
    """The tables `alert_rules` and `alerts`.

    Args:
        database: open for writing, or for reading alone by whoever only lists.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_rule(self, condition: str, project: str = "", targets: Sequence[str] = ()) -> Rule:
        """Keep a rule from now on.

        Raises:
            UsageError: the condition cannot be read.
        """
        rule = Rule(secrets.token_hex(4), project, parse_condition(condition).text, tuple(targets), _now_us())
        self._database.execute(
            "INSERT INTO alert_rules (id, project, condition, targets, created_us) "
            "VALUES (:id, :project, :condition, :targets, :created_us)",
            {**msgspec.structs.asdict(rule), "targets": _packed(rule.targets)},
        )
        return rule

    def rules(self) -> list[Rule]:
        """Return all rules, the oldest first."""
        rows = self._database.query(
            "SELECT id, project, condition, targets, created_us FROM alert_rules ORDER BY created_us, id"
        )
        return [Rule(row[0], row[1], row[2], _unpacked(row[3]), row[4]) for row in rows]

    def remove_rule(self, rule_id: str) -> None:
        """Forget a rule; what it has raised stays.

        Raises:
            NotFound: there is no such rule.
        """
        if not self._database.execute("DELETE FROM alert_rules WHERE id = :id", {"id": rule_id}):
            raise NotFound(f"there is no rule {rule_id!r}; `treering alert rules` lists them")

    def raised(self, rule_id: str) -> set[tuple[str, str]]:
        """Return (run, occasion) of everything that a rule, or the code of trainings, has raised."""
        rows = self._database.query("SELECT run_id, occasion FROM alerts WHERE rule_id = :rule", {"rule": rule_id})
        return {(run_id, occasion) for run_id, occasion in rows}

    def raise_alert(self, alert: Alert) -> bool:
        """Note an alert, unless this occasion is noted; tells whether it was new. `id` and `tries` do not count."""
        return bool(
            self._database.execute(
                "INSERT INTO alerts (time_us, project, run_id, rule_id, occasion, level, title, text, waiting, due_us) "
                "VALUES (:time_us, :project, :run_id, :rule_id, :occasion, :level, :title, :text, :waiting, :due_us) "
                "ON CONFLICT (rule_id, run_id, occasion) DO NOTHING",
                {
                    "time_us": alert.time_us,
                    "project": alert.project,
                    "run_id": alert.run_id,
                    "rule_id": alert.rule_id,
                    "occasion": alert.occasion,
                    "level": alert.level,
                    "title": alert.title[:_LONGEST_TEXT],
                    "text": alert.text[:_LONGEST_TEXT],
                    "waiting": _packed(alert.waiting) if alert.waiting else None,
                    "due_us": alert.time_us,
                },
            )
        )

    def alerts(self, project: str | None = None, limit: int = 100, before: int | None = None) -> list[Alert]:
        """Return alerts, the newest first.

        Args:
            project: of its runs only.
            limit: at most so many.
            before: only those with a smaller id, for the next page.
        """
        rows = self._database.query(
            f"SELECT {_ALERT} FROM alerts WHERE (:project = '' OR project = :project) AND id < :before "
            "ORDER BY id DESC LIMIT :limit",
            {"project": project or "", "before": (1 << 62) if before is None else before, "limit": limit},
        )
        return [_alert(row) for row in rows]

    def claim(self) -> Alert | None:
        """Return one alert that is to be sent now, and keep it from others for a while; None when there is none."""
        now_us = _now_us()
        rows = self._database.query(
            f"SELECT {_ALERT}, due_us FROM alerts WHERE waiting IS NOT NULL AND due_us <= :now ORDER BY due_us LIMIT 8",
            {"now": now_us},
        )
        for *row, due_us in rows:
            taken = self._database.execute(
                "UPDATE alerts SET due_us = :later WHERE id = :id AND due_us = :due AND waiting IS NOT NULL",
                {"later": now_us + _CLAIM_US, "id": row[0], "due": due_us},
            )
            if taken:
                return _alert(row)
        return None

    def settle(self, alert: Alert, left: Iterable[str], trouble: str | None) -> None:
        """Note how sending a claimed alert went: which targets are left, and why.

        After a failure the wait before the next try doubles, up to an hour; after about a day it is given up.
        """
        waiting = tuple(left)
        tries = alert.tries + 1
        wait_us = min(_RETRY_US << min(tries - 1, 20), _LONGEST_WAIT_US)
        self._database.execute(
            "UPDATE alerts SET waiting = :waiting, tries = :tries, trouble = :trouble, due_us = :due WHERE id = :id",
            {
                "waiting": _packed(waiting) if waiting and tries < _TRIES else None,
                "tries": tries,
                "trouble": trouble,
                "due": _now_us() + wait_us,
                "id": alert.id,
            },
        )


@contextmanager
def open_ledger(source: Source) -> Generator[Ledger]:
    """Open a store's rules and alerts for changing them.

    Raises:
        StoreError: the store is read-only.
    """
    database = source.writable()
    try:
        yield Ledger(database)
    finally:
        if database is not source.database:
            database.close()


def _alert(row: Sequence[Any]) -> Alert:
    fields: dict[str, Any] = dict(zip(Alert.__struct_fields__, row, strict=True))
    waiting = fields.pop("waiting")
    return Alert(**fields, waiting=None if waiting is None else _unpacked(waiting))


def _packed(names: Sequence[str]) -> bytes:
    return msgspec.msgpack.encode(list(names))


def _unpacked(data: bytes) -> tuple[str, ...]:
    return msgspec.msgpack.decode(data, type=tuple[str, ...])


def _now_us() -> int:
    return time.time_ns() // 1000
