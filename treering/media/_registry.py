"""The classes by kind, and the steps that do not know which one they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from treering.errors import CorruptData
from treering.media._audio import Audio
from treering.media._base import Blobs, Media, Payload
from treering.media._chart import Chart, is_altair
from treering.media._histogram import Histogram
from treering.media._html import Html
from treering.media._image import Image, is_picture
from treering.media._object3d import Object3D
from treering.media._table import Table, is_frame
from treering.media._text import Text
from treering.media._video import Video
from treering.store.values import Carried

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "digests", "load", "load_all", "store", "wrap"]

#: Every class of media under its name in the store.
KINDS: dict[str, type[Media]] = {
    cls.kind: cls for cls in (Audio, Chart, Histogram, Html, Image, Object3D, Table, Text, Video)
}


def _class(kind: str) -> type[Media]:
    try:
        return KINDS[kind]
    except KeyError:
        raise CorruptData(f"media of kind {kind!r} are newer than this treering; update treering.") from None


def store(kind: str, payload: Payload, blobs: Blobs) -> Payload:
    """Turn a payload from the journal into the reference for its column; see `Media.store`."""
    return _class(kind).store(payload, blobs)


def load(kind: str, reference: Payload, blobs: Blobs) -> Media:
    """Make the object from a column's reference; see `Media.load`."""
    return _class(kind).load(reference, blobs)


def load_all(value: object, blobs: Blobs) -> Any:
    """Return a column's value with every `Carried` in it, at any depth of lists and dicts, made an object."""
    if isinstance(value, Carried):
        return load(value.kind, value.payload, blobs)
    if isinstance(value, list):
        return [load_all(item, blobs) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: load_all(item, blobs) for key, item in cast("dict[str, object]", value).items()}
    return value


def digests(reference: object) -> Iterator[str]:
    """Yield the digest of each blob that a column's value, `Carried` or a list of them, needs."""
    if isinstance(reference, Carried):
        reference = reference.payload
    if isinstance(reference, list):
        for item in cast("list[object]", reference):
            yield from digests(item)
    elif isinstance(reference, dict):
        form = cast("dict[str, object]", reference)
        for digest in (form.get("blob"), *cast("list[object]", form.get("uses", ()))):
            if isinstance(digest, str):
                yield digest


def wrap(value: object) -> Media | None:
    """Return the medium that a bare value stands for, or None.

    Pictures of Pillow, figures, axes and `pyplot` of matplotlib become an `Image`, data frames a `Table`,
    charts of Altair a `Chart`.
    """
    if isinstance(value, Media):
        return value
    if is_picture(value):
        return Image(value)
    if is_frame(value):
        return Table(dataframe=value)
    return Chart(value) if is_altair(value) else None
