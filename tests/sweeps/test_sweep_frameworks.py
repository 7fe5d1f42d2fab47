"""A sweep with each framework, end to end: its callback hears that a trial is to stop, and ends the training well.

The last trial of each sweep is worse than the others and would train for minutes; only early stopping ends it in time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treering
from treering.sweeps.agents import run_agent
from treering.sweeps.opening import open_sweeps
from treering.sweeps.working import Options

# What frameworks say to us or to each other.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras 3.15 and NumPy 2
    pytest.mark.filterwarnings("ignore::FutureWarning:lightning\\."),  # of what it uses of torch
    pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning"),
]

LEVELS = [0.3, 0.2, 0.1, 5.0]
SHORT, LONG = 3, 4000


def length(level: float) -> int:
    return LONG if level == LEVELS[-1] else SHORT


def search(bare: Path, metric: str, goal: str, train: Callable[[float], int]) -> None:
    """Run a sweep whose `train(level)` returns how many rounds it came to, having ended in the framework's own way."""
    config = {
        "method": "grid",
        "metric": {"name": metric, "goal": goal},
        "parameters": {"level": {"values": LEVELS}},
        "early_terminate": {"type": "hyperband", "min_iter": 2},
    }
    sweep_id = treering.sweep(config)
    rounds: list[int] = []

    def trial() -> None:
        run = treering.init()
        rounds.append(train(run.config.level))

    assert run_agent(sweep_id, trial, options=Options(report_interval_s=0.05)) == len(LEVELS)
    with open_sweeps(str(bare)) as sweeps:
        trials = sweeps.trials(sweep_id)
    assert [(one.state, one.failure) for one in trials] == [("finished", None)] * 3 + [("stopped", None)]
    assert rounds[:3] == [SHORT] * 3
    assert 2 <= rounds[3] < LONG
    assert all(one.values for one in trials)
    stopped = treering.Api(bare).run(trials[3].run_id)
    assert stopped.state == "finished"
    assert "stopped_early" in [event.kind for event in stopped.events()]


def test_keras(bare: Path) -> None:
    keras = pytest.importorskip("keras")
    import numpy as np

    from treering.callbacks.keras import TreeringCallback

    def train(level: float) -> int:
        keras.utils.set_random_seed(0)
        inputs = np.ones((8, 4), dtype="float32")
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1e-6), "mse")
        targets = inputs.sum(1) * 100 * level
        history = model.fit(
            inputs, targets, batch_size=8, epochs=length(level), verbose=0, callbacks=[TreeringCallback(log_every=100)]
        )
        return len(history.epoch)

    search(bare, "train/loss", "minimize", train)


def test_lightning(bare: Path) -> None:
    pytest.importorskip("lightning")
    import lightning.pytorch as pl
    import torch

    from treering.callbacks.lightning import TreeringLogger

    class Module(pl.LightningModule):
        def __init__(self, level: float) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
            self.level = level

        def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
            loss: torch.Tensor = (self.layer(batch[0]) - 100 * self.level).pow(2).mean()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 1e-9)

    def train(level: float) -> int:
        torch.manual_seed(0)
        data = torch.utils.data.TensorDataset(torch.ones(4, 1))
        trainer = pl.Trainer(
            max_epochs=length(level),
            logger=TreeringLogger(),
            log_every_n_steps=1,
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Module(level), torch.utils.data.DataLoader(data, batch_size=4))
        return int(trainer.current_epoch)

    search(bare, "train/loss", "minimize", train)


def test_transformers(bare: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    import torch

    from treering.callbacks.transformers import TreeringCallback

    class Model(torch.nn.Module):
        def __init__(self, level: float) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.level = level

        def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
            return {"loss": (self.weight * x - 100 * self.level).pow(2).mean(), "logits": x}

    def train(level: float) -> int:
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path / str(level)),
            max_steps=length(level),
            learning_rate=1e-9,
            logging_steps=1,
            per_device_train_batch_size=2,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        )
        data = [{"x": torch.ones(1), "labels": torch.ones(1)} for _ in range(2)]
        trainer = transformers.Trainer(Model(level), arguments, train_dataset=data, callbacks=[TreeringCallback()])
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return int(trainer.state.global_step)

    search(bare, "train/loss", "minimize", train)


def test_sb3_ppo(bare: Path) -> None:
    pytest.importorskip("stable_baselines3")
    import gymnasium
    from cartpoles import SMALL
    from stable_baselines3 import PPO
    from stable_baselines3.common.monitor import Monitor

    from treering.callbacks.sb3 import TreeringCallback

    def train(level: float) -> int:
        env = gymnasium.make("CartPole-v1", max_episode_steps=8)
        scaled = gymnasium.wrappers.TransformReward(env, lambda reward: float(reward) - 100 * level)
        model = PPO("MlpPolicy", Monitor(scaled), **SMALL)
        model.learn(32 * length(level), callback=TreeringCallback())
        return model.num_timesteps // 32

    search(bare, "rollout/ep_rew_mean", "maximize", train)
