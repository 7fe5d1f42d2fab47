"""`%treering`: the dashboard below a cell."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from treering.errors import UsageError
from treering.notebook.addresses import project_page, run_page

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["register", "treering_magic"]

_HEIGHTS = (200, 5000)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%treering: {message}; {' '.join(self.format_usage().split())}")


def _parser() -> _Parser:
    parser = _Parser(prog="%treering", add_help=False, description="Show the dashboard below this cell.")
    parser.add_argument("what", nargs="?", default="", metavar="PROJECT", help="a project, a run's id, or 'stop'")
    parser.add_argument("--dir", help="folder of the store; default: what the settings say")
    parser.add_argument("--height", type=int, default=720, help="in pixels")
    parser.add_argument("--port", type=int, help="default: the first free one")
    return parser


def treering_magic(line: str) -> Any:
    """Show the dashboard: `%treering`, `%treering PROJECT`, `%treering RUN`, `%treering stop`.

    Args:
        line: what follows the command; `--dir`, `--height` and `--port` are taken.

    Raises:
        UsageError: words that it does not take.
        NotFound: there is no such project or run.
    """
    from IPython.display import HTML

    from treering.notebook import frame

    given = _parser().parse_args(_words(line))
    if given.what == "stop":
        return HTML("<p>Stopped.</p>" if frame.stop() else "<p>No server was running.</p>")  # type: ignore[no-untyped-call]  # IPython's
    if not _HEIGHTS[0] <= given.height <= _HEIGHTS[1]:
        raise UsageError(f"%treering: --height takes {_HEIGHTS[0]} to {_HEIGHTS[1]} pixels; got {given.height}")
    place = _place(given.dir)
    path = _path(place, given.what) if given.what else "/"
    return HTML(frame.frame(frame.start(place, given.port), path, given.height))  # type: ignore[no-untyped-call]  # the same


def _words(line: str) -> Sequence[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%treering: {error}; close the quotes") from error


def _place(given: str | None) -> str:
    if given is not None and given.startswith(("postgresql:", "postgresql+")):
        return given
    from treering.active import active_run
    from treering.api._sources import store_folder

    run = active_run()
    if given is None and run is not None and run.mode != "disabled":
        return str(run.store_dir)
    return str(store_folder(given))


def _path(place: str, what: str) -> str:
    """Return the page of a project or a run."""
    from treering.api import Api

    with Api(place) as api:
        if what in api.projects():
            return project_page(what)
        run = api.run(what)
        return run_page(run.project, run.id)


def register(shell: Any) -> None:
    """Give an IPython session the command."""
    shell.register_magic_function(treering_magic, "line", "treering")
