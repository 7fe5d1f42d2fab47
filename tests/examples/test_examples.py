"""Each example is run, and its record is compared with what was counted or computed without treering."""

from __future__ import annotations

import csv
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import treering
from treering import lifecycle
from treering.api import Api, ApiRun

EXAMPLES = Path(__file__).parents[2] / "examples"

Array = npt.NDArray[np.floating[Any]]

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15 and NumPy 2


@pytest.fixture(autouse=True)
def own_bugs_are_raised(isolation: None, store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREERING_DEBUG", "1")
    monkeypatch.setenv("TREERING_QUIET", "1")
    monkeypatch.syspath_prepend(str(EXAMPLES.parent))


@pytest.fixture
def only_run(store_dir: Path) -> Callable[[], ApiRun]:
    def read() -> ApiRun:
        for run in lifecycle.live_runs():
            run.finish()
        (found,) = Api(store_dir).runs()
        return found

    return read


def start(name: str, *arguments: str) -> None:
    """Run an example as a program, in this process: its framework is loaded already."""
    program, sys.argv = sys.argv, [name, *arguments]
    try:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    finally:
        sys.argv = program


def monitored(folder: Path) -> list[list[tuple[float, int]]]:
    """(return, length) of the episodes of each environment, as Monitor wrote them."""
    environments = []
    for path in sorted(folder.glob("*monitor.csv"), key=lambda path: path.name.zfill(20)):
        with path.open() as file:
            next(file)
            environments.append([(float(row["r"]), int(row["l"])) for row in csv.DictReader(file)])
    return environments


def recorded_episodes(run: ApiRun, environments: int) -> list[list[tuple[int, float, int]]]:
    """(step, return, length) of the episodes of each environment, as they were recorded."""
    found: list[list[tuple[int, float, int]]] = [[] for _ in range(environments)]
    keys = ("episode/env", "episode/return", "episode/length")
    columns = [run.history(key) for key in keys]
    assert len({tuple(column.row_numbers) for column in columns}) == 1
    for step, env, total, length in zip(columns[0].x, *(column.values for column in columns), strict=True):
        found[int(env)].append((int(step), float(total), int(length)))
    return found


# -- reinforcement learning -------------------------------------------------------------------------------------------


def test_ppo_records_every_episode_that_monitor_saw(tmp_path: Path, only_run: Callable[[], ApiRun]) -> None:
    pytest.importorskip("stable_baselines3")
    from examples import sb3_ppo

    sb3_ppo.train(2048, str(tmp_path))
    run, expected = only_run(), monitored(tmp_path)
    assert len(expected) == 8
    assert min(map(len, expected)) > 3
    recorded = recorded_episodes(run, 8)
    assert [[(total, length) for _, total, length in episodes] for episodes in recorded] == expected
    # Eight environments step at once, so an episode ends at eight times the steps of its own environment.
    for episodes in recorded:
        assert [step for step, _, _ in episodes] == [8 * steps for steps in np.cumsum([e[2] for e in episodes])]
    everything = sorted((step, total) for episodes in recorded for step, total, _ in episodes)
    assert run.history("episode").rows == len(everything)
    assert run.history("train/loss").x.tolist() == [256 * update for update in range(2, 9)] + [2048]
    assert run.config["sb3"]["algorithm"]["learning_rate"] == {"1.0": 1e-3, "0.5": 5e-4, "0.0": 0.0}
    (best,) = [version for version in run.versions() if "best" in version.aliases]
    assert best.read("best_model.zip") == (tmp_path / "best_model.zip").read_bytes()
    assert best.metadata["score"] == max(run.history("eval/mean_reward").values)


def test_dqn_records_every_episode_and_its_losses(tmp_path: Path, only_run: Callable[[], ApiRun]) -> None:
    pytest.importorskip("stable_baselines3")
    from examples import sb3_dqn

    sb3_dqn.train(1500, str(tmp_path))
    run, (expected,) = only_run(), monitored(tmp_path)
    ((*episodes,),) = recorded_episodes(run, 1)
    assert [(total, length) for _, total, length in episodes] == expected
    assert [step for step, _, _ in episodes] == np.cumsum([length for _, length in expected]).tolist()
    means = [np.mean([total for total, _ in expected][max(0, at - 99) : at + 1]) for at in range(len(expected))]
    assert np.allclose(run.history("episode/return_mean").values, means)
    assert run.config["timesteps"] == 1500
    assert run.history("train/n_updates").values[-1] > 0
    assert run.history("train/loss").x[-1] == 1536  # whole rollouts of 128
    versions = {alias: version for version in run.versions() for alias in version.aliases}
    for step in (500, 1000, 1500):
        assert versions[f"step-{step}"].read() == (tmp_path / f"rl_model_{step}_steps.zip").read_bytes()
    assert versions["last"] is versions["step-1500"]


# -- supervised learning ----------------------------------------------------------------------------------------------


def softmax_loss(outputs: Array, targets: npt.NDArray[np.integer[Any]]) -> float:
    """Mean cross-entropy of probabilities."""
    return float(-np.log(outputs[np.arange(len(targets)), targets]).mean())


def keras_forward(weights: list[Array], inputs: Array) -> Array:
    hidden = np.maximum(inputs @ weights[0] + weights[1], 0)
    scores = hidden @ weights[2] + weights[3]
    return softmax(scores)


def test_keras_losses_are_those_of_a_forward_pass_by_hand(tmp_path: Path, only_run: Callable[[], ApiRun]) -> None:
    keras = pytest.importorskip("keras")
    from examples import keras_digits

    x_train, x_test, y_train, y_test = keras_digits.data()
    weights_before: list[list[Array]] = []
    weights_after: list[list[Array]] = []

    class Weights(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            weights_before.append(self.model.get_weights())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            weights_after.append(self.model.get_weights())

    keras_digits.train(2, str(tmp_path), shuffle=False, callbacks=[Weights()])
    run = only_run()

    batches = [slice(at, at + 32) for at in range(0, len(x_train), 32)]
    assert len(weights_before) == 2 * len(batches)
    running_means = []
    total, samples = 0.0, 0
    for step, weights in enumerate(weights_before):
        batch = batches[step % len(batches)]
        if batch.start == 0:
            total, samples = 0.0, 0
        count = len(y_train[batch])
        total += softmax_loss(keras_forward(weights, x_train[batch]), y_train[batch]) * count
        samples += count
        running_means.append(total / samples)
    losses = run.history("train/loss")
    assert losses.rows >= 2 * len(batches) // 5
    assert losses.x[-1] == 2 * len(batches)
    assert np.allclose(losses.values, [running_means[step - 1] for step in losses.x], rtol=1e-4)

    outputs = [keras_forward(weights, x_test) for weights in weights_after]
    assert run.history("val/loss").x.tolist() == [len(batches), 2 * len(batches)]
    assert np.allclose(run.history("val/loss").values, [softmax_loss(one, y_test) for one in outputs], rtol=1e-4)
    accuracies = [float((one.argmax(1) == y_test).mean()) for one in outputs]
    assert np.allclose(run.history("val/accuracy").values, accuracies, atol=1e-6)
    assert list(run.history("test/accuracy")) == [(2 * len(batches), pytest.approx(accuracies[-1], abs=1e-6))]
    (best,) = [version for version in run.versions() if "best:val/accuracy" in version.aliases]
    assert best.metadata["score"] == pytest.approx(max(accuracies))
    assert best.read() == (tmp_path / "best.keras").read_bytes()


def test_pytorch_losses_are_those_of_training_by_hand(only_run: Callable[[], ApiRun]) -> None:
    torch = pytest.importorskip("torch")
    from sklearn.datasets import load_digits

    from examples import pytorch_loop

    pytorch_loop.train(epochs=2)
    run = only_run()

    # The same data and first weights, drawn in the same order; the training itself in NumPy.
    torch.manual_seed(0)
    pictures, digits = load_digits(return_X_y=True)
    everything = torch.utils.data.TensorDataset(torch.tensor(pictures / 16, dtype=torch.float32), torch.tensor(digits))
    train_set, test_set = torch.utils.data.random_split(everything, [0.75, 0.25])
    layers = [torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)]
    w1, b1, w2, b2 = (p.detach().numpy().astype("float64") for layer in layers for p in (layer.weight, layer.bias))

    def forward(inputs: Array) -> tuple[Array, Array]:
        hidden = np.maximum(inputs @ w1.T + b1, 0)
        return hidden, softmax(hidden @ w2.T + b2)

    losses, tests = [], []
    for epoch in range(2):
        rate = 0.2 * 0.8**epoch
        for batch in torch.utils.data.DataLoader(train_set, 64, shuffle=True):
            inputs, targets = (tensor.numpy() for tensor in batch)
            hidden, outputs = forward(inputs)
            losses.append(softmax_loss(outputs, targets))
            delta = (outputs - np.eye(10)[targets]) / len(targets)
            back = (delta @ w2) * (hidden > 0)
            w2, b2 = w2 - rate * delta.T @ hidden, b2 - rate * delta.sum(0)
            w1, b1 = w1 - rate * back.T @ inputs, b1 - rate * back.sum(0)
        inputs, targets = (tensor.numpy() for tensor in test_set[:])
        outputs = forward(inputs)[1]
        tests.append((softmax_loss(outputs, targets), float((outputs.argmax(1) == targets).mean())))

    steps = len(losses)
    assert run.history("train/loss").x.tolist() == list(range(1, steps + 1))
    assert np.allclose(run.history("train/loss").values, losses, rtol=1e-4)
    assert np.allclose(run.history("lr").values, [0.2] * (steps // 2) + [0.16] * (steps // 2))
    assert run.history("val/loss").x.tolist() == [steps // 2, steps]
    assert np.allclose(run.history("val/loss").values, [loss for loss, _ in tests], rtol=1e-4)
    assert np.allclose(run.history("val/accuracy").values, [accuracy for _, accuracy in tests])
    assert run.summary["val/accuracy"] == pytest.approx(max(accuracy for _, accuracy in tests))
    assert (run.state, run.config["learning_rate"]) == ("finished", 0.2)


def test_a_callback_of_ones_own_records_what_the_library_calls_back(only_run: Callable[[], ApiRun]) -> None:
    from scipy.optimize import minimize, rosen

    from examples import own_callback

    own_callback.train()
    run = only_run()
    losses: list[float] = []
    result = minimize(
        rosen, np.zeros(5), method="BFGS", callback=lambda intermediate_result: losses.append(intermediate_result.fun)
    )
    assert run.history("train/loss").x.tolist() == list(range(1, len(losses) + 1))
    assert run.history("train/loss").values.tolist() == losses
    assert (run.summary["evaluations"], run.summary["converged"]) == (result.nfev, True)
    (last,) = [version for version in run.versions() if "last" in version.aliases]
    assert last.metadata["step"] == len(losses) // 10 * 10
    assert last.metadata["score"] == losses[last.metadata["step"] - 1]


def softmax(scores: Array) -> Array:
    powers: Array = np.exp(scores - scores.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    return powers


# -- as programs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sb3_ppo.py", ["--timesteps", "512"]),
        ("sb3_dqn.py", ["--timesteps", "600"]),
        ("keras_digits.py", ["--epochs", "1"]),
        ("pytorch_loop.py", ["--epochs", "1"]),
        ("own_callback.py", []),
    ],
)
def test_an_example_says_how_to_look_at_it(
    name: str,
    arguments: list[str],
    store_dir: Path,
    capsys: pytest.CaptureFixture[str],
    only_run: Callable[[], ApiRun],
) -> None:
    pytest.importorskip("stable_baselines3" if name.startswith("sb3") else "torch")
    start(name, *arguments)
    run = only_run()
    assert run.state == "finished"
    *_, said = capsys.readouterr().out.splitlines()
    hint, _, command = said.partition(":  treering plot ")
    run_id, *keys = [word for word in command.split() if not word.startswith("-")]
    assert (hint, run_id) == ("see how it went", run.id)
    assert keys
    assert set(keys) <= run.metrics.keys()


def test_the_demo_shows_both_runs_from_the_store(
    store_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("stable_baselines3")
    pytest.importorskip("keras")
    monkeypatch.setenv("COLUMNS", "200")
    start("demo.py", "--timesteps", "1024", "--epochs", "2")
    output = capsys.readouterr().out
    runs = {run.name: run for run in Api(store_dir).runs()}
    assert {name: run.state for name, run in runs.items()} == {"ppo-cartpole": "finished", "keras-digits": "finished"}
    for run in runs.values():
        assert run.id in output
    assert "episode/return" in output
    assert f"{max(runs['keras-digits'].history('val/accuracy').values):.3g}" in output
    assert re.search(rf"TREERING_DIR={re.escape(str(store_dir))} \S*treering runs", output)
    assert treering.run is None
