"""obstore's holes, filled in one place: its types leave options and listings open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from treering.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from types import ModuleType

    from obstore.store import ObjectStore

__all__ = ["Listed", "library", "list_objects", "open_url"]


class Listed(NamedTuple):
    """One object: its key, its size in bytes, its ETag ("" for none) and when it was written."""

    key: str
    size: int
    etag: str
    modified: datetime


def library() -> ModuleType:
    """Return obstore, which is not part of every installation.

    Raises:
        StoreError: it is not installed.
    """
    try:
        import obstore
    except ModuleNotFoundError as error:
        raise StoreError("buckets (s3, gs, az) need obstore; run: pip install 'treering[buckets]'") from error
    return obstore


def open_url(url: str, options: dict[str, Any]) -> ObjectStore:
    """Open an address; what obstore raises is not translated."""
    from obstore import store

    return cast("ObjectStore", store.from_url(url, **options))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnnecessaryCast]  # options of each kind of store


def list_objects(store: ObjectStore, prefix: str = "") -> Iterator[Listed]:
    """Yield all objects below a prefix."""
    batches = cast("Iterator[list[dict[str, Any]]]", library().list(store, prefix or None))  # or Arrow batches
    for batch in batches:
        for one in batch:
            yield Listed(one["path"], one["size"], one["e_tag"] or "", one["last_modified"])
