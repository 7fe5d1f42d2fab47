"""What searches are compared on: functions whose best value is known, and small models of scikit-learn.

Each is a space, as a sweep's `parameters`, and a function of a point to a value of which less is better. The BBOB
functions are written down from their definitions (Hansen, Finck, Ros, Auger: Real-Parameter Black-Box Optimization
Benchmarking 2009: Noiseless Functions Definitions), in five dimensions, with a rotation and an optimum for each seed.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BBOB", "CLASSIC", "LEARNING", "Objective"]

Point = dict[str, Any]
_DIMENSIONS = 5


@dataclass(frozen=True)
class Objective:
    """One task.

    Attributes:
        make: returns the function for a seed.
        best: its least value; None where nobody knows it.
    """

    name: str
    parameters: dict[str, Any]
    make: Callable[[int], Callable[[Point], float]]
    best: float | None = 0.0


def _fixed(function: Callable[[Point], float]) -> Callable[[int], Callable[[Point], float]]:
    return lambda _seed: function


def _branin(point: Point) -> float:
    x, y = point["x"], point["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_WEIGHTS = np.array([1, 1.2, 3, 3.2])
_A6 = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def _hartmann6(point: Point) -> float:
    x = np.array([point[f"x{index}"] for index in range(6)])
    return -float(_WEIGHTS @ np.exp(-(_A6 * (x - _P6) ** 2).sum(1)))


def _mixed5(point: Point) -> float:
    """A training as one knows it: a valley in the learning rate that the optimizer moves, and small steps beside it."""
    shift = {"sgd": 1.0, "momentum": 0.4, "adam": 0.0, "rms": 0.1}[point["optimizer"]]
    rate = math.log10(point["lr"]) + 3.0 - shift
    batch = {16: 0.02, 32: 0.0, 64: 0.01, 128: 0.03}[point["batch"]]
    extra = {"sgd": 0.03, "momentum": 0.015, "adam": 0.0, "rms": 0.01}[point["optimizer"]]
    layers = 0.004 * (point["layers"] - 4) ** 2
    return 0.05 * rate * rate + 0.3 * (point["dropout"] - 0.2 - 0.02 * point["layers"]) ** 2 + layers + batch + extra


def _uniform(low: float, high: float, *names: str) -> dict[str, Any]:
    return {name: {"min": float(low), "max": float(high)} for name in names}


CLASSIC = (
    Objective("branin", {**_uniform(-5, 10, "x"), **_uniform(0, 15, "y")}, _fixed(_branin), 0.39788735772973816),
    Objective(
        "hartmann6", _uniform(0, 1, *(f"x{index}" for index in range(6))), _fixed(_hartmann6), -3.322368011391339
    ),
    Objective(
        "mixed5",
        {
            "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
            "dropout": {"min": 0.0, "max": 0.8},
            "layers": {"min": 1, "max": 8},
            "optimizer": {"values": ["sgd", "momentum", "adam", "rms"]},
            "batch": {"values": [16, 32, 64, 128]},
        },
        _fixed(_mixed5),
    ),
)


# -- BBOB -------------------------------------------------------------------------------------------------------------

Vector = np.ndarray[Any, np.dtype[np.float64]]


def _rotation(seed: int) -> Vector:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(_DIMENSIONS, _DIMENSIONS)))
    return matrix


def _oscillated(x: Vector) -> Vector:
    """T_osz."""
    log = np.log(np.abs(x), where=x != 0, out=np.zeros_like(x))
    c1, c2 = np.where(x > 0, 10, 5.5), np.where(x > 0, 7.9, 3.1)
    return np.sign(x) * np.exp(log + 0.049 * (np.sin(c1 * log) + np.sin(c2 * log))) * (x != 0)


def _asymmetric(x: Vector, beta: float) -> Vector:
    """T_asy."""
    exponents = 1 + beta * np.linspace(0, 1, len(x)) * np.sqrt(np.maximum(x, 0))
    return np.where(x > 0, np.abs(x) ** exponents, x)


def _conditioned(alpha: float) -> Vector:
    """Lambda^alpha, as the diagonal."""
    return alpha ** (0.5 * np.linspace(0, 1, _DIMENSIONS))


def _rastrigin(z: Vector) -> float:
    return float(10 * (len(z) - np.cos(2 * np.pi * z).sum()) + z @ z)


def _f1(x: Vector, _q: Vector, _r: Vector) -> float:
    return float(x @ x)


def _f3(x: Vector, _q: Vector, _r: Vector) -> float:
    return _rastrigin(_conditioned(10) * _asymmetric(_oscillated(x), 0.2))


def _f8(x: Vector, _q: Vector, _r: Vector) -> float:
    z = max(1.0, math.sqrt(_DIMENSIONS) / 8) * x + 1
    return float((100 * (z[:-1] ** 2 - z[1:]) ** 2 + (z[:-1] - 1) ** 2).sum())


def _f10(x: Vector, _q: Vector, r: Vector) -> float:
    z = _oscillated(r @ x)
    return float((10 ** (6 * np.linspace(0, 1, _DIMENSIONS)) * z * z).sum())


def _f13(x: Vector, q: Vector, r: Vector) -> float:
    z = q @ (_conditioned(10) * (r @ x))
    return float(z[0] ** 2 + 100 * np.linalg.norm(z[1:]))


def _f14(x: Vector, _q: Vector, r: Vector) -> float:
    z = np.abs(r @ x)
    return float(math.sqrt((z ** (2 + 4 * np.linspace(0, 1, _DIMENSIONS))).sum()))


def _f15(x: Vector, q: Vector, r: Vector) -> float:
    return _rastrigin(r @ (_conditioned(10) * (q @ _asymmetric(_oscillated(r @ x), 0.2))))


def _f17(x: Vector, q: Vector, r: Vector) -> float:
    z = _conditioned(10) * (q @ _asymmetric(r @ x, 0.5))
    s = np.sqrt(z[:-1] ** 2 + z[1:] ** 2)
    return float((np.sqrt(s) * (1 + np.sin(50 * s**0.2) ** 2)).mean() ** 2)


def _shifted(function: Callable[[Vector, Vector, Vector], float], seed: int) -> Callable[[Point], float]:
    optimum = np.random.default_rng([seed, 7]).uniform(-4, 4, _DIMENSIONS)
    q, r = _rotation(2 * seed), _rotation(2 * seed + 1)
    return lambda point: function(np.array([point[f"x{index}"] for index in range(_DIMENSIONS)]) - optimum, q, r)


BBOB = tuple(
    Objective(
        name, _uniform(-5, 5, *(f"x{index}" for index in range(_DIMENSIONS))), functools.partial(_shifted, function)
    )
    for name, function in {
        "sphere f1": _f1,
        "rastrigin f3": _f3,
        "rosenbrock f8": _f8,
        "ellipsoid f10": _f10,
        "sharp ridge f13": _f13,
        "different powers f14": _f14,
        "rastrigin rotated f15": _f15,
        "schaffer f17": _f17,
    }.items()
)


# -- scikit-learn -----------------------------------------------------------------------------------------------------


def _cross_validated(model: str, data: str) -> Callable[[int], Callable[[Point], float]]:
    """Return 1 - mean score of three folds; alike for the same point, as the folds are."""

    @functools.cache
    def loaded() -> tuple[Any, Any]:
        from sklearn import datasets
        from sklearn.preprocessing import StandardScaler

        x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
        chosen = np.random.default_rng(0).permutation(len(x))[:400]
        return StandardScaler().fit_transform(x)[chosen], y[chosen]

    def score(point: Point) -> float:
        import warnings

        from sklearn.model_selection import cross_val_score

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # models that have not converged are what a search goes through
            return 1.0 - float(np.mean(cross_val_score(_model(model, point), *loaded(), cv=3)))

    return _fixed(score)


def _model(name: str, point: Point) -> Any:
    from sklearn import ensemble, linear_model, neighbors, neural_network, svm, tree

    models: dict[str, Any] = {
        "svm": lambda: svm.SVC(**point),
        "tree": lambda: tree.DecisionTreeClassifier(random_state=0, **point),
        "forest": lambda: ensemble.RandomForestClassifier(15, random_state=0, **point),
        "neighbours": lambda: neighbors.KNeighborsClassifier(**point),
        "lasso": lambda: linear_model.ElasticNet(**point),
        "perceptron": lambda: neural_network.MLPClassifier((20,), max_iter=40, random_state=0, **point),
    }
    return models[name]()


def _log(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "log_uniform_values", "min": low, "max": high}


_TREE = {
    "max_depth": {"min": 1, "max": 15},
    "min_samples_split": {"min": 0.01, "max": 0.99},
    "min_samples_leaf": {"min": 0.01, "max": 0.49},
    "max_features": {"min": 0.01, "max": 0.99},
}
LEARNING = (
    Objective(
        "svm, digits",
        {"C": _log(1, 1e3), "gamma": _log(1e-4, 1e-1), "tol": _log(1e-5, 1e-1)},
        _cross_validated("svm", "digits"),
        None,
    ),
    Objective("tree, wine", _TREE, _cross_validated("tree", "wine"), None),
    Objective(
        "forest, breast cancer",
        {**_TREE, "criterion": {"values": ["gini", "entropy"]}},
        _cross_validated("forest", "breast_cancer"),
        None,
    ),
    Objective(
        "neighbours, digits",
        {
            "n_neighbors": {"min": 1, "max": 25},
            "p": {"min": 1.0, "max": 4.0},
            "weights": {"values": ["uniform", "distance"]},
        },
        _cross_validated("neighbours", "digits"),
        None,
    ),
    Objective(
        "lasso, diabetes",
        {"alpha": _log(1e-4, 1e2), "l1_ratio": {"min": 0.01, "max": 1.0}, "tol": _log(1e-5, 1e-1)},
        _cross_validated("lasso", "diabetes"),
        None,
    ),
    Objective(
        "perceptron, wine",
        {
            "alpha": _log(1e-5, 10),
            "learning_rate_init": _log(1e-5, 1e-1),
            "beta_1": {"min": 0.5, "max": 0.99},
            "batch_size": {"min": 10, "max": 100},
        },
        _cross_validated("perceptron", "wine"),
        None,
    ),
)
