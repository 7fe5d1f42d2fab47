"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from treering.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_Function = TypeVar("_Function", bound=Callable[..., Any])

__all__ = [
    "filter_option",
    "json_option",
    "keys_option",
    "place_given",
    "place_option",
    "project_completion",
    "run_argument",
    "run_completion",
    "split_keys",
    "url_option",
]


def run_completion(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer ids and names of runs."""
    from treering.cli._complete import run_names

    return run_names(incomplete)


def project_completion(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer names of projects."""
    from treering.cli._complete import project_names

    return project_names(incomplete)


def split_keys(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[str] | None:
    """Read names separated by commas."""
    return None if value is None else [key.strip() for key in value.split(",") if key.strip()]


place_option = click.option(
    "--dir", "-d", "place", metavar="PLACE", help="Folder of the store, a bundle's file, or postgresql://..."
)
url_option = click.option(
    "--url",
    metavar="URL",
    help="Server that has the sweep, such as https://host:8265; its key as `treering login` took it.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
filter_option = click.option(
    "--filter", "-f", "filters", metavar="TEXT", help="Such as \"state = 'failed' and config.lr < 0.01\"."
)
keys_option = click.option(
    "--keys", "-k", metavar="KEYS", callback=split_keys, help="Only these metrics, separated by commas."
)


def place_given(place: str | None, url: str | None) -> str | None:
    """Return the one of a store's place and a server's address that was given."""
    if place and url:
        raise UsageError("got both --dir and --url; the sweep is in a store, or on a server: give one of the two")
    return url or place


def run_argument(name: str = "run", *, metavar: str = "RUN", **options: Any) -> Callable[[_Function], _Function]:
    """Return the argument that names a run: an id, the beginning of one, a name, project/name, or 'latest'."""
    return click.argument(name, metavar=metavar, shell_complete=run_completion, **options)
