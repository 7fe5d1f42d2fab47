"""Optuna looks for a learning rate: the study is a run, each trial too, and bad trials are given up early.

pip install 'treering[optuna]' scikit-learn
python examples/optuna_digits.py
"""

from __future__ import annotations

import numpy as np
import optuna
from sklearn.datasets import load_digits

import treering
from treering.integrations.optuna import track

EPOCHS = 8


def objective(trial: optuna.Trial) -> float:
    """Train a linear classifier of handwritten digits; returns its loss on the digits that it has not seen."""
    rate = trial.suggest_float("learning_rate", 1e-3, 10.0, log=True)
    decay = trial.suggest_float("weight_decay", 1e-5, 1e-1, log=True)
    digits = load_digits()
    inputs, targets = digits.data / 16.0, np.eye(10)[digits.target]
    weights, loss = np.zeros((64, 10)), np.inf
    for epoch in range(EPOCHS):
        for batch in np.split(np.arange(1280), 20):
            error = softmax(inputs[batch] @ weights) - targets[batch]
            weights -= rate * (inputs[batch].T @ error / len(batch) + decay * weights)
        outputs = softmax(inputs[1280:] @ weights)
        loss = float(-np.log(np.maximum((outputs * targets[1280:]).sum(axis=1), 1e-12)).mean())
        accuracy = float((outputs.argmax(axis=1) == digits.target[1280:]).mean())
        treering.log({"val/loss": loss, "val/accuracy": accuracy, "epoch": epoch}, step=epoch)
        trial.report(loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores of each row as probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def search(trials: int = 12, seed: int = 0) -> optuna.Study:
    """Run the study."""
    sampler, pruner = optuna.samplers.TPESampler(seed=seed), optuna.pruners.MedianPruner(n_startup_trials=3)
    study = optuna.create_study(study_name="digits", sampler=sampler, pruner=pruner)
    study.optimize(track(objective, project="examples"), n_trials=trials)
    return study


if __name__ == "__main__":
    found = search()
    print(f"trial {found.best_trial.number}: loss {found.best_value:.3f} with {found.best_params}")
