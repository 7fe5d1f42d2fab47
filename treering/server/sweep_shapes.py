"""What requests and answers about sweeps look like; see `shapes`.

Fields of type `Any` hold values as `wire.plain` gives them, so also a metric's NaN.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from treering.server.shapes import ErrorAnswer

__all__ = [
    "Action",
    "AgentRow",
    "Audit",
    "AxisRow",
    "Checked",
    "CorrelationRow",
    "FindingRow",
    "Importance",
    "MetricGoal",
    "NewSweep",
    "PredictionRow",
    "ShareRow",
    "SweepDetail",
    "SweepRow",
    "SweepText",
    "SweepsPage",
    "TrialRow",
    "TrialsPage",
    "WrongSweep",
]

_Text = Annotated[str, Field(max_length=200_000, description="YAML, or JSON", examples=["method: random"])]
_Name = Annotated[str, Field(min_length=1, max_length=128)]


class FindingRow(BaseModel):
    """What is wrong, or looks wrong, in a sweep's text."""

    line: int = Field(description="from 1; 0 where it is about the whole")
    column: int
    path: str = Field(description="of the key, with dots")
    message: str
    fix: str = Field(description="what to do; empty where the message says it")


class WrongSweep(ErrorAnswer):
    """A text that is no sweep."""

    findings: list[FindingRow] = Field(default_factory=list[FindingRow])


class SweepText(BaseModel):
    """A sweep as its user writes it."""

    model_config = ConfigDict(extra="forbid")

    source: _Text


class NewSweep(SweepText):
    """A sweep to be made."""

    project: _Name | None = Field(default=None, description="of its runs; default the text's own")


class Action(BaseModel):
    """What to do with a sweep."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["pause", "resume", "stop", "cancel"]


class AxisRow(BaseModel):
    """A parameter that varies."""

    name: str = Field(description="nested ones with a slash, as in a trial's point")
    kind: Literal["choice", "int", "float"]
    distribution: str
    log: bool
    low: float | None = Field(description="None for a choice, and where there is no end")
    high: float | None
    values: list[Any] | None = Field(description="of a choice")


class MetricGoal(BaseModel):
    """What is searched for."""

    name: str
    goal: Literal["minimize", "maximize"]
    target: Any


class SweepRow(BaseModel):
    """A sweep in a list."""

    id: str
    project: str
    name: str
    description: str | None
    state: Literal["running", "paused", "stopped", "cancelled", "finished"]
    reason: str = Field(description="why no more trials are made")
    method: str
    metrics: list[MetricGoal]
    run_cap: int | None
    created_us: int
    revision: int = Field(description="grows with each change of the sweep or of a trial")
    trials: int = Field(description="made so far")
    states: dict[str, int] = Field(description="how many trials are in each state")
    best: Any = Field(description="value of the first metric in the best trial that ended")
    best_trial: int | None
    best_run: str | None
    actions: list[str] = Field(description="what can be done with it now")


class SweepsPage(BaseModel):
    """Sweeps, the newest first."""

    sweeps: list[SweepRow]
    total: int


class AgentRow(BaseModel):
    """Who works, or worked, on a sweep."""

    id: str
    host: str
    pid: int
    lease_s: float
    trials: int = Field(description="that it had last")
    trial: int | None = Field(description="the one that it runs")
    lease_until_us: int | None = Field(description="of that one")
    alive: bool = Field(description="it runs one, and its lease has not run out")


class SweepDetail(SweepRow):
    """All of a sweep but its trials."""

    source: str = Field(description="the text it was made of; of one made by a program, its configuration as YAML")
    config: Any = Field(description="the same, parsed")
    warnings: list[FindingRow]
    axes: list[AxisRow]
    early_stop: Any
    agents: list[AgentRow]


class PredictionRow(BaseModel):
    """Where a trial that was stopped would have ended."""

    value: Any
    low: Any = Field(description="nine of ten end between low and high; None where too few have ended to say")
    high: Any
    count: int = Field(description="calls of log when it was told")
    reason: str
    wrong: bool | None = Field(description="of an audited one that ended: it came to the best third after all")


class TrialRow(BaseModel):
    """A trial."""

    number: int
    state: Literal["waiting", "running", "finished", "stopped", "failed", "cancelled"]
    run_id: str
    attempt: int
    agent: str
    point: dict[str, Any] = Field(description="parameters that vary and apply; nested ones with a slash")
    params: Any = Field(description="what the program gets")
    origin: str
    values: list[Any] | None
    constraints: list[Any] | None
    created_us: int
    started_us: int | None
    ended_us: int | None
    order: str
    count: int = Field(description="calls of log that had the metric")
    last: Any = Field(description="value of the last of them")
    audited: bool
    prediction: PredictionRow | None
    failure: str | None
    deaths: int
    revision: int
    curve: list[tuple[int, Any]] | None = Field(description="where it was asked for: (number of the call, value)")


class Audit(BaseModel):
    """How often the rule of early stopping was right, by the trials that were let run on."""

    stopped: int
    audited: int = Field(description="let run on, and ended")
    wrong: int = Field(description="of these, those that came to the share that the rule keeps, such as the best third")
    told: int = Field(description="of these, those whose end was predicted with an interval")
    held: int = Field(description="of these, those that ended within it")


class TrialsPage(BaseModel):
    """Trials that have changed since `after`."""

    revision: int = Field(description="give it as `after` next time")
    state: str
    trials: list[TrialRow]
    front: list[int] = Field(description="of all trials, those that none is better than: the best, or the Pareto front")
    audit: Audit


class Checked(BaseModel):
    """What is to be said about a text."""

    errors: list[FindingRow]
    warnings: list[FindingRow]
    config: Any = Field(description="parsed; None with errors")
    axes: list[AxisRow]
    points: int | None = Field(description="of a grid, or another space that has an end")


class ShareRow(BaseModel):
    """How much of a metric is a parameter's doing."""

    parameter: str
    importance: float


class CorrelationRow(BaseModel):
    """How a parameter, or one value of a choice, goes with a metric: from -1 to 1."""

    parameter: str
    value: Any = Field(description="of a choice; None for a number")
    pearson: float | None
    spearman: float | None
    trials: int


class Importance(BaseModel):
    """Which parameters matter."""

    metric: str
    evaluator: Literal["fanova", "ped_anova"]
    trials: int = Field(description="that have ended with a value")
    reason: str = Field(description="why there is no importance; empty where there is")
    importances: list[ShareRow]
    correlations: list[CorrelationRow]
