"""The main job in one go: an agent learns CartPole, a network learns to read digits, and both are recorded.

    python -m examples.demo

Everything that is printed at the end was read back from the store.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import treering

BARS = " ▁▂▃▄▅▆▇█"


def sparkline(values: list[float], width: int = 32) -> str:
    """A curve in one line of text: the mean of each of `width` parts."""
    if not values:
        return ""
    edges = [round(part * len(values) / width) for part in range(width + 1)]
    parts = [values[low:high] for low, high in itertools.pairwise(edges) if high > low]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means), max(means)
    return "".join(BARS[1 + round((mean - low) / ((high - low) or 1) * (len(BARS) - 2))] for mean in means)


def here(path: Path) -> str:
    """A path as it is typed where this program was started."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def main(timesteps: int = 16_384, epochs: int = 8) -> None:
    """Train both, then show what the store says about them."""
    console = Console()
    with console.status(f"PPO learns to balance a pole, {timesteps:,} environment steps ..."):
        from examples import sb3_ppo

        agent = sb3_ppo.train(timesteps).run
    with console.status(f"Keras learns to read handwritten digits, {epochs} epochs ..."):
        from examples import keras_digits

        reader = keras_digits.train(epochs)[1].run
    if agent is None or reader is None:
        console.print("This process is not the one that records (its rank is not 0).")
        return
    for run in (agent, reader):
        run.finish()
    show(console, agent, "episode/return", "sb3_ppo.py")
    show(console, reader, "val/accuracy", "keras_digits.py")
    store = here(agent.store_dir)
    prefix = "" if "TREERING_DIR" not in os.environ else f"TREERING_DIR={shlex.quote(store)} "
    # A command of this environment, which need not be the one of the terminal it is copied to.
    own = here(Path(sys.executable).with_name("treering"))
    prefix += "treering" if Path(own).is_absolute() else shlex.quote(own)
    commands = [
        "runs",
        f"show {agent.id}",
        f"plot {agent.id} episode/return_mean",
        f"diff {agent.id} {reader.id}",
        "ui",
    ]
    console.print(f"\nBoth runs lie in [bold]{store}[/]. To look around:\n", soft_wrap=True)
    for command in commands:  # whole lines, to be copied
        console.print(f"  {prefix} {command}", style="cyan", markup=False, highlight=False, soft_wrap=True)


def show(console: Console, recorded: treering.Run, key: str, source: str) -> None:
    """Print what was kept of one run."""
    run = treering.Api(recorded.store_dir).run(recorded.id)
    series = run.history(key)
    values = [float(value) for value in series.values]
    versions = run.versions()
    table = Table(title=f"[bold]{run.name}[/] (examples/{source})", title_justify="left", show_header=False)
    table.add_row("state", f"[green]{run.state}[/]" if run.state == "finished" else f"[red]{run.state}[/]")
    table.add_row("kept", f"{len(run.metrics)} metrics up to step {series.x[-1]:,}, {len(versions)} models")
    table.add_row(key, f"[cyan]{sparkline(values)}[/]  {values[0]:.3g} to {values[-1]:.3g}, best {max(values):.3g}")
    for version in versions:
        if "best" in version.aliases:
            table.add_row("best model", f"{version.name}:v{version.version}, {version.size:,} bytes")
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timesteps", type=int, default=16_384, help="environment steps of the agent")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of the network")
    arguments = parser.parse_args()
    main(arguments.timesteps, arguments.epochs)
