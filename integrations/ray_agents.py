"""Ray: `treering agent SWEEP_ID --ray` spreads the trials of a sweep over a cluster.

    from treering.integrations.ray_agents import spread

    spread(sweep_id, place, gpus=1)

Each task is an agent that runs trials until the sweep is over, with the resources of one trial; Ray finds machines for
them. A task that is lost with its machine gives its trial to another one, as any agent's death does, and Ray starts it
anew. The store must be reachable from each machine: a shared folder, or an address.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from treering._framework import framework
from treering.errors import UsageError

with framework("ray", extra="ray"):
    import ray

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["spread"]


def spread(
    sweep_id: str,
    place: str,
    *,
    function: Callable[..., object] | None = None,
    address: str | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    agents: int | None = None,
    count: int | None = None,
) -> int:
    """Run a sweep on a Ray cluster.

    Args:
        sweep_id: of a sweep in `place`.
        place: of the store, as `treering.sweeps.opening.place_of` returns it; reachable from each machine.
        function: called for each trial; without it the sweep's command is run.
        address: of the cluster; default the one that Ray finds, else one on this machine.
        cpus: for each trial.
        gpus: for each trial.
        agents: trials at once; default as many as the cluster has room for now.
        count: trials altogether.

    Returns:
        How many trials were run.

    Raises:
        UsageError: the cluster has not enough for one trial.
    """
    shared: Any = ray  # it ships types that do not say what its decorator makes
    began_here = not shared.is_initialized()
    if began_here:
        shared.init(address=address, log_to_driver=True, logging_level="warning")
    try:
        wanted = {"CPU": cpus, "GPU": gpus}
        room = _room(shared.cluster_resources(), wanted)
        number = min(agents or room, count or room)
        shares = [None] * number if count is None else [len(range(one, count, number)) for one in range(number)]
        task = shared.remote(_work).options(num_cpus=cpus, num_gpus=gpus, max_retries=-1, scheduling_strategy="SPREAD")
        waiting = [task.remote(sweep_id, place, function, share) for share in shares]
        done = 0
        while waiting:
            ready, waiting = shared.wait(waiting)
            done += sum(shared.get(ready))
        return done
    finally:
        if began_here:
            shared.shutdown()


def _room(has: dict[str, float], wanted: dict[str, float]) -> int:
    """Return how many trials fit into a cluster side by side."""
    for name, amount in wanted.items():
        if amount > has.get(name, 0.0):
            raise UsageError(
                f"a trial wants {amount:g} {name}, and the cluster has {has.get(name, 0.0):g}; ask for less, or add "
                "nodes"
            )
    return max(1, min((math.floor(has[name] / amount) for name, amount in wanted.items() if amount), default=1))


def _work(sweep_id: str, place: str, function: Callable[..., object] | None, count: int | None) -> int:
    from treering.sweeps.agents import run_agent

    return run_agent(sweep_id, function, count=count, place=place, say=print)
