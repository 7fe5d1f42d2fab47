"""One file of an artifact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering.errors import UsageError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from treering.artifacts._artifact import Artifact
    from treering.artifacts.manifest import Entry

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

    def download(self, folder: str | os.PathLike[str] = ".") -> Path:
        """Copy it into a folder, under its path; returns the file."""
        return self._artifact.download(folder, [self.path]) / self.path

    def __repr__(self) -> str:
        place = f" -> {self.uri}" if self.uri else ""
        return f"ArtifactFile({self.path!r}{place}, {self.size:,} bytes)"
