"""`treering diff`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from treering.api import Api
from treering.api._listing import leaves
from treering.cli import _format as fmt
from treering.cli._options import json_option, place_option, run_argument
from treering.cli._output import console, heading, print_json, state_text
from treering.cli.show import environment_of, git_of, source_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from treering.api import ApiRun

__all__ = ["command"]

_MISSING = object()
_SHOWN_DIFF_LINES = 60
_CONTEXT_LINES = 2


class _Entry(NamedTuple):
    key: str
    first: Any
    second: Any

    @property
    def differs(self) -> bool:
        both_nan = self.first != self.first and self.second != self.second
        return not both_nan and (type(self.first) is not type(self.second) or self.first != self.second)


@click.command()
@run_argument("first")
@run_argument("second")
@click.option("--all", "-a", "equal", is_flag=True, help="Also show what is the same.")
@json_option
@place_option
def command(first: str, second: str, equal: bool, as_json: bool, place: str | None) -> None:
    """Show what two runs do not have in common: config, metrics, code and environment."""
    with Api(place) as api:
        runs = (api.run(first), api.run(second))
        captures = (runs[0].capture, runs[1].capture)
        sections = {
            "config": _compared(*(leaves(run.config) for run in runs)),
            "metrics": _compared(*(_numbers(run) for run in runs)),
            "code": _compared(*(_code(capture) for capture in captures)),
            "environment": _compared(*(_environment(capture) for capture in captures)),
        }
        texts = _text_diffs(*captures)
        if as_json:
            _print_json(runs, sections, texts, equal=equal)
        else:
            _print(runs, sections, texts, equal=equal)


def _compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[_Entry]:
    keys = dict.fromkeys([*first, *second])
    return [_Entry(key, first.get(key, _MISSING), second.get(key, _MISSING)) for key in keys]


def _numbers(run: ApiRun) -> dict[str, Any]:
    return {key: found for key, found in leaves(run.summary).items() if isinstance(found, (bool, int, float, str))}


def _code(capture: Mapping[str, Any]) -> dict[str, Any]:
    git, source = git_of(capture), source_of(capture)
    code = {key: found for key, found in git.items() if key != "diff" and not isinstance(found, (dict, list))}
    return {**code, **({"source": source["path"]} if source.get("path") else {})}


def _environment(capture: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    environment = {key: found for key, found in environment_of(capture).items() if key != "pid"}
    for key, found in leaves(environment).items():
        flat[key] = _joined(cast("list[object]", found)) if isinstance(found, list) else found
    return flat


def _joined(items: list[object]) -> str:
    return " ".join(map(str, items)) if all(isinstance(item, str) for item in items) else repr(items)


def _text_diffs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[str]]:
    """Compare the programs themselves, and their uncommitted changes."""
    found: dict[str, list[str]] = {}
    for title, one, other in (
        ("source", source_of(first).get("text"), source_of(second).get("text")),
        ("uncommitted changes", git_of(first).get("diff"), git_of(second).get("diff")),
    ):
        lines = list(
            difflib.unified_diff(
                str(one or "").splitlines(), str(other or "").splitlines(), lineterm="", n=_CONTEXT_LINES
            )
        )
        if lines:
            found[title] = lines[2:]  # without the two lines of file names
    return found


def _print_json(
    runs: tuple[ApiRun, ApiRun], sections: Mapping[str, list[_Entry]], texts: Mapping[str, list[str]], *, equal: bool
) -> None:
    data: dict[str, Any] = {"runs": [{"id": run.id, "name": run.name, "state": run.state} for run in runs]}
    for title, entries in sections.items():
        data[title] = {
            entry.key: {
                name: found
                for name, found in (("first", entry.first), ("second", entry.second))
                if found is not _MISSING
            }
            for entry in entries
            if entry.differs or equal
        }
    print_json({**data, "text": {title: "\n".join(lines) for title, lines in texts.items()}})


def _print(
    runs: tuple[ApiRun, ApiRun], sections: Mapping[str, list[_Entry]], texts: Mapping[str, list[str]], *, equal: bool
) -> None:
    from rich.text import Text

    out = console()
    for sign, style, run in (("-", "red", runs[0]), ("+", "green", runs[1])):
        out.print(
            Text.assemble((f"{sign} ", style), (run.name, "bold"), "  ", (run.id, "cyan"), "  ", state_text(run.state))
        )
    for title, entries in sections.items():
        shown = [entry for entry in entries if entry.differs or equal]
        if shown:
            out.print(heading(f"\n{title.capitalize()}"))
            out.print(_table(shown, numbers=title == "metrics"))
        elif entries:
            out.print(Text(f"\n{title.capitalize()}: the same", style="dim"))
    for title, lines in texts.items():
        out.print(heading(f"\n{title.capitalize()}"))
        for line in lines[:_SHOWN_DIFF_LINES]:
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
            out.print(Text(line, style=style), soft_wrap=True)
        if len(lines) > _SHOWN_DIFF_LINES:
            out.print(Text(f"and {len(lines) - _SHOWN_DIFF_LINES} more lines, see --json", style="dim"))


def _table(entries: list[_Entry], *, numbers: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", overflow="fold", max_width=40)
    for _ in range(2):
        table.add_column(justify="right" if numbers else "left", overflow="fold")
    if numbers:
        table.add_column(justify="right", no_wrap=True)
    for entry in entries:
        styles = ("red", "green") if entry.differs else ("", "")
        cells = [
            Text("-" if found is _MISSING else fmt.value(found), style="dim" if found is _MISSING else style)
            for found, style in zip((entry.first, entry.second), styles, strict=True)
        ]
        change = [Text(_change(entry), style="dim")] if numbers else []
        table.add_row(Text(entry.key), *cells, *change)
    return table


def _change(entry: _Entry) -> str:
    both = (entry.first, entry.second)
    if not all(isinstance(found, (int, float)) and not isinstance(found, bool) for found in both):
        return ""
    change = entry.second - entry.first
    if change != change:  # noqa: PLR0124  # NaN
        return ""
    share = f" ({change / abs(entry.first):+.1%})" if entry.first and abs(change / entry.first) < 100 else ""  # noqa: PLR2004
    return f"{'+' if change >= 0 else ''}{fmt.number(change)}{share}"
