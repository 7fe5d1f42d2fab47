"""Keras: what a model is made of, models that go on in their run, and the gradients of any backend's optimizers.

model = load_model("model.keras")    # its next fit goes on in the run that wrote the file

norms = GradientNorms(model.optimizer)
...                  # train
norms.read()         # {"grad/norm": 1.3, "grad/layer/dense/kernel": 1.2, ...} of the last update
norms.remove()
"""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from treering._framework import framework
from treering.integrations._keras_files import load_model
from treering.training.gradients import CODES, ExponentCounts

with framework("keras", extra="keras"):
    import keras
    from keras import ops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from treering.media import Histogram

__all__ = ["GradientNorms", "describe", "load_model", "loss_scale", "optimizers_of"]

_NO_GRADIENT = -1.0  # no norm; NaN is one
_LARGE = 4096


def optimizers_of(model: Any) -> dict[str, Any]:
    """Return the optimizer of `compile()`, or those that a model with its own training step keeps as attributes."""
    compiled = getattr(model, "optimizer", None)
    if compiled is not None:
        return {"0": compiled}
    return {name: one for name, one in vars(model).items() if isinstance(one, keras.optimizers.Optimizer)}


def describe(model: Any, fit: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the parts of a run's config: version, backend, `fit`, optimizer, `compile`, the model and its sizes."""
    yield "version", keras.__version__
    yield "backend", keras.backend.backend()
    yield "fit", {name: fit[name] for name in ("epochs", "steps") if fit.get(name) is not None}
    yield "optimizer", {name: one.get_config() for name, one in optimizers_of(model).items()}
    compiled: Any = getattr(model, "_compile_config", None) if getattr(model, "compiled", False) else None
    given: Mapping[str, Any] = getattr(compiled, "config", None) or {}
    yield "compile", {name: _told(value) for name, value in given.items() if name != "optimizer"}
    counts = {
        "parameters": sum(math.prod(variable.shape) for variable in model.variables),
        "trainable_parameters": sum(math.prod(variable.shape) for variable in model.trainable_variables),
    }
    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text), line_length=100)
    yield "model", {"name": model.name, "class": type(model).__name__, **counts, "summary": "\n".join(lines)}


