"""Keras: what its callback records, beside what every callback does; on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras_models import INPUTS, TARGETS, build, fit
from readings import OneRun, Runs

from treering.api import ApiRun
from treering.callbacks.keras import TreeringCallback


def steps(run: ApiRun, key: str, epochs_too: bool = False) -> list[int]:
    """The steps of a series; its rows within epochs are those that have a batch."""
    series = run.history(key)
    within = set(run.history("batch").row_numbers.tolist()) if "batch" in run.metrics else set[int]()
    rows = zip(series.x.tolist(), series.row_numbers.tolist(), strict=True)
    return [step for step, row in rows if epochs_too or row in within]


# -- axes -------------------------------------------------------------------------------------------------------------


def test_rows_within_epochs_lie_on_true_steps(only_run: OneRun) -> None:
    fit(build(), TreeringCallback(log_every=3), epochs=2)
    run = only_run()
    assert steps(run, "train/loss") == [1, 4, 7]
    assert steps(run, "train/loss", epochs_too=True) == [1, 4, 4, 7, 8]
    assert run.history("batch").values.tolist() == [1, 4, 7]
    assert run.history("epoch").values.tolist() == [0, 0, 0, 1, 1]


def test_each_epoch_has_what_history_has(only_run: OneRun) -> None:
    history = fit(build(), TreeringCallback(), epochs=3, validation_data=(INPUTS, TARGETS)).history
    run = only_run()
    ends = run.history("val/loss").x.tolist()
    assert ends == [4, 8, 12]
    for name, key in {"loss": "train/loss", "mae": "train/mae", "val_loss": "val/loss", "val_mae": "val/mae"}.items():
        last = dict(run.history(key))
        assert [last[step] for step in ends] == pytest.approx(history[name]), key
    assert "test/loss" not in run.metrics


def test_accumulated_gradients_make_one_step_of_two_batches(only_run: OneRun) -> None:
    fit(build(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)), TreeringCallback(log_every=1))
    run = only_run()
    assert run.history("train/loss").x[-1] == 2
    assert run.history("batch").values[-1] == 4


def test_the_learning_rate_of_a_schedule(only_run: OneRun) -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    fit(build(keras.optimizers.SGD(schedule)), TreeringCallback(), epochs=2)
    run = only_run()
    rates = dict(run.history("lr/0"))
    assert rates[4] == pytest.approx(0.1 * 0.5**4)
    assert rates[8] == pytest.approx(0.1 * 0.5**8)
    assert run.config["keras"]["optimizer"]["0"]["learning_rate"]["class_name"] == "ExponentialDecay"


def test_a_model_with_two_optimizers(only_run: OneRun) -> None:
    class Two(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)
            self.first, self.second = keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.2)

        def build(self, shape: Any) -> None:
            self.dense.build(shape)

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

        def train_step(self, data: Any) -> dict[str, float]:
            variables = self.dense.trainable_variables
            for optimizer in (self.first, self.second):
                optimizer.apply([keras.ops.ones_like(variable) for variable in variables], variables)
            return {"d_loss": 1.0, "g_loss": 2.0}

    model = Two()
    model.build((None, 4))
    model.compile(run_eagerly=True)
    model.optimizer = None
    fit(model, TreeringCallback(log_every=1))
    run = only_run()
    assert list(run.history("lr/first"))[-1] == (4, pytest.approx(0.1))
    assert list(run.history("lr/second"))[-1] == (4, pytest.approx(0.2))
    assert steps(run, "train/g_loss") == [1, 2, 3, 4]


def test_one_callback_for_fit_fit_and_evaluate(only_run: OneRun) -> None:
    model, callback = build(), TreeringCallback(log_every=4)
    fit(model, callback)
    fit(model, callback, validation_data=(INPUTS, TARGETS), epochs=3, initial_epoch=1)
    expected = model.evaluate(INPUTS, TARGETS, verbose=0, callbacks=[callback])
    run = only_run()
    assert list(run.history("test/loss")) == [(12, pytest.approx(expected[0]))]
    assert run.history("val/loss").x.tolist() == [8, 12]
    assert run.history("train/loss").x[-1] == 12
    assert (run.state, run.attempt) == ("finished", 1)


def test_evaluate_alone(only_run: OneRun) -> None:
    model = build()
    model.evaluate(INPUTS, TARGETS, verbose=0, callbacks=[TreeringCallback()])
    run = only_run()
    assert run.history("test/loss").x.tolist() == [0]
    assert run.state == "finished"


def test_evaluate_after_a_fit_that_failed(only_run: OneRun) -> None:
    def fail(batch: int, logs: Any) -> None:
        raise ValueError("broken")

    model, callback = build(), TreeringCallback()
    with pytest.raises(ValueError, match="broken"):
        fit(model, callback, keras.callbacks.LambdaCallback(on_train_batch_end=fail))
    model.evaluate(INPUTS, TARGETS, verbose=0, callbacks=[callback])
    assert only_run().history("test/loss").x.tolist() == [1]


def test_config(only_run: OneRun) -> None:
    model = build()
    fit(model, TreeringCallback(), epochs=2)
    config = only_run().config["keras"]
    assert config["backend"] == keras.backend.backend()
    assert config["version"] == keras.__version__
    assert config["fit"] == {"epochs": 2, "steps": 4}
    assert (config["model"]["parameters"], config["model"]["trainable_parameters"]) == (5, 5)
    assert config["compile"]["loss"] == "mse"
    assert config["optimizer"]["0"]["name"] == model.optimizer.name


# -- gradients --------------------------------------------------------------------------------------------------------


def expected_norms(accumulated: int = 1, clip: float = math.inf) -> list[tuple[float, float, float]]:
    """Norms of the gradients of the kernel, of the bias, and of both before clipping, computed by hand."""
    found = expected_gradients(accumulated, clip)
    return [(float(np.linalg.norm(one)), float(np.linalg.norm(other)), before) for one, other, before in found]


def expected_gradients(accumulated: int = 1, clip: float = math.inf) -> list[tuple[Any, Any, float]]:
    """Those of the kernel and of the bias, and the norm of both before clipping."""
    kernel, bias = np.ones((4, 1)), np.zeros(1)
    found, sums = list[tuple[Any, Any, float]](), [np.zeros((4, 1)), np.zeros(1)]
    for batch in range(4):
        inputs, targets = INPUTS[8 * batch : 8 * batch + 8], TARGETS[8 * batch : 8 * batch + 8, None] * 2
        error = 2 * (inputs @ kernel + bias - targets) / 8
        sums[0] += inputs.T @ error / accumulated
        sums[1] += error.sum(0) / accumulated
        if (batch + 1) % accumulated == 0:
            before = float(np.sqrt(sum((one**2).sum() for one in sums)))
            parts = [one * min(1, clip / before) for one in sums]
            kernel, bias = kernel - 0.1 * parts[0], bias - 0.1 * parts[1]
            found.append((parts[0], parts[1], before))
            sums = [np.zeros((4, 1)), np.zeros(1)]
    return found


def fit_by_hand(callback: Any, **options: Any) -> Any:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, kernel_initializer="ones", name="out")])
    model.compile(keras.optimizers.SGD(0.1, **options), "mse")
    fit_again(model, callback)
    return model


def fit_again(model: Any, callback: Any) -> None:
    model.fit(INPUTS, TARGETS * 2, 8, verbose=0, shuffle=False, callbacks=[callback])


def test_norms_are_those_of_each_update(only_run: OneRun) -> None:
    fit_by_hand(TreeringCallback(log_every=1, gradients=True))
    run = only_run()
    expected = expected_norms()
    for at, key in enumerate(("grad/layer/out/kernel", "grad/layer/out/bias", "grad/norm")):
        assert steps(run, key) == [1, 2, 3, 4]
        assert run.history(key).values.tolist() == pytest.approx([norms[at] for norms in expected], rel=1e-4)
    assert "grad/norm_preclip" not in run.metrics


def test_epochs_that_are_shorter_than_log_every_have_their_norms(only_run: OneRun) -> None:
    fit_by_hand(TreeringCallback(gradients=True))
    run = only_run()
    assert steps(run, "grad/norm", epochs_too=True) == [1, 4]
    assert run.history("grad/norm").values[-1] == pytest.approx(expected_norms()[-1][2], rel=1e-4)


def test_norms_of_accumulated_gradients_before_and_after_clipping(only_run: OneRun) -> None:
    fit_by_hand(TreeringCallback(log_every=1, gradients=True), gradient_accumulation_steps=2, global_clipnorm=0.5)
    run = only_run()
    expected = expected_norms(accumulated=2, clip=0.5)
    assert dict(run.history("grad/norm"))[1] == pytest.approx(0.5, rel=1e-4)
    assert dict(run.history("grad/norm_preclip")) == {
        step: pytest.approx(norms[2], rel=1e-4) for step, norms in enumerate(expected, 1)
    }


def counted(values: Any) -> list[tuple[float, float, int]]:
    """(from, to, count) by powers of two."""
    exponents = np.floor(np.log2(np.abs(np.ravel(values))))
    edges = [
        tuple(sorted((sign * 2.0**at, sign * 2.0 ** (at + 1))))
        for at, sign in zip(exponents, np.sign(np.ravel(values)), strict=True)
    ]
    return sorted((low, high, edges.count((low, high))) for low, high in set(edges))


def bars(histogram: Any) -> list[tuple[float, float, int]]:
    edges, counts = histogram.edges, histogram.counts
    return [(low, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False) if count]


def test_histograms_count_the_values_of_each_update(only_run: OneRun) -> None:
    fit_by_hand(TreeringCallback(log_every=1, gradients="histograms"))
    run = only_run()
    for at, key in enumerate(("grad/histogram/out/kernel", "grad/histogram/out/bias")):
        assert steps(run, key) == [1, 2, 3, 4]
        assert [bars(one) for one in run.history(key).values] == [counted(one[at]) for one in expected_gradients()]


def test_values_that_are_not_finite_are_counted_apart(only_run: OneRun) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, kernel_initializer="ones", name="out")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    inputs, targets = np.ones((4, 4), "float32"), np.ones((4, 2), "float32") * [math.inf, 4.0]
    model.fit(inputs, targets, 4, verbose=0, callbacks=[TreeringCallback(log_every=1, gradients="histograms")])
    (histogram,) = only_run().history("grad/histogram/out/kernel").values
    assert (histogram.nan, histogram.inf, histogram.minus_inf, sum(histogram.counts)) == (0, 0, 4, 4)


def test_the_optimizer_is_let_go(recorded: Runs) -> None:
    callback = TreeringCallback(log_every=1, gradients=True)
    model = fit_by_hand(callback)
    assert not {"_clip_gradients", "_backend_update_step"} & vars(model.optimizer).keys()
    fit_again(model, callback)
    fit_again(model, TreeringCallback(log_every=1))
    watched, bare = recorded()
    assert len(watched.history("grad/norm")) == 8
    assert "grad/norm" not in bare.metrics


def test_a_layer_without_a_gradient_has_no_norm(only_run: OneRun) -> None:
    inputs = keras.Input((4,))
    unused = keras.layers.Dense(1, name="unused")
    model = keras.Model(inputs, [keras.layers.Dense(1, name="used")(inputs), unused(inputs)])
    model.compile(keras.optimizers.SGD(0.1), ["mse", None])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras says that there is no gradient
        fit(model, TreeringCallback(log_every=1, gradients=True))
    run = only_run()
    assert "grad/layer/used/kernel" in run.metrics
    assert "grad/layer/unused/kernel" not in run.metrics


def test_the_loss_of_the_batches_since_the_last_row(only_run: OneRun) -> None:
    losses: list[float] = []

    class Each(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            losses.append(logs["loss"] * (batch + 1) - sum(losses))

    fit(build(), Each(), TreeringCallback(log_every=2), batches=8)
    rows = dict(only_run().history("train/batch_loss"))
    assert rows == {
        1: pytest.approx(losses[0]),
        3: pytest.approx(np.mean(losses[1:3]), rel=1e-4),
        5: pytest.approx(np.mean(losses[3:5]), rel=1e-4),
        7: pytest.approx(np.mean(losses[5:7]), rel=1e-4),
    }


# -- backends ---------------------------------------------------------------------------------------------------------

PROGRAM = """
import json, sys
import numpy, keras
from treering.callbacks.keras import TreeringCallback
from treering.api import Api
import treering

