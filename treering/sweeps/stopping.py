"""Early stopping: which running trials are not worth going on with, and what they would have come to.

`hyperband` is W&B's rule of that name. A band is a number of calls of `log` that had the metric. A trial that has come
to a band is stopped when its value there (`strict: true`), or its best so far, is worse than the 1/eta quantile of all
trials that came to that band. `median`, `asha` and `wilcoxon` are Optuna's pruners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from treering._notice import warn_once
from treering._readers import did_you_mean
from treering.sweeps.findings import spelled
from treering.sweeps.records import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treering.sweeps.findings import Findings, Place
    from treering.sweeps.records import Curve, Trial

__all__ = ["EarlyStop", "best_of", "decide", "predict", "read_early_stop", "was_wrong"]

_BANDS = 100
_FARTHEST = 10**9
_ENOUGH = 5  # trials that have ended, before an interval is told
_TAKEN = {
    "hyperband": ("min_iter", "max_iter", "s", "eta", "strict"),
    "asha": ("min_iter", "eta"),
    "median": ("min_iter", "min_trials"),
    "wilcoxon": ("min_iter", "p"),
}


@dataclass(frozen=True)
class EarlyStop:
    """A rule.

    Attributes:
        kind: hyperband, asha, median or wilcoxon.
        bands: of hyperband, rising.
        strict: of hyperband: the value at the band counts, not the best up to it. W&B's schema says true by default,
            its documentation false; the schema is what runs.
        audit: share of the trials to be stopped that run on, to see whether the rule was right.
    """

    kind: str
    bands: tuple[int, ...] = ()
    eta: float = 3.0
    strict: bool = True
    min_iter: int = 1
    min_trials: int = 5
    p: float = 0.1
    audit: float = 0.0


def read_early_stop(given: object, findings: Findings) -> EarlyStop | None:
    """Read `early_terminate`."""
    if given is None:
        return None
    place: Place = ("early_terminate",)
    if not isinstance(given, dict):
        findings.error(place, f"got {spelled(given)}; write `type: hyperband` and `min_iter:` below it")
        return None
    found = cast("dict[str, Any]", given)
    kind = found.get("type")
    if kind not in _TAKEN:
        advice = did_you_mean(str(kind), list(_TAKEN)) or f"it is one of {', '.join(_TAKEN)}."
        findings.error((*place, "type"), f"got {spelled(kind)}; {advice}")
        return None
    taken = ("type", "audit", *_TAKEN[kind])
    for key in found:
        if key not in taken:
            advice = did_you_mean(key, list(taken)) or f"it takes {', '.join(taken)}."
            findings.error((*place, key), f"is no key of `{kind}`; {advice}")
    checks: dict[str, tuple[Callable[[Any], bool], str]] = {
        "min_iter": (lambda x: _whole(x) and x >= 1, "a whole number, 1 or more"),
        "max_iter": (lambda x: _whole(x) and x >= 1, "a whole number, 1 or more"),
        "s": (lambda x: _whole(x) and x >= 1, "a whole number, 1 or more"),
        "min_trials": (lambda x: _whole(x) and x >= 1, "a whole number, 1 or more"),
        "eta": (lambda x: _real(x) and x > 1, "a number of more than 1"),
        "strict": (lambda x: isinstance(x, bool), "true or false"),
        "p": (lambda x: _real(x) and 0 < x < 1, "a number between 0 and 1"),
        "audit": (lambda x: _real(x) and 0 <= x <= 1, "a share between 0 and 1"),
    }
    fine = True
    for key, (check, takes) in checks.items():
        if key in found and not check(found[key]):
            findings.error((*place, key), f"got {spelled(found[key])}; it takes {takes}")
            fine = False
    return _early_stop(kind, found, place, findings) if fine else None


def _early_stop(kind: str, found: dict[str, Any], place: Place, findings: Findings) -> EarlyStop | None:
    options = {key: found[key] for key in ("eta", "strict", "min_iter", "min_trials", "p", "audit") if key in found}
    if kind != "hyperband":
        return EarlyStop(kind, **options)
    if ("min_iter" in found) == ("max_iter" in found):
        findings.error(place, "hyperband takes either `min_iter`, or `max_iter` with `s`; give one of the two")
        return None
    if ("max_iter" in found) != ("s" in found):
        findings.error(place, "`max_iter` and `s` (the number of bands below it) go together; give both")
        return None
    eta = float(found.get("eta", 3.0))
    if "min_iter" in found:
        counts = [found["min_iter"] * eta**power for power in range(_BANDS) if eta**power < _FARTHEST]
    else:
        counts = [found["max_iter"] / eta**power for power in range(found["s"], 0, -1)]
    bands = sorted({int(count) for count in counts if 1 <= count < _FARTHEST})
    if not bands:
        findings.error(place, f"has no band of one log call or more: max_iter / eta^s is {counts[-1]:g}; lower s")
        return None
    return EarlyStop(kind, tuple(bands), **options)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def decide(rule: EarlyStop, sign: float, trial: Trial, before: int, trials: Sequence[Trial]) -> str:
    """Say why `trial` should be stopped; "" where it should go on.

    Args:
        rule: of the sweep.
        sign: 1 where less is better, else -1.
        trial: running, with all of its curve.
        before: calls of `log` at the last decision: bands up to there have been passed.
        trials: all, this one among them.
    """
    if rule.kind == "hyperband":
        return _hyperband(rule, sign, trial, before, trials)
    return _prune(rule, sign, trial, before, trials)


def _hyperband(rule: EarlyStop, sign: float, trial: Trial, before: int, trials: Sequence[Trial]) -> str:
    count = trial.count
    for band in rule.bands:
        if not before < band <= count:
            continue
        mine = _at(trial.curve, band, sign, strict=rule.strict)
        values = [_at(one.curve, band, sign, strict=rule.strict) for one in trials if one.count >= band]
        if mine is None:
            continue
        ranked = sorted(value for value in values if value is not None)
        threshold = ranked[min(int(len(ranked) / rule.eta), len(ranked) - 1)]
        if mine > threshold:
            return (
                f"at log call {band} its {'value' if rule.strict else 'best'} is {sign * mine:.4g}, and the best "
                f"1/{rule.eta:g} of {len(ranked)} trials had {sign * threshold:.4g} or better there"
            )
    return ""


def _at(curve: Curve, count: int, sign: float, *, strict: bool) -> float | None:
    """Return the value at a call (or the best up to it), signed so that less is better; NaN is the worst."""
    values = [_orderly(sign * value) for number, value in curve if (number == count if strict else number <= count)]
    return min(values, default=None)


def _orderly(value: float) -> float:
    return math.inf if math.isnan(value) else value


def best_of(curve: Curve, sign: float) -> float | None:
    """Return the best value of a curve; None where it has no number."""
    values = [value for _, value in curve if not math.isnan(value)]
    return min(values, key=lambda value: sign * value, default=None)


def _prune(rule: EarlyStop, sign: float, trial: Trial, before: int, trials: Sequence[Trial]) -> str:
    """Ask one of Optuna's pruners, over a study made of the trials."""
    if trial.count < rule.min_iter or trial.count <= before:
        return ""
    if rule.kind == "wilcoxon" and find_spec("scipy") is None:
        warn_once("wilcoxon needs SciPy (pip install 'treering[sweeps]'); no trial is stopped early")
        return ""
    import optuna
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    direction = StudyDirection.MINIMIZE if sign > 0 else StudyDirection.MAXIMIZE
    with _quiet():
        pruner = _pruner(rule)
        study = optuna.create_study(direction=direction, pruner=pruner)
        for one in trials:
            if one.number != trial.number and one.state == "finished" and one.curve:
                study.add_trial(_frozen(one, TrialState.COMPLETE, rule))
            elif one.number != trial.number and one.state in {"running", "stopped"} and one.curve:
                study.add_trial(_frozen(one, TrialState.PRUNED if one.state == "stopped" else TrialState.RUNNING, rule))
        study.add_trial(_frozen(trial, TrialState.RUNNING, rule, before))
        mine = study.get_trials(deepcopy=False)[-1]
        if not pruner.prune(study, mine):
            return ""
    return f"Optuna's {type(pruner).__name__} gave it up at log call {trial.count}, at {trial.curve[-1][1]:.4g}"


