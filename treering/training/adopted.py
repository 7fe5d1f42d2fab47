"""The runs of this process that adapters opened, told apart from those that the user opened.

A run that an adapter opened is not joined by the next training, stays open for late evaluations, and is closed when
another training of its thread opens one, or at exit.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treering._run import Run

__all__ = ["Opened", "close_previous", "give_back", "opened_by_adapters", "opening", "remember", "users_run"]


@dataclass
class Opened:
    """A run that an adapter opened, in which thread, and whether its training is still going on."""

    run: Run
    thread: int
    training: bool = False


opened_by_adapters: dict[str, Opened] = {}

#: Held from looking for a run to join until a new one is remembered: else a training that begins in another thread
#: would take the run that is active, and not remembered yet, for the user's.
opening = threading.RLock()


def remember(run: Run) -> None:
    """Enter a run that an adapter has just opened."""
    opened_by_adapters[run.id] = Opened(run, threading.get_ident())
    # Ours must come before the core's own hook, which finishes what is still open; the last registered comes first.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def users_run() -> Run | None:
    """The active run if the user opened it, else the newest that he did and that is live."""
    from treering.active import active_run, live_runs

    active = active_run()
    mine = [run for run in (active, *reversed(live_runs())) if run is not None and run.id not in opened_by_adapters]
    return mine[0] if mine else None


def give_back() -> None:
    """Let the user's run be the active one again."""
    from treering.active import activate

    run = users_run()
    if run is not None:
        activate(run)


def close_previous() -> None:
    """Finish what earlier trainings of this thread left open, now that another begins."""
    for run_id, opened in list(opened_by_adapters.items()):
        if opened.thread == threading.get_ident():
            _mark_unended(opened)
            # One that did not reach its end may be going on around the one that begins: it is not closed under it.
            if not opened.training:
                opened.run.finish()
                del opened_by_adapters[run_id]


def _mark_unended(opened: Opened) -> None:
    # No hook tells that fit() was left through an exception which the program handled; that no end came does.
    if opened.training and opened.run.state == "running":
        opened.run.mark("failed", error="the training did not reach its end: it was left through an exception")


def _at_exit() -> None:
    for opened in opened_by_adapters.values():
        _mark_unended(opened)
