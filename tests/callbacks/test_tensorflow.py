"""TensorFlow without Keras' fit: loops with a GradientTape, and what it writes for TensorBoard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from treering import Histogram, Text
from treering.api import Api, ApiRun

PROGRAM = """
import json, sys
for other in ("jax", "sklearn", "torch"):  # Keras loads them wherever they are installed
    sys.modules[other] = None
import treering
folder, store = sys.argv[1], sys.argv[2]
synced = treering.init(sync_tensorboard=True, dir=store)
import tensorflow as tf  # after: its writers are wrapped as it is loaded
import keras
import numpy as np
from treering.errors import UsageError
from treering.integrations.tensorflow import gradient_norms, log_checkpoint, resume_options

with tf.summary.create_file_writer(folder + "/plain").as_default():
    for step in (1, 2):
        tf.summary.scalar("loss", 1 / step, step)
    tf.summary.histogram("weights", [0.0, 1.0, 1.0, 4.0], 3, buckets=4)
    tf.summary.image("sample", np.full((1, 2, 3, 3), 255, "uint8"), 4)
    tf.summary.text("words", "hello", 5)
with tf.Graph().as_default():
    old = tf.compat.v1.summary.FileWriter(folder + "/old")
old.add_summary(tf.compat.v1.Summary(value=[{"tag": "loss", "simple_value": 3.0}]), 6)
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.ones((4, 2), "float32")
board = keras.callbacks.TensorBoard(folder + "/keras", histogram_freq=1)
history = model.fit(x, x, epochs=2, verbose=0, validation_data=(x, x), callbacks=[board]).history
synced.finish()

weights = tf.Variable([[1.0], [2.0]], name="weights")
table = tf.Variable([[1.0], [1.0], [1.0]], name="table")
unused = tf.Variable(1.0, name="unused")
variables = [weights, table, unused]
optimizer = keras.optimizers.SGD(0.1)
saved = tf.train.Checkpoint(weights=weights, table=table)
manager = tf.train.CheckpointManager(saved, folder + "/checkpoints", max_to_keep=1)


@tf.function
def train_step(inputs, rows):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((inputs @ weights) ** 2) + tf.reduce_sum(tf.gather(table, rows) ** 2)
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(pair for pair in zip(gradients, variables) if pair[0] is not None)
    return {"train/loss": loss, **gradient_norms(gradients, variables)}


def train(steps, first=1):
    run = treering.init(project="loop", dir=store, **resume_options(folder + "/checkpoints"))
    for step in range(first, steps + 1):
        run.log(train_step(tf.ones((2, 2)) * step, tf.constant([0, 0, 2])), step=step)
        if step % 2 == 0:
            manager.save()
            log_checkpoint(run, manager, step, aliases=["best"] if step == 2 else [])
    run.finish()
    return run.id


empty = gradient_norms([None], [unused])
without_layers = sorted(gradient_norms([tf.ones(2)], [weights], layers=False))
try:
    log_checkpoint(synced, folder + "/nothing", 1)
except UsageError as error:
    refused = str(error)
first = train(3)
second = train(4, first=3)
print(json.dumps({
    "synced": synced.id, "history": history, "runs": [first, second], "empty": empty,
    "without_layers": without_layers, "refused": refused,
}))
"""


class Ran(NamedTuple):
    api: Api
    said: dict[str, Any]

    def run(self, run_id: str) -> ApiRun:
        return self.api.run(run_id)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One program does it all, for TensorFlow takes its time to load."""
    folder = tmp_path_factory.mktemp("tensorflow")
    bare = {f"TREERING_{name}": "0" for name in ("CONSOLE", "CAPTURE_GIT", "CAPTURE_SOURCE", "CAPTURE_ENVIRONMENT")}
    environment = {**os.environ, **bare, "TREERING_SYSTEM_INTERVAL_S": "0", "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", PROGRAM, str(folder), str(folder / "store")]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert output.returncode == 0, output.stderr
    return Ran(Api(folder / "store"), json.loads(output.stdout.splitlines()[-1]))


# -- what is written for TensorBoard ----------------------------------------------------------------------------------


def test_summaries_are_rows_of_the_run(ran: Ran) -> None:
    run = ran.run(ran.said["synced"])
    assert list(run.history("loss")) == [(1, 1.0), (2, 0.5)]
    ((step, histogram),) = run.history("weights")
    assert (step, histogram.counts, histogram.edges) == (3, (1, 2, 0, 1), (0.0, 1.0, 2.0, 3.0, 4.0))
    ((_, image),) = run.history("sample")
    assert image.pixels.tolist() == [[[255] * 3] * 3] * 2
    assert list(run.history("words")) == [(5, Text("hello", format="markdown"))]


def test_the_writer_of_tensorflow_1(ran: Ran) -> None:
    assert list(ran.run(ran.said["synced"]).history("old/loss")) == [(6, 3.0)]


def test_the_callback_of_keras(ran: Ran) -> None:
    run = ran.run(ran.said["synced"])
    for section, name in (("train", "loss"), ("val", "val_loss")):
        series = run.history(f"keras/{section}/epoch_loss")
        assert list(series) == [(epoch, pytest.approx(ran.said["history"][name][epoch])) for epoch in (0, 1)]
    assert any(isinstance(value, Histogram) for key in run.metrics for _, value in run.history(key))


# -- a loop of one's own ----------------------------------------------------------------------------------------------


def test_norms_of_the_tapes_gradients(ran: Ran) -> None:
    run = ran.run(ran.said["runs"][0])
    row = {key: run.history(key).values[0] for key in run.metrics if key.startswith("grad/")}
    # loss = mean over two rows of (w0 + w1)^2, and of the table's row 0 twice and row 2 once, all of them 1
    dense, sparse = np.array([6.0, 6.0]), np.array([4.0, 0.0, 2.0])
    assert row == {
        "grad/layer/weights": pytest.approx(np.linalg.norm(dense)),
        "grad/layer/table": pytest.approx(np.linalg.norm(sparse)),
        "grad/norm": pytest.approx(np.linalg.norm([*dense, *sparse])),
    }
    assert (ran.said["empty"], ran.said["without_layers"]) == ({}, ["grad/norm"])


def test_a_loop_that_starts_again_goes_on_in_its_run(ran: Ran) -> None:
    first, second = ran.said["runs"]
    assert first == second
    run = ran.run(first)
    assert (run.project, run.attempt, run.state) == ("loop", 2, "finished")
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]
    assert run.history("train/loss", superseded=True).x.tolist() == [1, 2, 3, 3, 4]


def test_checkpoints_are_versions_that_outlive_their_files(ran: Ran) -> None:
    run = ran.run(ran.said["runs"][0])
    kept = {alias: version for version in run.versions() for alias in version.aliases}
    assert {"step-2", "step-4", "best", "last"} <= kept.keys()
    assert (kept["best"].metadata["step"], kept["last"].metadata["step"]) == (2, 4)
    names = {Path(file.path).suffix for file in kept["step-2"].files()}
    assert ".index" in names
    assert any(name.startswith(".data") for name in names)


def test_a_checkpoint_that_is_not_there(ran: Ran) -> None:
    assert "no files" in ran.said["refused"]
