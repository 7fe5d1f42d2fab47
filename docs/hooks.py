"""Pages written from the code, so that they cannot fall behind it: a marker becomes a table or a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treering import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    import click


def command_reference() -> str:
    """Each command of `treering`, with its help, arguments and options."""
    import click

    from treering.cli._app import app

    parts: list[str] = []
    context = click.Context(app, info_name="treering")
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        if command is not None:
            own = click.Context(command, info_name=name, parent=context)
            parts += [f"## `treering {name}`\n", f"```text\n{command.get_help(own)}\n```\n"]
            parts += _commands_below(command, own)
    return "\n".join(parts)


def _commands_below(command: click.Command, context: click.Context) -> list[str]:
    import click

    parts: list[str] = []
    for name, below in (command.commands if isinstance(command, click.Group) else {}).items():
        inner = click.Context(below, info_name=name, parent=context)
        parts += [f"### `{inner.command_path}`\n", f"```text\n{below.get_help(inner)}\n```\n"]
        parts += _commands_below(below, inner)
    return parts


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
