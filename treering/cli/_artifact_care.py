"""`treering artifact keep`, `gc`, `repack`, `verify`, `lineage`, `store`: what looks after a store's artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from treering.api import Api
from treering.cli import _format as fmt
from treering.cli._artifact_common import depots, progress_bar, title
from treering.cli._options import json_option, place_option
from treering.cli._output import is_terminal, print_json, print_table
from treering.errors import StoreError, UsageError

if TYPE_CHECKING:
    from treering.api import Rule
    from treering.artifacts.collecting import Expiring, Plan
    from treering.artifacts.repacking import Repacked

__all__ = ["gc", "keep", "lineage", "repack", "store", "verify"]


@click.command()
@click.argument("name", required=False)
@click.option("--last", type=int, metavar="N", help="Keep the newest N versions.")
@click.option("--best", type=int, metavar="N", help="Keep the best N, by --metric.")
@click.option("--metric", metavar="KEY", help="Of the versions' metadata; default what their callback judged them by.")
@click.option("--mode", type=click.Choice(["min", "max"]), help="Whether small or large values are good.")
@click.option("--days", type=float, metavar="D", help="Keep what is younger than D days.")
@click.option("--alias", "aliases", multiple=True, metavar="PATTERN", help="Of the aliases, only such keep a version.")
@click.option("--everything", is_flag=True, help="Have no rule any more.")
@click.option("--project", "-p", help="Of the collection.")
@json_option
@place_option
def keep(
    name: str | None,
    last: int | None,
    best: int | None,
    metric: str | None,
    mode: str | None,
    days: float | None,
    aliases: tuple[str, ...],
    everything: bool,
    project: str | None,
    as_json: bool,
    place: str | None,
) -> None:
    """Say how much of a collection stays; `treering artifact gc` deletes the rest.

    What any of --last, --best and --days keeps stays, and so does what has an alias ("latest" and "step-1000" come by
    themselves and do not count), is in a stage of a registry, or is used by a run that is going on. Without an option,
    prints the rule of NAME, or all rules.
    """
    given = {"last": last, "best": best, "metric": metric, "mode": mode, "days": days}
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if aliases:
        options["aliases"] = aliases
    if name is None and (options or everything):
        raise UsageError("keep got a rule and no collection; say `treering artifact keep NAME --last 3`")
    if everything and options:
        raise UsageError("keep got --everything and what stays of it; leave one of them out")
    with Api(place) as api:
        if name is not None and everything:
            api.keep_all(name, project)
        elif name is not None and options:
            api.keep(name, project, **options)
        rules = api.rules(name, project)
    if as_json:
        print_json(
            [{"project": one.project, "name": one.name, "keep": one.keep, "leaving": one.leaving} for one in rules]
        )
        return
    _tell_rules(rules, name)


def _tell_rules(rules: list[Rule], name: str | None) -> None:
    if not rules:
        click.echo(
            f"All versions {f'of {name} ' if name else ''}are kept; `treering artifact keep NAME --last 3` is a rule."
        )
        return
    rows = [(f"{one.project}/{one.name}", str(one.keep), str(len(one.leaving))) for one in rules]
    print_table(("collection", "keeps", "leaving"), rows, right=(2,))


@click.command()
@click.option("--plan", "only_plan", is_flag=True, help="Say what would go and why; change nothing.")
@json_option
@place_option
def gc(only_plan: bool, as_json: bool, place: str | None) -> None:
    """Delete versions whose time is over, and bytes that no version needs. Safe while runs are writing.

    Also repacks the checkpoints that trainings had no time to repack.
    """
    from treering.artifacts.backlog import catch_up, waiting
    from treering.artifacts.collecting import collect, plan

    with depots(place, writing=not only_plan) as lent:
        done = [(plan if only_plan else collect)(depot) for depot in lent]
        for depot, one in zip(lent, done, strict=True):
            late = waiting(depot.database)
            one.waiting = [facts.title for facts in late]
            if late and not only_plan:
                with progress_bar(sum(facts.size for facts in late), "Repacking", quiet=as_json) as advance:
                    one.repacked = catch_up(depot, progress=advance, claimed=True)
    if as_json:
        print_json(done)
        return
    for one in done:
        _tell_plan(one, only_plan=only_plan)
    freed = sum(one.freed_bytes for one in done)
    click.echo(f"{'Would free' if only_plan else 'Freed'} {fmt.size(max(freed, 0))}.")


def _tell_plan(plan: Plan, *, only_plan: bool) -> None:
    verb = "would go" if only_plan else "gone"
    if plan.expiring and is_terminal():
        rows = [(one.version, fmt.size(one.size), one.why, ", ".join(_broken(one))) for one in plan.expiring]
        print_table((f"version that {verb}", "size", "because", "but"), rows, right=(1,))
    else:
        for one in plan.expiring:
            click.echo(f"{one.version} {verb}: {'; '.join([one.why, *_broken(one)])}")
    if plan.dead_chunks:
        click.echo(f"{plan.dead_chunks:,} chunks ({fmt.size(plan.dead_bytes)}) that no version needs: {verb}")
    if plan.packs or plan.rewritten:
        click.echo(f"{len(plan.packs)} packs {verb} whole, {len(plan.rewritten)} written anew")
    if plan.strangers:
        click.echo(f"{len(plan.strangers)} objects that interrupted saves have left: {verb}")
    if plan.copies:
        click.echo(f"{len(plan.copies)} copies of checkpoints that nobody has used for a week: {verb}")
    if plan.repacked is not None:
        _tell_repacked([plan.repacked])
    elif plan.waiting:
        click.echo(f"{len(plan.waiting)} versions wait to be repacked: {', '.join(plan.waiting)}")


def _broken(one: Expiring) -> list[str]:
    """What the going of a version breaks."""
    return [*(f"run {run} used it" for run in one.used_by), *(f"{name} was made from it" for name in one.base_of)]


@click.command()
@json_option
@place_option
def repack(as_json: bool, place: str | None) -> None:
    """Store the numbers of checkpoints in less room, without loss. Safe while runs are writing."""
    from treering.artifacts import repacking

    with depots(place, writing=True) as lent:
        total = sum(size or 0 for depot in lent for ((size,),) in [depot.database.query("SELECT SUM(size) FROM packs")])
        with progress_bar(total, "Repacking", quiet=as_json) as advance:
            done = [repacking.repack(depot, progress=advance) for depot in lent]
    if as_json:
        print_json(done)
        return
    _tell_repacked(done)


def _tell_repacked(done: list[Repacked]) -> None:
    chunks, before, after = (sum(getattr(one, name) for one in done) for name in ("chunks", "before", "after"))
    click.echo(f"{chunks:,} chunks are stored anew: {fmt.size(before)} became {fmt.size(after)}.")


@click.command()
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
        click.echo(f"{title(found)} is whole")
        return
    with depots(place, writing=False) as lent:
        total = sum(size or 0 for depot in lent for ((size,),) in [depot.database.query("SELECT SUM(size) FROM packs")])
        with progress_bar(total, "Checking", quiet=as_json) as advance:
            seen = [verify_store(depot, advance) for depot in lent]
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


@click.command()
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
        print_json({"artifact": title(found), "links": [link._asdict() for link in links]})
        return
    for link in links:
        click.echo(f"{'  ' * link.depth}{link.source} -> {link.target}{f' ({link.how})' if link.how else ''}")
    if not links:
        click.echo(f"{title(found)} was made by no run and is used by none")


@click.command()
@click.argument("url", required=False)
@place_option
def store(url: str | None, place: str | None) -> None:
    """Print where the bytes of artifacts are kept, or keep them at URL from now on.

    URL is such as 's3://bucket/prefix', 'gs://...', 'az://...', with options behind a '?':
    's3://bucket?endpoint=http://host:8333&region=eu-1'. Credentials come from the environment.
    """
    from treering.artifacts.backends import open_backend
    from treering.artifacts.depot import URL_KEY

    with depots(place, writing=url is not None) as lent:
        depot = lent[0]
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
