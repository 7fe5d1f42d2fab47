"""`treering artifact`: list, show, get, put, compare, check and clear away what runs have kept."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from treering.api import Api
from treering.cli import _format as fmt
from treering.cli._options import json_option, place_option
from treering.cli._output import print_json, print_table
from treering.errors import NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from treering.artifacts import Artifact
    from treering.artifacts.collecting import Plan
    from treering.artifacts.depot import Depot

__all__ = ["command"]


@click.group()
def command() -> None:
    """Work with artifacts: versions of files, models and data.

    ARTIFACT is 'name:v3', 'name:best', 'name' (the latest) or 'project/name:alias'.
    """


@contextmanager
def _progress(total: int, doing: str, *, quiet: bool) -> Generator[Callable[[int], None]]:
    if quiet or not sys.stderr.isatty():
        yield lambda _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(doing), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda size: progress.advance(task, size)


def _facts(artifact: Artifact) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "version": artifact.version,
        "type": artifact.type,
        "project": artifact.project,
        "aliases": artifact.aliases,
        "tags": artifact.tags,
        "size": artifact.size,
        "stored": artifact.stored,
        "digest": artifact.digest,
        "created": artifact.created,
        "run": artifact.run_id or None,
        "expires": None if artifact.ttl is None else artifact.created + artifact.ttl,
        "description": artifact.description,
        "metadata": artifact.metadata,
    }


def _words(key: str, value: Any) -> str:
    """One of the facts as people read it."""
    if key in {"size", "stored"}:
        return fmt.size(value)
    if hasattr(value, "astimezone"):
        return str(value.astimezone().strftime("%Y-%m-%d %H:%M:%S"))
    return ", ".join(map(str, cast("tuple[str, ...]", value))) if isinstance(value, tuple) else fmt.value(value)


@command.command("ls")
@click.argument("name", required=False)
@click.option("--project", "-p", help="Only of this project.")
@click.option("--type", "kind", help="Only of this type.")
@json_option
@place_option
def list_(name: str | None, project: str | None, kind: str | None, as_json: bool, place: str | None) -> None:
    """List artifacts, or the versions of NAME."""
    with Api(place) as api:
        versions = [one for one in api.versions(name, project) if kind in {None, one.type}]
        if name is not None and not versions:
            raise NotFound(f"there is no artifact {name!r}; `treering artifact ls` lists all")
        if as_json:
            print_json([_facts(one) for one in versions])
            return
        rows = [
            (
                f"{one.name}:v{one.version}",
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
            print_json({**_facts(found), "files": described, "used_by": users})
            return
        for key, value in _facts(found).items():
            if value not in (None, (), {}):
                click.echo(f"{key:12} {_words(key, value)}")
        if users:
            click.echo(f"{'used by':12} {', '.join(users)}")
        click.echo()
        rows = [(one.path, "" if one.size < 0 else fmt.size(one.size), one.uri or one.digest[:12]) for one in files]
        print_table(("file", "size", "digest"), rows, right=(1,))


@command.command()
@click.argument("artifact")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--file", "patterns", multiple=True, metavar="PATTERN", help="Only these files, folders or globs.")
@click.option("--exactly", is_flag=True, help="Delete everything else from the folder.")
@json_option
@place_option
def get(
    artifact: str, folder: Path | None, patterns: tuple[str, ...], exactly: bool, as_json: bool, place: str | None
) -> None:
    """Download a version, checked byte by byte; again, after an interruption, goes on where it was."""
    if exactly and patterns:
        raise UsageError("--exactly makes a folder hold the whole version; leave --file out")
    with Api(place) as api:
        found = api.version(artifact)
        with _progress(found.size, "Downloading", quiet=as_json) as advance:
            target = found.download(folder, list(patterns) or None, progress=advance)
        if exactly:
            found.checkout(target)
    if as_json:
        print_json({"folder": str(target.absolute()), "version": found.version, "digest": found.digest})
    else:
        click.echo(f"{found.name}:v{found.version} is in {target}")


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
    with _progress(artifact.size, "Storing", quiet=as_json) as advance:
        done = 0

        def tell(read: int) -> None:
            nonlocal done
            advance(read - done)
            done = read

        save_alone(artifact, project, place, tell)
    if as_json:
        print_json(_facts(artifact))
    else:
        click.echo(
            f"{artifact.name}:v{artifact.version} ({fmt.size(artifact.size)}, {fmt.size(artifact.stored)} of them new)"
        )


@command.command()
@click.argument("before")
@click.argument("after")
@json_option
@place_option
def diff(before: str, after: str, as_json: bool, place: str | None) -> None:
    """Compare two versions: their files, and the tensors of safetensors files."""
    from treering.artifacts.tensors import compare_tensors

    with Api(place) as api:
        one, other = api.version(before), api.version(after)
        old, new = ({file.path: file for file in version.files()} for version in (one, other))
        changes: list[dict[str, Any]] = []
        for path in sorted(old.keys() | new.keys()):
            if path not in old or path not in new:
                changes.append({"path": path, "change": "added" if path in new else "removed"})
            elif old[path].digest != new[path].digest:
                change: dict[str, Any] = {
                    "path": path, "change": "changed", "size_before": old[path].size, "size_after": new[path].size,
                }  # fmt: skip
                if path.endswith(".safetensors"):
                    change["tensors"] = [tensor._asdict() for tensor in compare_tensors(old[path], new[path])]
                changes.append(change)
    if as_json:
        print_json({"before": _facts(one), "after": _facts(other), "files": changes})
        return
    same = len(old.keys() & new.keys()) - sum(change["change"] == "changed" for change in changes)
    for change in changes:
        sizes = (
            f"  {fmt.size(change['size_before'])} -> {fmt.size(change['size_after'])}"
            if "size_before" in change
            else ""
        )
        click.echo(f"{change['change']:8} {change['path']}{sizes}")
        for tensor in change.get("tensors", ()):
            click.echo(f"         {_tensor_line(tensor)}")
    click.echo(f"{same} files are the same")


def _tensor_line(tensor: dict[str, Any]) -> str:
    if tensor["change"] != "changed":
        return f"{tensor['name']}: {tensor['change']}"
    return (
        f"{tensor['name']}: {tensor['share']:.1%} of its values, by up to {tensor['largest']:.3g}, "
        f"{tensor['relative']:.3g} of its norm"
    )


@contextmanager
def _depots(place: str | None, *, writing: bool) -> Generator[list[Depot]]:
    """Lend the chunks of each database of a store."""
    from treering.api._sources import open_sources
    from treering.artifacts.depot import Depot

    sources = open_sources(place)
    databases = [source.writable() if writing else source.database for source in sources]
    try:
        yield [Depot(database, source.folder) for database, source in zip(databases, sources, strict=True)]
    finally:
        for database in {*databases, *(source.database for source in sources)}:
            database.close()


@command.command()
@click.option("--plan", "only_plan", is_flag=True, help="Say what would go and why; change nothing.")
@json_option
@place_option
def gc(only_plan: bool, as_json: bool, place: str | None) -> None:
    """Delete versions whose time is over, and bytes that no version needs. Safe while runs are writing."""
    from treering.artifacts.collecting import collect, plan

    with _depots(place, writing=not only_plan) as depots:
        done = [(plan if only_plan else collect)(depot) for depot in depots]
    if as_json:
        print_json(done)
        return
    for one in done:
        _tell_plan(one, only_plan=only_plan)
    freed = sum(one.freed_bytes for one in done)
    click.echo(f"{'Would free' if only_plan else 'Freed'} {fmt.size(max(freed, 0))}.")


def _tell_plan(plan: Plan, *, only_plan: bool) -> None:
    verb = "would go" if only_plan else "gone"
    for one in plan.expiring:
        broken = [*(f"run {run} used it" for run in one.used_by), *(f"{name} was made from it" for name in one.base_of)]
        click.echo(f"{one.version} {verb}: {one.why}{'; ' + ', '.join(broken) if broken else ''}")
    if plan.dead_chunks:
        click.echo(f"{plan.dead_chunks:,} chunks ({fmt.size(plan.dead_bytes)}) that no version needs: {verb}")
    if plan.packs or plan.rewritten:
        click.echo(f"{len(plan.packs)} packs {verb} whole, {len(plan.rewritten)} written anew")
    if plan.strangers:
        click.echo(f"{len(plan.strangers)} objects that interrupted saves have left: {verb}")


@command.command()
@click.argument("artifact", required=False)
@json_option
@place_option
def verify(artifact: str | None, as_json: bool, place: str | None) -> None:
    """Read and check every byte of one version, or of all. Ends with 1 when something is wrong."""
    from treering.artifacts.checking import verify_store

    if artifact is not None:
        with Api(place) as api:
            found = api.version(artifact)
            found.verify()
        click.echo(f"{found.name}:v{found.version} is whole")
        return
    with _depots(place, writing=False) as depots:
        total = sum(
            size or 0 for depot in depots for ((size,),) in [depot.database.query("SELECT SUM(size) FROM packs")]
        )
        with _progress(total, "Checking", quiet=as_json) as advance:
            seen = [verify_store(depot, advance) for depot in depots]
    damage = [one for part in seen for one in part.damage]
    if as_json:
        print_json({"healthy": not damage, "databases": seen})
    else:
        for one in damage:
            click.echo(f"✗ {one.where}: {one.message}")
            for file in one.files:
                click.echo(f"    {file}")
        counts = [sum(getattr(part, name) for part in seen) for name in ("versions", "packs", "chunks")]
        click.echo("Checked {:,} versions, {:,} packs, {:,} chunks.".format(*counts))
    if damage:
        raise SystemExit(1)


@command.command()
@click.argument("artifact")
@json_option
@place_option
def lineage(artifact: str, as_json: bool, place: str | None) -> None:
    """Tell which run made a version, from what, and what was made of it."""
    from treering.artifacts.lineage import lineage_of

    with Api(place) as api:
        found = api.version(artifact)
        links = lineage_of(found)
    if as_json:
        print_json({"artifact": f"{found.name}:v{found.version}", "links": [link._asdict() for link in links]})
        return
    for link in links:
        click.echo(f"{'  ' * link.depth}{link.source} -> {link.target}{f' ({link.how})' if link.how else ''}")
    if not links:
        click.echo(f"{found.name}:v{found.version} was made by no run and is used by none")


@command.command()
@click.argument("url", required=False)
@place_option
def store(url: str | None, place: str | None) -> None:
    """Print where the bytes of artifacts are kept, or keep them at URL from now on.

    URL is such as 's3://bucket/prefix', 'gs://...', 'az://...', with options behind a '?':
    's3://bucket?endpoint=http://host:8333&region=eu-1'. Credentials come from the environment.
    """
    from treering.artifacts.backends import open_backend
    from treering.artifacts.depot import URL_KEY

    with _depots(place, writing=url is not None) as depots:
        depot = depots[0]
        if url is None:
            rows = depot.database.query("SELECT value FROM store_info WHERE key = :key", {"key": URL_KEY})
            click.echo(rows[0][0] if rows else str(depot.scratch / depot.prefix))
            return
        if depot.database.query("SELECT 1 FROM packs LIMIT 1"):
            raise StoreError("this store has packs already; choose where they go before the first artifact")
        list(zip(open_backend(depot.scratch, url).list(depot.prefix), range(1)))  # noqa: B905  # says what is wrong now
        depot.database.execute(
            "INSERT INTO store_info (key, value) VALUES (:key, :value) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            {"key": URL_KEY, "value": url},
        )
        click.echo(f"Artifacts are kept at {url}")
