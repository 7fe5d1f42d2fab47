"""`treering sweep`: make a sweep, look at it, and steer it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.cli._options import json_option, place_given, place_option, url_option
from treering.cli._output import plain_rows, print_json
from treering.errors import UsageError
from treering.sweeps.opening import is_server, open_sweeps, place_for, place_of, with_entity

if TYPE_CHECKING:
    from treering.sweeps.records import Sweep, Trial

__all__ = ["command"]

_shared_option = click.option("--shared", is_flag=True, help="The folder is one that machines share, with no server.")
_project_option = click.option("--project", "-p", help="Project of its runs; default the file's, or TREERING_PROJECT.")
_entity_option = click.option("--entity", "-e", help="Team, kept with the sweep and told to its programs.")


class _Sweep(click.Group):
    """`treering sweep FILE` is `treering sweep create FILE`, as W&B has it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["create", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Sweep)
def command() -> None:
    """Make a sweep of a YAML file (`treering sweep FILE`), look at it, and steer it.

    Agents run its trials: `treering agent SWEEP_ID`, on as many machines as you like.
    """


def _project(given: str | None) -> str | None:
    return given or os.environ.get("TREERING_PROJECT") or os.environ.get("WANDB_PROJECT") or None


def _create(file: Path, project: str | None, place: str, entity: str | None = None) -> Sweep:
    from treering._notice import warn
    from treering.sweeps.config import read_file

    if not file.is_file():
        raise UsageError(f"there is no file {file}; a sweep is described in YAML, see docs/sweeps.md")
    config, source = read_file(file)
    for text in config.warnings:
        warn(text)
    with open_sweeps(place) as sweeps:
        # What the file says is meant for this sweep alone, what the environment says for anything.
        plain = with_entity(config.plain, entity)
        return sweeps.create(plain, project=project or config.project or _project(None), source=source)


@command.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--file", "-f", "named", type=click.Path(path_type=Path), help="The same, as an option.")
@_project_option
@_entity_option
@click.option("--count", "-n", type=click.IntRange(min=1), help="Trials for each agent; part of the command it prints.")
@_shared_option
@json_option
@url_option
@place_option
def create(
    file: Path | None,
    named: Path | None,
    project: str | None,
    entity: str | None,
    count: int | None,
    shared: bool,
    as_json: bool,
    url: str | None,
    place: str | None,
) -> None:
    """Make a sweep of a YAML file, and print how to start agents."""
    chosen = file or named
    if chosen is None:
        raise UsageError("create got no file; give the path of a sweep's YAML")
    where = place_of(place_given(place, url), shared=shared)
    sweep = _create(chosen, project, where, entity)
    words = ["treering", "agent", sweep.id, *(["--count", str(count)] if count else [])]
    words += ["--url", where] if is_server(where) else ["--dir", place] if place else []
    if as_json:
        print_json({"id": sweep.id, "project": sweep.project, "place": where, "agent": words})
        return
    click.echo(f"Created sweep {sweep.id} in project {sweep.project}.", err=True)
    click.echo("Run agents, here or on any machine that reaches the store:", err=True)
    click.echo(subprocess.list2cmdline(words) if os.name == "nt" else _quoted(words))


def _quoted(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


@command.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@_project_option
@click.option("--agents", "-a", type=click.IntRange(min=1), default=1, help="Agents on this machine, side by side.")
@click.option("--count", "-n", type=click.IntRange(min=1), help="Trials for each agent.")
@_shared_option
@place_option
def local(file: Path, project: str | None, agents: int, count: int | None, shared: bool, place: str | None) -> None:
    """Make a sweep and run all of it here."""
    from treering.sweeps.agents import print_line, run_agent

    where = place_of(place, shared=shared)
    sweep = _create(file, project, where)
    click.echo(sweep.id)
    words = [sys.executable, "-m", "treering.cli", "agent", sweep.id, "--dir", where]
    words += ["--count", str(count)] if count else []
    others = [subprocess.Popen(words) for _ in range(agents - 1)]
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: _end(others))
    try:
        run_agent(sweep.id, count=count, place=where, say=print_line)
    finally:
        failed = [other.returncode for other in others if other.wait()]
        signal.signal(signal.SIGTERM, before)
    if failed:
        raise UsageError(f"{len(failed)} of {agents} agents ended with an error; see above")


def _end(agents: list[subprocess.Popen[bytes]]) -> None:
    """Ask agents to give their trials back."""
    for agent in agents:
        agent.terminate()


