"""Keras reads handwritten digits: one callback records the training, whatever the backend.

pip install 'treering[keras]' scikit-learn torch
KERAS_BACKEND=torch python examples/keras_digits.py
"""

from __future__ import annotations

import argparse
import os
import tempfile
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from treering.callbacks.keras import TreeringCallback

if TYPE_CHECKING:
    import numpy as np


def data() -> list[np.ndarray]:
    """1,797 pictures of 8 x 8 pixels in 0..1 with their digits, as train and test."""
    pictures, digits = load_digits(return_X_y=True)
    split: list[np.ndarray] = train_test_split(
        (pictures / 16).astype("float32"), digits, test_size=0.25, random_state=0
    )
    return split


def train(epochs: int = 5, folder: str | None = None, **fit: Any) -> tuple[keras.Model, TreeringCallback]:
    """Train, keep the best model in `folder`, and evaluate once more at the end."""
    keras.utils.set_random_seed(0)
    x_train, x_test, y_train, y_test = data()
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    )
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = TreeringCallback(project="examples", name="keras-digits", tags=["digits"], log_every=5)
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(folder or scratch, "best.keras")
        best = keras.callbacks.ModelCheckpoint(path, monitor="val_accuracy", mode="max", save_best_only=True)
        callbacks = [best, recorder, *fit.pop("callbacks", [])]
        model.fit(x_train, y_train, 32, epochs, validation_data=(x_test, y_test), verbose=0, callbacks=callbacks, **fit)
        model.evaluate(x_test, y_test, verbose=0, callbacks=[recorder])
    return model, recorder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    _, recorder = train(parser.parse_args().epochs)
    if recorder.run is not None:
        print(f"see how it went:  treering plot {recorder.run.id} val/accuracy")