def _told(value: Any) -> object:
    """What was given to `compile()`, as it can be kept."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if sys.modules.get("tensorflow") is not None:
        return keras.saving.serialize_keras_object(value)
    # To see whether a value is one of TensorFlow's, Keras would import it, which takes seconds on other backends.
    if isinstance(value, dict):
        return {name: _told(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(one) for one in value]
    return getattr(value, "__name__", None) or {"class_name": type(value).__name__, "name": getattr(value, "name", "")}


def loss_scale(model: Any) -> dict[str, float]:
    """Return the present factor of losses where an optimizer scales them, for training in half precision."""
    found: dict[str, float] = {}
    for name, one in optimizers_of(model).items():
        if isinstance(one, keras.optimizers.LossScaleOptimizer):
            found["amp/scale" if name == "0" else f"amp/{name}/scale"] = _numbers(one.dynamic_scale)[0]
    return found


class GradientNorms:
    """The norms of the gradients in an optimizer's last update, and if wanted their histograms.

    They are what the optimizer takes: averaged over the batches that it accumulates, unscaled, clipped. Two methods of
    this one optimizer are wrapped until `remove`. With PyTorch they run as they are; TensorFlow puts the norms into a
    variable, and JAX calls back from within the compiled step, so a step that was compiled before is compiled again.

    Args:
        optimizer: of Keras; one that scales losses stands for the one inside.
        model: whose variables it trains. Its own name is left out of theirs: Keras counts models, so it is another one
            each time.
        label: tells the optimizer from others: series are called `grad/<label>/norm`.
        histograms: whether values are counted by their powers of two.
    """

    def __init__(self, optimizer: Any, model: Any, label: str = "", *, histograms: bool = False) -> None:
        while (inner := getattr(optimizer, "inner_optimizer", None)) is not None:
            optimizer = inner
        self._optimizer = optimizer
        self._within = f"{label}/" if label else ""
        self._prefix = f"{model.name}/"
        self._names: list[str] = []
        self._before: Any = None
        self._last: Any = None
        self._counts: Any = None
        self._histograms = histograms
        self._backend = keras.backend.backend()
        if self._backend == "tensorflow":
            # Its size is fixed, for XLA; a model that is built with its first batch has no variables yet.
            self._size = len(model.trainable_variables) + 1 if model.trainable_variables else _LARGE
            nothing = ops.full((self._size,), _NO_GRADIENT)
            self._last = keras.Variable(nothing, trainable=False, name="gradient_norms")
            if histograms:
                nothing = ops.zeros((self._size - 1, CODES + 2), "int64")
                self._counts = keras.Variable(nothing, trainable=False, dtype="int64", name="gradient_counts")
        self._originals: dict[str, Callable[..., Any]] = {}
        self._wrap("_clip_gradients", self._clip)
        self._wrap("_backend_update_step", self._update)

    def _wrap(self, name: str, wrapper: Callable[..., Any]) -> None:
        self._originals[name] = getattr(self._optimizer, name)
        # Not by setattr: Keras looks into all that is set on an optimizer.
        vars(self._optimizer)[name] = wrapper

    def remove(self) -> None:
        """Let the optimizer be as it was."""
        for name in self._originals:
            vars(self._optimizer).pop(name, None)

    def read(self) -> dict[str, object]:
        """Return the norms as a row; waits for the device. Empty before the first update."""
        if self._backend == "jax":
            sys.modules["jax"].effects_barrier()
        if self._last is None:
            return {}
        before, *norms = _numbers(self._last)
        seen = {name: norm for name, norm in zip(self._names, norms, strict=False) if norm != _NO_GRADIENT}
        if not seen:
            return {}
        row: dict[str, object] = {f"grad/{self._within}norm": math.sqrt(sum(norm * norm for norm in seen.values()))}
        if before != _NO_GRADIENT:
            row[f"grad/{self._within}norm_preclip"] = before
        row.update({f"grad/{self._within}layer/{name}": norm for name, norm in seen.items()})
        if self._counts is not None:
            counts: Any = ops.convert_to_numpy(self._counts)
            for name, found in zip(self._names, counts, strict=False):
                if name in seen:
                    row[f"grad/{self._within}histogram/{name}"] = _to_histogram(found)
        return row

    # -- within the training step: all of this may be traced by a compiler --------------------------------------------

    def _clip(self, gradients: Any) -> Any:
        clipped = self._originals["_clip_gradients"](gradients)
        one = self._optimizer
        if one.clipnorm or one.global_clipnorm or one.clipvalue:
            norms = [_norm(gradient) for gradient in gradients if gradient is not None]
            self._before = ops.sqrt(ops.sum(ops.square(ops.stack(norms))))
        return clipped

    def _update(self, gradients: Any, variables: Any, *rest: Any, **options: Any) -> Any:
        missing = ops.full((), _NO_GRADIENT)
        before, self._before = self._before, None
        norms = [missing if one is None else _norm(one) for one in gradients]
        self._names = [str(variable.path).removeprefix(self._prefix) for variable in variables]
        counts = None
        if self._histograms:
            none = ops.zeros((CODES + 2,), "int32")
            counts = ops.stack([none if one is None else self._count(one) for one in gradients])
        self._keep(ops.stack([missing if before is None else before, *norms]), counts)
        return self._originals["_backend_update_step"](gradients, variables, *rest, **options)

    def _keep(self, norms: Any, counts: Any) -> None:
        if self._backend == "tensorflow":
            rest = ops.full((max(self._size - norms.shape[0], 0),), _NO_GRADIENT)
            self._last.assign(ops.concatenate([norms[: self._size], rest]))
            if counts is not None:
                rest = ops.zeros((max(self._size - 1 - counts.shape[0], 0), CODES + 2), "int64")
                self._counts.assign(ops.concatenate([ops.cast(counts[: self._size - 1], "int64"), rest]))
        elif self._backend == "jax":
            done = ops.convert_to_tensor(self._optimizer._iterations)
            sys.modules["jax"].debug.callback(self._hear, norms, done, counts)
        else:
            self._last, self._counts = norms, counts

    def _hear(self, norms: Any, batches: Any, counts: Any) -> None:
        """Called by JAX after every batch, also after those whose gradients are only added to the others."""
        accumulated = self._optimizer.gradient_accumulation_steps or 1
        if (int(batches) + 1) % accumulated == 0:
            self._last, self._counts = norms, counts

    def _count(self, gradient: Any) -> Any:
        """How many values have which sign and exponent, how many are NaN and how many +infinity: (514,) numbers."""
        flat: Any = ops.reshape(ops.cast(ops.convert_to_tensor(gradient), "float32"), (-1,))
        loaded: Any = sys.modules[self._backend]
        if self._backend == "tensorflow":
            codes = loaded.bitwise.right_shift(loaded.bitcast(flat, loaded.uint32), loaded.constant(23, loaded.uint32))
        elif self._backend == "jax":
            codes = loaded.lax.bitcast_convert_type(flat, "uint32") >> 23
        else:
            codes = (flat.contiguous().view(loaded.int32) >> 23) & (CODES - 1)
        codes = ops.cast(codes, "int32")
        counts = ops.segment_sum(ops.ones_like(codes), codes, num_segments=CODES)
        special = [ops.sum(ops.cast(one, "int32")) for one in (ops.isnan(flat), ops.equal(flat, math.inf))]
        return ops.concatenate([ops.cast(counts, "int32"), ops.stack(special)])


def _to_histogram(counts: Any) -> Histogram:
    numbers = np.asarray(counts, np.int64)
    return ExponentCounts(numbers[:CODES], int(numbers[CODES]), int(numbers[CODES + 1])).to_histogram()


def _numbers(values: Any) -> list[float]:
    """Return a tensor's values on the host."""
    array: Any = ops.convert_to_numpy(values)
    return [float(one) for one in array.ravel()]


def _norm(gradient: Any) -> Any:
    # Sparse ones (of embeddings) are made dense, for their rows may come twice.
    return ops.sqrt(ops.sum(ops.square(ops.cast(ops.convert_to_tensor(gradient), "float32"))))
