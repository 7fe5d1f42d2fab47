"""Where packs lie: a folder on this machine, or an object store reached with obstore.

Both take whole objects that never change once they are written. A local folder is written with plain file calls: the
pack is already a file of that file system, so it is moved instead of sent.
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.errors import NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obstore.store import ObjectStore

__all__ = ["Backend", "Bucket", "Folder", "Stored", "open_backend"]

_PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 8


class Stored(NamedTuple):
    """An object that is there: its key, its size in bytes, and when it was written, in seconds since 1970."""

    key: str
    size: int
    modified_s: float


class Backend(ABC):
    """Objects by their keys, which are relative paths with "/". Any thread may call any method."""

    #: Whether bytes that were put survive a loss of power at once.
    durable: bool
    #: Whether putting takes long enough to be done beside other work.
    remote: bool

    @abstractmethod
    def put(self, key: str, file: Path) -> None:
        """Make a finished file an object; it is whole or not there at all. The file is gone afterwards.

        Raises:
            StoreError: it cannot be written; the file is kept.
        """

    @abstractmethod
    def read(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each (first byte, length).

        Raises:
            NotFound: no such object.
            StoreError: it cannot be read.
        """

    def read_into(self, key: str, start: int, view: memoryview) -> None:
        """Fill memory with an object's bytes from `start` on; what is beyond its end stays as it is.

        Raises:
            NotFound, StoreError: as `read`.
        """
        (data,) = self.read(key, [(start, len(view))])
        view[: len(data)] = data

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield all objects below a prefix."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, or None when it is not there."""

    def path(self, key: str) -> Path | None:  # noqa: ARG002  # a folder's to answer
        """Return the file that an object is, or None where it is none."""
        return None

    def sync(self, keys: Sequence[str]) -> None:  # noqa: B027  # most need not
        """Make objects survive a loss of power."""