def _pruner(rule: EarlyStop) -> Any:
    from optuna import pruners

    if rule.kind == "median":
        return pruners.MedianPruner(n_startup_trials=rule.min_trials, n_warmup_steps=rule.min_iter - 1)
    if rule.kind == "asha":
        return pruners.SuccessiveHalvingPruner(
            min_resource=rule.min_iter, reduction_factor=max(round(rule.eta), 2), min_early_stopping_rate=0
        )
    return pruners.WilcoxonPruner(p_threshold=rule.p, n_startup_steps=rule.min_iter)


def _frozen(trial: Trial, state: Any, rule: EarlyStop, before: int | None = None) -> Any:
    """Return a trial as Optuna has it. Its rungs, of which the pruner keeps count, are told anew from the curve."""
    import optuna

    values = {count: _orderly(value) for count, value in trial.curve}
    rungs: dict[str, Any] = {}
    if rule.kind == "asha":
        reached = trial.count if before is None else before
        eta, rung, step = max(round(rule.eta), 2), 0, rule.min_iter
        while step <= reached:
            rungs[f"completed_rung_{rung}"] = values.get(step, trial.curve[-1][1])
            rung, step = rung + 1, rule.min_iter * eta ** (rung + 1)
    value = None
    if state == optuna.trial.TrialState.COMPLETE:
        value = trial.values[0] if trial.values else trial.curve[-1][1]
        value = None if math.isnan(value) else value
        state = state if value is not None else optuna.trial.TrialState.FAIL
    return optuna.trial.create_trial(state=state, value=value, intermediate_values=values, system_attrs=rungs)