inputs = numpy.ones((32, 4), "float32")
found = {"backend": keras.backend.backend()}
columns = numpy.linspace(0, 1, 128, dtype="float32").reshape(32, 4)
for name, options in (("plain", {}), ("clipped", {"gradient_accumulation_steps": 2, "global_clipnorm": 0.5})):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, kernel_initializer="ones", name="out")])
    model.compile(keras.optimizers.SGD(0.1, **options), "mse")
    callback = TreeringCallback(log_every=1, gradients="histograms")
    model.fit(columns, columns.sum(1) * 2, 8, verbose=0, shuffle=False, callbacks=[callback])
    callback.run.finish()
    read = Api(callback.run.store_dir).run(callback.run.id)
    series = {key: read.history(key).values.tolist() for key in read.metrics if key.startswith("grad/")}
    counts = {key: [(one.edges, one.counts) for one in series.pop(key)] for key in list(series) if "histogram" in key}
    found[name] = {**series, **counts}
for executed, every in ((2, 2), (3, 1)):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5))
    steps = {} if found["backend"] == "torch" else {"steps_per_execution": executed}
    model.compile(optimizer, "mse", **steps)
    path = sys.argv[1] + f"/{executed}.keras"
    saver = keras.callbacks.ModelCheckpoint(path, monitor="loss", save_best_only=True)
    callback = TreeringCallback(log_every=every)
    model.fit(inputs, inputs.sum(1), 4, verbose=0, callbacks=[callback, saver])
    model.evaluate(inputs, inputs.sum(1), verbose=0, callbacks=[callback])
    run = callback.run
    run.finish()
    read = Api(run.store_dir).run(run.id)
    within = read.history("batch").x.tolist()
    found[str(executed)] = {
        "within": within,
        "batches": read.history("batch").values.tolist(),
        "last": int(read.history("train/loss").x[-1]),
        "lr": read.history("lr/0").values[-1],
        "test": int(read.history("test/loss").x[-1]),
        "aliases": [list(version.aliases) for version in read.versions()],
    }
