"""The command of a trial: W&B's macros filled in, as a list of words that no shell ever sees."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, cast

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MACROS", "build_command"]

#: What each macro stands for, in words.
MACROS = {
    "${env}": "/usr/bin/env; nothing on Windows",
    "${interpreter}": "this Python",
    "${program}": "`program`",
    "${args}": "--name=value for each parameter",
    "${args_no_boolean_flags}": "the same, but --name for a true one and nothing for a false one",
    "${args_no_hyphens}": "name=value for each parameter, as Hydra takes them",
    "${args_json}": "all parameters as one JSON text",
    "${args_json_file}": "the path of a file with that text",
    "${envvar:NAME}": "the environment variable NAME",
}


def build_command(command: Sequence[str], program: str | None, params: Mapping[str, Any], json_path: str) -> list[str]:
    """Return the words of a trial's command.

    Args:
        command: words and macros; a macro may stand within a word.
        program: what `${program}` stands for.
        params: of the trial.
        json_path: where the caller has put the parameters as JSON.

    Raises:
        UsageError: a macro without what it stands for, or that there is not.
    """
    words: list[str] = []
    for word in command:
        whole = _whole(word, program, params)
        if whole is not None:
            words += whole
            continue
        for macro, value in (
            ("${args_json}", _json(params)),
            ("${args_json_file}", json_path),
            ("${interpreter}", sys.executable),
            ("${program}", program or ""),
        ):
            word = word.replace(macro, value) if macro in word else word  # noqa: PLW2901  # filled in bit by bit
        words.append(_with_variables(word))
    return words


def _whole(word: str, program: str | None, params: Mapping[str, Any]) -> list[str] | None:
    """Return the words of a macro that stands alone, and may be none or many."""
    if word == "${env}":
        return [] if os.name == "nt" else ["/usr/bin/env"]
    if word == "${program}" and not program:
        raise UsageError("the command has ${program}, and the sweep no `program`; add it, or a `command` of your own")
    if word == "${args}":
        return [f"--{name}={_text(value)}" for name, value in params.items()]
    if word == "${args_no_hyphens}":
        return [f"{name}={_text(value)}" for name, value in params.items()]
    if word == "${args_no_boolean_flags}":
        flags = [(name, value) for name, value in params.items() if value is not False]
        return [f"--{name}" if value is True else f"--{name}={_text(value)}" for name, value in flags]
    return None


def _with_variables(word: str) -> str:
    start = word.find("${envvar:")
    if start < 0:
        return word
    end = word.find("}", start)
    if end < 0:
        raise UsageError(f"{word!r} opens a macro and does not close it; write ${{envvar:NAME}}")
    name = word[start + len("${envvar:") : end]
    if name not in os.environ:
        raise UsageError(f"the command has ${{envvar:{name}}}, and there is no variable {name} here; set it")
    return word[:start] + os.environ[name] + _with_variables(word[end + 1 :])


def _text(value: Any) -> str:
    """Return a value as a program reads it: texts as they are, lists and dictionaries as JSON, others as Python."""
    if isinstance(value, (list, dict)):
        return _json(cast("object", value))
    return str(value)


def _json(value: object) -> str:
    return json.dumps(cast("Any", value), ensure_ascii=False)
