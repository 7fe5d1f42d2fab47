"""Longer text, kept out of the columns."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Literal

import msgspec

from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media._base import INLINE_BYTES, Blobs, Media, Payload, checked, type_name

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Text"]

_SHOWN = 60


class _Form(msgspec.Struct):
    text: str | None = None
    format: Literal["plain", "markdown"] = "plain"
    blob: str | None = None


class Text(Media):
    r"""Text longer than a line: a sample that a model wrote, a report.

    A plain `str` can be logged as it is; `Text` keeps long ones out of the columns and says how to show them.

    Args:
        text: any text. Lone surrogates, which have no UTF-8 form, are kept as `\udcXX`.
        format: "plain" or "markdown".

    Raises:
        UnsupportedValue: `text` is no `str`.
        UsageError: another format.
    """

    __slots__ = ("format", "text")

    kind = "text"

    def __init__(self, text: str, format: Literal["plain", "markdown"] = "plain") -> None:  # noqa: A002  # the field's word
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be unchecked
            raise UnsupportedValue(f"Text got a {type_name(text)}; it takes a str. Write Text(str(x)).")
        if format not in {"plain", "markdown"}:
            raise UsageError(f"Text got format={format!r}; it takes 'plain' or 'markdown'. Choose one of these.")
        self.text = text.encode("utf-8", "backslashreplace").decode()
        self.format: Literal["plain", "markdown"] = format

    def to_payload(self) -> Payload:
        """See `Media`."""
        return {"text": self.text, "format": self.format}

    @classmethod
    def from_payload(cls, payload: Payload) -> Self:
        """See `Media`."""
        form = checked(payload, _Form, "a Text")
        return cls(form.text or "", form.format)

    @classmethod
    def store(cls, payload: Payload, blobs: Blobs) -> Payload:
        """See `Media`."""
        data = payload["text"].encode()
        if len(data) <= INLINE_BYTES:
            return payload
        return {"format": payload["format"], "blob": blobs.put(data)}

    @classmethod
    def load(cls, reference: Payload, blobs: Blobs) -> Self:
        """See `Media`."""
        form = checked(reference, _Form, "a Text")
        if form.blob is None:
            return cls.from_payload(reference)
        try:
            return cls(blobs.get(form.blob).decode(), form.format)
        except UnicodeDecodeError as error:
            raise CorruptData(f"blob {form.blob} is no text: {error}") from error

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        shown = self.text if len(self.text) <= _SHOWN else self.text[: _SHOWN - 3] + "..."
        return f"Text({shown!r})" if self.format == "plain" else f"Text({shown!r}, format={self.format!r})"

    def _repr_html_(self) -> str | None:
        return f"<pre>{html.escape(self.text)}</pre>" if self.format == "plain" else None

    def _repr_markdown_(self) -> str | None:
        return self.text if self.format == "markdown" else None
