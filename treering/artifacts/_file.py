"""One file of an artifact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.errors import UsageError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import numpy.typing as npt

    from treering.artifacts._artifact import Artifact
    from treering.artifacts.manifest import Entry
    from treering.artifacts.tensors import Tensor

__all__ = ["ArtifactFile"]


class ArtifactFile:
    """One file of an artifact that is in the store.

    Attributes:
        path: inside the artifact.
        size: bytes; -1 for a reference whose size is not known.
    """

    __slots__ = ("_artifact", "_entry", "path", "size")

    def __init__(self, artifact: Artifact, entry: Entry) -> None:
        self._artifact = artifact
        self._entry = entry
        self.path = entry.path
        self.size = entry.size

    @property
    def digest(self) -> str:
        """Of its content, 64 hexadecimal digits: BLAKE3 of a small file, BLAKE3 over its chunks of a larger one."""
        return self._entry.digest.hex()

    @property
    def uri(self) -> str | None:
        """Where it is, for a reference; None for a file that is in the store."""
        return None if self._entry.reference is None else self._entry.reference.uri

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """Return its bytes, checked.

        Args:
            start: first byte.
            length: number of bytes; None for all to the end. Only the chunks that hold them are read.

        Raises:
            NotFound: they are gone.
            CorruptData: they are not what was stored.
            UsageError: it is a reference; `download` brings it here.
        """
        if self._entry.reference is not None:
            raise UsageError(f"{self.path!r} is a reference to {self.uri}; download() brings it here")
        from treering.artifacts.reading import read_entry

        with self._artifact.depot() as depot:
            return read_entry(depot, self._entry, start, length)

    def tensors(self) -> dict[str, Tensor]:
        """Return kind, shape and place of each tensor of a safetensors file; only its header is read."""
        from treering.artifacts.tensors import tensors_of

        return tensors_of(self)

    def read_tensor(self, name: str) -> npt.NDArray[Any]:
        """Return one tensor of a safetensors, PyTorch or Keras file; only the chunks that hold it are read.

        bfloat16, which NumPy has not, comes as float32; float8 as its bytes.

        Raises:
            NotFound: the file has no such tensor.
            CorruptData: it is no such file, or damaged.
            UsageError: it is of another format.
        """
        from treering.artifacts.layers import read_layer

        return read_layer(self, name)

    def download(self, folder: str | os.PathLike[str] = ".") -> Path:
        """Copy it into a folder, under its path; returns the file."""
        return self._artifact.download(folder, [self.path]) / self.path

    def __repr__(self) -> str:
        place = f" -> {self.uri}" if self.uri else ""
        return f"ArtifactFile({self.path!r}{place}, {self.size:,} bytes)"
