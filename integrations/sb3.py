"""Stable-Baselines3: what a model is made of, as plain settings.

from treering.integrations.sb3 import describe

run.config.update(dict(describe(model)))
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering._framework import framework

with framework("stable_baselines3", extra="sb3"):
    import stable_baselines3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stable_baselines3.common.base_class import BaseAlgorithm

__all__ = ["describe"]

RUNNING_NUMBERS = frozenset({"num_timesteps", "start_time"})
SCHEDULES = frozenset({"clip_range", "clip_range_vf", "exploration_schedule", "learning_rate"})
SCHEDULE_AT = (1.0, 0.5, 0.0)  # shares of the training that remain


def describe(model: BaseAlgorithm) -> Iterator[tuple[str, object]]:
    """The parts of a run's config: the algorithm with its numbers and schedules, its policy, its environment."""
    yield "version", stable_baselines3.__version__
    numbers: dict[str, object] = {"algorithm": type(model).__name__}
    for name, value in vars(model).items():
        if (
            isinstance(value, (int, float, str))
            and not name.startswith("_")
            and name not in {"num_timesteps", "start_time"}
        ):
            numbers[name] = value
        elif callable(value) and name in SCHEDULES:
            numbers[name] = _sampled(value)
    yield "algorithm", numbers
    parameters = sum(parameter.numel() for parameter in model.policy.parameters())
    yield "policy", {"class": type(model.policy).__name__, "kwargs": model.policy_kwargs, "parameters": parameters}
    yield "env", _environment(model)


def _sampled(schedule: Any) -> object:
    """A schedule as its values over the training, or as the one value that it always has."""
    values = {str(left): float(schedule(left)) for left in SCHEDULE_AT}
    return next(iter(values.values())) if len(set(values.values())) == 1 else values


def _environment(model: BaseAlgorithm) -> dict[str, object]:
    env = model.get_env()
    facts: dict[str, object] = {
        "observation_space": str(model.observation_space),
        "action_space": str(model.action_space),
        "n_envs": model.n_envs,
    }
    if env is None:
        return facts
    chain: list[str] = []
    outer: Any = env
    while outer is not None:
        chain.append(type(outer).__name__)
        outer = (
            getattr(outer, "venv", None) or getattr(outer, "env", None) or next(iter(getattr(outer, "envs", [])), None)
        )
    facts["wrappers"] = chain
    try:
        spec = env.get_attr("spec", [0])[0]
    except (AttributeError, EOFError):  # an environment that was never registered
        spec = None
    return facts if spec is None else {**facts, "id": spec.id, "kwargs": dict(spec.kwargs)}
