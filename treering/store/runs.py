"""Writing a run's own rows: `runs`, `attempts`, `run_values`, `run_tags`.

A `RunWriter` takes the operations of a journal in order. Each sets values, so applying one twice changes nothing.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, cast

from treering.metrics import Definition, Definitions, parse_definition
from treering.store.batch import NUL, index_name
from treering.store.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from treering.records import Operation
    from treering.store.database import Database
    from treering.store.history import ColumnState

__all__ = ["ENDED", "RunWriter", "flatten_values"]

#: States of a run that is over.
ENDED = frozenset({"finished", "failed", "interrupted", "preempted", "lost"})

_PLAIN = ("name", "state", "notes", "group_name", "job_type", "next_step", "ended_us", "attempt")
_PACKED = ("tags", "config", "summary", "summary_set", "definitions", "failure", "capture")
# Rows of `run_values` for the summary change with every flush; they are for filtering, which can wait this long.
_VALUES_INTERVAL_S = 10.0
_LARGEST = sys.float_info.max


class RunWriter:
    """One run's rows, written from the run's writing thread inside the caller's transactions.

    Args:
        database: the store's.
        run_id: need not exist before the operation "begin".
    """

    def __init__(self, database: Database, run_id: str) -> None:
        self.database = database
        self.run_id = run_id
        self.row: dict[str, Any] = {}
        self.definitions = Definitions()
        self._dirty: set[str] = set()
        self._summary_written_s = 0.0

    def load(self) -> None:
        """Read back what the database holds; for a resumed run, or after a transaction that failed."""
        names = (*_PLAIN, *_PACKED)
        rows = self.database.query(f"SELECT {', '.join(names)} FROM runs WHERE id = :id", {"id": self.run_id})
        self.row = {}
        self._dirty = set()
        for values in rows:
            self.row = {
                name: decode(value) if name in _PACKED and value is not None else value
                for name, value in zip(names, values, strict=True)
            }
        self.definitions = Definitions.from_plain(self.row.get("definitions") or ())

    @property
    def exists(self) -> bool:
        """Whether the run is in the database, as far as this writer knows."""
        return bool(self.row)

    @property
    def attempt(self) -> int:
        """Number of the attempt being written."""
        return int(self.row["attempt"])

    def apply(self, operation: Operation) -> None:
        """Carry out one operation."""
        getattr(self, f"apply_{operation.name}")(operation.fields, operation.time_ns // 1000)

    def apply_begin(self, fields: Mapping[str, Any], now_us: int) -> None:
        """Start a run or its next attempt: fields run (of a new one), attempt, first_row, from_step, process."""
        if not self.exists:
            run = fields["run"]
            self.database.execute(
                "INSERT INTO runs (id, project, name, state, created_us, updated_us, attempt, group_name, job_type, "
                "notes, parent_id, parent_step, resume_key, sweep, next_step) VALUES (:id, :project, :name, 'running', "
                ":now, :now, :attempt, :group_name, :job_type, :notes, :parent_id, :parent_step, :resume_key, "
                ":sweep, :next_step) ON CONFLICT (id) DO NOTHING",
                {"sweep": None, **run, "id": self.run_id, "now": now_us, "attempt": fields["attempt"]},
            )
            self.load()
        self._open_attempt(fields, now_us)
        self.set(state="running", failure=None, ended_us=None, attempt=fields["attempt"])
        if fields["from_step"] is not None:
            self.set(next_step=fields["from_step"])
        self.set(**fields.get("changes", {}))
        if "tags" in fields.get("changes", {}):
            self._write_tags()

    def apply_rewind(self, fields: Mapping[str, Any], now_us: int) -> None:
        """End the attempt and open the next one: fields attempt, first_row, from_step, process.

        With the number of the present attempt, which has no rows yet, only say where that one begins.
        """
        if fields["attempt"] == self.attempt:
            self.supersede(fields["from_step"])
            self.set(next_step=fields["from_step"])
            return
        # One that had failed before its program went back stays failed.
        failed = self.row["state"] in ("failed", "interrupted", "preempted")
        self._close_attempt(self.row["state"] if failed else "rewound", self.row["failure"] if failed else None, now_us)
        self._open_attempt(fields, now_us)
        self.set(attempt=fields["attempt"], next_step=fields["from_step"])

    def _open_attempt(self, fields: Mapping[str, Any], now_us: int) -> None:
        self.database.execute(
            "INSERT INTO attempts (run_id, attempt, state, started_us, from_step, first_row, config_changes, process) "
            "VALUES (:run_id, :attempt, 'running', :now, :from_step, :first_row, :config_changes, :process) "
            "ON CONFLICT (run_id, attempt) DO NOTHING",
            {
                "run_id": self.run_id,
                "attempt": fields["attempt"],
                "now": now_us,
                "from_step": fields["from_step"],
                "first_row": fields["first_row"],
                "config_changes": encode(fields["config_changes"]) if fields.get("config_changes") else None,
                "process": encode(fields["process"]),
            },
        )

    def _close_attempt(self, state: str, failure: Any, now_us: int) -> None:
        self.database.execute(
            "UPDATE attempts SET state = :state, failure = :failure, ended_us = :now "
            "WHERE run_id = :run_id AND attempt = :attempt",
            {
                "run_id": self.run_id,
                "attempt": self.attempt,
                "state": state,
                "failure": encode(failure) if failure else None,
                "now": now_us,
            },
        )

    def supersede(self, from_step: int) -> None:
        """Say from which step on the present attempt replaces earlier ones."""
        self.database.execute(
            "UPDATE attempts SET from_step = :from_step WHERE run_id = :run_id AND attempt = :attempt",
            {"run_id": self.run_id, "attempt": self.attempt, "from_step": from_step},
        )

    def apply_config(self, fields: Mapping[str, Any], _now_us: int) -> None:
        """Set config entries; the value None of `deleted` names is gone."""
        config: dict[str, Any] = {**(self.row["config"] or {}), **fields["set"]}
        self.set(config={key: value for key, value in config.items() if key not in fields["deleted"]})

    def apply_summary(self, fields: Mapping[str, Any], _now_us: int) -> None:
        """Set summary entries by hand."""
        self.set(summary_set={**(self.row["summary_set"] or {}), **fields["set"]})
        self.set(summary={**(self.row["summary"] or {}), **fields["set"]})
        self._summary_written_s = 0.0

    def apply_define(self, fields: Mapping[str, Any], _now_us: int) -> None:
        """Take one definition of a metric."""
        definition = dict(fields)
        self.define(parse_definition(**definition))

    def define(self, definition: Definition) -> None:
        """Take one definition of a metric."""
        self.definitions.add(definition)
        self.set(definitions=self.definitions.to_plain())

    def apply_set(self, fields: Mapping[str, Any], _now_us: int) -> None:
        """Set plain columns of the run: name, notes, tags, group_name, job_type, capture."""
        if "capture" in fields:
            fields = {**fields, "capture": {**(self.row["capture"] or {}), **fields["capture"]}}
        self.set(**fields)
        if "tags" in fields:
            self._write_tags()

    def apply_state(self, fields: Mapping[str, Any], _now_us: int) -> None:
        """Mark how the run goes (fields state, failure) while its process goes on."""
        self.set(state=fields["state"], failure=fields["failure"])

    def apply_reopen(self, _fields: Mapping[str, Any], _now_us: int) -> None:
        """Go on after the end, in the same attempt."""
        self.database.execute(
            "UPDATE attempts SET state = 'running', ended_us = NULL WHERE run_id = :run_id AND attempt = :attempt",
            {"run_id": self.run_id, "attempt": self.attempt},
        )
        self.set(state="running", failure=None, ended_us=None)

    def apply_end(self, fields: Mapping[str, Any], now_us: int) -> None:
        """End the run: fields state, failure."""
        self._close_attempt(fields["state"], fields["failure"], now_us)
        self.set(state=fields["state"], failure=fields["failure"], ended_us=now_us)

    def restore(self, row: Mapping[str, Any]) -> None:
        """Set what is known of the run in a store that does not know it; its metrics are gone from the summary."""
        self.definitions = Definitions.from_plain(row["definitions"] or ())
        self.set(**{**row, "summary": dict(row["summary_set"] or {})})
        self._write_tags()

    def set(self, **values: Any) -> None:
        """Set columns of the run's row, written by the next `save`."""
        self.row.update(values)
        self._dirty.update(values)

    def summarise(self, columns: Iterable[ColumnState], *, anew: bool = False) -> None:
        """Bring the summary up to the new values of some history columns, or make it anew from all of them."""
        explicit: dict[str, Any] = self.row["summary_set"] or {}
        entries: dict[str, Any] = {}
        for column in columns:
            if column.key not in ("_step", "_time") and column.stats.count:
                entries.update(self.definitions.summarise(column.key, column.stats))
        entries = {key: value for key, value in entries.items() if key not in explicit}
        if anew:
            self.set(summary={**entries, **explicit})
        elif entries:
            self.set(summary={**(self.row["summary"] or {}), **entries})

    def save(self, *, final: bool = False) -> None:
        """Write what has changed."""
        if not self._dirty and not final:
            return
        assignments = ", ".join(f"{name} = :{name}" for name in sorted(self._dirty))
        self.database.execute(
            f"UPDATE runs SET updated_us = :now{', ' if assignments else ''}{assignments} WHERE id = :id",
            {
                "id": self.run_id,
                "now": time.time_ns() // 1000,
                **{
                    name: encode(self.row[name]) if name in _PACKED and self.row[name] is not None else self.row[name]
                    for name in self._dirty
                },
            },
        )
        if "config" in self._dirty:
            self._write_values("config")
        now_s = time.monotonic()
        if final or ("summary" in self._dirty and now_s - self._summary_written_s > _VALUES_INTERVAL_S):
            self._write_values("summary")
            self._summary_written_s = now_s
        self._dirty = set()

    def _write_values(self, scope: str) -> None:
        run = {"run_id": self.run_id, "scope": scope}
        values = flatten_values(self.row[scope] or {})
        known = {
            key
            for (key,) in self.database.query(
                "SELECT key FROM run_values WHERE run_id = :run_id AND scope = :scope", run
            )
        }
        self.database.execute_many(
            "DELETE FROM run_values WHERE run_id = :run_id AND scope = :scope AND key = :key",
            [{**run, "key": key} for key in known - set(values)],
        )
        self.database.execute_many(
            "INSERT INTO run_values (run_id, scope, key, number, text) VALUES (:run_id, :scope, :key, :number, :text) "
            "ON CONFLICT (run_id, scope, key) DO UPDATE SET number = excluded.number, text = excluded.text",
            [{**run, "key": key, "number": number, "text": text} for key, (number, text) in values.items()],
        )

    def _write_tags(self) -> None:
        tags = self.row["tags"] or ()
        self.database.execute("DELETE FROM run_tags WHERE run_id = :run_id", {"run_id": self.run_id})
        self.database.execute_many(
            "INSERT INTO run_tags (run_id, tag) VALUES (:run_id, :tag) ON CONFLICT (run_id, tag) DO NOTHING",
            [{"run_id": self.run_id, "tag": index_name(tag)} for tag in tags],
        )


def flatten_values(values: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[float | None, str | None]]:
    """Return rows for `run_values`: nested keys joined with dots, numbers as numbers, all else as text.

    NaN becomes the text "nan", since SQLite would store it as NULL.
    """
    flat: dict[str, tuple[float | None, str | None]] = {}
    for key, value in values.items():
        number: object = value
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat.update(flatten_values(cast("dict[str, Any]", value), f"{name}."))
            continue
        # No comparison with NaN is true.
        if isinstance(number, (int, float)) and -_LARGEST <= number <= _LARGEST:
            flat[index_name(name)] = (float(number), None)
        elif number is not None:
            flat[index_name(name)] = (None, str(number)[:1000].replace("\0", NUL))
    return flat
