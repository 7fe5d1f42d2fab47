"""Notebooks: runs and what is read of them show themselves, and `%treering` shows the dashboard.

    %load_ext treering
    %treering

`cards` makes the HTML, `live` renews what a cell shows while its run goes on, `magic` is the command, `frame` starts
the server that it shows, and `serving` is that server.
"""

from __future__ import annotations

__all__: list[str] = []
