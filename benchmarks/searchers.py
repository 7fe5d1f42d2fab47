"""The searches that are compared, each behind one call: the next point, knowing all before it.

`wandb` is written anew from the rules of W&B's open `sweeps` package (its Bayesian search in local controllers): an
isotropic Matern kernel of 1.5 without noise, expected improvement over 1,000 random points, from the third trial on,
over at most 100 past trials drawn with replacement; categories are places on a line; running trials count as the
model's mean; where a kernel's parameter ends at its bound, a random point is taken.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from treering.sweeps.config import SweepConfig, config_of
from treering.sweeps.engines import make_engine
from treering.sweeps.records import Trial

__all__ = ["SEARCHERS", "Searcher"]

Point = dict[str, Any]
#: (point, value; None while it runs) in the order of their starts.
History = Sequence[tuple[Point, float | None]]


class Searcher(Protocol):
    """One search."""

    def suggest(self, history: History) -> Point:
        """Return the next point."""
        ...


def _config(parameters: dict[str, Any], method: str, seed: int) -> SweepConfig:
    metric = {"name": "value", "goal": "minimize"}
    return config_of({"method": method, "metric": metric, "seed": seed, "parameters": parameters})


class _Ours:
    """One of treering's methods."""

    def __init__(self, parameters: dict[str, Any], seed: int, method: str) -> None:
        self._config = _config(parameters, method, seed)
        self._engine = make_engine("benchmark", self._config, [])
        self._memories: list[dict[str, Any] | None] = []  # what the store keeps with each trial for the sampler

    def suggest(self, history: History) -> Point:
        trials = [
            Trial("", number, "running" if value is None else "finished", point, {}, "", 1, "", 0,
                  values=None if value is None else [value],
                  memory=self._memories[number] if number < len(self._memories) else None)
            for number, (point, value) in enumerate(history)
        ]  # fmt: skip
        number, tried = len(history), [point for point, _ in history]
        found = self._engine.suggest(number, trials)
        for attempt in range(20):
            if found is None or found.point not in tried:
                break
            found = self._engine.another(number, attempt)
        if found is None:
            raise RuntimeError("no point is left")
        self._memories.append(found.memory)
        return found.point


class _Optuna:
    """One of Optuna's samplers, as it comes."""

    def __init__(self, parameters: dict[str, Any], seed: int, make: Callable[[int], Any]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = _config(parameters, "random", seed).space
        self._study = optuna.create_study(sampler=make(seed))
        self._asked: list[Any] = []
        self._told = 0

    def suggest(self, history: History) -> Point:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        open_ones = []
        for trial, value in self._asked:
            _, now = history[value]
            if now is None:
                open_ones.append((trial, value))
            else:
                self._study.tell(trial, now)
        distributions: dict[str, Any] = {}
        for one in self._space.varying:
            kind, low, high, log = one.distribution.axis()  # type: ignore[union-attr]  # those that vary have one
            if kind == "choice":
                distributions[one.name] = CategoricalDistribution(range(int(high) + 1))
            elif kind == "int":
                distributions[one.name] = IntDistribution(int(low), int(high), log=log)
            else:
                distributions[one.name] = FloatDistribution(low, high, log=log)
        trial = self._study.ask(distributions)
        self._asked = [*open_ones, (trial, len(history))]
        return {one.name: one.distribution.decode(trial.params[one.name]) for one in self._space.varying}  # type: ignore[union-attr]  # the same


class _Wandb:
    """W&B's rules; see the top of this file."""

    def __init__(self, parameters: dict[str, Any], seed: int) -> None:
        self._space = _config(parameters, "random", seed).space
        self._random = np.random.default_rng(seed)

    def suggest(self, history: History) -> Point:
        ended = [(self._place(point), value) for point, value in history if value is not None]
        if len(ended) < 2:
            return self._point(self._random.uniform(size=len(self._space.varying)))
        if len(ended) > 100:
            ended = [ended[index] for index in self._random.integers(0, len(ended), 100)]
        x = np.array([place for place, _ in ended])
        y = np.array([value for _, value in ended])
        y = (y - y.mean()) / (y.std() or 1.0)
        model = self._fitted(x, y)
        candidates = self._random.uniform(size=(1000, x.shape[1]))
        if model is None:
            return self._point(candidates[0])
        running = [self._place(point) for point, value in history if value is None]
        if running:
            x, y = np.vstack([x, running]), np.concatenate([y, model.predict(np.array(running))])
            again = self._fitted(x, y, model.kernel_)
            model = again or model
        mean, deviation = model.predict(candidates, return_std=True)
        gain = y.min() - mean
        z = gain / np.maximum(deviation, 1e-12)
        from scipy.stats import norm

        return self._point(candidates[int(np.argmax(gain * norm.cdf(z) + deviation * norm.pdf(z)))])

    def _fitted(self, x: Any, y: Any, kernel: Any = None) -> Any:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern

        model = GaussianProcessRegressor(
            kernel or Matern(nu=1.5),
            alpha=1e-7,
            optimizer=None if kernel else "fmin_l_bfgs_b",
            n_restarts_optimizer=0 if kernel else 2,
            random_state=2,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, y)
        theta, bounds = model.kernel_.theta, model.kernel_.bounds
        at_bound = bool(np.any(np.isclose(theta[:, None], bounds)))
        return None if kernel is None and at_bound else model

    def _place(self, point: Point) -> list[float]:
        places: list[float] = []
        for one in self._space.varying:
            kind, low, high, log = one.distribution.axis()  # type: ignore[union-attr]  # those that vary have one
            value = one.distribution.encode(point[one.name])  # type: ignore[union-attr]  # the same
            if log:
                low, high, value = math.log(low), math.log(high), math.log(value or low)
            half = 0.5 if kind != "float" else 0.0
            places.append(((value or 0.0) - low + half) / (high - low + 2 * half))
        return places

    def _point(self, place: Any) -> Point:
        point: Point = {}
        for one, share in zip(self._space.varying, place, strict=True):
            kind, low, high, log = one.distribution.axis()  # type: ignore[union-attr]  # those that vary have one
            if kind != "float":
                value: float = min(math.floor(low + share * (high - low + 1)), high)
            elif log:
                value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
            else:
                value = low + share * (high - low)
            point[one.name] = one.distribution.decode(min(max(value, low), high))  # type: ignore[union-attr]  # the same
        return point


def _sampler(name: str) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        import optuna

        return getattr(optuna.samplers, name)(seed=seed)

    return make


#: Name to the search of a space with a seed.
SEARCHERS: dict[str, Callable[[dict[str, Any], int], Searcher]] = {
    "random": lambda parameters, seed: _Ours(parameters, seed, "random"),
    "wandb": _Wandb,
    "tpe": lambda parameters, seed: _Optuna(parameters, seed, _sampler("TPESampler")),
    "gp": lambda parameters, seed: _Optuna(parameters, seed, _sampler("GPSampler")),
    "cmaes": lambda parameters, seed: _Ours(parameters, seed, "cmaes"),
    "treering": lambda parameters, seed: _Ours(parameters, seed, "bayes"),
}