@command.command("list")
@_project_option
@json_option
@url_option
@place_option
def list_(project: str | None, as_json: bool, url: str | None, place: str | None) -> None:
    """List sweeps, the newest first."""
    where = place_of(place_given(place, url))
    with open_sweeps(where) as sweeps:
        found = sweeps.sweeps(project)
    if not where.startswith("shared:") and "://" not in where and (Path(where) / "sweeps").is_dir():
        with open_sweeps(f"shared:{where}") as sweeps:
            found += sweeps.sweeps(project)
    if as_json:
        print_json([_facts(sweep) for sweep in found])
        return
    header = ("id", "name", "project", "state", "trials", "reason")
    plain_rows(header, [(one.id, one.name, one.project, one.state, str(one.created), one.reason) for one in found])


def _facts(sweep: Sweep) -> dict[str, Any]:
    names = ("id", "name", "project", "state", "reason", "created", "config")
    return {name: getattr(sweep, name) for name in names}


@command.command()
@click.argument("sweep_id", metavar="SWEEP_ID")
@json_option
@url_option
@place_option
def show(sweep_id: str, as_json: bool, url: str | None, place: str | None) -> None:
    """Show a sweep's trials: their values, and why they were stopped."""
    from treering.sweeps.audit import audit
    from treering.sweeps.config import config_of

    with open_sweeps(place_for(sweep_id, place_given(place, url))) as sweeps:
        sweep, trials = sweeps.sweep(sweep_id), sweeps.trials(sweep_id)
    if as_json:
        print_json({**_facts(sweep), "trials": trials})
        return
    click.echo(f"{sweep.id}  {sweep.name}  {sweep.state}{f': {sweep.reason}' if sweep.reason else ''}", err=True)
    counts = audit(config_of(sweep.config, sweep.name), trials)
    if counts.audited:
        held = f"; {counts.held} of {counts.told} ended where it was predicted" if counts.told else ""
        click.echo(
            f"{counts.wrong} of {counts.audited} trials that ran on would have been stopped wrongly{held}", err=True
        )
    header = ("trial", "state", "run", "values", "expected", "parameters", "why")
    plain_rows(header, map(_row, trials))


def _row(trial: Trial) -> tuple[str, ...]:
    told = trial.prediction
    expected = ""
    if told is not None:
        ends = "" if told.low is None or told.high is None else f" ({told.low:.4g} .. {told.high:.4g})"
        expected = f"{told.value:.4g}{ends}{', runs on' if trial.audited else ''}"
    return (
        str(trial.number),
        trial.state,
        trial.run_id,
        ", ".join(f"{value:.6g}" for value in trial.values or ()),
        expected,
        ", ".join(f"{name}={value}" for name, value in trial.params.items()),
        trial.failure or (told.reason if told is not None else ""),
    )


def _action(name: str, text: str) -> None:
    @command.command(name, help=text)
    @click.argument("sweep_id", metavar="SWEEP_ID")
    @url_option
    @place_option
    def act(sweep_id: str, url: str | None, place: str | None) -> None:
        with open_sweeps(place_for(sweep_id, place_given(place, url))) as sweeps:
            sweep = sweeps.change(sweep_id, name)
        click.echo(f"Sweep {sweep.id} is {sweep.state}.")


_action("pause", "Start no more trials until `resume`; those that run go on.")
_action("resume", "Go on after `pause` or `stop`.")
_action("stop", "Start no more trials; those that run go on to their end.")
_action("cancel", "Start no more trials, and end those that run.")


@command.command()
@click.argument("sweep_id", metavar="SWEEP_ID")
@click.option("--image", default="IMAGE", help="Container image with your program and treering.")
@click.option("--agents", "-a", type=click.IntRange(min=1), default=1, help="Pods, side by side.")
@click.option("--count", "-n", type=click.IntRange(min=1), help="Trials for each agent.")
@click.option("--gpus", type=click.IntRange(min=0), default=0, help="GPUs for each pod.")
@click.option("--claim", help="PersistentVolumeClaim with the store's folder, mounted at its path.")
@url_option
@place_option
def k8s(
    sweep_id: str,
    image: str,
    agents: int,
    count: int | None,
    gpus: int,
    claim: str | None,
    url: str | None,
    place: str | None,
) -> None:
    """Print a Kubernetes Job whose pods are agents, for `kubectl apply -f -` and Run:ai."""
    from treering.sweeps.manifest import job_manifest

    where = place_for(sweep_id, place_given(place, url))
    with open_sweeps(where) as sweeps:
        sweep = sweeps.sweep(sweep_id)
    click.echo(job_manifest(sweep, where, image=image, agents=agents, count=count, gpus=gpus, claim=claim), nl=False)
