"""The tensors of a file, whichever format it has: safetensors, what `torch.save` writes, Keras models and weights.

Nothing here loads a framework or runs what a file brings; HDF5 wants `h5py`, which comes with Keras.
"""

from __future__ import annotations

import importlib
import io
import itertools
import math
import zipfile
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from treering.artifacts.pickled import Stored, symbols
from treering.artifacts.tensors import read, tensors_of
from treering.errors import CorruptData, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from treering.artifacts._file import ArtifactFile

__all__ = ["Layer", "Layers", "can_have_layers", "layers_of", "read_layer"]

_TORCH = (".pt", ".pth", ".ckpt", ".bin")
_HDF5 = (".h5", ".hdf5")
_BLOCK = 1 << 20
_MAX_THINGS = 300_000
_MAX_DEPTH = 50
# By the name of the storage's class, or of the dtype: how NumPy reads it, and what safetensors calls it.
_TORCH_KINDS = {
    "FloatStorage": ("<f4", "F32"), "DoubleStorage": ("<f8", "F64"), "HalfStorage": ("<f2", "F16"),
    "BFloat16Storage": ("<u2", "BF16"), "LongStorage": ("<i8", "I64"), "IntStorage": ("<i4", "I32"),
    "ShortStorage": ("<i2", "I16"), "CharStorage": ("i1", "I8"), "ByteStorage": ("u1", "U8"),
    "BoolStorage": ("?", "BOOL"), "ComplexFloatStorage": ("<c8", "C64"), "ComplexDoubleStorage": ("<c16", "C128"),
    "uint16": ("<u2", "U16"), "uint32": ("<u4", "U32"), "uint64": ("<u8", "U64"),
    "float8_e4m3fn": ("u1", "F8_E4M3"), "float8_e5m2": ("u1", "F8_E5M2"),
}  # fmt: skip


class Layer(NamedTuple):
    """A tensor: its kind ("F32", "BF16", ...), its shape, and the call that reads it."""

    kind: str
    shape: tuple[int, ...]
    read: Callable[[], npt.NDArray[Any]]


class Layers(NamedTuple):
    """What a file holds: tensors, and numbers and words beside them, such as an epoch, by their names."""

    tensors: dict[str, Layer]
    values: dict[str, object]


def can_have_layers(path: str) -> bool:
    """Tell whether a file's name is one of a format that is read here."""
    return path.endswith((".safetensors", ".keras", *_TORCH, *_HDF5))


def layers_of(file: ArtifactFile, stack: ExitStack) -> Layers:
    """Return what a file holds; tensors are read when they are asked for.

    Args:
        file: of a format that `can_have_layers`.
        stack: is closed when nothing more is to be read.

    Raises:
        CorruptData: it is not what its name says.
        UsageError: it cannot be read here; the text says what is missing.
    """
    if file.path.endswith(".safetensors"):
        return _safetensors(file)
    if file.path.endswith(_HDF5):
        return _hdf5(file.path, _buffered(file), stack)
    try:
        archive = stack.enter_context(zipfile.ZipFile(_buffered(file)))
    except zipfile.BadZipFile as error:
        raise CorruptData(f"{file.path!r} is no archive of tensors: {error}") from error
    names = set(archive.namelist())
    if "model.weights.h5" in names:
        member = stack.enter_context(archive.open("model.weights.h5"))
        return _hdf5(file.path, cast("io.BufferedIOBase", member), stack)
    return _torch(file.path, archive, names)


def read_layer(file: ArtifactFile, name: str) -> npt.NDArray[Any]:
    """Return one tensor of a file; see `ArtifactFile.read_tensor`."""
    if not can_have_layers(file.path):
        raise UsageError(f"{file.path!r} is no file of tensors; safetensors, PyTorch's and Keras's are")
    with ExitStack() as stack:
        known = layers_of(file, stack).tensors
        if name not in known:
            raise NotFound(
                f"{file.path!r} has {len(known)} tensors and none called {name!r}: {', '.join(list(known)[:10])}"
            )
        return known[name].read()


class _Raw(io.RawIOBase):
    """A file of an artifact as Python's own libraries read one."""

    def __init__(self, file: ArtifactFile) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = self._file.read(self._at, len(view)) if self._at < self._file.size else b""
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def _buffered(file: ArtifactFile) -> io.BufferedReader:
    return io.BufferedReader(_Raw(file), _BLOCK)


def _safetensors(file: ArtifactFile) -> Layers:
    tensors: dict[str, Layer] = {}
    for name, tensor in tensors_of(file).items():
        tensors[name] = Layer(tensor.kind, tensor.shape, partial(read, file, tensor))
    return Layers(tensors, {})


