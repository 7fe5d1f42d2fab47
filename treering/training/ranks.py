"""Which of the processes that train together this one is."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["process_rank"]


def process_rank(environ: Mapping[str, str] | None = None) -> int:
    """This process's rank, 0 where it trains alone.

    Asked of a process group that is up (looked for among the loaded modules, nothing is imported), then of the
    variables that launchers set. Ask late: the process that launches others often has no rank before it did.
    """
    for live in (_torch_rank, _jax_rank):
        rank = live()
        if rank is not None:
            return rank
    env = os.environ if environ is None else environ
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"):
        if (rank := _integer(env.get(name))) is not None:
            return rank
    if (rank := _place_in_cluster(env.get("TF_CONFIG"))) is not None:
        return rank
    node, local = _integer(env.get("NODE_RANK")) or 0, _integer(env.get("LOCAL_RANK")) or 0
    return node * (_integer(env.get("LOCAL_WORLD_SIZE")) or 1) + local


def _torch_rank() -> int | None:
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return int(distributed.get_rank())


def _jax_rank() -> int | None:
    # process_index() alone would start the devices; a distributed run has started its client before.
    jax: Any = sys.modules.get("jax")
    initialized = getattr(getattr(jax, "distributed", None), "is_initialized", None)
    return int(jax.process_index()) if initialized is not None and initialized() else None


def _place_in_cluster(config: str | None) -> int | None:
    """The rank of a task of TensorFlow: the chief's is 0, or the first worker's where there is none."""
    try:
        found: Any = json.loads(config or "{}")
        kind, index = found["task"]["type"], int(found["task"]["index"])
        cluster = {name: len(tasks) for name, tasks in found.get("cluster", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    order = ("chief", "master", "worker", "ps", "evaluator")
    if kind not in order:
        return None
    before = sum(cluster.get(name, 0) for name in order[: order.index(kind)])
    # An evaluator is in no cluster, and parameter servers train nothing: they record no more than any worker.
    return before + index if kind in order[:3] else max(before, 1) + index


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
