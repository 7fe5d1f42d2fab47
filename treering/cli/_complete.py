"""What the shell offers behind a command."""

from __future__ import annotations

import contextlib

__all__ = ["project_names", "run_names"]

_OFFERED = 100


def run_names(incomplete: str) -> list[tuple[str, str]]:
    """Return ids and names of runs, each with what the shell may show beside it."""
    with contextlib.suppress(Exception):  # a completion that fails must not print into the prompt
        from treering.api import Api

        found: list[tuple[str, str]] = []
        with Api() as api:
            for run in api.runs(limit=_OFFERED):
                found.append((run.id, f"{run.name} ({run.state})"))
                if " " not in run.name and run.name != run.id:
                    found.append((run.name, run.state))
        return [item for item in found if item[0].startswith(incomplete)]
    return []


def project_names(incomplete: str) -> list[str]:
    """Return the names of projects."""
    with contextlib.suppress(Exception):
        from treering.api import Api

        with Api() as api:
            return [name for name in api.projects() if name.startswith(incomplete)]
    return []
