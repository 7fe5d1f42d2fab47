"""Rows to log: noisy training curves, as float32 values in Python floats, the way `loss.item()` gives them."""

from __future__ import annotations

import math
import random
import struct
from array import array

__all__ = ["KEYS", "columns", "rows"]

#: All continuous and noisy in every bit of a float32: no counter, accuracy or schedule that compresses to nothing.
KEYS = (
    "train/loss",
    "train/policy_loss",
    "train/value_loss",
    "train/kl",
    "train/entropy",
    "grad/norm",
    "grad/norm_encoder",
    "grad/norm_head",
    "val/loss",
    "time/step_s",
)


def _float32(value: float) -> float:
    packed: tuple[float] = struct.unpack("f", struct.pack("f", value))
    return packed[0]


def rows(count: int, metrics: int = len(KEYS), seed: int = 7) -> list[dict[str, float]]:
    """`count` rows of `metrics` values each: an exponential decay to a floor, with multiplicative noise.

    Written without NumPy, so that making the input loads nothing into the measured process.
    """
    noise = random.Random(seed)
    keys = [KEYS[i] if i < len(KEYS) else f"layer/{i:04d}/norm" for i in range(metrics)]
    shape = [(noise.uniform(0.1, 8.0), noise.uniform(0.01, 0.5), noise.uniform(0.02, 0.2)) for _ in keys]
    table: list[dict[str, float]] = []
    for row in range(count):
        progress = math.exp(-6.0 * row / count)
        table.append(
            {
                key: _float32((scale * progress + floor) * math.exp(spread * noise.gauss(0.0, 1.0)))
                for key, (scale, floor, spread) in zip(keys, shape, strict=True)
            }
        )
    return table


def columns(count: int, metrics: int = len(KEYS)) -> tuple[list[str], list[array[float]]]:
    """Return the same as keys and compact columns, for programs that make each row when they log it."""
    table = rows(count, metrics)
    keys = list(table[0])
    return keys, [array("d", [row[key] for row in table]) for key in keys]
