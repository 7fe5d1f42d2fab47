"""Small environments and settings for Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import gymnasium

SMALL: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 1, "seed": 0, "device": "cpu"}


def cartpole(steps: int | None = None) -> gymnasium.Env[Any, Any]:
    return gymnasium.make("CartPole-v1", max_episode_steps=steps)
