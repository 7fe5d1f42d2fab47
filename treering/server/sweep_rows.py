"""Sweeps and trials as answers show them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from treering.server import sweep_shapes as shapes
from treering.server.wire import clean, plain
from treering.sweeps.axes import Axes
from treering.sweeps.distributions import Categorical, Continuous
from treering.sweeps.stopping import was_wrong
from treering.sweeps.store import ACTIONS
from treering.sweeps.trials import now_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.server.sweep_book import Look
    from treering.sweeps.findings import Told
    from treering.sweeps.records import Agent, Trial
    from treering.sweeps.space import Space

__all__ = ["agent_rows", "axis_rows", "finding_rows", "sweep_detail", "sweep_row", "trial_row"]


def finding_rows(found: Sequence[Told]) -> list[shapes.FindingRow]:
    """Return what is to be said about a text."""
    return [shapes.FindingRow(**plain(one._asdict())) for one in found]


def axis_rows(space: Space) -> list[shapes.AxisRow]:
    """Return the parameters that vary."""
    axes = Axes(space)
    rows: list[shapes.AxisRow] = []
    for one in space.varying:
        axis, found = axes.named[one.name], one.distribution
        ends: tuple[float | None, float | None] = (None, None)
        kind, word = axis.kind, "int_uniform"
        if isinstance(found, Continuous):
            word = found.kind if found.q is None else f"q_{found.kind}"
            kind = "float"
            ends = {"beta": (0.0, 1.0), "uniform": (found.a, found.b), "log": (found.a, found.b)}.get(found.kind, ends)
        elif axis.kind != "choice":
            ends = (axis.low, axis.high)
        rows.append(
            shapes.AxisRow(
                name=clean(one.name),
                kind=kind,
                distribution="categorical" if axis.kind == "choice" else word,
                log=axis.log or word.endswith("log_normal"),
                low=ends[0],
                high=ends[1],
                values=[plain(value) for value in found.values] if isinstance(found, Categorical) else None,
            )
        )
    return rows


def sweep_row(look: Look, best: Sequence[int]) -> shapes.SweepRow:
    """Return a sweep as a list shows it.

    Args:
        look: at the sweep.
        best: numbers of the trials that none is better than.
    """
    sweep, config = look.sweep, look.config
    number = best[0] if best and len(config.metrics) == 1 else None
    trial = next((one for one in look.trials if one.number == number), None)
    return shapes.SweepRow.model_validate(
        {
            "id": sweep.id,
            "project": clean(sweep.project),
            "name": clean(sweep.name),
            "description": None if config.description is None else clean(config.description),
            "state": sweep.state,
            "reason": clean(sweep.reason),
            "method": config.method,
            "metrics": [
                {"name": clean(one.name), "goal": one.goal, "target": plain(one.target)} for one in config.metrics
            ],
            "run_cap": config.run_cap,
            "created_us": sweep.created_us,
            "revision": sweep.revision,
            "trials": sweep.created,
            "states": dict(Counter(one.state for one in look.trials)),
            "best": plain(trial.values[0]) if trial is not None and trial.values else None,
            "best_trial": number,
            "best_run": None if trial is None else trial.run_id,
            "actions": [action for action, (before, _) in ACTIONS.items() if sweep.state in before],
        }
    )


def sweep_detail(look: Look, best: Sequence[int], agents: list[shapes.AgentRow]) -> shapes.SweepDetail:
    """Return all of a sweep but its trials."""
    config, source = look.config, look.sweep.source
    if source is None:
        source = yaml.safe_dump(plain(look.sweep.config), sort_keys=False, allow_unicode=True)
    return shapes.SweepDetail(
        **sweep_row(look, best).model_dump(),
        source=clean(source),
        config=plain(look.sweep.config),
        warnings=finding_rows(config.told),
        axes=axis_rows(config.space),
        early_stop=None if config.early_stop is None else plain(look.sweep.config.get("early_terminate")),
        agents=agents,
    )


def agent_rows(look: Look, leases: Sequence[tuple[int, int, Agent]]) -> list[shapes.AgentRow]:
    """Return who works or worked on a sweep.

    Args:
        look: at the sweep.
        leases: (number, end of the lease, agent) of each trial that anybody had.
    """
    states = {trial.number: trial.state for trial in look.trials}
    rows: dict[str, shapes.AgentRow] = {}
    for number, until_us, one in leases:
        row = rows.setdefault(
            one.id,
            shapes.AgentRow(
                id=one.id,
                host=clean(one.host),
                pid=one.pid,
                lease_s=one.lease_s,
                trials=0,
                trial=None,
                lease_until_us=None,
                alive=False,
            ),
        )
        row.trials += 1
        if states.get(number) == "running":
            row.trial, row.lease_until_us, row.alive = number, until_us, until_us > now_us()
    return list(rows.values())


def trial_row(look: Look, trial: Trial, *, curve: bool) -> shapes.TrialRow:
    """Return a trial as answers show it."""
    wrong = None
    if trial.audited and look.config.early_stop and look.config.metric:
        wrong = was_wrong(look.config.early_stop, look.config.metric.sign, trial, look.trials)
    found: dict[str, Any] = {name: getattr(trial, name) for name in _AS_THEY_ARE}
    told = trial.prediction
    prediction = None if told is None else {**plain(msgspec.structs.asdict(told)), "wrong": wrong}
    return shapes.TrialRow.model_validate(
        {
            **found,
            "point": plain(trial.point),
            "params": plain(trial.params),
            "values": plain(trial.values),
            "constraints": plain(trial.constraints),
            "last": plain(trial.curve[-1][1]) if trial.curve else None,
            "failure": None if trial.failure is None else clean(trial.failure),
            "prediction": prediction,
            "curve": [(count, plain(value)) for count, value in trial.curve] if curve else None,
        }
    )


_AS_THEY_ARE = (
    *("number", "state", "run_id", "attempt", "agent", "origin", "created_us", "started_us", "ended_us", "order"),
    *("count", "audited", "deaths", "revision"),
)
