"""A plain PyTorch loop reads handwritten digits: no callback, just `init`, `log` and `log_artifact`.

pip install treering scikit-learn torch
python examples/pytorch_loop.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import treering

torch.set_num_threads(1)  # more only get in each other's way in networks this small


def train(epochs: int = 5, learning_rate: float = 0.2, batch_size: int = 64, seed: int = 0) -> treering.Run:
    """Train a small network and record its losses, learning rate, accuracy and best weights."""
    torch.manual_seed(seed)
    pictures, digits = load_digits(return_X_y=True)
    everything = TensorDataset(torch.tensor(pictures / 16, dtype=torch.float32), torch.tensor(digits))
    train_set, test_set = random_split(everything, [0.75, 0.25])
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)

    config = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "seed": seed, "model": model}
    with (
        tempfile.TemporaryDirectory() as folder,
        treering.init(project="examples", name="pytorch-digits", tags=["digits"], config=config) as run,
    ):
        run.define_metric("val/accuracy", summary="max", goal="maximize")
        step, best = 0, 0.0
        for epoch in range(epochs):
            for inputs, targets in DataLoader(train_set, batch_size, shuffle=True):
                loss = nn.functional.cross_entropy(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
                run.log({"train/loss": loss, "lr": schedule.get_last_lr()[0], "epoch": epoch}, step=step)
            schedule.step()

            inputs, targets = test_set[:]
            with torch.no_grad():
                output = model(inputs)
            accuracy = (output.argmax(1) == targets).float().mean().item()
            loss = nn.functional.cross_entropy(output, targets)
            run.log({"val/loss": loss, "val/accuracy": accuracy, "epoch": epoch}, step=step)
            if accuracy > best:
                best = accuracy
                path = Path(folder, "weights.pt")
                torch.save(model.state_dict(), path)
                run.log_artifact(path, name="digits", type="model", aliases=["best"], metadata={"accuracy": accuracy})
    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    run = train(parser.parse_args().epochs)
    print(f"see how it went:  treering plot {run.id} val/accuracy")
