"""Lightning reads handwritten digits: the logger is the only line added to the training.

pip install 'treering[lightning]' scikit-learn
python examples/lightning_digits.py
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from treering.callbacks.lightning import TreeringLogger

Batch = tuple[torch.Tensor, ...]


class Digits(LightningDataModule):
    """1,797 pictures of 8 x 8 pixels in 0..1 with their digits, a quarter of them to validate on."""

    def __init__(self, batch_size: int = 64) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.batch_size = batch_size
        pictures, digits = load_digits(return_X_y=True)
        everything = TensorDataset(torch.tensor(pictures / 16, dtype=torch.float32), torch.tensor(digits))
        self.parts = random_split(everything, [0.75, 0.25], torch.Generator().manual_seed(0))

    def train_dataloader(self) -> DataLoader[Batch]:
        """The pictures to train on, in a new order each epoch."""
        return DataLoader(self.parts[0], self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The pictures to validate on."""
        return DataLoader(self.parts[1], 256)


class Reader(LightningModule):
    """A network with one hidden layer."""

    def __init__(self, hidden: int = 32, learning_rate: float = 0.2, decay: float = 0.8) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.learning_rate, self.decay = learning_rate, decay
        self.network = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))

    def training_step(self, batch: Batch) -> torch.Tensor:
        """One batch to learn from."""
        pictures, digits = batch
        loss = nn.functional.cross_entropy(self.network(pictures), digits)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch) -> None:
        """One batch to be judged by."""
        pictures, digits = batch
        output = self.network(pictures)
        self.log("val_loss", nn.functional.cross_entropy(output, digits))
        self.log("val_accuracy", (output.argmax(1) == digits).float().mean())

    def configure_optimizers(self) -> Any:
        """SGD, slower with each epoch."""
        optimizer = torch.optim.SGD(self.parameters(), self.learning_rate)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, self.decay)]


def train(epochs: int = 5, folder: str | None = None, **trainer: Any) -> tuple[Trainer, TreeringLogger]:
    """Train, and keep the best two models and the last one in `folder`."""
    seed_everything(0, verbose=False)
    logger = TreeringLogger(project="examples", name="lightning-digits", tags=["digits"])
    with tempfile.TemporaryDirectory() as scratch:
        saver = ModelCheckpoint(folder or scratch, monitor="val_accuracy", mode="max", save_top_k=2, save_last=True)
        options: dict[str, Any] = {
            "accelerator": "cpu",
            "log_every_n_steps": 5,
            "enable_progress_bar": False,
            **trainer,
        }
        callbacks: list[Any] = [saver, *options.pop("callbacks", [])]
        fit = Trainer(max_epochs=epochs, logger=logger, callbacks=callbacks, enable_model_summary=False, **options)
        fit.fit(Reader(), datamodule=Digits())
    return fit, logger


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    _, logger = train(parser.parse_args().epochs)
    if logger.run is not None:
        print(f"see how it went:  treering plot {logger.run.id} val/accuracy")
