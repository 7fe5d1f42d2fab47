"""The list of a version's files: for each its path, size, digest and the chunks that it is put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from treering.errors import CorruptData
from treering.zstd import ZstdError, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["ID_BYTES", "Entry", "Reference", "decode_manifest", "digest_of", "encode_manifest", "file_digest"]

ID_BYTES = 32
_FORMAT = 1
_LEVEL = 3


class Reference(msgspec.Struct, array_like=True, frozen=True):
    """A file that stays where it is.

    Attributes:
        uri: such as "s3://bucket/key" or "file:///data/x".
        check: "blake3:...", "etag:..." or "" when nothing is known that could be compared.
    """

    uri: str
    check: str = ""


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One file.

    Attributes:
        path: inside the version, with "/".
        size: bytes; -1 for a reference whose size is not known.
        digest: 32 bytes; the id of its only chunk, or BLAKE3 over the ids of its chunks.
        chunks: ids of its chunks one after another, 32 bytes each; empty when `digest` is the only one.
        sizes: of these chunks, 4 bytes each, little-endian.
        reference: where it is, if it is not in the store.
    """

    path: str
    size: int
    digest: bytes
    chunks: bytes = b""
    sizes: bytes = b""
    reference: Reference | None = None

    def pieces(self) -> Iterator[tuple[bytes, int]]:
        """Yield (id, size in bytes) of each chunk in order."""
        if self.reference is not None or self.size <= 0:
            return
        if not self.chunks:
            yield self.digest, self.size
            return
        for number in range(len(self.chunks) // ID_BYTES):
            size = int.from_bytes(self.sizes[4 * number : 4 * number + 4], "little")
            yield self.chunks[ID_BYTES * number : ID_BYTES * (number + 1)], size


class _Manifest(msgspec.Struct, array_like=True):
    format: int
    entries: list[Entry]


_decoder = msgspec.msgpack.Decoder(_Manifest)


def file_digest(ids: Sequence[bytes]) -> bytes:
    """Return the digest of a file that consists of these chunks; equal content gives equal digests."""
    if len(ids) == 1:
        return ids[0]
    return blake3(b"".join(ids)).digest()


def encode_manifest(entries: Iterable[Entry]) -> bytes:
    """Return the bytes that the database keeps; entries are sorted by their paths."""
    manifest = _Manifest(_FORMAT, sorted(entries, key=lambda entry: entry.path))
    return pack(msgspec.msgpack.encode(manifest), _LEVEL)


def decode_manifest(data: bytes, what: str = "a manifest") -> list[Entry]:
    """Return the entries in order of their paths.

    Raises:
        CorruptData: these are no such bytes.
    """
    try:
        manifest = _decoder.decode(unpack(data))
    except (ZstdError, msgspec.MsgspecError) as error:
        raise CorruptData(f"the list of files of {what} is damaged: {error}") from error
    if manifest.format > _FORMAT:
        raise CorruptData(
            f"the list of files of {what} has format {manifest.format} and this treering reads up to {_FORMAT}; "
            "upgrade with `pip install -U treering`"
        )
    return manifest.entries


def digest_of(entries: Iterable[Entry]) -> str:
    """Return the digest of a whole version: 64 hexadecimal digits that depend on paths and contents alone."""
    hasher = blake3()
    for entry in sorted(entries, key=lambda entry: entry.path):
        place = "" if entry.reference is None else f" {entry.reference.uri} {entry.reference.check}"
        hasher.update(f"{entry.digest.hex()}{place} {entry.path}\n".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()
