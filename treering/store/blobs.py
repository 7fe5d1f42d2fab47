"""Large bytes, kept once under the name of their BLAKE3 hash."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from treering.errors import CorruptData, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Blobs", "hash_file"]

_DIGEST_LETTERS = 64
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """A folder of immutable files, `ab/abcdef...`.

    Args:
        folder: made at the first `put`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Return where the blob `digest` lies, or would lie.

        Raises:
            NotFound: this is no digest; it comes from stored data, which others may have written.
        """
        if not _DIGEST.fullmatch(digest):
            raise NotFound(f"{digest[:80]!r} is no blob's name, which is {_DIGEST_LETTERS} hexadecimal digits")
        return self.folder / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Keep bytes and return their digest; the file is whole and on the disk, or not there at all."""
        from blake3 import blake3

        digest = blake3(data).hexdigest()
        place = self.path(digest)
        if not place.exists():
            temporary = self._temporary()
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self._move(temporary, place)
        return digest

    def adopt(self, file: Path) -> tuple[str, int]:
        """Move a file of this file system in; returns its digest and its size in bytes."""
        digest, size = hash_file(file), file.stat().st_size
        place = self.path(digest)
        if place.exists():
            file.unlink()
        else:
            self._move(file, place)
        return digest, size

    def size(self, digest: str) -> int | None:
        """Return a blob's size in bytes, or None where there is no such blob."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def get(self, digest: str) -> bytes:
        """Return a blob's bytes.

        Raises:
            NotFound: no such blob.
            CorruptData: its bytes no longer match its name.
        """
        from blake3 import blake3

        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"blob {digest} is not in {self.folder}") from None
        if blake3(data).hexdigest() != digest:
            raise CorruptData(f"blob {digest} in {self.folder} does not match its digest")
        return data

    def digests(self) -> Iterator[str]:
        """Yield all that is kept."""
        for path in self.folder.glob("??/*"):
            if len(path.name) == _DIGEST_LETTERS:
                yield path.name

    def _temporary(self) -> Path:
        folder = self.folder / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / os.urandom(16).hex()

    def _move(self, file: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, place)


def hash_file(path: Path) -> str:
    """Return the BLAKE3 digest of a file as 64 hexadecimal digits."""
    from blake3 import blake3

    hasher = blake3(max_threads=1)
    hasher.update_mmap(path)
    return hasher.hexdigest()
