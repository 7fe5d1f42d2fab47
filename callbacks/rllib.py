"""RLlib: `config.callbacks(partial(TreeringCallback, project="cartpole"))` records an algorithm's training.

    from functools import partial
    from ray.rllib.algorithms.ppo import PPOConfig
    from treering.callbacks.rllib import TreeringCallback

    config = PPOConfig().environment("CartPole-v1").callbacks(partial(TreeringCallback, project="cartpole"))

Recorded: every episode, and each result of `train()` and `evaluate()` under RLlib's own names, at the number of
environment steps sampled in the algorithm's whole life. The class itself, without `partial`, does it with the defaults.
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.integrations._episodes import Episode, Episodes
from treering.integrations.ray import metrics_of
from treering.training import Options, Training
from treering.training.adopted import opened_by_adapters

with framework("ray", extra="rllib"):
    import ray
    from ray.rllib.callbacks.callbacks import RLlibCallback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Unpack

    from treering import Run

__all__ = ["TreeringCallback"]

# What travels with RLlib's own metrics, from the processes of its environments and through its checkpoints. The
# results that a user sees are freed of both.
EPISODES, STATE = "treering_episodes", "treering_state"
LIFETIME = "num_env_steps_sampled_lifetime"


class TreeringCallback(RLlibCallback):
    """Records what an RLlib algorithm samples and learns.

    RLlib makes one in each process of environments, which send their episodes on, and one beside the algorithm, which
    alone opens a run. An algorithm that is made from a checkpoint, or restored, goes on in the checkpoint's run.

    Args:
        **options: see `treering.training.Options`.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__()
        self._training = Training("rllib", **options)
        self._episodes = {"": Episodes(0), "evaluation": Episodes(0)}
        self._begun = False
        self._result_step = 0

    @property
    def run(self) -> Run | None:
        """The run that is written to, if one is open; only the callback beside the algorithm has one."""
        return self._training.opened

    def on_episode_end(
        self,
        *,
        episode: Any,
        prev_episode_chunks: list[Any] | None = None,
        metrics_logger: Any = None,
        env_runner: Any = None,
        env_index: int = 0,
        **kwargs: Any,
    ) -> None:
        with self._training.guard("on_episode_end"):
            chunks = [*(prev_episode_chunks or []), episode]
            ended = {
                "return": float(sum(chunk.get_return() for chunk in chunks)),
                # Not the sum of the chunks' lengths: each that goes on from another counts one step twice.
                "length": int(getattr(episode, "env_t", None) or episode.t),
                "truncated": bool(episode.is_truncated),
                "terminated": bool(episode.is_terminated),
                "env": int(env_index),
                "worker": int(getattr(env_runner, "worker_index", 0) or 0),
            }
            if metrics_logger is not None:
                metrics_logger.log_value(EPISODES, ended, reduce="item_series")

    def on_evaluate_end(
        self, *, algorithm: Any, metrics_logger: Any = None, evaluation_metrics: dict[str, Any], **kwargs: Any
    ) -> None:
        with self._training.guard("on_evaluate_end"):
            episodes = list(_taken(evaluation_metrics))
            step = int(algorithm.metrics.peek(("env_runners", LIFETIME), default=0))
            kept = None if self._begun else algorithm.metrics.peek(STATE, default="")
            self._begin(algorithm, json.loads(kept) if kept else None)
            self._log_episodes(episodes, step, "evaluation")
            row = dict(metrics_of({"evaluation": evaluation_metrics}, prefix=None))
            self._training.log(row, step=step)

    def on_train_result(
        self, *, algorithm: Any, metrics_logger: Any = None, result: dict[str, Any], **kwargs: Any
    ) -> None:
        with self._training.guard("on_train_result"):
            episodes = list(_taken(result))
            kept = result.pop(STATE, None)
            step = int(result.get(LIFETIME) or result.get("env_runners", {}).get(LIFETIME) or 0)
            self._begin(algorithm, json.loads(kept) if kept else None)
            self._result_step = step
            self._log_episodes(episodes, step, "")
            list(_taken(result.get("evaluation") or {}))
            own = {name: value for name, value in result.items() if name != "evaluation"}
            row = dict(metrics_of(own, prefix=None))
            self._training.log(row, step=step, iteration=float(result.get("training_iteration", 0)))
            if metrics_logger is not None and self.run is not None:
                state = {**self._training.state(), "episodes": self._episodes[""].ended}
                metrics_logger.log_value(STATE, json.dumps(state), reduce="item")

    # -- private ------------------------------------------------------------------------------------------------------

    def _begin(self, algorithm: Any, kept: dict[str, Any] | None) -> None:
        before = int(kept["step"]) if kept else 0
        restored = kept is not None and (not self._begun or before < self._result_step)
        if self._begun and not restored:
            return
        self._training.begin(step=before, resumed=kept if restored else None)
        run = self._training.run
        if run is None:
            return
        if run.id in opened_by_adapters:
            # RLlib tells nothing of the end: a program that ends ends its training well, if no error says otherwise.
            opened_by_adapters[run.id].training = False
        if kept is not None and restored:
            self._episodes[""].ended = int(kept.get("episodes", 0))
        if not self._begun:
            self._begun = True
            self._training.configure("version", ray.__version__)
            self._training.configure("algorithm", type(algorithm).__name__)
            self._training.configure("settings", algorithm.config.to_dict())

    def _log_episodes(self, episodes: list[dict[str, Any]], step: int, section: str) -> None:
        counter = self._episodes[section]
        for one in episodes:
            episode = Episode(one["return"], one["length"])
            row = counter.row(episode, one["env"], truncated=one["truncated"], terminated=one["terminated"])
            row["episode/worker"] = one["worker"]
            named = {f"{section}/{name}": value for name, value in row.items()} if section else row
            self._training.log(named, step=step, episode=counter.ended)


def _taken(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The episodes that came with a result, which then has them no more."""
    runners = cast("dict[str, Any]", result.get("env_runners") or {})
    episodes = runners.pop(EPISODES, None)
    # RLlib unpacks a series of one.
    yield from [episodes] if isinstance(episodes, dict) else episodes or []
