"""Safetensors files, read without any framework: the list of tensors, and one tensor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import CorruptData, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from treering.artifacts._file import ArtifactFile

__all__ = ["Tensor", "read", "tensors_of"]

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


def read(file: ArtifactFile, tensor: Tensor) -> npt.NDArray[Any]:
    """Return one tensor of a safetensors file; only the chunks that hold it are read.

    bfloat16, which NumPy has not, comes as float32; float8 as its bytes.

    Raises:
        UsageError: a kind of numbers that is not known here.
        CorruptData: it does not have its shape, or is damaged.
    """
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
