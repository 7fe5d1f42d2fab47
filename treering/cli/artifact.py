"""`treering artifact`: list, show, get and put what runs have kept; its other commands are in the modules beside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.api import Api
from treering.cli import _format as fmt
from treering.cli._artifact_care import gc, keep, lineage, repack, store, verify
from treering.cli._artifact_common import facts_of, progress_bar, title, words
from treering.cli._artifact_diff import diff
from treering.cli._artifact_registry import registry
from treering.cli._options import json_option, place_option
from treering.cli._output import print_json, print_table
from treering.errors import NotFound, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from treering.api import DroppedVersion
    from treering.artifacts import Artifact, ArtifactFile

__all__ = ["command"]


@click.group()
def command() -> None:
    """Work with artifacts: versions of files, models and data.

    ARTIFACT is 'name:v3', 'name:best', 'name' (the latest) or 'project/name:alias'.
    """


@command.command("ls")
@click.argument("name", required=False)
@click.option("--project", "-p", help="Only of this project.")
@click.option("--type", "kind", help="Only of this type.")
@click.option("--dropped", is_flag=True, help="What the versions were that rules and expiry have taken.")
@json_option
@place_option
def list_(
    name: str | None, project: str | None, kind: str | None, dropped: bool, as_json: bool, place: str | None
) -> None:
    """List artifacts, or the versions of NAME."""
    with Api(place) as api:
        if dropped:
            _list_dropped([one for one in api.dropped_versions(name, project) if kind in {None, one.type}], as_json)
            return
        versions = [one for one in api.versions(name, project) if kind in {None, one.type}]
        if name is not None and not versions:
            raise NotFound(f"there is no artifact {name!r}; `treering artifact ls` lists all")
        if as_json:
            print_json([facts_of(one) for one in versions])
            return
        rows = [
            (
                title(one),
                one.type,
                one.project,
                fmt.size(one.size),
                fmt.size(one.stored),
                fmt.age(one.created),
                ", ".join(one.aliases),
            )
            for one in reversed(versions)
        ]
        print_table(("artifact", "type", "project", "size", "stored", "made", "aliases"), rows, right=(3, 4))


def _list_dropped(versions: list[DroppedVersion], as_json: bool) -> None:
    if as_json:
        print_json(versions)
        return
    rows = [
        (
            f"{one.name}:v{one.version}",
            one.type,
            one.project,
            fmt.size(one.size),
            fmt.age(one.created),
            fmt.age(one.dropped),
            one.why,
        )
        for one in reversed(versions)
    ]
    print_table(("artifact", "type", "project", "size", "made", "dropped", "because"), rows, right=(3,))


@command.command()
@click.argument("artifact")
@json_option
@place_option
def show(artifact: str, as_json: bool, place: str | None) -> None:
    """Show one version: what it is, its files, who made and who uses it."""
    with Api(place) as api:
        found = api.version(artifact)
        files = found.files()
        users = [run.id for run in found.used_by()]
        if as_json:
            described = [{"path": one.path, "size": one.size, "digest": one.digest, "uri": one.uri} for one in files]
            print_json({**facts_of(found), "files": described, "used_by": users})
            return
        for key, value in facts_of(found).items():
            if value not in (None, (), {}):
                click.echo(f"{key:12} {words(key, value)}")
        if users:
            click.echo(f"{'used by':12} {', '.join(users)}")
        click.echo()
        rows = [(one.path, "" if one.size < 0 else fmt.size(one.size), one.uri or one.digest[:12]) for one in files]
        print_table(("file", "size", "digest"), rows, right=(1,))


@command.command()
@click.argument("artifact")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--path", "--file", "patterns", multiple=True, metavar="PATTERN", help="Only these files, folders, globs."
)
@click.option("--tensor", "tensors", multiple=True, metavar="NAME", help="Only this tensor, as FOLDER/NAME.npy.")
@click.option("--exactly", is_flag=True, help="Delete everything else from the folder.")
@json_option
@place_option
def get(
    artifact: str,
    folder: Path | None,
    patterns: tuple[str, ...],
    tensors: tuple[str, ...],
    exactly: bool,
    as_json: bool,
    place: str | None,
) -> None:
    """Download a version, checked byte by byte; again, after an interruption, goes on where it was.

    Of a file of tensors (safetensors, PyTorch, Keras) --tensor reads no more than it needs.
    """
    if exactly and (patterns or tensors):
        raise UsageError("--exactly makes a folder hold the whole version; leave --path and --tensor out")
    with Api(place) as api:
        found = api.version(artifact)
        if tensors:
            _get_tensors(found, tensors, patterns, folder or Path(), as_json=as_json)
            return
        chosen = found.files(list(patterns) or None)
        with progress_bar(sum(max(one.size, 0) for one in chosen), "Downloading", quiet=as_json) as advance:
            target = found.download(folder, list(patterns) or None, progress=advance)
        if exactly:
            found.checkout(target)
    if as_json:
        print_json({"folder": str(target.absolute()), "version": found.version, "digest": found.digest})
    else:
        part = f" ({len(chosen)} of its {len(found.files())} files)" if patterns else ""
        click.echo(f"{title(found)} is in {target}{part}")


def _get_tensors(
    artifact: Artifact, names: tuple[str, ...], patterns: tuple[str, ...], folder: Path, *, as_json: bool
) -> None:
    import numpy as np

    from treering.artifacts.layers import can_have_layers

    files = [one for one in artifact.files(list(patterns) or None) if can_have_layers(one.path)]
    if not files:
        raise UsageError(f"{title(artifact)} has no file of tensors; safetensors, PyTorch's and Keras's are")
    folder.mkdir(parents=True, exist_ok=True)
    written: list[dict[str, Any]] = []
    for name in names:
        values, file = _read_tensor(files, name)
        place = folder / f"{name.replace('/', '.')}.npy"
        np.save(place, values, allow_pickle=False)
        written.append(
            {"tensor": name, "file": file.path, "shape": values.shape, "dtype": str(values.dtype), "to": str(place)}
        )
    if as_json:
        print_json(written)
        return
    for one in written:
        shape = " x ".join(map(str, one["shape"])) or "one number"
        click.echo(f"{one['tensor']} ({shape}, {one['dtype']}) of {one['file']} is in {one['to']}")


def _read_tensor(files: list[ArtifactFile], name: str) -> tuple[npt.NDArray[Any], ArtifactFile]:
    missing: NotFound | None = None
    for file in files:
        try:
            return file.read_tensor(name), file
        except NotFound as error:
            missing = missing or error
    assert missing is not None  # noqa: S101  # there is one file at least
    raise missing


@command.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--name", "-n", required=True, help="Of the artifact.")
@click.option("--type", "kind", default="file", show_default=True, help="What kind of thing it is.")
@click.option("--project", "-p", help="Default: what the settings say.")
@click.option("--alias", "aliases", multiple=True, help="Let it be called this, too.")
@click.option("--tag", "tags", multiple=True, help="A word to find it by.")
@click.option("--description", help="For people.")
@json_option
@place_option
def put(
    paths: tuple[Path, ...],
    name: str,
    kind: str,
    project: str | None,
    aliases: tuple[str, ...],
    tags: tuple[str, ...],
    description: str | None,
    as_json: bool,
    place: str | None,
) -> None:
    """Keep files or folders as the next version of an artifact."""
    from treering.artifacts import Artifact
    from treering.artifacts.alone import save_alone

    artifact = Artifact(name, kind, description=description)
    artifact.aliases, artifact.tags = aliases, tags
    for path in paths:
        if path.is_dir():
            artifact.add_dir(path, path.name if len(paths) > 1 else None)
        else:
            artifact.add_file(path)
    with progress_bar(artifact.size, "Storing", quiet=as_json) as advance:
        done = 0

        def tell(read: int, _total: int) -> None:
            nonlocal done
            advance(read - done)
            done = read

        save_alone(artifact, project, place, tell)
    if as_json:
        print_json(facts_of(artifact))
    else:
        click.echo(f"{title(artifact)} ({fmt.size(artifact.size)}, {fmt.size(artifact.stored)} of them new)")


for _part in (diff, keep, gc, repack, verify, lineage, store, registry):
    command.add_command(_part)
