"""Bringing a run's own rows (`runs`, `attempts`) to what its document says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from treering._readers import Refused
from treering._readers import run_id as read_run_id
from treering.errors import UsageError
from treering.metrics import Definitions
from treering.store.runs import ENDED
from treering.store.superseded import restate
from treering.store.values import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treering.online.delivery import AttemptPart, RunDocument
    from treering.store.database import Database
    from treering.store.history import HistoryWriter
    from treering.store.runs import RunWriter

__all__ = ["GIVEN_HERE_TOO", "OtherRun", "apply_document", "check_document", "check_id", "give_back"]

_STATES = ENDED | {"running"}
_LONGEST = 1000
_LAST_US = 253_402_300_799_000_000  # the year 9999, beyond which no calendar of Python's goes
#: What people change in a dashboard while the run's writer goes on.
GIVEN_HERE_TOO = ("name", "notes", "tags", "group_name")
_PLAIN = ("name", "notes", "tags", "group_name", "job_type")
_ATTEMPT = ("state", "started_us", "ended_us", "from_step", "first_row", "dropped_rows")
_PACKED = ("failure", "config_changes", "process")


class OtherRun(UsageError):  # noqa: N818  # says what is wrong
    """There is another run of this id."""


def check_id(run_id: str) -> str:
    """Return an id that can be one.

    Raises:
        UsageError: it cannot.
    """
    try:
        return read_run_id(run_id)
    except Refused as refusal:
        raise UsageError(
            f"{run_id[:140]!r} cannot be the id of a run; it takes up to 128 letters, digits, '-', '_' and '.'. "
            f"{refusal}"
        ) from None


def check_document(document: RunDocument) -> None:
    """Refuse what would be stored and could not be read.

    Raises:
        UsageError: the text names the field.
    """
    for name in ("project", "name", "group_name", "job_type", "parent_id", "resume_key", "sweep"):
        text = getattr(document, name)
        if text is not None and (len(text) > _LONGEST or (name in {"project", "name"} and not text)):
            raise UsageError(f"{name} has {len(text)} characters; it takes 1 to {_LONGEST}")
    if document.state not in _STATES:
        raise UsageError(f"state {document.state[:40]!r} is none; it takes {', '.join(sorted(_STATES))}")
    if not document.attempts or document.attempts[-1].attempt != document.attempt:
        raise UsageError("the last one of `attempts` is not `attempt`")
    times = [document.created_us, document.ended_us or 0]
    for part in document.attempts:
        times += [part.started_us, part.ended_us or 0]
        if not 1 <= part.attempt < 2**31 or not 0 <= part.first_row < 2**62 or not 0 <= part.dropped_rows < 2**62:
            raise UsageError(f"attempt {part.attempt} has numbers that no attempt has")
        _check_int64("from_step", part.from_step)
    if not all(0 <= time_us <= _LAST_US for time_us in times):
        raise UsageError("a time lies before 1970 or after 9999; times are microseconds since 1970")
    for name in ("next_step", "parent_step", "version"):
        _check_int64(name, getattr(document, name))
    try:
        Definitions.from_plain(document.definitions)
    except msgspec.ValidationError as error:
        raise UsageError(f"definitions: {error}") from None


def _check_int64(name: str, value: int | None) -> None:
    if value is not None and not -(2**63) <= value < 2**63:
        raise UsageError(f"{name} is {value}; it takes an integer of 64 bits")


def apply_document(
    run: RunWriter,
    history: HistoryWriter,
    document: RunDocument,
    *,
    stale: bool,
    said: Mapping[str, Any] | None = None,
) -> None:
    """Write what a checked document says; inside a transaction.

    Args:
        run: loaded.
        history: loaded.
        document: newer than the one before.
        stale: the statistics count rows that are superseded.
        said: what the document before gave of `GIVEN_HERE_TOO`; what the writer has not changed since stays as
            somebody may have set it here.

    Raises:
        OtherRun: another run has this id.
    """
    database = run.database
    if not run.exists:
        _insert(database, run.run_id, document)
        run.load()
    stale |= _write_attempts(database, run.run_id, document)
    changed = {name: getattr(document, name) for name in _PLAIN if run.row[name] != getattr(document, name)}
    if document.tags == list(run.row["tags"] or ()):
        changed.pop("tags", None)
    for name in GIVEN_HERE_TOO:
        if said and said.get(name) == getattr(document, name):
            changed.pop(name, None)
    run.apply_set(changed, 0)
    _set(run, config=document.config or None, summary_set=document.summary_set or None, failure=document.failure)
    _set(run, attempt=document.attempt, next_step=document.next_step, definitions=document.definitions or None)
    if document.capture is not None:
        _set(run, capture=document.capture)
    ended = document.complete and document.state in ENDED
    shown = document.state if document.complete or document.state not in ENDED else "running"
    _set(run, state=shown, ended_us=document.ended_us if document.complete else None)
    run.definitions = Definitions.from_plain(document.definitions)
    if stale:
        restate(database, history, run.run_id)
    run.summarise([column for (stream, _), column in history.columns.items() if stream == "history"], anew=True)
    if ended:
        history.compact()
    run.save(final=True)


def _set(run: RunWriter, **values: Any) -> None:
    """Set what differs; what is equal need not be written again."""
    run.set(**{name: value for name, value in values.items() if encode(run.row[name]) != encode(value)})


def _insert(database: Database, run_id: str, document: RunDocument) -> None:
    database.execute(
        "INSERT INTO runs (id, project, name, state, created_us, updated_us, attempt, parent_id, parent_step, "
        "resume_key, sweep) VALUES (:id, :project, :name, 'running', :created_us, :created_us, :attempt, :parent_id, "
        ":parent_step, :resume_key, :sweep)",
        {
            "id": run_id,
            **{
                name: getattr(document, name)
                for name in (
                    "project",
                    "name",
                    "created_us",
                    "attempt",
                    "parent_id",
                    "parent_step",
                    "resume_key",
                    "sweep",
                )
            },
        },
    )


def _write_attempts(database: Database, run_id: str, document: RunDocument) -> bool:
    """Write the attempts; returns whether they supersede rows otherwise than before."""
    names = (*_ATTEMPT, *_PACKED)
    found = {
        number: values
        for number, *values in database.query(
            f"SELECT attempt, {', '.join(names)} FROM attempts WHERE run_id = :id", {"id": run_id}
        )
    }
    ((created_us,),) = database.query("SELECT created_us FROM runs WHERE id = :id", {"id": run_id})
    cuts = False
    for part in document.attempts:
        before = dict(zip(names, found.get(part.attempt, ()), strict=False))
        if created_us != document.created_us or (before and before["started_us"] != part.started_us):
            raise OtherRun(
                f"there is another run {run_id!r} here, or it was gone on with elsewhere: their attempt {part.attempt} "
                "began at another time. Nothing of this one is taken; give it an id of its own"
            )
        values = _values(part)
        if values != before:
            _write_attempt(database, run_id, part.attempt, values)
        cuts |= part.attempt > 1 and any(before.get(name) != values[name] for name in ("from_step", "first_row"))
    return cuts


def _values(part: AttemptPart) -> dict[str, Any]:
    packed = {name: None if (value := getattr(part, name)) is None else encode(value) for name in _PACKED}
    return {**{name: getattr(part, name) for name in _ATTEMPT}, **packed}


def _write_attempt(database: Database, run_id: str, number: int, values: dict[str, Any]) -> None:
    columns = ", ".join(values)
    database.execute(
        f"INSERT INTO attempts (run_id, attempt, {columns}) VALUES (:run_id, :attempt, "
        f"{', '.join(f':{name}' for name in values)}) ON CONFLICT (run_id, attempt) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in values)}",
        {"run_id": run_id, "attempt": number, **values},
    )


def give_back(run: RunWriter) -> None:
    """Let a run that was given up go on: its writer has been heard of again."""
    run.set(state="running", failure=None, ended_us=None)
    run.database.execute(
        "UPDATE attempts SET state = 'running', failure = NULL, ended_us = NULL "
        "WHERE run_id = :id AND attempt = :attempt",
        {"id": run.run_id, "attempt": run.attempt},
    )
    run.save()
