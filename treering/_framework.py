"""The guarded import of an optional framework."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from treering.errors import MissingFramework

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def framework(name: str, *, extra: str) -> Generator[None]:
    """Turn the absence of one framework into one sentence with the command that cures it.

    Only the framework's own absence is translated: a framework that is installed but broken (one of *its* imports
    fails) raises its own error unchanged. The import stays a plain `import` statement, so type checkers see it.

    Args:
        name: the top-level module that the block imports, e.g. `"stable_baselines3"`.
        extra: the extra of this distribution that installs it, e.g. `"sb3"`.

    Raises:
        MissingFramework: the module `name` is not installed. It is an `ImportError` whose `name` is `name`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name:
            raise
        raise MissingFramework(f"{name} is not installed; run: pip install 'treering[{extra}]'", name=name) from error
