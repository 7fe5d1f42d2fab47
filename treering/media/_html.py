"""Pages that a training makes: reports of other tools, attention maps, samples with markup."""

from __future__ import annotations

import html
import os
from typing import TYPE_CHECKING, Literal, cast

from treering.errors import UnsupportedValue, UsageError
from treering.media._base import type_name
from treering.media._files import FileForm, FileMedia, bytes_of, checked_caption

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Html"]

_TAKES = "a page as text or bytes, an open file, or the path of an .html file"


class _Form(FileForm, kw_only=True):
    format: Literal["html"]


class Html(FileMedia):
    """A page of HTML.

    It is shown in a frame of its own that can do nothing outside itself: its scripts run, but they reach neither the
    dashboard nor any other host, so that a page has to carry all that it needs.

    Args:
        data: the page, as text or bytes; or an open file, or the path of a file; a `str` that ends in ".html" or
            ".htm" and has no markup in it is a path.
        inject: taken for W&B's sake; a page is never changed.
        data_is_not_path: `data` is the page, whatever it ends in.
        caption: text to show with the page.

    Raises:
        UnsupportedValue: something that is no page.
        UsageError: a file that is missing or too large, or bytes that are no UTF-8.
    """

    __slots__ = ()

    kind = "html"
    form = _Form
    inline_bytes = 0  # a frame shows an address

    def __init__(
        self,
        data: object,
        inject: bool = True,  # as other trackers have it
        data_is_not_path: bool = False,
        *,
        caption: str | None = None,
    ) -> None:
        del inject
        self.caption, self.format = checked_caption(caption, "Html"), "html"
        self._data = _page(data, is_path=not data_is_not_path)

    @property
    def text(self) -> str:
        """The page."""
        return self.to_bytes().decode()

    def __repr__(self) -> str:
        caption = "" if self.caption is None else f", caption={self.caption!r}"
        return f"Html({len(self.to_bytes()):,} bytes{caption})"

    def _repr_html_(self) -> str:
        page = html.escape(self.text, quote=True)
        return f'<iframe sandbox="allow-scripts" srcdoc="{page}" style="width:100%;height:360px;border:0"></iframe>'


def _page(data: object, *, is_path: bool) -> bytes:
    if isinstance(data, os.PathLike) and not is_path:
        raise UnsupportedValue(f"Html got a path with data_is_not_path=True; it takes {_TAKES}.")
    reader: Callable[[], object] | None = getattr(cast("object", data), "read", None)
    given = reader() if callable(reader) else cast("object", data)
    if isinstance(given, str) and not (is_path and given is data and _is_name(given)):
        given = given.encode("utf-8", "backslashreplace")
    page = bytes_of(given, "Html", _TAKES)
    if page is None:
        raise UnsupportedValue(f"Html got a {type_name(given)}; it takes {_TAKES}.")
    try:
        page.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"Html got bytes that are no UTF-8 ({error}); it takes {_TAKES}. Decode them.") from error
    return page


def _is_name(text: str) -> bool:
    return text.lower().endswith((".html", ".htm")) and "<" not in text