# -- torch.save -------------------------------------------------------------------------------------------------------


def _torch(path: str, archive: zipfile.ZipFile, names: set[str]) -> Layers:
    (listed, *_) = [name for name in names if name.endswith("/data.pkl")] or [""]
    if not listed:
        raise CorruptData(f"{path!r} is a zip and no file of torch.save: it has no data.pkl")
    prefix = listed.removesuffix("data.pkl")
    order = f"{prefix}byteorder"
    big = order in names and archive.read(order) == b"big"
    found = Layers({}, {})
    for name, value in _flat(symbols(archive.read(listed), f"{path!r}"), path):
        if isinstance(value, Stored):
            layer = _torch_layer(archive, prefix, value, big=big)
            if layer is not None:
                found.tensors[name] = layer
        else:
            found.values[name] = value
    return found


def _flat(value: Any, path: str) -> Iterator[tuple[str, object]]:
    """Yield tensors, numbers and words below a value, by names such as "state_dict.layer.weight"."""
    pending: list[tuple[str, int, Any]] = [("", 0, value)]
    for count in itertools.count():
        if not pending:
            return
        if count > _MAX_THINGS:  # or a list that contains itself
            raise CorruptData(f"{path!r} names more than {_MAX_THINGS:,} things")
        name, depth, one = pending.pop()
        if isinstance(one, (Stored, bool, int, float, str)):
            yield name or "value", one
            continue
        items: list[tuple[Any, Any]] = []
        if isinstance(one, dict):
            items = list(cast("dict[Any, Any]", one).items())
        elif isinstance(one, (list, tuple)):
            items = list(enumerate(cast("list[Any]", one)))
        if depth < _MAX_DEPTH:
            below = [(f"{name}.{key}" if name else str(key), depth + 1, item) for key, item in items]
            pending += reversed(below)


def _torch_layer(archive: zipfile.ZipFile, prefix: str, tensor: Stored, *, big: bool) -> Layer | None:
    # ("storage", kind of numbers, key, device, how many)
    kind, key = tensor.storage[1:3] if len(tensor.storage) > 2 else (None, "")  # noqa: PLR2004
    known = _TORCH_KINDS.get(tensor.dtype or str(getattr(kind, "name", "")))
    if known is None:
        return None
    numpy_kind, said = known[0].replace("<", ">") if big else known[0], known[1]

    def read() -> npt.NDArray[Any]:
        import numpy as np

        size = np.dtype(numpy_kind).itemsize
        reach = sum((length - 1) * step for length, step in zip(tensor.shape, tensor.strides, strict=True)) + 1
        count = reach if math.prod(tensor.shape) else 0
        try:
            with archive.open(f"{prefix}data/{key}") as member:
                member.seek(tensor.offset * size)
                data = member.read(count * size)
        except (KeyError, zipfile.BadZipFile) as error:
            raise CorruptData(f"the numbers of a tensor are not in the file: {error}") from error
        if len(data) != count * size:
            raise CorruptData(f"a tensor of shape {tensor.shape} goes beyond its storage")
        whole = np.frombuffer(data, numpy_kind)
        strides = [step * size for step in tensor.strides]
        values: npt.NDArray[Any] = np.lib.stride_tricks.as_strided(whole, tensor.shape, strides, writeable=False)
        return (values.astype(np.uint32) << 16).view(np.float32) if said == "BF16" else values

    return Layer(said, tensor.shape, read)


# -- HDF5 -------------------------------------------------------------------------------------------------------------


def _hdf5(path: str, stream: io.BufferedIOBase, stack: ExitStack) -> Layers:
    try:
        h5py: Any = importlib.import_module("h5py")
    except ModuleNotFoundError as error:
        raise UsageError(f"{path!r} is HDF5, which needs h5py to be read; run: pip install h5py") from error
    try:
        opened: Any = stack.enter_context(h5py.File(stream, "r"))
    except OSError as error:
        raise CorruptData(f"{path!r} is no HDF5 file: {error}") from error
    tensors: dict[str, Layer] = {}

    def visit(name: str, item: Any) -> None:
        # Numbers that the file says lie in another one stay there: that may be any file of this machine.
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "biufc" and not item.external and not item.is_virtual:
            kind = "BOOL" if item.dtype.kind == "b" else f"{item.dtype.kind.upper()}{8 * item.dtype.itemsize}"
            tensors[name] = Layer(kind, tuple(item.shape), lambda: item[()])

    opened.visititems(visit)  # follows no link that leads out of the file
    if not tensors:
        raise NotFound(f"{path!r} holds no tensors")
    return Layers(tensors, {})
