"""A sweep's configuration, checked: every key of W&B's sweep YAML, and what treering adds to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from treering._notice import warn
from treering._readers import did_you_mean
from treering.sweeps.distributions import Categorical, Constant, Continuous, IntUniform
from treering.sweeps.findings import Findings, Told, spelled
from treering.sweeps.parameters import read_parameters
from treering.sweeps.stopping import EarlyStop, read_early_stop
from treering.sweeps.text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from treering.sweeps.findings import Place
    from treering.sweeps.space import Point, Space

__all__ = ["METHODS", "Constraint", "Metric", "SweepConfig", "config_of", "config_of_text", "read_config", "read_file"]

#: W&B's methods, then Optuna's samplers by name.
METHODS = ("grid", "random", "bayes", "custom", "auto", "tpe", "gp", "cmaes", "qmc", "nsga2", "nsga3")
_SEVERAL = ("bayes", "auto", "tpe", "gp", "nsga2", "nsga3", "random", "qmc", "grid", "custom")
_SEVERAL_METRICS = 2
_MOST_STEPS = 100_000
_GOALS = ("minimize", "maximize")
_SCHEDULER = ("engine", "source", "optimizer", "search_space")
_ENGINES = ("optuna", "ax", "wandb")
_IMPUTE = ("latest", "best", "worst")
DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")


@dataclass(frozen=True)
class Metric:
    """What is searched for.

    Attributes:
        target: the search ends when a run reaches it.
        impute: value for a run that failed: its own latest or best, or the worst of all.
        impute_while_running: the same for one that runs; None leaves it to the method.
    """

    name: str
    goal: str = "minimize"
    target: float | None = None
    impute: str = "worst"
    impute_while_running: str | None = None

    @property
    def sign(self) -> float:
        """1 where less is better, else -1."""
        return 1.0 if self.goal == "minimize" else -1.0

    def reached(self, value: float) -> bool:
        """Tell whether a value is as good as the target."""
        return self.target is not None and self.sign * value <= self.sign * self.target


@dataclass(frozen=True)
class Constraint:
    """A metric that must lie between two ends; a point where it does not is worth nothing."""

    name: str
    low: float
    high: float

    def excess(self, value: float) -> float:
        """Return by how much a value is outside, 0 or less inside."""
        return max(value - self.high, self.low - value)


@dataclass
class SweepConfig:
    """A configuration that was checked.

    Attributes:
        plain: as it was given; reading it again gives an equal one.
        warnings: what looks like a mistake; `told` has the same one by one.
    """

    plain: dict[str, Any]
    method: str
    space: Space
    metrics: tuple[Metric, ...] = ()
    early_stop: EarlyStop | None = None
    run_cap: int | None = None
    program: str | None = None
    command: tuple[str, ...] = DEFAULT_COMMAND
    name: str | None = None
    description: str | None = None
    project: str | None = None
    entity: str | None = None
    seed: int | None = None
    constraints: tuple[Constraint, ...] = ()
    initial_points: tuple[Point, ...] = ()
    prior: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list[str])
    told: list[Told] = field(default_factory=list[Told])

    @property
    def metric(self) -> Metric | None:
        """The first metric."""
        return self.metrics[0] if self.metrics else None


def read_file(path: Path) -> tuple[SweepConfig, str]:
    """Read a YAML or JSON file; returns the text, too.

    Raises:
        SweepError: it cannot be taken; the text names the lines.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    return config_of_text(text, path.name), text


def config_of_text(text: str, name: str = "sweep.yaml") -> SweepConfig:
    """Read a YAML or JSON text.

    Raises:
        SweepError: it cannot be taken; the text names the lines.
    """
    document = read_yaml(text, name)
    return read_config(document.data, document.findings)


def config_of(given: object, name: str = "sweep") -> SweepConfig:
    """Read a configuration from a dictionary.

    Raises:
        SweepError: it cannot be taken; the text names the keys.
    """
    return read_config(given, Findings(name))


