"""One recorded run."""

from __future__ import annotations

import time
from bisect import bisect_right
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast, overload

from treering._notice import warn
from treering.api._records import Attempt, ConsoleLine, ConsoleLog, DroppedVersion, Event, Metric, moment
from treering.errors import NotFound, TreeringError
from treering.metrics import Definitions
from treering.store.values import Carried, decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from treering.api._series import History, Series
    from treering.api._sources import Source
    from treering.artifacts import Artifact
    from treering.store.read_columns import Damage
    from treering.store.reader import RunReader

__all__ = ["PLAIN_COLUMNS", "ApiRun", "Batch", "console_line"]

#: Columns of `runs` that every `ApiRun` holds from the start.
PLAIN_COLUMNS = (
    *("id", "project", "name", "state", "created_us", "updated_us", "ended_us", "attempt", "group_name", "job_type"),
    *("notes", "parent_id", "parent_step", "tags"),
)
_PLAIN = frozenset({float, int, str, bool, type(None)})

When = float | datetime | date | str


class Batch:
    """Loads a larger column of `runs` for all runs of one listing with the first that asks.

    Args:
        source: where they are.
        ids: of the runs.
    """

    def __init__(self, source: Source, ids: Sequence[str]) -> None:
        self.source = source
        self._ids = ids
        self._loaded: dict[str, dict[str, bytes | None]] = {}

    def get(self, column: str, run_id: str) -> Any:
        """Return a column's decoded value for one run."""
        if column not in self._loaded:
            self._loaded[column] = dict(self._load(column))
        data = self._loaded[column].get(run_id)
        return None if data is None else decode(data)

    def _load(self, column: str) -> list[tuple[Any, ...]]:
        return self.source.rows(("id", column), self._ids)


