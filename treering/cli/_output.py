"""Where output goes: colour and tables for people, plain lines for pipes, JSON for programs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.text import Text

__all__ = ["STATE_STYLES", "console", "heading", "is_terminal", "plain_rows", "print_json", "print_table", "state_text"]

STATE_STYLES = {
    "running": ("●", "cyan"),
    "finished": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "interrupted": ("■", "yellow"),
    "preempted": ("▲", "yellow"),
    "lost": ("?", "magenta"),
}


def is_terminal() -> bool:
    """Tell whether a person is looking."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def console() -> Console:
    """Return a console for standard output as it is now."""
    from rich.console import Console

    # A pipe has no width to fold lines at.
    width = None if is_terminal() or "COLUMNS" in os.environ else 10_000
    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False, width=width)


def print_json(data: Any) -> None:
    """Print JSON with what JSON has no word for (NaN, media, times) as text."""
    import json

    json.dump(jsonable(data), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def jsonable(value: Any) -> Any:
    """Return what JSON can hold."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        # A lone surrogate has no UTF-8 form.
        return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {str(jsonable(str(key))): jsonable(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in cast("Sequence[object]", value)]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return jsonable(_described(value))


def _described(value: Any) -> Any:
    fields = getattr(value, "__struct_fields__", None)
    if fields is not None:
        return {name: getattr(value, name) for name in fields}
    if isinstance(value, bytes):
        return value.hex()
    return repr(value)


def plain_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as lines of tab-separated cells, for `cut`, `awk` and `sort`."""
    for row in (header, *rows):
        sys.stdout.write("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row) + "\n")


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print a table: columns for people, tab-separated lines for pipes; those of numbers are named by `right`."""
    if not is_terminal():
        plain_rows(header, rows)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table)


def state_text(state: str) -> Text:
    """Return a state with its sign and colour."""
    from rich.text import Text

    sign, style = STATE_STYLES.get(state, ("·", ""))
    return Text(f"{sign} {state}", style=style)


def heading(text: str) -> Text:
    """Return a section's title."""
    from rich.text import Text

    return Text(text, style="bold")
