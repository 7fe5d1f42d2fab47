"""What a cell shows of a run that goes on: renewed at a slow pace by a thread that the training never waits for."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from treering.errors import TreeringError

if TYPE_CHECKING:
    from treering._run import Run

__all__ = ["bundle", "show"]

_PACE_S = 2.0
#: Of the time between two looks, at most a thirtieth is spent on looking.
_SHARE = 30
_FLUSH_S = 2.0
_SHOWN_AT_ONCE = 20


def bundle(run: Run) -> dict[str, str]:
    """Return a run as a notebook shows it, as HTML and as text.

    What the run logged just now is there, too, unless its store takes longer than two seconds.
    """
    found = {"text/plain": repr(run)}
    if run.mode == "disabled":
        return found
    run.flush(_FLUSH_S)
    html = _html(run)
    return found if html is None else {**found, "text/html": html}


def _html(run: Run) -> str | None:
    from treering.api import Api
    from treering.notebook.cards import run_card

    try:
        with Api(run.store_dir) as api:
            return run_card(api.run(run.id))
    except (TreeringError, OSError):
        return None  # nothing is in the store yet, or it cannot be read: the text says what there is


def show(run: Run) -> None:
    """Show a run below the cell that is running, and renew it until the run ends."""
    import IPython.display

    display: Any = IPython.display.display  # pyright: ignore[reportUnknownVariableType]  # IPython's
    handle = display(bundle(run), raw=True, display_id=True)
    if handle is not None and run.mode != "disabled" and not run.ended:
        _renewer.add(run, handle)


class _Renewer:
    """Renews what is shown; its thread lives as long as there is something to renew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[str, tuple[weakref.ref[Run], Any, object]] = {}
        self._thread: threading.Thread | None = None

    def add(self, run: Run, handle: Any) -> None:
        """Renew one more; of a run that is shown twice the later one goes on."""
        with self._lock:
            self._shown.pop(run.id, None)
            self._shown[run.id] = (weakref.ref(run), handle, None)
            while len(self._shown) > _SHOWN_AT_ONCE:
                del self._shown[next(iter(self._shown))]
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew, name="treering-notebook", daemon=True)
                self._thread.start()

    def _renew(self) -> None:
        pace_s = _PACE_S
        while True:
            time.sleep(pace_s)
            with self._lock:
                shown = list(self._shown.items())
                if not shown:
                    self._thread = None
                    return
            begun_s = time.perf_counter()
            for run_id, (found, handle, before) in shown:
                self._look(run_id, found(), handle, before)
            pace_s = max(_PACE_S, _SHARE * (time.perf_counter() - begun_s))

    def _look(self, run_id: str, run: Run | None, handle: Any, before: object) -> None:
        ended = run is None or run.ended
        now = None if run is None else (run.step, run.state, ended)
        try:
            if run is not None and now != before:
                html = _html(run)
                if html is not None:
                    handle.update({"text/html": html, "text/plain": repr(run)}, raw=True)
        except Exception:  # the notebook is gone, or closes: nobody is looking any more
            ended = True
        with self._lock:
            kept = self._shown.get(run_id)
            if kept is None or kept[1] is not handle:
                return
            if ended:
                del self._shown[run_id]
            else:
                self._shown[run_id] = (kept[0], handle, now)


_renewer = _Renewer()
