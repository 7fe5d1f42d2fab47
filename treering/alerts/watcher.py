"""Looking at runs, raising what rules and trainings have to tell, and sending it: one thread beside a server."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from treering.alerts.conditions import Condition, parse_condition
from treering.alerts.ledger import CODE, Alert, Ledger
from treering.alerts.sending import SendError, send
from treering.errors import NotFound, TreeringError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from treering.alerts.ledger import Rule
    from treering.alerts.targets import Target, Targets
    from treering.api import Api, ApiRun
    from treering.store.database import Database

__all__ = ["Watcher"]

_LOG = logging.getLogger("treering.alerts")
_LOOK_S = 2.0
# What happened while no server was there is still told after this time, and no later.
_LOOK_BACK_US = 24 * 3_600_000_000
_OVERLAP_US = 30_000_000
_LEVELS = ("info", "warn", "error")
_SENT_AT_ONCE = 20


class Watcher:
    """Watches one store.

    Args:
        library: gives the open store, on any thread; may raise NotFound while there is none.
        targets: gives who is told, as it is now.
        interval_s: seconds between two looks.
    """

    def __init__(self, library: Callable[[], Api], targets: Callable[[], Targets], interval_s: float = _LOOK_S) -> None:
        self._library = library
        self._targets = targets
        self._interval_s = interval_s
        self._since_us = time.time_ns() // 1000 - _LOOK_BACK_US
        self._raised: dict[str, set[tuple[str, str]]] = {}
        self._heard: dict[str, int] = {}
        self._conditions: dict[str, Condition] = {}
        self._database: Database | None = None
        self._source: object = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="treering-alerts", daemon=True)

    def start(self) -> None:
        """Begin on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End; an alert that is being sent is waited for a little."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _watch(self) -> None:
        told = ""
        while not self._stopped.wait(self._interval_s):
            try:
                self.look()
                told = ""
            except NotFound:
                continue
            except Exception as error:  # trouble of one look is not the end of watching
                if str(error) != told:
                    told = str(error)
                    _LOG.warning("looking for alerts: %s", told)
        if self._database is not None:
            self._close()

    def look(self) -> int:
        """Look once: raise what is new, send what is due. Returns how many alerts were raised."""
        library = self._library()
        ledger = Ledger(self._open(library))
        targets = self._targets()
        try:
            raised = self._raise(library, ledger, targets)
        except Exception:
            # What was remembered as raised may not have been written.
            self._raised.clear()
            self._heard.clear()
            raise
        self._send(library, ledger, targets)
        return raised

    def _open(self, library: Api) -> Database:
        """Return the database that rules and alerts are in, open for writing."""
        source = library._sources[0]  # pyright: ignore[reportPrivateUsage]  # the same package's
        if self._source is not source:
            self._close()
            self._database, self._source = source.writable(), source
        assert self._database is not None  # noqa: S101  # for type checkers: it is open now
        return self._database

    def _close(self) -> None:
        if self._database is not None and self._database is not getattr(self._source, "database", None):
            self._database.close()
        self._database = None

    # -- raising ------------------------------------------------------------------------------------------------------

    def _raise(self, library: Api, ledger: Ledger, targets: Targets) -> int:
        now_us = time.time_ns() // 1000
        rules = ledger.rules()
        self._forget({rule.id for rule in rules})
        found: list[Alert] = []
        for run in self._recent(library):
            found += self._from_code(run, ledger, targets)
            for rule in rules:
                if rule.project in {"", run.project} and _us(run.updated) >= rule.created_us - _OVERLAP_US:
                    found += self._from_rule(rule, run, ledger, targets, now_us)
        raised = sum(ledger.raise_alert(alert) for alert in found)
        self._since_us = max(self._since_us, now_us - _OVERLAP_US)
        return raised

    def _forget(self, rules: set[str]) -> None:
        for known in [known for known in self._raised if known not in rules and known != CODE]:
            del self._raised[known]

    def _recent(self, library: Api) -> Iterable[ApiRun]:
        """Yield the runs that go on, and those that have changed since the last look."""
        from datetime import datetime, timezone

        since = datetime.fromtimestamp((self._since_us - _OVERLAP_US) / 1e6, timezone.utc).isoformat()
        yield from library.runs(filters=f"state = 'running' or updated > '{since}'")

    def _from_rule(self, rule: Rule, run: ApiRun, ledger: Ledger, targets: Targets, now_us: int) -> Iterable[Alert]:
        condition = self._condition(rule)
        if condition is None or (condition.of_running and not run.is_running):
            return
        known = self._known(rule.id, ledger)
        for finding in condition.check(run, now_us):
            if (run.id, finding.occasion) not in known:
                known.add((run.id, finding.occasion))
                names = rule.targets or tuple(target.name for target in targets)
                title = f"{run.name}: {finding.text}"
                yield _alert(run, rule.id, finding.occasion, finding.level, title, rule.condition, now_us, names)

    def _condition(self, rule: Rule) -> Condition | None:
        if rule.condition not in self._conditions:
            try:
                self._conditions[rule.condition] = parse_condition(rule.condition)
            except UsageError as error:  # of a newer treering
                _LOG.warning("rule %s: %s", rule.id, error)
                return None
        return self._conditions[rule.condition]

    def _known(self, rule_id: str, ledger: Ledger) -> set[tuple[str, str]]:
        if rule_id not in self._raised:
            self._raised[rule_id] = ledger.raised(rule_id)
        return self._raised[rule_id]

    def _from_code(self, run: ApiRun, ledger: Ledger, targets: Targets) -> Iterable[Alert]:
        first = self._heard.get(run.id, 0)
        end = run.reader.next_row("events")
        if end <= first:
            return
        known = self._known(CODE, ledger)
        for row, event in run.reader.scan("events", first_row=first):
            occasion = f"event:{row}"
            if event.get("kind") != "alert" or (run.id, occasion) in known:
                continue
            known.add((run.id, occasion))
            level = str(event.get("level", "info"))
            names = tuple(one.name for one in targets if one.code and _LEVELS.index(level) >= _LEVELS.index(one.level))
            title, text = str(event.get("title") or event.get("message")), str(event.get("message"))
            time_us = event.get("_time")
            when = time_us if isinstance(time_us, int) else time.time_ns() // 1000
            yield _alert(run, CODE, occasion, level, f"{run.name}: {title}", text, when, names)
        self._heard[run.id] = end

    # -- sending ------------------------------------------------------------------------------------------------------

    def _send(self, library: Api, ledger: Ledger, targets: Targets) -> None:
        for _ in range(_SENT_AT_ONCE):
            alert = None if self._stopped.is_set() else ledger.claim()
            if alert is None:
                return
            name = _name(library, alert.run_id)
            left: list[str] = []
            trouble: str | None = None
            for target_name in alert.waiting or ():
                try:
                    target: Target = targets[target_name]
                    if _LEVELS.index(alert.level) >= _LEVELS.index(target.level):
                        send(alert, name, target, targets)
                except (SendError, NotFound) as error:
                    left.append(target_name)
                    trouble = str(error)
                    _LOG.warning("alert %d could not be sent: %s", alert.id, trouble)
            ledger.settle(alert, left, trouble)


def _alert(
    run: ApiRun, rule_id: str, occasion: str, level: str, title: str, text: str, time_us: int, names: tuple[str, ...]
) -> Alert:
    return Alert(0, time_us, run.project, run.id, rule_id, occasion, level, title, text, names or None, 0, None)


def _name(library: Any, run_id: str) -> str:
    try:
        return str(library.run(run_id).name)
    except TreeringError:
        return run_id


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
