"""A sweep on a Ray cluster of several nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

import treering
from treering.errors import UsageError
from treering.integrations.ray_agents import spread
from treering.sweeps.opening import open_sweeps, place_for

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own


@pytest.fixture(scope="module")
def cluster() -> Any:
    """Two nodes of two CPUs each."""
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    found.add_node(num_cpus=2, resources={"big": 2})
    yield found
    found.shutdown()


def square() -> dict[str, float]:
    run = treering.init()
    node = ray.get_runtime_context().get_node_id()
    run.config.update({"node": node})
    run.log({"loss": float(run.config.x) ** 2})
    return {}


def test_trials_are_spread_over_the_nodes(cluster: Any, store_dir: Path) -> None:
    config = {
        "method": "grid",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"x": {"min": 1, "max": 8}},
    }
    sweep_id = treering.sweep(config, shared=True)
    place = place_for(sweep_id)
    assert spread(sweep_id, place, function=square, address=cluster.address) == 8
    with open_sweeps(place) as sweeps:
        trials = sweeps.trials(sweep_id)
    assert [(one.state, one.values) for one in trials] == [
        ("finished", [float(one.params["x"]) ** 2]) for one in trials
    ]
    assert len(trials) == 8


def test_a_trial_that_fits_nowhere_is_refused(cluster: Any, store_dir: Path) -> None:
    sweep_id = treering.sweep({"method": "grid", "parameters": {"x": {"values": [1]}}})
    with pytest.raises(UsageError, match="a trial wants 64 CPU, and the cluster has 4"):
        spread(sweep_id, str(store_dir), function=square, address=cluster.address, cpus=64)