class ApiRun:
    """A recorded run, as it was when it was listed; `reload` brings it up to date.

    What is logged is read from the store at each call, so a run that goes on shows its newest rows.

    Attributes:
        id: unique in its store.
        name: for people.
        project: that it belongs to.
        state: running, finished, failed, interrupted, preempted or lost.
        group: of runs that belong together, or None.
        job_type: such as "train", or None.
        notes: or None.
        tags: in the order in which they were given.
        attempt: number of its newest attempt.
        parent_id: run that it was forked from, or None.
        parent_step: step of that fork.
    """

    id: str
    project: str
    name: str
    state: str
    attempt: int
    group: str | None
    job_type: str | None
    notes: str | None
    parent_id: str | None
    parent_step: int | None
    tags: tuple[str, ...]

    def __init__(self, row: Sequence[Any], batch: Batch) -> None:
        self._batch = batch
        self._set(row)

    def _set(self, row: Sequence[Any]) -> None:
        self.id, self.project, self.name, self.state = row[:4]
        self._created_us, self._updated_us, self._ended_us = row[4:7]
        self.attempt, self.group, self.job_type, self.notes, self.parent_id, self.parent_step = row[7:13]
        self.tags = tuple(decode(row[13])) if row[13] else ()

    def reload(self) -> ApiRun:
        """Read everything anew and return this run.

        Raises:
            NotFound: it has been deleted.
        """
        self.source.refresh(self.id)
        rows = self.source.rows(PLAIN_COLUMNS, [self.id])
        if not rows:
            raise NotFound(f"run {self.id} is no longer in the store")
        self._batch = Batch(self.source, [self.id])
        self._set(rows[0])
        return self

    @property
    def source(self) -> Source:
        """Where it is stored."""
        return self._batch.source

    @property
    def reader(self) -> RunReader:
        """Reads its streams."""
        return self.source.reader(self.id)

    # Its own properties

    @property
    def created(self) -> datetime:
        """When it first started, in UTC."""
        return moment(self._created_us)

    @property
    def ended(self) -> datetime | None:
        """When it ended, in UTC; None while it runs, and where nobody saw its end."""
        return None if self._ended_us is None else moment(self._ended_us)

    @property
    def updated(self) -> datetime:
        """When it last wrote to the store, in UTC."""
        return moment(self._updated_us)

    @property
    def duration(self) -> float:
        """Seconds from its start to its end, to now while it runs, or to its last sign of life."""
        end: int = self._ended_us or (time.time_ns() // 1000 if self.state == "running" else self._updated_us)
        microseconds: int = max(end - self._created_us, 0)
        return microseconds / 1e6

    @property
    def is_running(self) -> bool:
        """Whether it had not ended when it was listed."""
        return self.state == "running"

    @property
    def config(self) -> dict[str, Any]:
        """Its configuration, nested as it was given."""
        return self._batch.get("config", self.id) or {}

    @property
    def summary(self) -> dict[str, Any]:
        """Last values of its metrics, by the rules of `define_metric`, and what was set by hand."""
        summary: dict[str, Any] = self._batch.get("summary", self.id) or {}
        if _PLAIN.issuperset(map(type, summary.values())):
            return summary
        return {key: self._revived(value) for key, value in summary.items()}

    @property
    def failure(self) -> dict[str, Any] | None:
        """Why it failed: type, message, traceback and step; None when it did not."""
        failure: dict[str, Any] | None = self._batch.get("failure", self.id)
        return failure

    @property
    def capture(self) -> dict[str, Any]:
        """What was recorded around it: environment, git, source."""
        # Too large (a diff, a package list) to be loaded for a whole listing.
        self.source.refresh(self.id)
        return Batch(self.source, [self.id]).get("capture", self.id) or {}

    @property
    def attempts(self) -> list[Attempt]:
        """Its attempts, the first one first."""
        self.source.refresh(self.id)
        rows = self.source.database.query(
            "SELECT attempt, state, started_us, ended_us, from_step, first_row, failure, config_changes, process, "
            "dropped_rows FROM attempts WHERE run_id = :id ORDER BY attempt",
            {"id": self.id},
        )
        return [
            Attempt(
                number,
                state,
                moment(started),
                None if ended is None else moment(ended),
                from_step,
                first_row,
                _decoded(failure),
                _decoded(config_changes),
                _decoded(process),
                dropped,
            )
            for number, state, started, ended, from_step, first_row, failure, config_changes, process, dropped in rows
        ]

    # What it logged

    @property
    def metrics(self) -> dict[str, Metric]:
        """What is known of each metric, in the order in which they first came."""
        return self._metrics("history")

    def keys(self) -> list[str]:
        """Return the names of its metrics."""
        return list(self.metrics)

    def _metrics(self, stream: str) -> dict[str, Metric]:
        definitions = Definitions.from_plain(self._batch.get("definitions", self.id) or ())
        found: dict[str, Metric] = {}
        for key, info in self.reader.columns(stream).items():
            if key in {"_step", "_time"}:
                continue
            stats, said = info.stats, definitions.find(key) if stream == "history" else None
            found[key] = Metric(
                key,
                info.kind,
                info.value_count,
                self._revived(stats.first),
                self._revived(stats.last),
                stats.min,
                stats.max,
                stats.mean,
                stats.nan,
                said.x if said else None,
                said.summary if said else (),
                said.goal if said else None,
                bool(said and said.hidden),
            )
        return found

    @overload
    def history(
        self,
        keys: str,
        x: str = "_step",
        *,
        start: When | None = None,
        stop: When | None = None,
        samples: int | None = None,
        superseded: bool = False,
    ) -> Series: ...

    @overload
    def history(
        self,
        keys: list[str] | tuple[str, ...] | None = None,
        x: str = "_step",
        *,
        start: When | None = None,
        stop: When | None = None,
        samples: int | None = None,
        superseded: bool = False,
    ) -> History: ...

    def history(
        self,
        keys: str | list[str] | tuple[str, ...] | None = None,
        x: str = "_step",
        *,
        start: When | None = None,
        stop: When | None = None,
        samples: int | None = None,
        superseded: bool = False,
    ) -> Series | History:
        """Read one metric as a `Series`, or several (None: all) as a `History`.

        Args:
            keys: one name, or a list of names.
            x: the x axis: "_step", "_time", "_runtime" (seconds since the start), "_row", or a metric: its value in
                the same row, else its last one before. Points from before its first value are left out and counted in
                `without_x`.
            start: leave out points before this place on the x axis; for "_time" a datetime or an ISO text (local
                time unless it says otherwise).
            stop: leave out points at or after this place.
            samples: at most this many points of each metric, chosen so that no smallest or largest value, no NaN and
                neither end is lost. The rows of a `History` are those chosen for any of its metrics.
            superseded: also show what a later attempt replaced.

        Raises:
            NotFound: no such metric; the text names similar ones.

        Warns:
            TreeringWarning: parts are damaged; the rest is returned, and `damage` lists them.
        """
        options = {"start": start, "stop": stop, "samples": samples, "superseded": superseded}
        if isinstance(keys, str):
            return self._series("history", keys, x, options)
        return self._history("history", self.keys() if keys is None else list(keys), x, options)

    @overload
    def system(
        self,
        keys: str,
        x: str = "_time",
        *,
        start: When | None = None,
        stop: When | None = None,
        samples: int | None = None,
    ) -> Series: ...

    @overload
    def system(
        self,
        keys: list[str] | tuple[str, ...] | None = None,
        x: str = "_time",
        *,
        start: When | None = None,
        stop: When | None = None,
        samples: int | None = None,
    ) -> History: ...

    def system(
        self,
        keys: str | list[str] | tuple[str, ...] | None = None,
        x: str = "_time",
        *,
        start: When | None = None,
        stop: When | None = None,
        samples: int | None = None,
    ) -> Series | History:
        """Read what the machine did (CPU, memory, disk, network, GPUs), with the arguments of `history`."""
        options = {"start": start, "stop": stop, "samples": samples, "superseded": False}
        if isinstance(keys, str):
            return self._series("system", keys, x, options)
        return self._history("system", list(self._metrics("system")) if keys is None else list(keys), x, options)

    def _series(self, stream: str, key: str, x: str, options: Mapping[str, Any]) -> Series:
        from treering.api._reading import read_series

        series = read_series(self.reader, stream, key, x, options, self._revived)
        _warn_of_damage(series.damage)
        return series

    def _history(self, stream: str, keys: list[str], x: str, options: Mapping[str, Any]) -> History:
        from treering.api._reading import read_history

        history = read_history(self.reader, stream, keys, x, options, self._revived)
        _warn_of_damage(history.damage)
        return history

    def scan_history(self, keys: Sequence[str] | None = None, *, superseded: bool = False) -> Iterator[dict[str, Any]]:
        """Yield every logged row in order as a dict with `_step`, `_time` (a datetime in UTC) and its metrics.

        Reads piece by piece, so a run of any length fits into memory.

        Args:
            keys: leave out other metrics, and rows with none of these.
            superseded: also show what a later attempt replaced.
        """
        wanted = None if keys is None else {*keys}
        columns = None if keys is None else [*keys, "_step", "_time"]
        damage: list[Damage] = []
        for _, row in self.reader.scan("history", columns, superseded=superseded, damage=damage):
            if wanted is None or not wanted.isdisjoint(row):
                yield {key: self._revived(value) for key, value in _timed(row).items()}
        _warn_of_damage([item.message for item in damage])

    def media(self, key: str) -> list[tuple[int, Any]]:
        """Return what was logged under `key` (images, tables, histograms ...) as (step, object) pairs.

        Raises:
            NotFound: nothing was logged under that name.
        """
        series = self.history(key)
        return list(zip(series.x.tolist(), series.values.tolist(), strict=True))

    def console(self, tail: int | None = None) -> ConsoleLog:
        """Return what it printed, as a terminal would have shown it at last.

        Args:
            tail: only this many of the last lines.
        """
        newest: dict[tuple[int, int], dict[str, Any]] = {}
        damage: list[Damage] = []
        sessions = self.console_sessions()
        for number, row in self.reader.scan("console", damage=damage):
            newest[bisect_right(sessions, row.get("_time", 0)), row.get("line", number)] = row
        _warn_of_damage([item.message for item in damage])
        places = sorted(newest)
        shown = range(len(places) if tail is None else min(tail, len(places)))
        start = len(places) - len(shown)
        return ConsoleLog(console_line(start + at, newest[places[start + at]]) for at in shown)

    def console_sessions(self) -> list[int]:
        """Return when (microseconds) each later process of this run started, whose lines count from 0 again."""
        attempts = self.attempts
        return [
            round(attempt.started.timestamp() * 1e6)
            for before, attempt in pairwise(attempts)
            if before.state != "rewound"
        ]

    def events(self) -> list[Event]:
        """Return what happened to it, in order: alerts, logged events, treering's own notes."""
        events: list[Event] = []
        damage: list[Damage] = []
        for _, row in self.reader.scan("events", damage=damage):
            known = {name: row.pop(name, None) for name in ("kind", "message", "level", "_step", "_time")}
            events.append(
                Event(
                    str(known["kind"] or ""),
                    str(known["message"] or ""),
                    str(known["level"] or "info"),
                    known["_step"],
                    moment(known["_time"] or 0),
                    {key: self._revived(value) for key, value in row.items()},
                )
            )
        _warn_of_damage([item.message for item in damage])
        return events

    # What it kept

    def versions(self) -> list[Artifact]:
        """Return the versions of files and folders that it made, the oldest first."""
        from treering.api._versions import versions_of

        return versions_of(self.source, "run_id = :value", self.id)

    def dropped_versions(self) -> list[DroppedVersion]:
        """Return what the versions were that it made and that a rule or their expiry has taken, the oldest first."""
        from treering.api._versions import dropped_of

        return dropped_of(self.source, "run_id = :value", self.id)

    def used_versions(self) -> list[Artifact]:
        """Return the versions that it used, the oldest first."""
        from treering.api._versions import versions_of

        return versions_of(self.source, "id IN (SELECT version_id FROM version_uses WHERE run_id = :value)", self.id)

    def files(self) -> dict[str, int]:
        """Return the files of its newest versions as `name:path` with their sizes in bytes."""
        newest = {version.name: version for version in self.versions()}
        return {f"{version.name}:{one.path}": one.size for version in newest.values() for one in version.files()}

    def check(self) -> list[Damage]:
        """Check every stored byte of its streams and return what is damaged."""
        return [item for stream in ("history", "system", "console", "events") for item in self.reader.damage(stream)]

    def _revived(self, value: Any) -> Any:
        """Turn a stored media reference back into the object that was logged."""
        if not isinstance(value, (Carried, list, dict)):
            return value
        from treering.media import load_all

        stored = cast("Any", value)
        try:
            return load_all(stored, self.source.blobs_of(self.id))
        except TreeringError:
            return stored  # a kind of a newer treering, or bytes that are gone: what it says is still of use

    def _repr_html_(self) -> str:
        from treering.notebook.cards import run_card

        return run_card(self)

    def __repr__(self) -> str:
        return f"ApiRun({self.project}/{self.id} {self.name!r}, {self.state})"


def console_line(number: int, row: Mapping[str, Any]) -> ConsoleLine:
    """Return a row of the console's stream as a line."""
    return ConsoleLine(number, str(row.get("text", "")), str(row.get("source", "stdout")), moment(row.get("_time", 0)))


def _decoded(data: bytes | None) -> Any:
    return None if data is None else decode(data)


def _warn_of_damage(damage: Sequence[str]) -> None:
    if damage:
        more = len(damage) - 1
        warn(damage[0] + (f" (and {more} more such places, see .damage)" if more else ""))


def _timed(row: dict[str, Any]) -> dict[str, Any]:
    if "_time" in row:
        row["_time"] = moment(row["_time"])
    return row
