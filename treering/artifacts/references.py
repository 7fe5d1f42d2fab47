"""Files that stay where they are: s3://, gs://, az://, http(s):// and file:// addresses, with what identifies them."""

from __future__ import annotations

import contextlib
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from treering.artifacts.manifest import Entry, Reference
from treering.artifacts.names import check_path
from treering.artifacts.web import WebFile
from treering.errors import CorruptData, NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from obstore.store import ObjectStore

__all__ = ["fetch", "local_path", "refer_to"]

_REMOTE = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "http", "https")
_BLOCK = 8 << 20


def refer_to(uri: str, name: str | None, *, checksum: bool, max_objects: int) -> list[Entry]:
    """Return entries for what lies at an address: one file, or all below a folder.

    Args:
        uri: the address.
        name: path inside the artifact; default the last part of the address, nothing for a folder's files.
        checksum: find out size and checksum or ETag; else nothing is asked of the other side.
        max_objects: refuse folders with more.

    Raises:
        UsageError: no such kind of address, or too many files.
        NotFound: nothing is there.
        StoreError: it cannot be reached.
    """
    uri = str(uri)
    scheme = urlsplit(uri).scheme.lower()
    if scheme == "file":
        found = _local(local_path(uri), max_objects, checksum=checksum)
    elif scheme in _REMOTE:
        found = _remote(uri, max_objects) if checksum else [("", Entry("", -1, b"", reference=Reference(uri)))]
    else:
        raise UsageError(
            f"add_reference() got {uri!r}; it takes s3://, gs://, az://, https:// and file:// addresses. A file of "
            "this machine: add_file() keeps a copy, file:///absolute/path a reference"
        )
    own = name if name is not None else ""
    entries: list[Entry] = []
    for below, entry in found:
        path = "/".join(part for part in (own, below) if part) if below or own else _last_part(uri)
        assert entry.reference is not None  # noqa: S101  # made above
        entries.append(Entry(check_path(path), entry.size, entry.digest, reference=entry.reference))
    return entries


def _last_part(uri: str) -> str:
    return unquote(urlsplit(uri).path).rstrip("/").rpartition("/")[2] or urlsplit(uri).netloc


def local_path(uri: str) -> Path:
    """Return the file that a file:// address means."""
    parts = urlsplit(uri)
    if parts.netloc not in {"", "localhost"}:
        raise UsageError(f"{uri!r} names the machine {parts.netloc!r}; write file:///absolute/path")
    path = Path(unquote(parts.path))
    if not path.is_absolute():
        raise UsageError(f"{uri!r} is not absolute; write file:///absolute/path")
    return path


def _local(path: Path, max_objects: int, *, checksum: bool) -> list[tuple[str, Entry]]:
    if path.is_dir():
        from treering.artifacts.pinning import files_below

        files = files_below(path, links="follow")
        if len(files) > max_objects:
            raise _too_many(str(path), max_objects)
        return [(below, _local_entry(file, checksum=checksum)) for below, file in files]
    if not path.exists():
        raise NotFound(f"add_reference() found nothing at {path}")
    return [("", _local_entry(path, checksum=checksum))]


def _local_entry(path: Path, *, checksum: bool) -> Entry:
    digest = _hash_file(path) if checksum else b""
    check = f"blake3:{digest.hex()}" if checksum else ""
    return Entry("", path.stat().st_size, digest, reference=Reference(path.absolute().as_uri(), check))


def _hash_file(path: Path) -> bytes:
    from blake3 import blake3

    hasher = blake3()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.digest()


def _too_many(uri: str, max_objects: int) -> UsageError:
    return UsageError(f"{uri} has more than {max_objects:,} files; say max_objects= to take them all")


def _remote(uri: str, max_objects: int) -> list[tuple[str, Entry]]:
    if _is_web(uri):
        return [("", _remote_entry(uri, WebFile(uri).head()))]
    if not uri.endswith("/"):
        with contextlib.suppress(NotFound):
            return [("", _remote_entry(uri, _Object(uri).head()))]
    found = list(_below(uri, max_objects))
    if not found:
        raise NotFound(f"add_reference() found nothing at {uri}")
    return found


def _below(uri: str, max_objects: int) -> Iterator[tuple[str, Entry]]:
    base = uri.rstrip("/")
    for number, (key, size, etag) in enumerate(_Object(f"{base}/").list()):
        if number >= max_objects:
            raise _too_many(uri, max_objects)
        yield key, _remote_entry(f"{base}/{key}", (size, _etag(etag)))


