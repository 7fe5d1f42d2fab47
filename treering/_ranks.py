"""Which of the processes that train together this one is."""

from __future__ import annotations

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


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
