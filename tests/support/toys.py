"""One real training per framework, small enough for a test: the conformance suite runs over this table.

A new callback enters by one more `Toy` in `TOYS`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OnStep = Callable[[int], None]


class BoomError(Exception):
    """What a training fails with."""


@dataclass(frozen=True)
class Toy:
    """The smallest real training of one framework that writes a checkpoint now and then.

    Attributes:
        framework: the word for it: adapter module, extra and test file are called so.
        imports: the module whose absence skips its tests.
        plug: `plug(run, **options)` makes what a user passes to the framework.
        train: `train(plugged, folder, on_step, resume)` trains to the end; `on_step(step)` is called by the framework
            after each step, before our callback knows of it or after; `resume` goes on from the newest checkpoint in
            `folder`, or with "auto" from the one that the plug finds in the store.
        steps: the last step of a whole training.
        late: a step well before the end, with a checkpoint before it.
        series: metrics that are recorded, with the last step at which each has a value.
        one_run: the same plug given to a second training goes on in its run.
        repeats: a training that goes on from a checkpoint is the same as one that was never interrupted.
    """

    framework: str
    imports: str
    plug: Callable[..., Any]
    train: Callable[..., None]
    steps: int
    late: int
    series: dict[str, int]
    one_run: bool = True
    repeats: bool = True

    def load(self) -> None:
        """Import the framework and its adapter."""
        importlib.import_module(self.imports)
        self.plug()


def nothing(step: int) -> None:
    """Do nothing after a step."""


# -- Keras ------------------------------------------------------------------------------------------------------------


def keras_plug(run: Any = None, **options: Any) -> Any:
    from treering.callbacks.keras import TreeringCallback

    return TreeringCallback(run, log_every=1, **options)


def keras_train(plugged: Any, folder: Path, on_step: OnStep = nothing, resume: bool | str = False) -> None:
    """Five epochs of one batch; what BackupAndRestore left in the folder is restored by Keras itself."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    inputs = np.linspace(0, 1, 32, dtype="float32").reshape(8, 4)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")

    class EachStep(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            on_step(int(self.model.optimizer.iterations))

    if resume == "auto":
        newest = plugged.checkpoint
        model = keras.saving.load_model(newest) if newest else model
        savers = [keras.callbacks.ModelCheckpoint(folder / "{epoch}.keras")]
    else:
        backup = keras.callbacks.BackupAndRestore(folder / "backup")
        savers = [
            backup,
            keras.callbacks.ModelCheckpoint(folder / "{epoch}.weights.h5", monitor="loss", save_weights_only=True),
        ]
    model.fit(
        inputs,
        inputs.sum(1),
        batch_size=8,
        epochs=5,
        initial_epoch=plugged.initial_epoch,
        shuffle=False,
        verbose=0,
        callbacks=[*savers, plugged, EachStep()],
    )


# -- Stable-Baselines3 ------------------------------------------------------------------------------------------------


def sb3_plug(run: Any = None, **options: Any) -> Any:
    from treering.callbacks.sb3 import TreeringCallback

    return TreeringCallback(run, **options)


def sb3_train(plugged: Any, folder: Path, on_step: OnStep = nothing, resume: bool | str = False) -> None:
    """Five rollouts of 16 steps, a checkpoint after each."""
    import gymnasium
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import CheckpointCallback, ConvertCallback

    env = gymnasium.make("CartPole-v1")
    saver = CheckpointCallback(16, str(folder), name_prefix="toy")
    zips = sorted(folder.glob("toy_*_steps.zip"), key=lambda path: int(re.findall(r"\d+", path.name)[0]))
    options: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "seed": 0, "device": "cpu"}
    newest = plugged.checkpoint if resume == "auto" else zips[-1] if resume else None
    model = PPO.load(newest, env=env) if newest else PPO("MlpPolicy", env, **options)

    def after_step(local: dict[str, Any], _: Any) -> bool:
        on_step(local["self"].num_timesteps)
        return True

    each_step = ConvertCallback(after_step)
    callbacks = [saver, plugged, each_step]
    model.learn(80 - model.num_timesteps, callback=callbacks, reset_num_timesteps=newest is None)


# -- Lightning --------------------------------------------------------------------------------------------------------


def lightning_plug(run: Any = None, **options: Any) -> Any:
    from treering.callbacks.lightning import TreeringLogger

    return TreeringLogger(run, **options)


