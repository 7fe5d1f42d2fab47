"""Alerts: what was raised, the rules that raise it, and who is told."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from treering.alerts import Alert, Ledger, open_ledger
from treering.alerts.sending import SendError, send
from treering.server.refusals import Refusal
from treering.server.routes_runs import Open
from treering.server.wire import clean

__all__ = ["router"]

router = APIRouter(tags=["alerts"])

_Name = Annotated[str, Field(max_length=128)]
_Id = Annotated[str, Path(max_length=64)]


class AlertRow(BaseModel):
    """Something that people are told; `waiting` names who has not got it yet."""

    id: int
    time_us: int
    project: str
    run_id: str
    rule_id: str | None
    level: str
    title: str
    text: str
    waiting: list[str]
    tries: int
    trouble: str | None


class AlertsPage(BaseModel):
    """Alerts, the newest first; `next` is the `before` of the next page."""

    alerts: list[AlertRow]
    next: int | None


class NewRule(BaseModel):
    """What a user wants to be told of; no targets means all of them."""

    condition: Annotated[str, Field(max_length=1000, examples=["val/loss > 5", "no progress for 30m"])]
    project: _Name | None = None
    targets: Annotated[list[_Name], Field(max_length=100)] = []


class RuleRow(BaseModel):
    """A rule."""

    id: str
    condition: str
    project: str | None
    targets: list[str]
    created_us: int


class TargetRow(BaseModel):
    """Who is told; where that is, is a secret of the server's."""

    name: str
    kind: Literal["webhook", "e-mail"]
    shown: str
    level: str
    code: bool


class Tried(BaseModel):
    """How sending a word of trial went; `trouble` is None when it arrived."""

    trouble: str | None


@router.get("/alerts")
def alerts(
    library: Open,
    project: Annotated[str | None, Query(max_length=128)] = None,
    before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AlertsPage:
    """List what was raised."""
    found = Ledger(library.sources[0].database).alerts(project, limit + 1, before)
    shown = found[:limit]
    return AlertsPage(alerts=[_row(one) for one in shown], next=shown[-1].id if len(found) > limit else None)


def _row(alert: Alert) -> AlertRow:
    return AlertRow(
        id=alert.id,
        time_us=alert.time_us,
        project=clean(alert.project),
        run_id=clean(alert.run_id),
        rule_id=alert.rule_id or None,
        level=alert.level,
        title=clean(alert.title),
        text=clean(alert.text),
        waiting=list(alert.waiting or ()),
        tries=alert.tries,
        trouble=alert.trouble,
    )


@router.get("/alert-rules")
def rules(library: Open) -> list[RuleRow]:
    """List the rules, the oldest first."""
    found = Ledger(library.sources[0].database).rules()
    return [
        RuleRow(
            id=rule.id,
            condition=rule.condition,
            project=clean(rule.project) or None,
            targets=list(rule.targets),
            created_us=rule.created_us,
        )
        for rule in found
    ]


@router.post("/alert-rules", status_code=201)
def add_rule(request: Request, library: Open, rule: NewRule) -> RuleRow:
    """Keep a rule from now on."""
    targets = request.app.state.alert_targets()
    for name in rule.targets:
        targets[name]  # a rule for somebody whom nobody knows would never be heard
    with open_ledger(library.sources[0]) as ledger:
        kept = ledger.add_rule(rule.condition, rule.project or "", rule.targets)
    return RuleRow(
        id=kept.id,
        condition=kept.condition,
        project=kept.project or None,
        targets=list(kept.targets),
        created_us=kept.created_us,
    )


@router.delete("/alert-rules/{rule_id}", status_code=204)
def remove_rule(library: Open, rule_id: _Id) -> None:
    """Forget a rule."""
    with open_ledger(library.sources[0]) as ledger:
        ledger.remove_rule(rule_id)


@router.get("/alert-targets")
def targets(request: Request) -> list[TargetRow]:
    """List who is told, as the server's file of targets says."""
    return [
        TargetRow(name=one.name, kind=one.kind, shown=one.shown, level=one.level, code=one.code)
        for one in request.app.state.alert_targets()
    ]


@router.post("/alert-targets/{name}/test")
def try_target(request: Request, name: _Id) -> Tried:
    """Send a target a word of trial now."""
    known = request.app.state.alert_targets()
    target = known[name]
    if not request.app.state.alert_tries.acquire(blocking=False):
        raise Refusal(429, "busy", "another target is being tried; wait a moment")
    try:
        send(Alert.trial(), "a trial", target, known)
    except SendError as error:
        return Tried(trouble=str(error))
    finally:
        request.app.state.alert_tries.release()
    return Tried(trouble=None)
