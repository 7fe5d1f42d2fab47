"""tensorboardX, which imports torch where it finds it; its files are TensorBoard's, and so is the reader."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.trackers import tensorboard_

if TYPE_CHECKING:
    from pathlib import Path


class Tracker(tensorboard_.Tracker):
    name = "tensorboardX"
    packages = ("tensorboardX", "torch")

    def load(self) -> None:
        import_module("tensorboardX")

    def _open(self, folder: Path) -> Any:
        return import_module("tensorboardX").SummaryWriter(str(folder))
