"""A callback of one's own: what `scipy.optimize.minimize` does, recorded like every other training.

pip install treering scipy
python examples/own_callback.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize, rosen

from treering.training import Score, Training


class TreeringCallback:
    """Records a minimisation: `minimize(..., callback=TreeringCallback(folder))`; call `end` with what it returns."""

    def __init__(self, folder: Path, *, save_every: int = 10, **options: Any) -> None:
        self.training = Training("scipy", **options)  # opens nothing yet
        self._folder, self._save_every, self._step = folder, save_every, 0

    def __call__(self, intermediate_result: OptimizeResult) -> None:
        """Record one iteration."""
        with self.training.guard("callback"):  # a mistake of ours is a warning, never the end of the training
            if self._step == 0:
                self.training.begin()
                self.training.configure("variables", len(intermediate_result.x))
            self._step += 1
            loss = float(intermediate_result.fun)
            if self.training.due(self._step):
                self.training.log({"loss": loss}, step=self._step, prefix="train")
            if self._step % self._save_every == 0:
                np.save(self._folder / "x.npy", intermediate_result.x)
                self.training.checkpoint(self._folder / "x.npy", step=self._step, score=Score("train/loss", loss))

    def end(self, result: OptimizeResult) -> None:
        """Record how it ended."""
        with self.training.guard("end"):
            self.training.summarize({"evaluations": result.nfev, "converged": bool(result.success)})
            self.training.end()


def train() -> TreeringCallback:
    """Find the bottom of Rosenbrock's valley."""
    with tempfile.TemporaryDirectory() as folder:
        recorded = TreeringCallback(Path(folder), project="examples", name="scipy-rosenbrock")
        recorded.end(minimize(rosen, np.zeros(5), method="BFGS", callback=recorded))
    return recorded


if __name__ == "__main__":
    run = train().training.run
    if run is not None:
        print(f"see how it went:  treering plot {run.id} train/loss --log")
