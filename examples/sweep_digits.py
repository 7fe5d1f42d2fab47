"""A sweep in one file: nine trainings of a linear model on the digits, the bad ones stopped early.

pip install treering scikit-learn
python sweep_digits.py
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import treering

SWEEP = {
    "method": "tpe",
    "metric": {"name": "val/accuracy", "goal": "maximize"},
    "run_cap": 9,
    "seed": 1,
    "parameters": {
        "alpha": {"distribution": "log_uniform_values", "min": 1e-6, "max": 1.0},
        "loss": {"values": ["hinge", "log_loss", "modified_huber"]},
    },
    "early_terminate": {"type": "hyperband", "min_iter": 3},
}


def train() -> None:
    """One trial: its parameters are in the run's config."""
    run = treering.init()
    x, y = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x / 16, y, random_state=0)
    model = SGDClassifier(alpha=run.config.alpha, loss=run.config.loss, random_state=0)
    for _ in range(9):
        model.partial_fit(x_train, y_train, classes=np.arange(10))
        run.log({"val/accuracy": model.score(x_val, y_val)})
        if run.should_stop:
            break


def main() -> str:
    """Make the sweep, run it here, and return its id; more agents could help from other machines."""
    sweep_id = treering.sweep(SWEEP, project="digits")
    treering.agent(sweep_id, train)
    return sweep_id


if __name__ == "__main__":
    main()
