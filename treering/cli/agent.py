"""`treering agent`."""

from __future__ import annotations

from importlib import import_module

import click

from treering.cli._options import place_given, place_option, url_option
from treering.errors import UsageError
from treering.sweeps.opening import place_for

__all__ = ["command"]


@click.command()
@click.argument("sweep_id", metavar="SWEEP_ID")
@click.option("--count", "-n", type=click.IntRange(min=1), help="Trials to run at most; default as many as there are.")
@click.option("--project", "-p", help="Taken as W&B takes it; the sweep knows its project.")
@click.option("--entity", "-e", help="Taken as W&B takes it.")
@click.option("--term-timeout", type=float, default=30.0, show_default=True, help="Seconds from SIGTERM to SIGKILL.")
@click.option("--forward-signals", is_flag=True, help="Taken as W&B takes it; signals always reach the program.")
@click.option("--lease", type=click.FloatRange(min=0.5), default=60.0, show_default=True, help="Seconds after which a silent agent is taken for dead.")  # fmt: skip  # noqa: E501
@click.option("--ray", is_flag=True, help="Spread the trials over a Ray cluster.")
@click.option("--ray-address", help="Of the cluster; default the one that Ray finds, else one on this machine.")
@click.option("--cpus", type=float, default=1.0, show_default=True, help="CPUs for each trial on Ray.")
@click.option("--gpus", type=float, default=0.0, show_default=True, help="GPUs for each trial on Ray.")
@click.option("--agents", "-a", type=click.IntRange(min=1), help="Trials at once on Ray; default what fits.")
@url_option
@place_option
def command(
    sweep_id: str,
    count: int | None,
    project: str | None,  # noqa: ARG001  # said by the sweep
    entity: str | None,  # noqa: ARG001  # a local store has no teams
    term_timeout: float,
    forward_signals: bool,  # noqa: ARG001  # always done
    lease: float,
    ray: bool,
    ray_address: str | None,
    cpus: float,
    gpus: float,
    agents: int | None,
    url: str | None,
    place: str | None,
) -> None:
    """Run trials of a sweep, one after the other, until it is over."""
    from treering.sweeps.agents import print_line, run_agent
    from treering.sweeps.working import Options

    sweep_id = sweep_id.rpartition("/")[2]  # W&B's entity/project/id
    where = place_for(sweep_id, place_given(place, url))
    if ray:
        # By its name: the core imports no integration.
        spread = import_module("treering.integrations.ray_agents").spread
        done = spread(sweep_id, where, address=ray_address, cpus=cpus, gpus=gpus, agents=agents, count=count)
    elif ray_address or gpus or agents:
        raise UsageError("--ray-address, --gpus and --agents are for --ray; add it, or start several agents")
    else:
        options = Options(term_timeout_s=term_timeout)
        done = run_agent(sweep_id, count=count, place=where, options=options, lease_s=lease, say=print_line)
    print_line(f"{done} trials run")
