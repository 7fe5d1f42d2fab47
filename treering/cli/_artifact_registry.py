"""`treering artifact registry`: what is registered, which version is in which stage, and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from treering.api import Api
from treering.artifacts.registry import REGISTRY
from treering.cli import _format as fmt
from treering.cli._artifact_common import facts_of, title
from treering.cli._options import json_option, place_option
from treering.cli._output import print_json, print_table
from treering.errors import NotFound

if TYPE_CHECKING:
    from treering.artifacts import Artifact

__all__ = ["registry"]

_registry_option = click.option(
    "--registry", "project", default=REGISTRY, show_default=True, help="A project whose name ends in '-registry'."
)
_note_option = click.option("--note", default="", help="Why, for the log.")


@click.group()
def registry() -> None:
    """Work with models that all projects share: stages that move only on purpose, and a log of what happened.

    VERSION is 'name:v3', 'name:production' or 'name' (the latest).
    """


@registry.command("ls")
@click.argument("name", required=False)
@_registry_option
@json_option
@place_option
def list_(name: str | None, project: str, as_json: bool, place: str | None) -> None:
    """List what is registered and what is in which stage, or the versions of NAME."""
    with Api(place) as api:
        if name is not None:
            versions = api.registry(project).versions(name)
            if not versions:
                raise NotFound(f"{project} has no {name!r}; `treering artifact registry ls` lists all")
            _tell_versions(versions, as_json=as_json)
            return
        stages = api.registry(project).stages
        found = api.registry(project).collections()
        if as_json:
            print_json(
                [
                    {
                        "name": one.name, "type": one.type, "versions": one.versions, "latest": one.latest.version,
                        "stages": {stage: version.version for stage, version in one.stages.items()},
                    }
                    for one in found
                ]
            )  # fmt: skip
            return
        rows = [
            (
                one.name, one.type, f"v{one.latest.version}", fmt.age(one.latest.created),
                *(f"v{one.stages[stage].version}" if stage in one.stages else "" for stage in stages),
            )
            for one in found
        ]  # fmt: skip
    print_table(("name", "type", "latest", "made", *stages), rows)


def _tell_versions(versions: list[Artifact], *, as_json: bool) -> None:
    if as_json:
        print_json([facts_of(one) for one in versions])
        return
    rows = [
        (title(one), one.stage or "", fmt.size(one.size), fmt.age(one.created), one.run_id, ", ".join(one.tags))
        for one in reversed(versions)
    ]
    print_table(("version", "stage", "size", "made", "run", "tags"), rows, right=(2,))


@registry.command()
@click.argument("artifact")
@click.argument("name", required=False)
@click.option("--stage", help="To put it into.")
@_registry_option
@json_option
@place_option
def link(artifact: str, name: str | None, stage: str | None, project: str, as_json: bool, place: str | None) -> None:
    """Register ARTIFACT as the next version of NAME, by default its own. Its bytes are stored once."""
    with Api(place) as api:
        linked = api.registry(project).link(api.version(artifact), name, stage=stage)
        _tell(linked, as_json=as_json)


@registry.command()
@click.argument("version")
@click.argument("stage")
@_note_option
@_registry_option
@json_option
@place_option
def stage(version: str, stage: str, note: str, project: str, as_json: bool, place: str | None) -> None:
    """Put VERSION into STAGE; the one that was in it leaves it."""
    with Api(place) as api:
        _tell(api.registry(project).stage(version, stage, note=note), as_json=as_json)


@registry.command()
@click.argument("version")
@_note_option
@_registry_option
@json_option
@place_option
def unstage(version: str, note: str, project: str, as_json: bool, place: str | None) -> None:
    """Take VERSION out of its stage."""
    with Api(place) as api:
        _tell(api.registry(project).unstage(version, note=note), as_json=as_json)


def _tell(version: Artifact, *, as_json: bool) -> None:
    if as_json:
        print_json(facts_of(version))
    else:
        where = f"in {version.stage}" if version.stage else "in no stage"
        click.echo(f"{version.project}/{title(version)} is {where}")


@registry.command()
@click.argument("words", nargs=-1)
@_registry_option
@json_option
@place_option
def stages(words: tuple[str, ...], project: str, as_json: bool, place: str | None) -> None:
    """Print the stages that there are, in order, or have WORDS for them from now on."""
    with Api(place) as api:
        if words:
            api.registry(project).set_stages(*words)
        known = api.registry(project).stages
    if as_json:
        print_json(known)
    else:
        click.echo("\n".join(known))


@registry.command()
@click.argument("name", required=False)
@click.option("--last", type=int, metavar="N", help="Only the newest N.")
@_registry_option
@json_option
@place_option
def events(name: str | None, last: int | None, project: str, as_json: bool, place: str | None) -> None:
    """Tell what happened, when, and who did it; all of it, or what concerns NAME."""
    with Api(place) as api:
        found = api.registry(project).events(name, last=last)
    if as_json:
        plain: list[dict[str, Any]] = [one._asdict() for one in found]
        print_json(plain)
        return
    rows = [(fmt.stamp(one.time), one.who, one.run_id, str(one)) for one in found]
    print_table(("when", "who", "run", "what"), rows)
