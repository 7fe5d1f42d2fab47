"""How a run can end, and what is kept of an exception."""

from __future__ import annotations

from typing import Any

from treering.errors import UsageError

__all__ = ["STATES", "checked_state", "describe", "state_after"]

#: States that a run's own process can give it; only others can find it `lost`.
STATES = ("running", "finished", "failed", "interrupted", "preempted")
_MAX_TRACEBACK = 64 << 10


def checked_state(state: str) -> str:
    """Return `state` if it is one of `STATES`.

    Raises:
        UsageError: it is not.
    """
    if state not in STATES:
        raise UsageError(f"{state!r} is no state that a run can be given; it takes {', '.join(STATES)}")
    return state


def state_after(error: BaseException) -> str:
    """Name the state of a run whose program was left through `error`."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit) and not error.code:
        return "finished"
    return "failed"


def describe(error: BaseException | str, step: int | None) -> dict[str, Any]:
    """Return what is kept of an error: type, message, traceback and the last step logged before it."""
    if isinstance(error, str):
        return {"type": "", "message": error, "traceback": "", "step": step}
    import traceback  # loads a parser, which only a failing run needs

    try:
        message = str(error)
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:  # an exception whose text raises
        message, trace = "", ""
    if len(trace) > _MAX_TRACEBACK:
        half = _MAX_TRACEBACK // 2
        trace = f"{trace[:half]}\n[{len(trace) - 2 * half} characters left out]\n{trace[-half:]}"
    return {"type": type(error).__qualname__, "message": message, "traceback": trace, "step": step}
