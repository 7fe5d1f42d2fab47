"""TensorFlow: gradients and checkpoints of a loop of one's own.

from treering.integrations.tensorflow import gradient_norms, log_checkpoint

@tf.function
def train_step(inputs, targets):
    with tf.GradientTape() as tape:
        loss = loss_of(model(inputs), targets)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"train/loss": loss, **gradient_norms(gradients, model.trainable_variables)}

for step, (inputs, targets) in enumerate(data, 1):
    run.log(train_step(inputs, targets), step=step)
log_checkpoint(run, manager, step)
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import glob
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treering._framework import framework
from treering.errors import UsageError

with framework("tensorflow", extra="tensorflow"):
    import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treering import Run

__all__ = ["gradient_norms", "log_checkpoint", "resume_options"]

_SIDECAR = "treering.json"


def gradient_norms(gradients: Iterable[Any], variables: Iterable[Any], *, layers: bool = True) -> dict[str, Any]:
    """Return the norms of gradients as scalar tensors, by the names of their series.

    Works inside a `tf.function` and outside. Under a distribution strategy each replica has its own gradients; give
    those that were reduced.

    Args:
        gradients: as a `tf.GradientTape` returns them; None, of a variable that the loss does not depend on, is left
            out, and sparse ones of embeddings are added up first.
        variables: theirs, in the same order.
        layers: also one for each variable, `grad/layer/<path>`.
    """
    norms: dict[str, Any] = {}
    for gradient, variable in zip(gradients, variables, strict=True):
        if gradient is not None:
            dense = tf.cast(tf.convert_to_tensor(gradient), tf.float32)
            norms[str(getattr(variable, "path", variable.name))] = tf.norm(dense)
    if not norms:
        return {}
    row: dict[str, Any] = {"grad/norm": tf.norm(tf.stack(list(norms.values())))}
    if layers:
        row.update({f"grad/layer/{name.removesuffix(':0')}": norm for name, norm in norms.items()})
    return row


def log_checkpoint(run: Run, checkpoint: Any, step: int, *, aliases: Sequence[str] = ()) -> Any:
    """Keep the files of a checkpoint as a version of the run's model, and beside them which run and step they are of.

    Args:
        run: that is trained.
        checkpoint: a `tf.train.CheckpointManager`, whose newest one is meant, or what `save` returned: the path that
            the names of its files begin with.
        step: that it was saved at.
        aliases: beside `last` and `step-N`.

    Returns:
        The version, whose files are secured: TensorFlow may delete them.

    Raises:
        UsageError: there is no such checkpoint.
    """
    prefix = getattr(checkpoint, "latest_checkpoint", checkpoint)
    files = sorted(glob.glob(f"{glob.escape(os.fspath(prefix))}.*")) if prefix else []
    if not files:
        raise UsageError(f"log_checkpoint() got {prefix!r}, of which there are no files; save the checkpoint first")
    sidecar = Path(prefix).parent / _SIDECAR
    sidecar.write_text(json.dumps({"run": run.id, "project": run.project, "step": step}), encoding="utf-8")
    return run.log_artifact(
        files,
        name=f"model-{run.id}",
        type="model",
        aliases=[f"step-{step}", "last", *aliases],
        metadata={"step": step, "framework": "tensorflow", "path": os.path.relpath(prefix)},
    )


def resume_options(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `treering.init` takes to go on in the run that the newest checkpoint in a folder is of.

    Nothing where there is none: `treering.init(project="digits", **resume_options("checkpoints"))` begins a run, and
    after a crash goes on with it; rows beyond the checkpoint are superseded.
    """
    path = Path(folder) / _SIDECAR
    if not path.exists() or tf.train.latest_checkpoint(os.fspath(folder)) is None:
        return {}
    saved = json.loads(path.read_text(encoding="utf-8"))
    return {"id": saved["run"], "resume": "allow", "resume_step": saved["step"]}