def lightning_train(plugged: Any, folder: Path, on_step: OnStep = nothing, resume: bool | str = False) -> None:
    """Five steps, one an epoch, a checkpoint after each."""
    import lightning.pytorch as pl
    import torch

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
            loss: torch.Tensor = self.layer(batch[0]).pow(2).mean()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    class EachStep(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            on_step(trainer.global_step)

    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.linspace(0, 1, 32).reshape(8, 4))
    saver = pl.callbacks.ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = pl.Trainer(
        max_steps=5,  # a checkpoint from within an epoch makes Lightning count that epoch again
        logger=plugged,
        callbacks=[EachStep(), saver],
        log_every_n_steps=1,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if resume == "auto":
        newest = plugged.checkpoint
    else:
        newest = max(folder.glob("step=*.ckpt"), key=lambda path: path.stat().st_mtime_ns) if resume else None
    trainer.fit(Module(), torch.utils.data.DataLoader(data, 8), ckpt_path=newest)


# -- Transformers -----------------------------------------------------------------------------------------------------


def transformers_plug(run: Any = None, **options: Any) -> Any:
    from treering.callbacks.transformers import TreeringCallback

    return TreeringCallback(run, **options)


def transformers_train(plugged: Any, folder: Path, on_step: OnStep = nothing, resume: bool | str = False) -> None:
    """Five steps, a checkpoint after each."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

    class EachStep(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            on_step(state.global_step)

    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    arguments = TrainingArguments(
        str(folder),
        max_steps=5,
        per_device_train_batch_size=2,
        logging_steps=1,
        save_steps=1,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(
        BertForSequenceClassification(BertConfig(vocab_size=4, max_position_embeddings=4, **shape)),
        arguments,
        train_dataset=[{"input_ids": [number % 4] * 4, "labels": number % 2} for number in range(10)],
        callbacks=[plugged, EachStep()],
    )
    trainer.train(resume_from_checkpoint=plugged.checkpoint if resume == "auto" else resume)


# -- Accelerate -------------------------------------------------------------------------------------------------------


def accelerate_plug(run: Any = None, **options: Any) -> Any:
    from treering.callbacks.accelerate import TreeringTracker

    return TreeringTracker(run=run, **options)


def accelerate_train(plugged: Any, folder: Path, on_step: OnStep = nothing, resume: bool | str = False) -> None:
    """Five steps, a checkpoint after each."""
    import torch
    from accelerate import Accelerator

    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True, log_with=plugged)
    model = torch.nn.Linear(4, 1)
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))
    accelerator.init_trackers("toys")
    newest = plugged.checkpoint if resume == "auto" else max(folder.glob("step-*"), default=None) if resume else None
    if newest is not None:
        accelerator.load_state(newest)
    inputs = torch.linspace(0, 1, 32).reshape(8, 4)
    for step in range(1 if newest is None else int(newest.name.rpartition("-")[2]) + 1, 6):
        loss = model(inputs).pow(2).mean()
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        accelerator.log({"train/loss": loss.item()}, step=step)
        on_step(step)
        accelerator.save_state(folder / f"step-{step}")
    accelerator.end_training()


# -- the table --------------------------------------------------------------------------------------------------------

TOYS = [
    Toy("lightning", "lightning", lightning_plug, lightning_train, 5, 3, {"train/loss": 5, "lr/0": 5}),
    Toy(
        "transformers", "transformers", transformers_plug, transformers_train, 5, 3, {"train/loss": 5, "lr/0": 5}, False
    ),
    Toy("accelerate", "accelerate", accelerate_plug, accelerate_train, 5, 3, {"train/loss": 5, "lr/0": 5}),
    Toy("keras", "keras", keras_plug, keras_train, steps=5, late=3, series={"train/loss": 5, "lr/0": 5}),
    Toy(
        "sb3",
        "stable_baselines3",
        sb3_plug,
        sb3_train,
        steps=80,
        late=50,
        series={"train/loss": 80, "train/learning_rate": 80, "rollout/ep_rew_mean": 80},
        repeats=False,  # the environment is not in the checkpoint
    ),
]


def find_toy(framework: str) -> Toy:
    """The toy of a framework."""
    return next(toy for toy in TOYS if toy.framework == framework)
