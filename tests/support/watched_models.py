"""Models of PyTorch that are trained under `treering.watch`, and what it must see."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

import treering


def mlp(width: int = 4, layers: int = 2) -> torch.nn.Sequential:
    return torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(layers)))


def train(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int,
    each: Callable[[int], None] = lambda _: None,
    log: bool = True,
) -> None:
    """Steps on the square of the output; `each` is called between backward and step."""
    for step in range(steps):
        loss = model(torch.ones(2, 4) * (step + 1)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        each(step)
        optimizer.step()
        if log and treering.run is not None:
            treering.run.log({"train/loss": loss.item()})


def norm(model: torch.nn.Module) -> float:
    return math.sqrt(sum(float(one.grad.double().pow(2).sum()) for one in model.parameters() if one.grad is not None))
