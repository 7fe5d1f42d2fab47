"""A small model of Keras, and how it is trained."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

INPUTS = np.linspace(0, 1, 128, dtype="float32").reshape(32, 4)
TARGETS = INPUTS.sum(1)


def build(optimizer: Any = None, **options: Any) -> Any:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.1), "mse", metrics=["mae"], **options)
    return model


def fit(model: Any, *callbacks: Any, batches: int = 4, **options: Any) -> Any:
    return model.fit(INPUTS, TARGETS, 32 // batches, verbose=0, callbacks=list(callbacks), **options)
