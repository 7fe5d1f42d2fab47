"""Sweeps: a search for better hyperparameters, on one machine or many.

    sweep_id = treering.sweep({"method": "bayes", "metric": {...}, "parameters": {...}}, project="digits")
    treering.agent(sweep_id, train, count=20)

`train` calls `treering.init()`, finds its parameters in `run.config`, and logs the metric.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

__all__ = ["agent", "sweep"]


def sweep(
    sweep: Mapping[str, Any] | str | os.PathLike[str],
    entity: str | None = None,
    project: str | None = None,
    *,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002  # the word of the field
    shared: bool = False,
) -> str:
    """Make a sweep, which agents then work on.

    Args:
        sweep: its configuration, as W&B's sweep YAML has it, or the path of such a file.
        entity: the team, kept with the sweep and told to its programs; default the configuration's.
        project: of its runs; default the configuration's.
        dir: folder of the store, "postgresql://...", or a server's "https://..."; default the server of online runs,
            else as for `init`.
        shared: the folder is one that several machines share, with no server; found out for network file systems.

    Returns:
        Its id.

    Raises:
        SweepError: a configuration that cannot be taken; the text names each place and the fix.
    """
    from pathlib import Path

    from treering._notice import warn
    from treering.sweeps.config import config_of, read_file
    from treering.sweeps.opening import open_sweeps, place_of, with_entity

    source = None
    if isinstance(sweep, str) or not hasattr(sweep, "keys"):
        config, source = read_file(Path(str(sweep)))
    else:
        config = config_of(sweep if isinstance(sweep, dict) else dict(sweep))  # type: ignore[arg-type]  # has keys
    for text in config.warnings:
        warn(text)
    place = place_of(None if dir is None else str(dir), shared=shared)
    with open_sweeps(place) as sweeps:
        return sweeps.create(with_entity(config.plain, entity), project=project, source=source).id


def agent(
    sweep_id: str,
    function: Callable[..., object] | None = None,
    entity: str | None = None,  # noqa: ARG001  # taken for code written for W&B
    project: str | None = None,  # noqa: ARG001  # the sweep knows its project
    count: int | None = None,
    *,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002  # the word of the field
) -> int:
    """Run trials of a sweep until it is over.

    Args:
        sweep_id: what `sweep` returned; `entity/project/id` is taken, too.
        function: called without arguments for each trial; it calls `treering.init()`, or returns the metric's value.
            Without it the sweep's program is run.
        entity: accepted for code written for W&B.
        project: accepted for code written for W&B.
        count: trials to run at most; default as many as there are.
        dir: folder of the store, as for `sweep`.

    Returns:
        How many trials this agent ran.

    Raises:
        NotFound: there is no such sweep.
    """
    from treering.sweeps.agents import print_line, run_agent
    from treering.sweeps.opening import place_for

    sweep_id = sweep_id.rpartition("/")[2]
    place = place_for(sweep_id, None if dir is None else str(dir))
    return run_agent(sweep_id, function, count=count, place=place, say=print_line)
