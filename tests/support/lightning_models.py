"""A Lightning module whose numbers can be computed by hand, and a quiet Trainer for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

QUIET: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


class Module(pl.LightningModule):
    """y = w * x with w = 1 at first: the loss of a batch of ones is w squared, and each step makes w smaller."""

    def __init__(self, lr: float = 0.1, decay: float = 1.0, **odd: Any) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.decay = lr, decay
        self.w = torch.nn.Parameter(torch.ones(1))
        self.scores: list[float] = []
        self.raise_at: tuple[int, BaseException] | None = None

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.raise_at is not None and self.global_step == self.raise_at[0]:
            raise self.raise_at[1]
        loss = (self.w * batch[0]).pow(2).mean()
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        score = self.scores[self.current_epoch] if self.scores else (self.w * batch[0]).pow(2).mean()
        self.log("val_loss", score)

    def test_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        self.log("test_loss", (self.w * batch[0]).pow(2).mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), self.lr)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, self.decay)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def batches(count: int) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.ones(count, 1)), 1)


def trainer(folder: Path, logger: Any, **options: Any) -> Any:
    every: dict[str, Any] = {"log_every_n_steps": 1, **QUIET, **options}
    return pl.Trainer(logger=logger, default_root_dir=folder, **every)