others = ("tensorflow", "torch", "jax", "lightning", "transformers", "stable_baselines3", "gymnasium")
found["modules"] = [name for name in others if sys.modules.get(name) is not None]
print(json.dumps(found))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_backends(backend: str, tmp_path: Path, store_dir: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # Keras loads these two wherever they are installed, which takes longer than all that is done here.
    others = {"tensorflow", "jax"} - {backend}
    hidden = "import sys\n" + "".join(f"sys.modules[{other!r}] = None\n" for other in others)
    command = [sys.executable, "-c", hidden + PROGRAM, str(tmp_path)]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert output.returncode == 0, output.stderr
    found = json.loads(output.stdout.splitlines()[-1])
    assert found["backend"] == backend
    # Keras loads JAX by itself wherever that is installed.
    assert set(found["modules"]) | {"jax"} == {backend, "jax"}
    for name, expected in (("plain", expected_norms()), ("clipped", expected_norms(accumulated=2, clip=0.5))):
        for at, key in enumerate(("layer/out/kernel", "layer/out/bias")):
            assert found[name][f"grad/{key}"][-1] == pytest.approx(expected[-1][at], rel=1e-4)
    for name, expected in (("plain", expected_gradients()), ("clipped", expected_gradients(2, 0.5))):
        for at, key in enumerate(("out/kernel", "out/bias")):
            edges, counts = found[name][f"grad/histogram/{key}"][-1]
            assert bars(SimpleNamespace(edges=edges, counts=counts)) == counted(expected[-1][at])
    before_clipping = [norms[2] for norms in expected_norms(accumulated=2, clip=0.5)]
    assert found["clipped"]["grad/norm_preclip"] == pytest.approx(before_clipping, rel=1e-4)
    assert found["plain"]["grad/norm"] == pytest.approx([norms[2] for norms in expected_norms()], rel=1e-4)
    executed_together = backend != "torch"
    assert found["2"]["within"] == ([2, 4, 6, 8] if executed_together else [1, 3, 5, 7])
    assert found["3"]["within"] == ([3, 6, 8] if executed_together else list(range(1, 9)))
    for part in (found["2"], found["3"]):
        assert part["batches"] == part["within"], "with an update for each batch"
        assert (part["last"], part["test"]) == (8, 8)
        assert part["lr"] == pytest.approx(0.1 * 0.5**8)
        (aliases,) = part["aliases"]
        assert {"step-8", "best", "best:train/loss"} <= set(aliases)
