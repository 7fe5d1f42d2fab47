"""What programs that were written for W&B say beside the verbs, understood so that they run unchanged.

`import treering as wandb` is all that has to change in them. Nothing here is needed by anybody else.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Any

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AlertLevel", "chosen_config", "termerror", "termlog", "termwarn"]

# Accounts, uploads and their client's own ways: there is nothing of them here, and nothing is lost.
_WITHOUT_EFFECT = frozenset(
    ("allow_val_change", "anonymous", "entity", "force", "magic", "monitor_gym", "save_code", "tensorboard")
)


class AlertLevel(str, Enum):
    """How much an alert matters."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


def chosen_config(config: object, others: Mapping[str, Any]) -> object:
    """Return the config that `init` was meant to get, by arguments of W&B's `init` that ours does not name itself.

    Raises:
        UsageError: an argument that nobody knows.
    """
    others = dict(others)
    only, without = others.pop("config_include_keys", None), others.pop("config_exclude_keys", None)
    for name in others:
        if name not in _WITHOUT_EFFECT:
            raise UsageError(f"init() got {name}=, which it does not take{_meant(name)}; help(treering.init) lists all")
    if only is None and without is None:
        return config
    from treering.recording import Recording

    plain, left_out = Recording.config_of(config), {*(without or ())}
    kept = set(plain if only is None else only)
    return {key: value for key, value in plain.items() if key in kept and key not in left_out}


def _meant(name: str) -> str:
    import inspect
    from difflib import get_close_matches

    from treering.active import init

    close = get_close_matches(name, inspect.signature(init).parameters, n=1)
    return f"; did you mean {close[0]}=?" if close else ""


def termlog(string: str = "", newline: bool = True, repeat: bool = True) -> None:
    """Print a line to the terminal, as what treering itself says."""
    _say(string, newline, repeat)


def termwarn(string: str = "", newline: bool = True, repeat: bool = True) -> None:
    """Print a warning to the terminal."""
    _say(f"warning: {string}", newline, repeat)


def termerror(string: str = "", newline: bool = True, repeat: bool = True) -> None:
    """Print an error to the terminal."""
    _say(f"error: {string}", newline, repeat)


_said: set[str] = set()


def _say(line: str, newline: bool, repeat: bool) -> None:
    if not repeat and line in _said:
        return
    _said.add(line)
    print(f"treering: {line}", end="\n" if newline else "", file=sys.stderr)  # noqa: T201  # what it is for
