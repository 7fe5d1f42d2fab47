"""Safetensors files, read without any framework: the list of tensors, one tensor, and how two files differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import CorruptData, NotFound, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from treering.artifacts._file import ArtifactFile

__all__ = ["Tensor", "TensorChange", "compare_tensors", "read_tensor", "tensors_of"]

_MAX_HEADER = 100 << 20
_KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "F8_E4M3": "u1", "F8_E5M2": "u1",
}  # fmt: skip


class Tensor(NamedTuple):
    """A tensor of a file: its kind ("F32", "BF16", ...), its shape, and where its bytes are."""

    kind: str
    shape: tuple[int, ...]
    start: int
    size: int


class TensorChange(NamedTuple):
    """How a tensor differs from the one of the same name.

    Attributes:
        change: "added", "removed", "reshaped" (shape or kind), or "changed".
        share: of its values that are different, 0 to 1; None unless "changed".
        largest: greatest difference of a value; likewise.
        relative: norm of the difference over the norm of what was before; likewise.
    """

    name: str
    change: str
    share: float | None = None
    largest: float | None = None
    relative: float | None = None


def tensors_of(file: ArtifactFile) -> dict[str, Tensor]:
    """Return what a safetensors file holds; only its header is read.

    Raises:
        CorruptData: it is no such file.
    """
    length = int.from_bytes(file.read(0, 8), "little")
    if not 0 < length <= min(_MAX_HEADER, file.size - 8):
        raise CorruptData(f"{file.path!r} does not begin as a safetensors file does")
    try:
        header: dict[str, Any] = json.loads(file.read(8, length))
        return {
            name: Tensor(
                str(entry["dtype"]),
                tuple(int(size) for size in entry["shape"]),
                8 + length + int(entry["data_offsets"][0]),
                int(entry["data_offsets"][1]) - int(entry["data_offsets"][0]),
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptData(f"the header of {file.path!r} is no safetensors header: {error}") from error


def read_tensor(file: ArtifactFile, name: str) -> npt.NDArray[Any]:
    """Return one tensor of a safetensors file; only the chunks that hold it are read.

    bfloat16, which NumPy has not, comes as float32; float8 as its bytes.

    Raises:
        NotFound: the file has no such tensor.
        CorruptData: it is no safetensors file, or damaged.
    """
    known = tensors_of(file)
    if name not in known:
        raise NotFound(
            f"{file.path!r} has {len(known)} tensors and none called {name!r}: {', '.join(list(known)[:10])}"
        )
    return _read(file, known[name])


def _read(file: ArtifactFile, tensor: Tensor) -> npt.NDArray[Any]:
    import numpy as np

    if tensor.kind not in _KINDS:
        raise UsageError(f"{file.path!r} has a tensor of the kind {tensor.kind!r}; known are {', '.join(_KINDS)}")
    values: npt.NDArray[Any] = np.frombuffer(file.read(tensor.start, tensor.size), _KINDS[tensor.kind])
    if tensor.kind == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    try:
        return values.reshape(tensor.shape)
    except ValueError as error:
        raise CorruptData(f"{file.path!r}: {error}") from error


def compare_tensors(before: ArtifactFile, after: ArtifactFile) -> list[TensorChange]:
    """Return the tensors that differ between two safetensors files, in order of their names."""
    old, new = tensors_of(before), tensors_of(after)
    changes: list[TensorChange] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            changes.append(TensorChange(name, "removed"))
        elif name not in old:
            changes.append(TensorChange(name, "added"))
        elif (old[name].kind, old[name].shape) != (new[name].kind, new[name].shape):
            changes.append(TensorChange(name, "reshaped"))
        else:
            one, other = _read(before, old[name]), _read(after, new[name])
            if one.tobytes() != other.tobytes():
                changes.append(_measured(name, one, other))
    return changes


def _measured(name: str, one: npt.NDArray[Any], other: npt.NDArray[Any]) -> TensorChange:
    import numpy as np

    a: npt.NDArray[np.float64] = one.astype(np.float64)
    difference = np.abs(other.astype(np.float64) - a)
    norm = float(np.linalg.norm(a))
    share = float(np.count_nonzero(one != other)) / max(one.size, 1)
    moved = float(np.linalg.norm(difference))
    relative = moved / norm if norm else float("inf") if moved else 0.0
    return TensorChange(name, "changed", share, float(difference.max(initial=0.0)), relative)
