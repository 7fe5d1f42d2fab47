"""Media in an object store: for a database that has no folder beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from treering.errors import CorruptData, NotFound
from treering.store.blobs import Blobs, hash_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treering.artifacts.backends import Backend

__all__ = ["ObjectBlobs"]

_PREFIX = "media"


class ObjectBlobs(Blobs):
    """Objects `media/ab/abcdef...`.

    Args:
        backend: where they lie.
        scratch: folder for what is on its way.
    """

    def __init__(self, backend: Backend, scratch: Path) -> None:
        super().__init__(scratch)
        self._backend = backend

    def _key(self, digest: str) -> str:
        return f"{_PREFIX}/{self.path(digest).relative_to(self.folder).as_posix()}"

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        temporary = self._temporary()
        temporary.write_bytes(data)
        return self.adopt(temporary)[0]

    def adopt(self, file: Path) -> tuple[str, int]:
        """See `Blobs.adopt`."""
        digest, size = hash_file(file), file.stat().st_size
        if self.size(digest) == size:
            os.unlink(file)
        else:
            self._backend.put(self._key(digest), file)
        return digest, size

    def size(self, digest: str) -> int | None:
        """See `Blobs.size`."""
        return self._backend.size(self._key(digest))

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        from blake3 import blake3

        data = b"".join(self.pieces(digest))
        if blake3(data).hexdigest() != digest:
            raise CorruptData(f"blob {digest} in the object store does not match its digest")
        return data

    def pieces(self, digest: str, piece_bytes: int = 4 << 20) -> Iterator[bytes]:
        """Yield a blob's bytes, unchecked.

        Raises:
            NotFound: no such blob.
        """
        size = self.size(digest)
        if size is None:
            raise NotFound(f"blob {digest} is not in the object store")
        for start in range(0, size, piece_bytes):
            yield from self._backend.read(self._key(digest), [(start, min(piece_bytes, size - start))])

    def digests(self) -> Iterator[str]:
        """See `Blobs.digests`."""
        for one in self._backend.list(f"{_PREFIX}/"):
            yield one.key.rpartition("/")[2]
