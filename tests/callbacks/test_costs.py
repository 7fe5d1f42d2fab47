"""What adapters leave undone: imports on the training thread, a framework's own imports, calls that are not needed."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from treering import _ahead
from treering.integrations._torch_tensors import Sample, norms_of

if TYPE_CHECKING:
    from pathlib import Path

HAND_OVER = """
import json, pathlib, sys, threading
import treering
from treering._ahead import make_ready

run = treering.init(project="ahead")
run.log({"loss": 1.0})
threads = [threading.Thread(target=make_ready)]
if sys.argv[1] == "ready":
    threads[0].start()
    threads[0].join()
path = pathlib.Path("weights.bin")
path.write_bytes(bytes(range(256)) * 40_000)
imported, main = [], threading.get_ident()
sys.addaudithook(
    lambda event, arguments: imported.append(arguments[0])
    if event == "import" and threading.get_ident() == main
    else None
)
artifact = run.log_artifact(path, name="model")
found = [*imported]
artifact.wait()
run.finish()
print(json.dumps(found))
"""

KERAS = """
import json, sys
import keras, numpy
from treering.callbacks.keras import TreeringCallback

callback = TreeringCallback()
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", keras.losses.MeanSquaredError(), metrics=["mae"])
model.fit(numpy.zeros((4, 2)), numpy.zeros(4), verbose=0, callbacks=[callback])
compiled = callback.run.config["keras"]["compile"]
print(json.dumps([sys.modules.get("tensorflow") is not None, compiled["loss"], compiled["metrics"]]))
"""


def output_of(program: str, where: Path, *arguments: str, **environment: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=where,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_what_is_loaded_ahead_is_all_there() -> None:
    assert all(importlib.import_module(name) for name in _ahead._MODULES)


@pytest.mark.parametrize("readiness", ["ready", "not ready"])
def test_the_first_hand_over_imports_nothing_once_it_was_made_ready(readiness: str, tmp_path: Path) -> None:
    found = output_of(HAND_OVER, tmp_path, readiness, TREERING_DIR=str(tmp_path / "store"))
    assert bool(found) == (readiness == "not ready")


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="shows that it is left alone")
def test_keras_on_torch_does_not_load_tensorflow_for_us(tmp_path: Path) -> None:
    loaded, loss, metrics = output_of(KERAS, tmp_path, TREERING_DIR=str(tmp_path / "store"), KERAS_BACKEND="torch")
    assert not loaded
    assert loss == {"class_name": "MeanSquaredError", "name": "mean_squared_error"}
    assert metrics == ["mae"]


def test_a_sample_gives_norms_in_the_order_of_the_tensors() -> None:
    torch.manual_seed(0)
    tensors = [
        torch.randn(7),
        torch.randn(300, 200),
        torch.randn(3, 5) * 100,
        torch.randn(64, 32, 5, 5).to(memory_format=torch.channels_last) * 10,
        torch.randn(200, 300).t() * 1000,
    ]
    sample = Sample(tensors)
    before = sample.take()
    norms = sample.whole(sample.norms(*before).tolist())
    exact = norms_of([tensor.contiguous() for tensor in tensors]).tolist()
    assert norms[0] == pytest.approx(exact[0])
    assert norms[2] == pytest.approx(exact[2])
    assert norms == pytest.approx(exact, rel=0.1)
    for tensor in tensors:
        tensor.add_(1.0)
    after = sample.take()
    changes = [now - then for now, then in zip(after, before, strict=True) if now is not None and then is not None]
    assert sample.whole(sample.norms(*changes).tolist()) == pytest.approx(
        [tensor.numel() ** 0.5 for tensor in tensors], rel=1e-3
    )
