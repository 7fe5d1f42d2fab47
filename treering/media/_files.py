"""Media that are the bytes of a file which other programs can open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec

from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media._base import INLINE_BYTES, Blobs, Fetch, Media, Payload, checked, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

__all__ = ["FileForm", "FileMedia", "bytes_of", "checked_caption"]

#: A row of the journal carries the file; larger ones belong into a version, which is never held in memory.
MAX_BYTES = 256 << 20


class FileForm(msgspec.Struct, kw_only=True):
    """What is stored of a file; a class of media adds its format, and what it knows of its own."""

    caption: str | None = None
    data: bytes | None = None
    blob: str | None = None


class FileMedia(Media):
    """Base of media that are kept as the bytes of a file.

    Attributes:
        form: what is stored, every field beside "data" and "blob" as an attribute of the same name.
        inline_bytes: up to this many stay in the column.
        format: of the file.
        caption: text to show with it, or None.
    """

    __slots__ = ("_data", "caption", "format")

    form: ClassVar[type[FileForm]]
    inline_bytes: ClassVar[int] = INLINE_BYTES

    _data: bytes | Callable[[], bytes]
    caption: str | None
    format: str

    def to_bytes(self) -> bytes:
        """Return the bytes of the file."""
        if not isinstance(self._data, bytes):
            self._data = self._data()
        return self._data

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file."""
        with open(path, "wb") as file:
            file.write(self.to_bytes())

    @classmethod
    def _facts(cls) -> list[str]:
        return [name for name in cls.form.__struct_fields__ if name not in {"data", "blob"}]

    def to_payload(self) -> Payload:
        """See `Media`."""
        facts = {name: getattr(self, name) for name in self._facts()}
        return {**{name: value for name, value in facts.items() if value is not None}, "data": self.to_bytes()}

    @classmethod
    def from_payload(cls, payload: Payload) -> Self:
        """See `Media`."""
        form = checked(payload, cls.form, f"the {cls.__name__}")
        if form.data is None:
            raise CorruptData(f"the {cls.__name__} in the store is damaged: it has no bytes")
        return cls._made(form, form.data)

    @classmethod
    def _made(cls, form: FileForm, data: bytes | Callable[[], bytes]) -> Self:
        self = cls.__new__(cls)
        for name in cls._facts():
            setattr(self, name, getattr(form, name))
        self._data = data
        return self

    @classmethod
    def store(cls, payload: Payload, blobs: Blobs) -> Payload:
        """See `Media`."""
        data = payload["data"]
        if len(data) <= cls.inline_bytes:
            return payload
        return {**{name: value for name, value in payload.items() if name != "data"}, "blob": blobs.put(data)}

    @classmethod
    def load(cls, reference: Payload, blobs: Blobs) -> Self:
        """See `Media`; the bytes are fetched when they are first asked for."""
        form = checked(reference, cls.form, f"the {cls.__name__}")
        if form.blob is None:
            return cls.from_payload(reference)
        return cls._made(form, Fetch(blobs, form.blob))


def checked_caption(caption: object, what: str) -> str | None:
    """Return a caption in a form that can be stored.

    Raises:
        UnsupportedValue: it is no text.
    """
    if caption is None:
        return None
    if not isinstance(caption, str):
        raise UnsupportedValue(f"{what} got a {type_name(caption)} as caption; it takes a str. Write str(caption).")
    return caption.encode("utf-8", "backslashreplace").decode()


def bytes_of(value: object, what: str, takes: str) -> bytes | None:
    """Return the bytes that `value` is, or that are in the file which it names; None for something else.

    Raises:
        UnsupportedValue: a file of text.
        UsageError: a file that cannot be read, or too many bytes.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)  # pyright: ignore[reportUnknownArgumentType]  # a type test forgets what it holds
    elif isinstance(value, (str, os.PathLike)):
        named: str = os.fspath(cast("str | os.PathLike[str]", value))
        path = os.path.expanduser(named)
        try:
            _check_size(os.path.getsize(path), what, repr(path))
            with open(path, "rb") as file:
                return file.read()
        except (OSError, ValueError) as error:
            if isinstance(error, UsageError):
                raise
            why = getattr(error, "strerror", None) or error
            raise UsageError(
                f"{what} got the path {path!r}, which cannot be read ({why}); it takes {takes}. Check the path."
            ) from error
    elif callable(getattr(value, "read", None)):
        data = cast("Any", value).read()
        if not isinstance(data, bytes):
            raise UnsupportedValue(f"{what} got a file of text; it takes {takes}. Open it with open(path, 'rb').")
    else:
        return None
    _check_size(len(data), what, "bytes")
    return data


def _check_size(size: int, what: str, given: str) -> None:
    if size > MAX_BYTES:
        raise UsageError(
            f"{what} got {given} of {size >> 20} MiB; it takes up to {MAX_BYTES >> 20} MiB. Keep larger files with "
            "run.log_artifact(path)."
        )
