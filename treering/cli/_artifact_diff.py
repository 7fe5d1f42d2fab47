"""`treering artifact diff`: which files changed, which layers of them, and by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from treering.api import Api
from treering.cli import _format as fmt
from treering.cli._artifact_common import facts_of, title
from treering.cli._options import json_option, place_option
from treering.cli._output import console, is_terminal, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table
    from rich.text import Text

    from treering.artifacts.comparing import FileChange, TensorChange, ValueChange

__all__ = ["diff"]

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "reshaped": ("⇄", "magenta")}
_BAR = 10
_EIGHTHS = " ▏▎▍▌▋▊▉█"
# From this share of its own norm on, a change of a layer is a large one.
_LARGE, _SOME = 0.1, 0.01


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--all", "everything", is_flag=True, help="All tensors that changed, not only the first.")
@click.option("--top", default=40, show_default=True, help="So many tensors of a file, those that changed most first.")
@json_option
@place_option
def diff(before: str, after: str, everything: bool, top: int, as_json: bool, place: str | None) -> None:
    """Compare two versions: their files, and the tensors in them.

    Tensors of safetensors files, of what torch.save has written, and of Keras models and weights are compared one by
    one; nothing in the files is run.
    """
    from treering.artifacts.comparing import compare_files, compare_values

    with Api(place) as api:
        one, other = api.version(before), api.version(after)
        changes, same = compare_files(one, other)
        said = compare_values(one.metadata, other.metadata)
        if as_json:
            files = [_plain(change) for change in changes]
            metadata = [value._asdict() for value in said]
            print_json({"before": facts_of(one), "after": facts_of(other), "metadata": metadata, "files": files})
            return
        names = f"{title(one)} → {title(other)}"
    limit = None if everything else top
    if is_terminal():
        _draw(names, said, changes, same, limit)
        return
    for value in said:
        click.echo(f"metadata {_value_words(value)}")
    for change in changes:
        for line in _lines(change, limit):
            click.echo(line)
    if same:
        click.echo(_same_words(same, "file"))


def _plain(change: FileChange) -> dict[str, Any]:
    known = {name: value for name, value in change._asdict().items() if value is not None and value not in ((), "")}
    if change.tensors is None:
        known.pop("same")
        return known
    return {
        **known,
        "tensors": [tensor._asdict() for tensor in change.tensors],
        "values": [value._asdict() for value in change.values],
    }


def _same_words(count: int, thing: str) -> str:
    return f"1 {thing} is the same" if count == 1 else f"{count} {thing}s are the same"


def _sizes(change: FileChange) -> str:
    sizes = [fmt.size(one) for one in (change.size_before, change.size_after) if one is not None]
    return " → ".join(dict.fromkeys(sizes))


def _value_words(value: ValueChange) -> str:
    return f"{value.name}: {fmt.value(value.before)} → {fmt.value(value.after)}"


def _shape(tensor: TensorChange) -> str:
    return " x ".join(map(str, tensor.shape)) or "1"


def _ordered(tensors: Sequence[TensorChange], limit: int | None) -> list[TensorChange]:
    """The tensors to show, in order of their names: where there are too many, those that changed most."""
    if limit is None or len(tensors) <= limit:
        return list(tensors)
    chosen = sorted(tensors, key=lambda one: (one.change == "changed", -(one.relative or 0.0)))[:limit]
    return sorted(chosen, key=lambda one: one.name)


# -- for pipes --------------------------------------------------------------------------------------------------------


def _lines(change: FileChange, limit: int | None) -> Iterator[str]:
    yield f"{change.change:8} {change.path}  {_sizes(change)}"
    if change.unread:
        yield f"         not compared: {change.unread}"
    for value in change.values:
        yield f"         {_value_words(value)}"
    tensors = change.tensors or []
    shown = _ordered(tensors, limit)
    for tensor in shown:
        yield f"         {tensor.name}: {_measures(tensor)}"
    if len(shown) < len(tensors):
        yield f"         and {len(tensors) - len(shown)} more that changed less; --all shows them"
    if change.same:
        yield f"         {_same_words(change.same, 'tensor')}"


def _measures(tensor: TensorChange) -> str:
    if tensor.share is None:
        return f"{tensor.change}, {_shape(tensor)} {tensor.kind}"
    odd = f", {tensor.not_finite:,} not finite" if tensor.not_finite else ""
    return f"{tensor.share:.1%} of its values, by up to {tensor.largest:.3g}, {tensor.relative:.3g} of its norm{odd}"


# -- for people -------------------------------------------------------------------------------------------------------


def _draw(names: str, said: Sequence[ValueChange], changes: Sequence[FileChange], same: int, limit: int | None) -> None:
    from rich.text import Text

    out = console()
    out.print(Text(names, style="bold"))
    for value in said:
        out.print(Text.assemble("  ", (value.name, "cyan"), "  ", _turned(value)))
    for change in changes:
        sign, style = _SIGNS[change.change]
        out.print()
        out.print(Text.assemble((f"{sign} {change.path}", f"bold {style}"), ("  " + _sizes(change), "dim")))
        if change.unread:
            out.print(Text(f"  not compared: {change.unread}", style="yellow"))
        for value in change.values:
            out.print(Text.assemble("  ", (value.name, "cyan"), "  ", _turned(value)))
        if change.tensors is not None:
            _draw_tensors(change, change.tensors, limit)
    if same:
        out.print()
        out.print(Text(_same_words(same, "file"), style="dim"))


def _turned(value: ValueChange) -> Text:
    from rich.text import Text

    return Text.assemble((fmt.value(value.before), "red"), (" → ", "dim"), (fmt.value(value.after), "green"))


def _draw_tensors(change: FileChange, tensors: Sequence[TensorChange], limit: int | None) -> None:
    from rich.padding import Padding
    from rich.text import Text

    out = console()
    counts = {word: sum(one.change == word for one in tensors) for word in _SIGNS}
    parts = [(f"{count} {word}", _SIGNS[word][1]) for word, count in counts.items() if count]
    summary = Text("  ")
    for words, style in (*parts, (f"{change.same} the same", "dim")):
        summary.append(f"{words}  ", style=style)
    out.print(summary)
    shown = _ordered(tensors, limit)
    if shown:
        out.print(Padding(_tensor_table(shown), (0, 0, 0, 2)))
    if len(shown) < len(tensors):
        out.print(Text(f"  and {len(tensors) - len(shown)} more that changed less; --all shows them", style="dim"))


def _tensor_table(tensors: Sequence[TensorChange]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("tensor", overflow="fold")
    for name in ("shape", "kind"):
        table.add_column(name, style="dim", no_wrap=True)
    table.add_column("of its norm", no_wrap=True)
    for name in ("values changed", "by up to"):
        table.add_column(name, justify="right", no_wrap=True)
    for tensor in tensors:
        sign, style = _SIGNS[tensor.change]
        label = Text.assemble((f"{sign} ", style), tensor.name)
        if tensor.share is None:
            table.add_row(label, _shape(tensor), tensor.kind, Text(tensor.change, style=style), "", "")
            continue
        odd = Text(f"  {tensor.not_finite:,} not finite", style="bold red") if tensor.not_finite else Text()
        largest = Text(f"{tensor.largest:.3g}") + odd
        table.add_row(label, _shape(tensor), tensor.kind, _norm(tensor.relative or 0.0), f"{tensor.share:.1%}", largest)
    return table


def _norm(relative: float) -> Text:
    """A bar and the figure: how far a tensor has moved, measured by its own length."""
    from rich.text import Text

    eighths = round(min(relative, 1.0) * _BAR * 8)
    bar = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    style = "red" if relative >= _LARGE else "yellow" if relative >= _SOME else "green"
    figure = f"{relative:.1%}" if relative < 10 else f"{relative:.3g} x"  # noqa: PLR2004  # tenfold
    return Text.assemble((f"{bar or '▏':<{_BAR}} ", style), f"{figure:>6}")