class _quiet:  # noqa: N801  # reads as a word at its place
    """Keep Optuna's notes to itself."""

    def __enter__(self) -> None:
        import warnings

        import optuna

        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        self._level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)

    def __exit__(self, *_error: object) -> None:
        import optuna

        optuna.logging.set_verbosity(self._level)
        self._warnings.__exit__(None, None, None)


def predict(trial: Trial, trials: Sequence[Trial], reason: str) -> Prediction:
    """Say where a trial would have ended: as far from its present value as those that ended went from theirs here."""
    count = trial.count
    now = trial.curve[-1][1] if trial.curve else math.nan
    moves = sorted(move for one in trials if (move := _move(one, count)) is not None)
    if not moves:
        return Prediction(now, None, None, count, reason)
    middle = _quantile(moves, 0.5)
    if len(moves) < _ENOUGH:
        return Prediction(now + middle, None, None, count, reason)
    return Prediction(now + middle, now + _quantile(moves, 0.05), now + _quantile(moves, 0.95), count, reason)


def was_wrong(rule: EarlyStop, sign: float, trial: Trial, trials: Sequence[Trial]) -> bool | None:
    """Tell whether a trial that was let run on came to the share that the rule keeps; None where it has not ended.

    The share is what the rule says of itself: the best 1/eta, the better half, for Wilcoxon's test the best one.
    """
    if not trial.audited or trial.state != "finished" or not trial.values or math.isnan(trial.values[0]):
        return None
    ended = [one.values[0] for one in trials if one.state == "finished" and one.values]
    better = sum(sign * value < sign * trial.values[0] for value in ended)
    share = {"median": 0.5, "wilcoxon": 0.0}.get(rule.kind, 1 / rule.eta)
    return better < max(int(len(ended) * share), 1)


def _move(trial: Trial, count: int) -> float | None:
    if trial.state != "finished" or not trial.values or trial.count < count:
        return None
    here = next((value for number, value in reversed(trial.curve) if number <= count), math.nan)
    move = trial.values[0] - here
    return None if math.isnan(move) or math.isinf(move) else move


def _quantile(ordered: list[float], share: float) -> float:
    """Return a quantile of sorted values, between neighbours in proportion."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
