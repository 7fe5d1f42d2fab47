"""The Lightning example, and every loss, rate and accuracy in its record computed again without Lightning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from example_loader import load_example

pytest.importorskip("lightning.pytorch")

import lightning.pytorch as pl
import torch
from torch.nn import functional

from treering.api import Api

Weights = dict[str, torch.Tensor]


def output(weights: Weights, pictures: torch.Tensor) -> torch.Tensor:
    hidden = torch.relu(pictures @ weights["network.0.weight"].T + weights["network.0.bias"])
    return hidden @ weights["network.2.weight"].T + weights["network.2.bias"]


class Count(pl.Callback):
    """Keeps what each step began with, and the weights that each epoch ended with."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.epochs: list[Weights] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        weights = {name: one.detach().clone() for name, one in pl_module.state_dict().items()}
        self.losses.append(float(functional.cross_entropy(output(weights, batch[0]), batch[1])))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.epochs.append({name: one.detach().clone() for name, one in pl_module.state_dict().items()})


@pytest.mark.filterwarnings("ignore::FutureWarning:lightning\\.", "ignore:.*does not have many workers:UserWarning")
def test_the_record_is_what_was_trained(tmp_path: Path, store_dir: Path) -> None:
    example = load_example("lightning_digits")
    count = Count()
    _, logger = example.train(3, str(tmp_path), callbacks=[count])
    assert logger.run is not None
    logger.run.finish()
    (run,) = Api(store_dir).runs()
    assert (run.project, run.name, run.state) == ("examples", "lightning-digits", "finished")
    assert (run.config["hidden"], run.config["batch_size"]) == (32, 64)

    per_epoch = len(count.losses) // 3
    every = range(1, len(count.losses) + 1)
    steps = [step for step in every if step == 1 or step % 5 == 0 or step % per_epoch == 0]
    assert list(run.history("train/loss")) == [
        (step, pytest.approx(count.losses[step - 1], rel=1e-5)) for step in steps
    ]
    rates = [0.2 * 0.8 ** ((step - 1) // per_epoch) for step in steps]
    assert list(run.history("lr/0")) == [(step, pytest.approx(rate)) for step, rate in zip(steps, rates, strict=True)]

    pictures, digits = example.Digits().parts[1][:]
    scores = []
    for epoch, weights in enumerate(count.epochs):
        predicted = output(weights, pictures)
        scores.append(float((predicted.argmax(1) == digits).float().mean()))
        loss = float(functional.cross_entropy(predicted, digits))
        step = per_epoch * (epoch + 1)
        assert list(run.history("val/loss"))[epoch] == (step, pytest.approx(loss, rel=1e-5))
        assert list(run.history("val/accuracy"))[epoch] == (step, pytest.approx(scores[-1]))

    versions = {alias: version for version in run.versions() for alias in version.aliases}
    for alias, epoch in (("best", scores.index(max(scores))), ("last", 2)):
        (file,) = versions[alias].files()
        Path(tmp_path, "read.ckpt").write_bytes(versions[alias].read(file.path))
        kept = torch.load(tmp_path / "read.ckpt", weights_only=True)["state_dict"]
        assert all(torch.equal(kept[name], one) for name, one in count.epochs[epoch].items()), alias
    assert versions["best"].metadata["score"] == pytest.approx(max(scores))
