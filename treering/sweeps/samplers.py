"""Optuna's samplers over a sweep's trials.

For each point a study is made anew, in memory, of the trials that the store holds: those that have ended with their
values, running ones without, so that samplers keep away from them. What a sampler notes about a trial is kept with the
trial in the store as plain data; CMA-ES, whose notes are pickles, is told all generations again instead.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from treering._notice import warn_once
from treering.sweeps.axes import Axes
from treering.sweeps.believing import make_gp
from treering.sweeps.engines import Suggestion
from treering.sweeps.records import ENDED
from treering.sweeps.stopping import best_of
from treering.sweeps.warping import warped

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from optuna.samplers import BaseSampler

    from treering.sweeps.config import SweepConfig
    from treering.sweeps.engines import Engine, Prior
    from treering.sweeps.records import Trial

__all__ = ["Sampled"]

_Told = tuple["Trial | None", dict[str, Any], "list[float] | None"]

# A Gaussian process costs the cube of its points; this many are fitted and searched in a quarter of a second.
_MOST_FOR_GP = 160
# How many of them are the best ones; the others are spread over all that was tried.
_BEST_FOR_GP = 100
_MOST_FOR_TPE = 2000
# Points before the model's own: with six of them, searches of Branin ended twenty times farther from the best.
_START = 10
# Before this release of Optuna its Gaussian process cannot keep away from running trials.
_RECENT = 5
_CONSTRAINTS = "constraints"  # Optuna's name of a trial's note
_PLAIN = (bool, int, float, str)
_LONGEST_NOTE = 1000


class Sampled:
    """An engine that asks a sampler.

    Args:
        config: of the sweep.
        seed: of the sampler.
        prior: points tried before, with their values.
        fallback: draws at random where a point was tried before.
    """

    def __init__(self, config: SweepConfig, seed: int, prior: Prior, fallback: Engine) -> None:
        self._config = config
        self._seed = seed
        self._prior = prior
        self._fallback = fallback
        self._method = _method(config)
        self._sampler: BaseSampler | None = None
        self._axes = Axes(config.space)

    def is_quick(self, number: int) -> bool:  # noqa: ARG002  # the signature is `Engine`'s
        """See `Engine`."""
        return False

    def another(self, number: int, attempt: int) -> Suggestion | None:
        """See `Engine`."""
        return self._fallback.another(number, attempt)

    def suggest(self, number: int, trials: Sequence[Trial]) -> Suggestion | None:
        """See `Engine`."""
        if not self._axes.named:
            return Suggestion({}, self._method)
        if self._method == "cmaes":
            from treering.sweeps.evolution import suggest_cmaes

            found = suggest_cmaes(self._config, self._seed, _penalized(self._told(trials)), number)
            if found is not None:
                return Suggestion(self._axes.point(found), "cmaes")
        with quiet():
            return self._ask(number, trials)

    def _ask(self, number: int, trials: Sequence[Trial]) -> Suggestion:
        import optuna

        rows = self._chosen(self._rows(trials))
        starting = self._method == "gp" and sum(row.state.is_finished() for row in rows) < _START
        if starting:
            sampler: BaseSampler = _points_to_begin_with(self._seed)
        else:
            sampler = self._sampler = self._sampler or self._make_sampler()
            reseed(sampler, self._seed + number)
        storage = optuna.storages.InMemoryStorage()
        directions = [optuna.study.StudyDirection.MINIMIZE for _ in self._config.metrics or (None,)]
        study = optuna.create_study(storage=storage, sampler=sampler, directions=directions)
        for key, value in self._study_notes(trials).items():
            storage.set_study_system_attr(0, key, value)
        study.add_trials(rows)
        asked = study.ask(self._axes.distributions())
        notes = _plain(storage.get_all_trials(0, deepcopy=False)[-1].system_attrs)
        memory = {"trial": notes, "study": _plain(storage.get_study_system_attrs(0))}
        return Suggestion(self._axes.point(asked.params), self._method, memory if any(memory.values()) else None)

    def _rows(self, trials: Sequence[Trial]) -> list[Any]:
        """Return all that was tried as trials of Optuna's, in order, all less-is-better."""
        from optuna.trial import TrialState, create_trial

        distributions = self._axes.distributions()
        values = self._told(trials)
        rows: list[Any] = []
        for trial, params, told in values:
            state = TrialState.COMPLETE if told is not None else TrialState.RUNNING
            attributes = dict((trial.memory or {}).get("trial") or {}) if trial is not None else {}
            rows.append(
                create_trial(
                    state=state, values=told, params=params, distributions=distributions, system_attrs=attributes
                )
            )
        if self._config.constraints:
            _constrain(rows, [trial for trial, _, _ in values], len(self._config.constraints))
        if self._method == "gp" and len(self._config.metrics) == 1:
            _warp(rows)
        for row in rows:
            _share(row)
        return rows

    def _told(self, trials: Sequence[Trial]) -> list[_Told]:
        """Return (trial, coordinates, values signed so that less is better; None while it runs) of each."""
        metrics = self._config.metrics
        told: list[_Told] = []
        for point, found in self._prior:
            told.append((None, self._axes.coordinates(point) or {}, self._signed(found)))
        for trial in trials:
            values = _last_values(trial, self._config)
            told.append(
                (trial, self._axes.coordinates(trial.point) or {}, None if values is None else self._signed(values))
            )
        known = [one[2] for one in told if one[2] is not None and all(map(math.isfinite, one[2]))]
        worst = [max((one[index] for one in known), default=0.0) for index in range(len(metrics))]
        best = [min((one[index] for one in known), default=0.0) for index in range(len(metrics))]
        limits = worst, best
        return [(one[0], one[1], self._filled(*one, limits)) for one in told if one[1] and _counts(one[0])]

    def _signed(self, values: Sequence[float]) -> list[float]:
        return [metric.sign * value for metric, value in zip(self._config.metrics, values, strict=False)]

    def _filled(
        self, trial: Trial | None, _params: object, values: list[float] | None, limits: tuple[list[float], list[float]]
    ) -> list[float] | None:
        """Put a value where there is none, as `impute` says."""
        worst, _best = limits
        if values is not None:
            return [value if math.isfinite(value) else bad for value, bad in zip(values, worst, strict=True)]
        if trial is None or not self._config.metrics:
            return None
        metric = self._config.metrics[0]
        how = metric.impute if trial.state in ENDED else metric.impute_while_running
        if how is None:
            return None
        if how in {"latest", "best"} and trial.curve and len(worst) == 1:
            value = trial.curve[-1][1] if how == "latest" else best_of(trial.curve, metric.sign)
            if value is not None and math.isfinite(value):
                return [metric.sign * value]
        return list(worst)

    def _study_notes(self, trials: Sequence[Trial]) -> dict[str, Any]:
        notes: dict[str, Any] = {}
        for trial in trials:
            notes.update((trial.memory or {}).get("study") or {})
        return notes

    def _chosen(self, rows: list[Any]) -> list[Any]:
        """Return the trials that a model can take in good time."""
        if self._method != "gp":
            return rows[-_MOST_FOR_TPE:] if self._method == "tpe" else rows
        running = [row for row in rows if not row.state.is_finished()]
        ended = [row for row in rows if row.state.is_finished()]
        if len(ended) <= _MOST_FOR_GP or len(self._config.metrics) > 1:
            return ended[-_MOST_FOR_GP * 2 :] + running
        ranked = sorted(ended, key=lambda row: row.values[0])
        best, rest = ranked[:_BEST_FOR_GP], ranked[_BEST_FOR_GP:]
        # The others evenly over their ranks: they say where it is not worth looking again.
        count = _MOST_FOR_GP - _BEST_FOR_GP
        return best + [rest[len(rest) * place // count] for place in range(count)] + running

    def _make_sampler(self) -> BaseSampler:
        from optuna import samplers

        seed = self._seed
        if self._method == "gp":
            return make_gp(seed)
        more: dict[str, Any] = {}
        if self._config.constraints and not _is_recent():  # later releases find them by themselves
            more["constraints_func"] = _constraints_of
        if self._method == "tpe":
            if not _is_recent():  # what later releases do by default
                more |= {"multivariate": True, "constant_liar": True}
            return samplers.TPESampler(seed=seed, warn_independent_sampling=False, **more)
        if self._method == "nsga2":
            return samplers.NSGAIISampler(seed=seed, population_size=_population(self._config), **more)
        if self._method == "nsga3":
            return samplers.NSGAIIISampler(seed=seed, population_size=_population(self._config), **more)
        if self._method == "cmaes":
            return samplers.RandomSampler(seed=seed)
        return _points_to_begin_with(seed)


def _points_to_begin_with(seed: int) -> BaseSampler:
    """Return the sampler of Sobol's points, which leave no part of the space empty."""
    from optuna.samplers import QMCSampler

    return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False, warn_asynchronous_seeding=False)


def _warp(rows: list[Any]) -> None:
    """Give a model values that are spread evenly: one outlier must not flatten all that is near the best."""
    ended = [row for row in rows if row.state.is_finished()]
    for row, value in zip(ended, warped([row.values[0] for row in ended]), strict=True):
        row.values = [value]


def _constrain(rows: Sequence[Any], trials: Sequence[Trial | None], count: int) -> None:
    """Tell by how much each row breaks each constraint; a model takes them from all rows that have ended, or none.

    What is not known is the middle of what is, and the worst of it for a trial that failed.
    """
    given = [trial.constraints or [] if trial is not None else [] for trial in trials]
    known = [one if len(one) == count else [math.nan] * count for one in given]
    columns = [[excess for excess in column if math.isfinite(excess)] for column in zip(*known, strict=True)]
    middle = [sum(column) / len(column) if column else 0.0 for column in columns]
    worst = [max(column, default=0.0) for column in columns]
    for row, trial, told in zip(rows, trials, known, strict=True):
        if row.state.is_finished():
            other = worst if trial is not None and trial.state == "failed" else middle
            filled = [one if math.isfinite(one) else value for one, value in zip(told, other, strict=True)]
            row.system_attrs[_CONSTRAINTS] = filled


def _penalized(told: Sequence[_Told]) -> list[_Told]:
    """Put points that break a constraint behind all others, for a method that knows of none."""
    worst = max((values[0] for _, _, values in told if values is not None), default=0.0)
    found: list[_Told] = []
    for trial, params, values in told:
        excess = sum(one for one in trial.constraints or () if one > 0) if trial is not None else 0.0
        found.append((trial, params, values if values is None or not excess else [worst + excess]))
    return found


def _constraints_of(row: Any) -> Sequence[float]:
    return cast("Sequence[float]", row.system_attrs[_CONSTRAINTS])


def _share(row: Any) -> None:
    """Let Optuna's storage keep a row as it is: nobody changes it, and copying all of them takes half of its time."""
    row.__deepcopy__ = lambda _memo: row


def _counts(trial: Trial | None) -> bool:
    return trial is None or trial.state != "cancelled"


def _last_values(trial: Trial, config: SweepConfig) -> list[float] | None:
    """Return the values that a trial has come to; None while it runs, and where it has none."""
    if trial.state == "stopped" and trial.prediction is not None and len(config.metrics) == 1:
        return [trial.prediction.value]
    if trial.state in {"finished", "stopped"} and trial.values:
        return trial.values
    return None


def _population(config: SweepConfig) -> int:
    return 20 if config.run_cap is None else max(4, min(50, config.run_cap // 5))


def _method(config: SweepConfig) -> str:
    """Return the sampler that a method comes to on this machine."""
    method = config.method
    if method in {"bayes", "auto"}:
        method = "gp"
    if method == "cmaes" and any(cast("Any", one.distribution).axis().kind == "choice" for one in config.space.varying):
        warn_once("cmaes cannot search among `values`; tpe is used. List numbers as min and max, or use bayes")
        return "tpe"
    if method == "gp" and not (_has("torch", "scipy") and _is_recent()):
        warn_once(
            "bayes and gp need Optuna 5, PyTorch, SciPy (pip install 'treering[sweeps]'); tpe is used, which is weaker"
        )
        return "tpe"
    if method == "qmc" and not _has("scipy"):
        warn_once("qmc needs SciPy (pip install 'treering[sweeps]'); points are drawn by tpe")
        return "tpe"
    return method


def _has(*names: str) -> bool:
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in names)


def _is_recent() -> bool:
    """Tell whether Optuna is one whose models know of constraints and of running trials without being told how."""
    return int(version("optuna").partition(".")[0]) >= _RECENT


def reseed(sampler: BaseSampler, seed: int) -> None:
    """Give a sampler's generators a seed of the trial's own: whoever asks for a point gets the same one."""
    parts: list[Any] = [
        sampler,
        getattr(sampler, "_independent_sampler", None),
        getattr(sampler, "_random_sampler", None),
    ]
    for part in parts:
        generator = getattr(getattr(part, "_rng", None), "rng", None)
        if generator is not None:
            generator.seed(seed % 2**32)


def _plain(notes: dict[str, Any]) -> dict[str, Any]:
    """Return the notes that are plain data and short; pickles are not, and what a point can be had from without."""
    return {key: value for key, value in notes.items() if not key.startswith(("cma", "gp:")) and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, _PLAIN) for one in cast("list[Any]", value))
    return isinstance(value, _PLAIN) and len(str(value)) < _LONGEST_NOTE


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Keep Optuna's notes to itself, and PyTorch to the default it came with."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
