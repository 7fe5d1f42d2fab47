"""TensorBoard: written with `torch.utils.tensorboard`, as most PyTorch programs do; read with its own reader."""

from __future__ import annotations

import sys
import types
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.trackers import base

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.reduce import Series


_READER = "tensorboard.backend.event_processing.event_accumulator"


class Tracker(base.Tracker):
    name = "tensorboard"
    packages: tuple[str, ...] = ("tensorboard", "torch")
    host_packages: tuple[str, ...] = ("torch",)

    def __init__(self) -> None:
        self._writer: Any = None

    def load(self) -> None:
        without_tensorflow()
        import_module("torch.utils.tensorboard")

    def _open(self, folder: Path) -> Any:
        return import_module("torch.utils.tensorboard").SummaryWriter(log_dir=str(folder))

    def init(self, store: Path, name: str) -> base.LogFunction:
        self._writer = self._open(store / name)
        add_scalar = self._writer.add_scalar

        def log(data: Mapping[str, float], step: int) -> None:
            for key, value in data.items():
                add_scalar(key, value, step)

        return log

    def finish(self) -> None:
        self._writer.close()

    def drain(self) -> None:
        self._writer.flush()

    def load_reader(self) -> None:
        without_tensorflow()
        import_module(_READER)

    def _events(self, folder: Path, key: str, keep: int) -> list[Any]:
        events = _accumulator(folder, keep)
        return list(events.Scalars(key or events.Tags()["scalars"][0]))

    def steps(self, store: Path, name: str) -> list[int]:
        return [event.step for event in self._events(store / name, "", keep=0)]

    def series(self, store: Path, name: str, key: str, points: int) -> tuple[Series, Series]:
        import numpy as np

        from benchmarks.reduce import reduce

        events = self._events(store / name, key, keep=0)
        steps = np.fromiter((event.step for event in events), np.int64, len(events))
        values = np.fromiter((event.value for event in events), np.float64, len(events))
        return reduce(steps, values, points)

    def last_values(self, store: Path) -> dict[str, dict[str, float]]:
        last: dict[str, dict[str, float]] = {}
        for folder in store.iterdir():
            # A reservoir of one keeps the newest event of each tag.
            events = _accumulator(folder, 1)
            last[folder.name] = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
        return last


def _accumulator(folder: Path, keep: int) -> Any:
    """All events of a folder, at most `keep` of each scalar; 0 keeps all."""
    events = import_module(_READER).EventAccumulator(str(folder), size_guidance={"scalars": keep})
    events.Reload()
    return events


def without_tensorflow() -> None:
    """Let TensorBoard use its own file code, as on a machine with PyTorch alone; TensorFlow would cost it 400 MB."""
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
