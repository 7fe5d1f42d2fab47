"""Addresses of the dashboard's pages, as its own links write them (`ui/src/shell/links.ts`)."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["project_page", "report_page", "run_page"]

# The server answers these itself, or they are other pages, so no project may be found there.
_RESERVED = frozenset({"alerts", "api", "assets", "healthz", "login"})


def _segment(name: str) -> str:
    """Return a name as one part of a path; what a server or proxy could take for something else is written ~XX."""
    text = "".join(_escaped(one) if one < " " or one in "~/\\%?#\x7f" else one for one in name)
    if text in _RESERVED or text.startswith("."):
        text = _escaped(text[0]) + text[1:]
    return quote(text or "~", safe="~", errors="replace")


def _escaped(letter: str) -> str:
    return f"~{ord(letter):02x}"


def project_page(project: str) -> str:
    """Return the address of a project."""
    return f"/{_segment(project)}"


def run_page(project: str, run_id: str) -> str:
    """Return the address of a run."""
    return f"/{_segment(project)}/runs/{_segment(run_id)}"


def report_page(project: str, report_id: str) -> str:
    """Return the address of a report."""
    return f"/{_segment(project)}/reports/{_segment(report_id)}"
