"""How a run can end, and what is kept of an exception."""

from __future__ import annotations

import contextlib
from typing import Any

from treering.errors import UsageError

__all__ = ["STATES", "checked_state", "describe", "remember", "state_after"]

#: States that a run's own process can give it; only others can find it `lost`.
STATES = ("running", "finished", "failed", "interrupted", "preempted")
_MAX_TEXT = 64 << 10


def checked_state(state: str) -> str:
    """Return `state` if it is one of `STATES`.

    Raises:
        UsageError: it is not.
    """
    if state not in STATES:
        raise UsageError(f"{state!r} is no state that a run can be given; it takes {', '.join(STATES)}")
    return state


def remember(error: BaseException, state: str) -> None:
    """Keep with an exception that it carries out what a signal asked for, and the state that belongs to it."""
    with contextlib.suppress(AttributeError):  # a class with slots
        error._treering_state = state  # type: ignore[attr-defined]  # exceptions take attributes


def state_after(error: BaseException) -> str:
    """Name the state of a run whose program was left through `error`."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        state: str | None = getattr(at, "_treering_state", None)
        if state is not None:
            return state
        seen.add(id(at))
        at = at.__cause__ or at.__context__
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit) and not error.code:
        return "finished"
    return "failed"


def describe(error: BaseException | str, last_step: int | None, step: int | None = None) -> dict[str, Any]:
    """Return what is kept of an error: type, message, traceback and step.

    Args:
        error: what happened.
        last_step: the last step logged before it; below 0 where there was none.
        step: that it happened at, where somebody knows; kept with an exception, which others tell of again later.
    """
    if last_step is not None and last_step < 0:
        last_step = None  # nothing was logged
    if isinstance(error, str):
        step = last_step if step is None else step
        return {"type": "", "message": _shortened(error), "traceback": "", "step": step}
    if step is not None:
        with contextlib.suppress(AttributeError):  # a class with slots
            error._treering_step = step  # type: ignore[attr-defined]  # exceptions take attributes
    step = getattr(error, "_treering_step", last_step) if step is None else step
    import traceback  # loads a parser, which only a failing run needs

    try:
        message = str(error)
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:  # an exception whose text raises
        message, trace = "", ""
    return {
        "type": type(error).__qualname__,
        "message": _shortened(message),
        "traceback": _shortened(trace),
        "step": step,
    }


def _shortened(text: str) -> str:
    if len(text) <= _MAX_TEXT:
        return text
    half = _MAX_TEXT // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"