class Folder(Backend):
    """A folder of this machine."""

    durable = False
    remote = False

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """See `Backend.path`."""
        return self.root / key

    def put(self, key: str, file: Path) -> None:
        """See `Backend.put`."""
        place = self.path(key)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                file.replace(place)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _move_over(file, place)
        except OSError as error:
            raise StoreError(error.errno, f"{place} cannot be written: {error.strerror}") from error

    def read(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `Backend.read`."""
        try:
            with self.path(key).open("rb", buffering=0) as file:
                return [_read_at(file.fileno(), start, length) for start, length in ranges]
        except FileNotFoundError:
            raise NotFound(f"pack {self.path(key)} is gone") from None
        except OSError as error:
            raise StoreError(error.errno, f"{self.path(key)} cannot be read: {error.strerror}") from error

    def read_into(self, key: str, start: int, view: memoryview) -> None:
        """See `Backend.read_into`."""
        if not hasattr(os, "preadv"):
            super().read_into(key, start, view)
            return
        try:
            with self.path(key).open("rb", buffering=0) as file:
                while view and (got := os.preadv(file.fileno(), [view], start)):
                    view = view[got:]
                    start += got
        except FileNotFoundError:
            raise NotFound(f"pack {self.path(key)} is gone") from None
        except OSError as error:
            raise StoreError(error.errno, f"{self.path(key)} cannot be read: {error.strerror}") from error

    def delete(self, key: str) -> None:
        """See `Backend.delete`."""
        self.path(key).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[Stored]:
        """See `Backend.list`."""
        folder = self.root / prefix
        for root, _, names in os.walk(folder):
            for name in names:
                path = Path(root, name)
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue  # deleted meanwhile
                yield Stored(path.relative_to(self.root).as_posix(), found.st_size, found.st_mtime)

    def size(self, key: str) -> int | None:
        """See `Backend.size`."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None

    def sync(self, keys: Sequence[str]) -> None:
        """See `Backend.sync`."""
        folders: set[Path] = set()
        for key in keys:
            place = self.path(key)
            _sync(place, os.O_RDONLY)
            folders.add(place.parent)
        if os.name != "nt":
            for folder in folders | {folder.parent for folder in folders}:
                _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _move_over(file: Path, place: Path) -> None:
    """Move a file to another file system, where it appears whole."""
    import shutil

    part = place.with_name(f"{place.name}.part")
    shutil.copyfile(file, part)
    part.replace(place)
    file.unlink()


def _sync(path: Path, flags: int) -> None:
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return  # collected meanwhile
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_at(descriptor: int, start: int, length: int) -> bytes:
    if hasattr(os, "pread"):
        data = os.pread(descriptor, length, start)
        if len(data) == length:
            return data
    os.lseek(descriptor, start, os.SEEK_SET)
    parts: list[bytes] = []
    while length > 0 and (part := os.read(descriptor, length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)  # a short one fails its check


class Bucket(Backend):
    """An object store: S3, Google Cloud Storage, Azure, or whatever else obstore opens.

    Args:
        url: such as "s3://bucket/prefix"; credentials come from the environment or the machine, as usual there.
        options: of obstore's store, such as `endpoint` and `region`; `allow_http` is "true" where an address without
            TLS is named otherwise than by `endpoint`.
    """

    durable = True
    remote = True

    def __init__(self, url: str, options: dict[str, str]) -> None:
        from treering.artifacts.objects import library, open_url

        obstore = library()
        self.url = url
        self._obstore = obstore
        settings: dict[str, Any] = dict(options)
        # An emulator, or a server in the same rack; obstore refuses to talk without TLS unless it is told so.
        plain = str(settings.pop("allow_http", "")).lower() == "true"
        if plain or str(settings.get("endpoint", "")).startswith("http:"):
            settings.setdefault("client_options", {"allow_http": True})
        try:
            self._store: ObjectStore = open_url(url, settings)
        except (ValueError, TypeError, obstore.exceptions.BaseError) as error:
            raise UsageError(f"the artifact store {url!r} cannot be opened: {error}") from error

    def put(self, key: str, file: Path) -> None:
        """See `Backend.put`."""
        with self._translated(f"{key} cannot be written"):
            self._obstore.put(self._store, key, file, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
        file.unlink(missing_ok=True)

    def read(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `Backend.read`."""
        starts = [start for start, _ in ranges]
        lengths = [length for _, length in ranges]
        with self._translated(f"{key} cannot be read"):
            found = self._obstore.get_ranges(self._store, key, starts=starts, lengths=lengths)
            return [bytes(part) for part in found]

    def delete(self, key: str) -> None:
        """See `Backend.delete`."""
        try:
            with self._translated(f"{key} cannot be deleted"):
                self._obstore.delete(self._store, key)
        except NotFound:
            pass

    def list(self, prefix: str) -> Iterator[Stored]:
        """See `Backend.list`."""
        from treering.artifacts.objects import list_objects

        with self._translated("the objects cannot be listed"):
            for one in list_objects(self._store, prefix):
                yield Stored(one.key, one.size, one.modified.timestamp())

    def size(self, key: str) -> int | None:
        """See `Backend.size`."""
        try:
            with self._translated(f"{key} cannot be read"):
                return int(self._obstore.head(self._store, key)["size"])
        except NotFound:
            return None

    def _translated(self, what: str) -> _Translated:
        return _Translated(f"{self.url}: {what}")


class _Translated:
    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise NotFound(f"{self._what}: it is not there") from error
        if error is not None and not isinstance(error, (NotFound, StoreError)) and isinstance(error, Exception):
            raise StoreError(f"{self._what}: {str(error).strip()[:500]}") from error


def open_backend(root: Path, url: str | None) -> Backend:
    """Open where packs lie.

    Args:
        root: the folder of the store's blobs, used when there is no `url`.
        url: as `treering artifact store` keeps it: an address, "?" and options as in "s3://b/p?endpoint=http://h:1".

    Raises:
        UsageError: an address that nothing can be made of.
    """
    if not url:
        return Folder(root)
    from urllib.parse import parse_qsl

    address, _, query = url.partition("?")
    if address.startswith("file://"):
        return Folder(Path(address.removeprefix("file://")))
    return Bucket(address, dict(parse_qsl(query)))
