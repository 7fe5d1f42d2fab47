"""Pages written from the code, so that they cannot fall behind it: a marker becomes a table or a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering import settings

if TYPE_CHECKING:
    from collections.abc import Callable


def command_reference() -> str:
    """Each command of `treering` with its arguments and options, as typer tells it."""
    import typer
    from typer.cli import get_docs_for_click

    from treering.cli._app import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="treering")
    return text.partition("\n")[2]  # the page has its own heading


GENERATED: dict[str, Callable[[], str]] = {
    "<!-- settings -->": settings.markdown_table,
    "<!-- commands -->": command_reference,
}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs with the text of each page."""
    for marker, write in GENERATED.items():
        if marker in markdown:
            markdown = markdown.replace(marker, write())
    return markdown
