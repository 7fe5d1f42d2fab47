"""Pages written from the code, so that they cannot fall behind it: `<!-- settings -->` becomes the settings' table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering import settings

if TYPE_CHECKING:
    from collections.abc import Callable

GENERATED: dict[str, Callable[[], str]] = {
    "<!-- settings -->": settings.markdown_table,
}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs with the text of each page."""
    for marker, write in GENERATED.items():
        if marker in markdown:
            markdown = markdown.replace(marker, write())
    return markdown