def _is_web(uri: str) -> bool:
    return urlsplit(uri).scheme.lower() in {"http", "https"}


def _etag(etag: str | None) -> str:
    return f"etag:{etag}" if etag else ""


def _remote_entry(uri: str, known: tuple[int, str]) -> Entry:
    size, check = known
    from blake3 import blake3

    return Entry("", size, blake3(check.encode()).digest() if check else b"", reference=Reference(uri, check))


class _Object:
    """An object by its address; credentials and endpoints come from the environment, as for other programs."""

    def __init__(self, uri: str) -> None:
        from treering.artifacts.objects import library, open_url

        obstore = library()
        self._uri = uri
        self._obstore = obstore
        parts = urlsplit(uri)
        folder, _, self._key = parts.path.lstrip("/").rpartition("/")
        if uri.endswith("/"):
            folder, self._key = parts.path.strip("/"), ""
        plain = _endpoint_is_plain(parts.scheme)
        options: dict[str, Any] = {"client_options": {"allow_http": True}} if plain else {}
        try:
            self._store: ObjectStore = open_url(f"{parts.scheme}://{parts.netloc}/{folder}", options)
        except (ValueError, obstore.exceptions.BaseError) as error:
            raise UsageError(f"{uri!r} cannot be opened: {error}") from error

    def head(self) -> tuple[int, str]:
        """Return size in bytes, and what to compare later."""
        try:
            found = self._obstore.head(self._store, self._key)
        except FileNotFoundError:
            raise NotFound(f"there is nothing at {self._uri}") from None
        except self._obstore.exceptions.BaseError as error:
            raise StoreError(f"{self._uri} cannot be reached: {error}") from error
        return found["size"], _etag(found["e_tag"])

    def list(self) -> Iterator[tuple[str, int, str]]:
        """Yield (key below it, size, ETag)."""
        from treering.artifacts.objects import list_objects

        try:
            for one in list_objects(self._store):
                yield one.key, one.size, one.etag
        except self._obstore.exceptions.BaseError as error:
            raise StoreError(f"{self._uri} cannot be listed: {error}") from error

    @contextmanager
    def opened(self) -> Generator[tuple[str, Iterator[bytes]]]:
        """Lend what to compare, and its bytes."""
        try:
            found = self._obstore.get(self._store, self._key)
            yield _etag(found.meta["e_tag"]), (bytes(block) for block in found.stream(min_chunk_size=_BLOCK))
        except FileNotFoundError:
            raise NotFound(f"there is nothing at {self._uri} any more") from None
        except self._obstore.exceptions.BaseError as error:
            raise StoreError(f"{self._uri} cannot be read: {error}") from error


def _endpoint_is_plain(scheme: str) -> bool:
    """Tell whether the environment leads to a server without TLS, such as an emulator."""
    if scheme == "gs":  # where it is another server, the key says so
        return bool(re.search(r'"gcs_base_url"\s*:\s*"http:', os.environ.get("GOOGLE_SERVICE_ACCOUNT_KEY", "")))
    s3 = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    names = s3 if scheme.startswith("s3") else ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
    return any(os.environ.get(name, "").startswith("http:") for name in names)


def fetch(entry: Entry, place: Path) -> None:
    """Bring a reference's file here, checked against what was known of it when it was added.

    Raises:
        NotFound: it is gone.
        CorruptData: it is another one by now.
        StoreError: it cannot be reached.
    """
    reference = entry.reference
    assert reference is not None  # noqa: S101  # the caller's business
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name[:200]}.treering-part")
    if reference.uri.startswith("file:"):
        source = local_path(reference.uri)
        if not source.is_file():
            raise NotFound(f"{entry.path!r} is a reference to {source}, which is gone")
        import shutil

        shutil.copyfile(source, part)
        if reference.check and reference.check != f"blake3:{_hash_file(part).hex()}":
            part.unlink()
            raise CorruptData(f"{source}, which {entry.path!r} refers to, has changed since it was added")
    else:
        remote = WebFile(reference.uri) if _is_web(reference.uri) else _Object(reference.uri)
        with remote.opened() as (check, blocks):
            if reference.check not in {"", check}:
                raise CorruptData(f"{reference.uri}, which {entry.path!r} refers to, has changed since it was added")
            with part.open("wb") as file:
                file.writelines(blocks)
    part.replace(place)