def read_config(given: object, findings: Findings, *, tell: bool = False) -> SweepConfig:
    """Check a configuration.

    Args:
        given: plain data.
        findings: knows where its parts stand.
        tell: warn of what looks like a mistake.

    Raises:
        SweepError: it cannot be taken.
    """
    if not isinstance(given, dict):
        findings.error((), f"got {spelled(given)}; a sweep is a mapping with `method` and `parameters`")
        findings.check()
    config = _Reader(cast("dict[str, Any]", given), findings).read()
    findings.check()
    config.warnings = [findings.told(one) for one in findings.warnings]
    config.told = findings.listed(findings.warnings)
    if tell:
        for one in config.warnings:
            warn(one)
    return config


class _Reader:
    def __init__(self, given: dict[str, Any], findings: Findings) -> None:
        self._given = given
        self._findings = findings

    def read(self) -> SweepConfig:
        given, findings = self._given, self._findings
        for key in given:
            if key not in _KEYS:
                advice = did_you_mean(key, list(_KEYS)) or f"it takes {', '.join(_KEYS)}."
                findings.error((key,), f"is no key of a sweep; {advice}")
        for key, (check, takes) in _KEYS.items():
            if key in given and given[key] is not None and not check(given[key]):
                findings.error((key,), f"got {spelled(given[key])}; it takes {takes}")
        method = self._method()
        if "parameters" not in given:
            findings.error((), "`parameters` is missing; add at least one `name: {values: [...]}` below it")
        space = read_parameters(given.get("parameters", {"_": {"value": 0}}), ("parameters",), findings)
        config = SweepConfig(given, method, space)
        self._check_method(config)
        config.metrics = self._metrics(method)
        config.early_stop = read_early_stop(given.get("early_terminate"), findings)
        if config.early_stop is not None and not config.metrics:
            findings.error(("early_terminate",), "needs `metric`, by which runs are compared; add it")
        self._check_custom()
        config.constraints = self._constraints()
        if not findings.errors:
            config.initial_points = self._points(space)
            for key in ("run_cap", "program", "name", "description", "project", "entity", "seed"):
                setattr(config, key, given.get(key))
            config.prior = tuple(given.get("prior") or ())
            if given.get("command"):
                config.command = tuple(map(str, given["command"]))
        return config

    def _method(self) -> str:
        method = self._given.get("method")
        if method is None:
            self._findings.error((), f"`method` is missing; it is one of {', '.join(METHODS)}")
        elif method not in METHODS:
            advice = did_you_mean(str(method), list(METHODS)) or f"it is one of {', '.join(METHODS)}."
            self._findings.error(("method",), f"{spelled(method)} is no method; {advice}")
        else:
            return self._sampler() if method == "custom" else cast("str", method)
        return "random"

    def _sampler(self) -> str:
        """Return the method that `method: custom` with a `scheduler` comes to."""
        scheduler = self._given.get("scheduler")
        if not isinstance(scheduler, dict):
            self._findings.error(
                ("method",), "`custom` runs a scheduler of its own; name the method instead: bayes, tpe, gp, cmaes ..."
            )
            return "random"
        scheduler = cast("dict[str, Any]", scheduler)
        for key in scheduler:
            if key not in _SCHEDULER:
                advice = did_you_mean(key, list(_SCHEDULER)) or f"it takes {', '.join(_SCHEDULER)}."
                self._findings.error(("scheduler", key), f"is no key of a scheduler; {advice}")
        if "engine" in scheduler:
            self._among(scheduler["engine"], _ENGINES, ("scheduler", "engine"))
        wanted = scheduler.get("optimizer", "bayes")
        name = str(cast("dict[str, Any]", wanted).get("type", "bayes") if isinstance(wanted, dict) else wanted)
        word = name.lower().removesuffix("sampler").replace("-", "").replace("_", "")
        word = {"nsgaii": "nsga2", "nsgaiii": "nsga3", "cma": "cmaes"}.get(word, word)
        if scheduler.get("engine", "optuna") != "optuna" and word == "bayes":
            self._findings.warn(("scheduler", "engine"), "treering searches with Optuna's samplers; taken as `bayes`")
        if word not in METHODS or word == "custom":
            self._findings.error(
                ("scheduler", "optimizer"), f"{name!r} is none of {', '.join(METHODS)}; name one of them"
            )
            return "random"
        for key in {"source", "search_space"} & set(scheduler):
            self._findings.warn(("scheduler", key), "is not run: the search space is `parameters`")
        return word

    def _check_method(self, config: SweepConfig) -> None:
        for one in config.space.parameters:
            place = _place_of(one.name)
            distribution = one.distribution
            if config.method == "grid":
                fine = isinstance(distribution, (Constant, Categorical, IntUniform)) or distribution.steps() is not None
                weighted = isinstance(distribution, Categorical) and distribution.probabilities is not None
                if not fine or weighted:
                    self._findings.error(
                        place,
                        "a grid takes values, whole numbers, constants, q_uniform; list `values`, or use bayes",
                    )
                elif isinstance(distribution, Continuous) and (distribution.steps() or 0) > _MOST_STEPS:
                    self._findings.error(place, f"makes a grid of more than {_MOST_STEPS:,} values; raise q")
                elif isinstance(distribution, Continuous):
                    self._findings.warn(
                        place, f"a grid of q_uniform leaves max out, as W&B's does: {_ends(distribution)}"
                    )
            elif config.method != "random" and isinstance(distribution, Categorical) and distribution.probabilities:
                self._findings.warn(
                    place, f"`probabilities` count in `random` alone; {config.method} learns what is good"
                )

    def _metrics(self, method: str) -> tuple[Metric, ...]:
        one, several = self._given.get("metric"), self._given.get("metrics")
        if one is not None and several is not None:
            self._findings.error(("metrics",), "stands beside `metric`; give one of the two")
            return ()
        if several is not None:
            found = cast("list[Any]", several) if isinstance(several, list) else []
            if len(found) < _SEVERAL_METRICS:
                self._findings.error(("metrics",), f"has {len(found)}; it takes two or more, or use `metric`")
            if method not in _SEVERAL:
                self._findings.error(("metrics",), f"{method} takes one metric; use one of {', '.join(_SEVERAL[:6])}")
            return tuple(self._metric(item, ("metrics", index)) for index, item in enumerate(found))
        if one is None:
            if method not in {"grid", "random", "qmc"}:
                self._findings.error((), f"`metric` is missing; {method} needs `metric: {{name: ..., goal: minimize}}`")
            return ()
        return (self._metric(one, ("metric",)),)

    def _metric(self, given: object, place: Place) -> Metric:
        taken = ("name", "goal", "target", "impute", "impute_while_running")
        if not isinstance(given, dict):
            self._findings.error(place, f"got {spelled(given)}; write `name:` and `goal:` below it")
            return Metric("")
        found = cast("dict[str, Any]", given)
        for key in found:
            if key not in taken:
                advice = did_you_mean(key, list(taken)) or f"it takes {', '.join(taken)}."
                self._findings.error((*place, key), f"is no key of a metric; {advice}")
        name = found.get("name")
        if not isinstance(name, str) or not name:
            self._findings.error(place, "`name` is missing; it is the name that the program logs")
            name = ""
        if "goal" not in found:
            self._findings.warn(place, f"has no `goal`, so {name} is minimized; write it down")
        goal = found.get("goal", "minimize")
        self._among(goal, _GOALS, (*place, "goal"))
        impute = found.get("impute", "worst")
        self._among(impute, _IMPUTE, (*place, "impute"))
        running = found.get("impute_while_running", False)
        self._among(running, (*_IMPUTE, False), (*place, "impute_while_running"))
        target = found.get("target")
        if target is not None and not _is_number(target):
            self._findings.error((*place, "target"), f"got {spelled(target)}; it takes a number")
        return Metric(name, goal, target, impute, running or None)

    def _among(self, value: object, taken: tuple[object, ...], place: Place) -> None:
        if value not in taken:
            words = [str(one).lower() for one in taken]
            advice = did_you_mean(str(value), words) or f"it is one of {', '.join(words)}."
            self._findings.error(place, f"got {spelled(value)}; {advice}")

    def _check_custom(self) -> None:
        given = self._given
        if "scheduler" in given and given.get("method") != "custom":
            self._findings.error(("scheduler",), "belongs to `method: custom`; delete one of the two")
        if "scheduler" in given and given.get("early_terminate") is not None:
            self._findings.warn(("early_terminate",), "stands beside `scheduler`, which W&B refuses; here both count")
        if "job" in given or "image_uri" in given:
            key = "job" if "job" in given else "image_uri"
            self._findings.warn((key,), "is for W&B's launch; agents of treering run `program` or `command`")

    def _constraints(self) -> tuple[Constraint, ...]:
        found: list[Constraint] = []
        for index, given in enumerate(cast("list[Any]", self._given.get("constraints") or [])):
            place: Place = ("constraints", index)
            one = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
            ends = [one.get("min", -math.inf), one.get("max", math.inf)]
            if (
                not isinstance(one.get("metric"), str)
                or not all(map(_is_number, ends))
                or set(one) - {"metric", "min", "max"}
            ):
                self._findings.error(place, "write `{metric: latency_ms, max: 10}`, with min, max or both")
                continue
            found.append(Constraint(one["metric"], float(ends[0]), float(ends[1])))
        return tuple(found)

    def _points(self, space: Space) -> tuple[Point, ...]:
        points: list[Point] = []
        for index, one in enumerate(cast("list[Any]", self._given.get("initial_points") or [])):
            point = space.point_of(cast("Mapping[str, Any]", one)) if isinstance(one, dict) else None
            if point is None:
                names = ", ".join(parameter.name for parameter in space.varying)
                self._findings.error(
                    ("initial_points", index),
                    f"is no point of this space; give a value within its limits to each of {names}",
                )
            else:
                points.append(point)
        return tuple(points)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value  # noqa: PLR0124  # no NaN


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, (str, int, float)) for one in cast("list[object]", value))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_anything(_value: object) -> bool:
    return True


