"""The Transformers example, and every loss, rate and score in its record computed again without the Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from example_loader import load_example

pytest.importorskip("transformers")

import torch
import transformers
from torch.nn import functional

from treering.api import Api


class Count(transformers.TrainerCallback):
    """Keeps the mean of the losses since the last log, as the Trainer does, but of logits that a hook has seen."""

    def __init__(self) -> None:
        self.since: list[float] = []
        self.each: list[float] = []
        self.means: list[tuple[int, float]] = []
        self.scores: list[tuple[int, float, float]] = []
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        model.register_forward_hook(self._see, with_kwargs=True)

    def _see(self, model: Any, _: Any, kwargs: Any, output: Any) -> None:
        seen = output.logits.detach(), kwargs["labels"]
        if model.training:
            self.since.append(float(functional.cross_entropy(*seen)))
            self.each.append(self.since[-1])
        else:
            self.seen.append(seen)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in logs:
            self.means.append((state.global_step, sum(self.since) / len(self.since)))
            self.since.clear()

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        logits, labels = (torch.cat(parts) for parts in zip(*self.seen, strict=True))
        self.seen.clear()
        right = float((logits.argmax(1) == labels).double().mean())
        self.scores.append((state.global_step, float(functional.cross_entropy(logits, labels)), right))


def test_the_record_is_what_was_trained(tmp_path: Path, store_dir: Path) -> None:
    example = load_example("hf_tiny_bert")
    count = Count()
    trainer, recorder = example.train(2, str(tmp_path), callbacks=[count])
    assert recorder.run is not None
    recorder.run.finish()
    (run,) = Api(store_dir).runs()
    assert (run.project, run.name, run.state) == ("examples", "hf-tiny-bert", "finished")
    assert run.config["transformers"]["examples"] == {"train": 512, "eval": 128}

    assert len(count.means) == 6
    means = {step: pytest.approx(mean, rel=1e-4) for step, mean in count.means}
    losses = dict(run.history("train/loss"))
    # The first step and the last have rows of their own.
    means |= {1: pytest.approx(count.each[0], rel=1e-4), 32: pytest.approx(count.each[31], rel=1e-4)}
    assert losses == means
    rates = [(step, pytest.approx(5e-3 * (33 - step) / 32)) for step in losses]
    assert list(run.history("lr/0")) == rates
    assert [step for step, _, _ in count.scores] == [16, 32, 32]
    assert list(run.history("eval/loss")) == [(step, pytest.approx(loss, rel=1e-4)) for step, loss, _ in count.scores]
    assert list(run.history("eval/accuracy")) == [(step, score) for step, _, score in count.scores]

    versions = {alias: version for version in run.versions() for alias in version.aliases}
    best = max(count.scores[:2], key=lambda score: score[2])
    assert (versions["best"].metadata["step"], versions["best"].metadata["score"]) == (best[0], best[2])
    kept = versions["best"].read("model.safetensors")
    assert kept == Path(trainer.state.best_model_checkpoint, "model.safetensors").read_bytes()
    assert versions["last"].metadata["step"] == 32
