"""A tiny BERT, built from a config, learns which of two words comes more often: one callback records the training.

pip install 'treering[transformers]'
python examples/hf_tiny_bert.py
"""

from __future__ import annotations

import argparse
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

from treering.callbacks.transformers import TreeringCallback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import TrainerCallback
    from transformers.trainer_utils import EvalPrediction

WORDS, LENGTH = 16, 12


def sentences(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of word numbers below 16, each labelled with whether word 2 comes more often than word 1."""
    chance = torch.Generator().manual_seed(seed)
    words = torch.randint(1, WORDS, (count, LENGTH), generator=chance)
    labels = ((words == 2).sum(1) > (words == 1).sum(1)).long()
    return [
        {"input_ids": row, "attention_mask": torch.ones(LENGTH, dtype=torch.long), "labels": label}
        for row, label in zip(words, labels, strict=True)
    ]


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """The share of sentences that were labelled right."""
    return {"accuracy": float(np.mean(np.argmax(prediction.predictions, -1) == prediction.label_ids))}


def train(
    epochs: int = 3, folder: str | None = None, callbacks: Sequence[TrainerCallback] = (), **arguments: Any
) -> tuple[Trainer, TreeringCallback]:
    """Train, keep the best and the last model in `folder`, and evaluate once more at the end."""
    set_seed(0)
    config = BertConfig(
        vocab_size=WORDS, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    recorder = TreeringCallback(project="examples", name="hf-tiny-bert", tags=["text"])
    with tempfile.TemporaryDirectory() as scratch:
        options: dict[str, Any] = {
            "per_device_train_batch_size": 32,
            "per_device_eval_batch_size": 128,
            "learning_rate": 5e-3,
            "logging_steps": 5,
            "eval_strategy": "epoch",
            "save_strategy": "epoch",
            "save_total_limit": 2,
            "load_best_model_at_end": True,
            "metric_for_best_model": "accuracy",
            "report_to": "none",
            "use_cpu": True,
            "disable_tqdm": True,
            **arguments,
        }
        trainer = Trainer(
            BertForSequenceClassification(config),
            TrainingArguments(folder or scratch, num_train_epochs=epochs, **options),
            train_dataset=sentences(512, seed=1),
            eval_dataset=sentences(128, seed=2),
            compute_metrics=accuracy,
            callbacks=[recorder, *callbacks],
        )
        trainer.train()
        trainer.evaluate()
    return trainer, recorder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    _, recorder = train(parser.parse_args().epochs)
    if recorder.run is not None:
        print(f"see how it went:  treering plot {recorder.run.id} train/loss eval/loss")
