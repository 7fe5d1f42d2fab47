"""What the shell offers behind a command."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["project_names", "run_names"]

_OFFERED = 100


def run_names(incomplete: str) -> list[CompletionItem]:
    """Return ids and names of runs, each with what the shell may show beside it."""
    from click.shell_completion import CompletionItem

    with contextlib.suppress(Exception):  # a completion that fails must not print into the prompt
        from treering.api import Api

        items: list[CompletionItem] = []
        with Api() as api:
            for run in api.runs(limit=_OFFERED):
                items.append(CompletionItem(run.id, help=f"{run.name} ({run.state})"))
                if " " not in run.name and run.name != run.id:
                    items.append(CompletionItem(run.name, help=run.state))
        return [item for item in items if str(item.value).startswith(incomplete)]
    return []


def project_names(incomplete: str) -> list[CompletionItem]:
    """Return the names of projects."""
    from click.shell_completion import CompletionItem

    with contextlib.suppress(Exception):
        from treering.api import Api

        with Api() as api:
            return [CompletionItem(name) for name in api.projects() if name.startswith(incomplete)]
    return []