def _is_controller(value: object) -> bool:
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("type") in {"local", "cloud"}


#: Every key of W&B's, then ours: what a value must be, and how to say it.
_KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "apiVersion": (_is_anything, ""),
    "kind": (lambda value: value == "sweep", "`sweep`"),
    "name": (_is_text, "a text"),
    "description": (_is_text, "a text"),
    "entity": (_is_text, "a text"),
    "project": (_is_text, "a text"),
    "program": (_is_text, "the path of a script"),
    "job": (_is_text, "a text"),
    "image_uri": (_is_text, "a text"),
    "command": (_is_texts, "a list of words, such as [python, train.py, '${args}']"),
    "method": (_is_anything, ""),
    "metric": (_is_anything, ""),
    "metrics": (_is_list, "a list of two or more metrics"),
    "parameters": (_is_anything, ""),
    "early_terminate": (_is_anything, ""),
    "run_cap": (_is_count, "a whole number, 1 or more"),
    "controller": (_is_controller, "`{type: local}` or `{type: cloud}`"),
    "scheduler": (lambda value: isinstance(value, dict), "a mapping with `engine`"),
    "seed": (_is_seed, "a whole number from 0 to 4294967295"),
    "initial_points": (_is_list, "a list of points, each a mapping of parameters to values"),
    "constraints": (_is_list, "a list such as [{metric: latency_ms, max: 10}]"),
    "prior": (_is_texts, "a list of ids of sweeps or runs"),
}


def _place_of(name: str) -> Place:
    place: list[str] = []
    for part in name.split("/"):
        place += ["parameters", part]
    return tuple(place)


def _ends(distribution: Continuous) -> str:
    values = distribution.grid() or []
    if not values:
        return "it has no value"
    return f"{values[0]:g} ... {values[-1]:g}, {len(values)} values"
