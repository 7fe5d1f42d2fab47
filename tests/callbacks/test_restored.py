"""Checkpoints back as objects, of each framework, from what its callback has kept; nothing is unpickled on the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys

import treering
from treering.errors import UsageError


class Bomb:
    """Runs code when it is unpickled, as anybody's file may."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def train(framework: str, folder: Path, **options: Any) -> treering.Run:
    toy = toys.find_toy(framework)
    pytest.importorskip(toy.imports)
    run = treering.init("p", id=framework)
    toy.train(toy.plug(run, **options), folder)
    run.flush()
    return run


def safe(module: Any, *floor: int) -> bool:
    """Whether the framework itself loads safely; older ones have holes, and are not asked to."""
    return tuple(int(part) for part in module.__version__.split("+")[0].split(".")[: len(floor)]) >= floor


def test_lightning(tmp_path: Path) -> None:
    run = train("lightning", tmp_path)
    torch = pytest.importorskip("torch")
    import lightning.pytorch as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

    if not safe(torch, 2, 10):
        with pytest.raises(UsageError, match="does not keep its promise"):
            run.restore_checkpoint()
        return
    checkpoint = run.restore_checkpoint()
    assert checkpoint["global_step"] == 5
    assert run.restore_checkpoint("step-5", as_path=True).suffix == ".ckpt"
    for into in (Module, Module()):
        module = treering.load_checkpoint("lightning:last", into=into)
        assert isinstance(module, Module)
        assert torch.equal(module.layer.weight, checkpoint["state_dict"]["layer.weight"])
    assert [path.name[:10] for path in (run.store_dir / "restored").iterdir()] == ["model-ligh"]  # what has the path
    with pytest.raises(UsageError, match="it takes a LightningModule"):
        run.restore_checkpoint(into=torch.nn.Linear(4, 1))


def test_transformers(tmp_path: Path) -> None:
    run = train("transformers", tmp_path)
    torch = pytest.importorskip("torch")
    model = run.restore_checkpoint("last")
    assert type(model).__name__ == "BertForSequenceClassification"
    other = type(model)(model.config)
    assert run.restore_checkpoint("last", into=other) is other
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    folder = run.restore_checkpoint(as_path=True)
    assert (folder / "trainer_state.json").is_file()  # what resume_from_checkpoint= takes
    with pytest.raises(UsageError, match=r"does not fit Linear: it lacks weight, bias and has bert\."):
        run.restore_checkpoint(into=torch.nn.Linear(2, 2))


def test_accelerate(tmp_path: Path) -> None:
    run = train("accelerate", tmp_path)
    torch = pytest.importorskip("torch")
    folder = run.restore_checkpoint()
    assert isinstance(folder, Path)  # what load_state() takes
    assert list(folder.rglob("*.safetensors"))
    model = torch.nn.Linear(4, 1)
    before = model.weight.clone()
    assert run.restore_checkpoint(into=model) is model
    assert not torch.equal(model.weight, before)


def test_keras(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    run = train("keras", tmp_path)
    weights = run.restore_checkpoint()
    assert isinstance(weights, Path)  # of a .weights.h5 file there is no model to make
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    assert run.restore_checkpoint(into=model) is model
    model.save(tmp_path / "whole.keras")
    run.log_model(tmp_path / "whole.keras", name="whole")
    lambdas = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])
    lambdas.save(tmp_path / "code.keras")
    run.log_model(tmp_path / "code.keras", name="code")
    if not safe(keras, 3, 13, 2):
        with pytest.raises(UsageError, match="does not keep its promise"):
            treering.load_checkpoint("whole")
        return
    again = treering.load_checkpoint("whole")
    assert (again.get_weights()[0] == model.get_weights()[0]).all()
    with pytest.raises(UsageError, match=r"code:v0 is not loaded: code\.keras has Python code in it.*trusted=True"):
        treering.load_checkpoint("code")
    assert treering.load_checkpoint("code", trusted=True).predict(np.ones((1, 4)), verbose=0).tolist() == [[2.0] * 4]


def test_stable_baselines(tmp_path: Path) -> None:
    run = train("sb3", tmp_path)
    torch = pytest.importorskip("torch")
    from stable_baselines3 import PPO

    path = run.restore_checkpoint()
    assert path.suffix == ".zip"  # its settings are pickled
    with pytest.raises(UsageError, match=r"are pickled\. A model that you made takes its weights safely"):
        run.restore_checkpoint(into=PPO)
    trusted = run.restore_checkpoint(trusted=True)
    assert isinstance(trusted, PPO)
    assert trusted.num_timesteps == 80
    fresh = PPO("MlpPolicy", "CartPole-v1", device="cpu")
    if safe(torch, 2, 10):
        assert run.restore_checkpoint(into=fresh) is fresh
        pairs = zip(trusted.policy.parameters(), fresh.policy.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 2)
    run = treering.init("p", id="r")
    for name, saved in (
        ("weights", model.state_dict()),
        ("all", {"epoch": 3, "state_dict": model.state_dict()}),
        ("bomb", {"state_dict": model.state_dict(), "x": Bomb(tmp_path / "went off")}),
    ):
        torch.save(saved, tmp_path / f"{name}.pt")
        run.log_model(tmp_path / f"{name}.pt", name=name)
    if safe(torch, 2, 10):
        assert torch.equal(treering.load_checkpoint("weights")["weight"], model.weight)
        assert treering.load_checkpoint("p/all:v0")["epoch"] == 3
        other = torch.nn.Linear(3, 2)
        assert treering.load_checkpoint("all", into=other) is other
        assert torch.equal(other.weight, model.weight)
        with pytest.raises(UsageError, match=r"bomb:v0 is not loaded: bomb\.pt holds more than tensors"):
            treering.load_checkpoint("bomb")
    assert not (tmp_path / "went off").exists()
    assert treering.load_checkpoint("bomb", trusted=True)["state_dict"]
    assert (tmp_path / "went off").exists()
    assert treering.load_checkpoint("bomb", as_path=True, folder=tmp_path / "here") == tmp_path / "here" / "bomb.pt"
    pytest.importorskip("safetensors.torch").save_file(model.state_dict(), tmp_path / "w.safetensors")
    run.log_model(tmp_path / "w.safetensors", name="tensors")
    assert torch.equal(treering.load_checkpoint("tensors")["bias"], model.bias)
