"""The command `treering`."""

from __future__ import annotations

import sys

__all__ = ["main", "run_and_tell"]


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 not understood, 130 interrupted."""
    sys.exit(run_and_tell())


def run_and_tell() -> int:
    """Run the command line and return its exit code."""
    import warnings

    from treering.errors import NotFound, TreeringError, TreeringWarning, UsageError

    warnings.filterwarnings("always", category=TreeringWarning)
    warnings.showwarning = _show_warning
    try:
        from treering.cli._app import app

        app(prog_name="treering", standalone_mode=True)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
    except (UsageError, NotFound, TreeringError) as error:
        print(f"treering: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        return 130
    return 0


def _show_warning(message: Warning | str, *_place: object, **_more: object) -> None:
    """Show a warning as a note: its place in our code helps nobody at a prompt."""
    print(f"treering: note: {message}", file=sys.stderr)  # noqa: T201


def _reader_left() -> int:
    """End quietly after `| head`: what is still buffered has nowhere to go."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
