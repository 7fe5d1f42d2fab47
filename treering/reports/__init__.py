"""Reports: Markdown with charts and tables of runs in it.

`blocks` reads what a fenced block asks for, `finding` finds that in a store, `drawing` draws it, `page` makes one HTML
file of a report that needs no network, and `ledger` keeps reports, their versions and comments in the store.
"""

from __future__ import annotations

from treering.reports.blocks import BlockError, ChartBlock, RunsBlock, read_block
from treering.reports.ledger import Changed, Comment, Report, Reports, Version, open_reports

__all__ = [
    "BlockError",
    "Changed",
    "ChartBlock",
    "Comment",
    "Report",
    "Reports",
    "RunsBlock",
    "Version",
    "open_reports",
    "read_block",
]
