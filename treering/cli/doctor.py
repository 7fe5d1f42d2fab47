"""`treering doctor`."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treering.cli import _format as fmt
from treering.cli._options import json_option, place_option
from treering.cli._output import console, is_terminal, print_json
from treering.errors import TreeringWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from treering.api._sources import Source
    from treering.store.read_check import Finding
    from treering.store.recover import Report

__all__ = ["command"]

_SHOWN = 50


class _Result:
    """What the doctor has seen and done."""

    def __init__(self) -> None:
        self.findings: list[tuple[Finding, str]] = []
        self.runs = 0
        self.chunks = 0
        self.blobs = 0

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong that was not put right; bytes that nobody needs are no illness."""
        return all(done or finding.kind == "orphan" for finding, done in self.findings)


@click.command()
@click.option("--repair", is_flag=True, help="Repair what can be; without it nothing that is recorded is changed.")
@json_option
@place_option
def command(repair: bool, as_json: bool, place: str | None) -> None:
    """Check the store: every chunk, file and statistic. First brings in what dead runs left behind.

    Ends with 1 when something is wrong that was not repaired.
    """
    from treering.api._sources import open_sources, store_folder

    is_url = place is not None and place.startswith(("postgresql:", "postgresql+"))
    folder = None if is_url or (place is not None and Path(place).is_file()) else store_folder(place)
    recovery, trouble = _recovered(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TreeringWarning)  # what could not be brought in is told below
        sources = open_sources(place)
    try:
        result = _check(sources, repair=repair, quiet=as_json)
    finally:
        for source in sources:
            source.database.close()
    if as_json:
        print_json(_as_data(folder or place, recovery, trouble, result))
    else:
        _print(folder or place, recovery, trouble, result, repair=repair)
    if not result.is_well or trouble:
        raise SystemExit(1)


def _recovered(folder: Path | None) -> tuple[Report | None, list[str]]:
    """Bring in the journals of dead runs; returns what was done, and what could not be."""
    if folder is None or not (folder / "journal").is_dir():
        return None, []
    try:
        from treering.store.recover import recover_folder

        report = recover_folder(folder)
    except Exception as error:  # the rest of the store can still be checked
        return None, [str(error)]
    return report, list(report.troubles)


def _check(sources: list[Source], *, repair: bool, quiet: bool) -> _Result:
    from treering.store.read_check import (
        check_artifacts,
        check_blobs,
        check_database,
        check_run,
        check_running,
        repaired,
        wanted_blobs,
    )

    result = _Result()

    def take(findings: Iterator[Finding]) -> None:
        # A repair needs all that its check has seen, so none begins before the check is over.
        result.findings.extend([(finding, repaired(finding) if repair else "") for finding in list(findings)])

    wanted: dict[str, str] = {}
    for source in sources:
        database = source.writable() if repair else source.database
        try:
            take(check_database(database))
            take(check_running(database, source.folder))
            runs = database.query("SELECT id FROM runs ORDER BY created_us")
            result.runs += len(runs)
            result.chunks += int(database.query("SELECT COUNT(*) FROM chunks")[0][0])
            with _progress(len(runs), quiet=quiet) as advance:
                for (run_id,) in runs:
                    keep = None if source.folder is None else source.folder / "damaged"
                    take(check_run(database, run_id, keep))
                    advance()
            wanted.update(wanted_blobs(database))
            take(check_artifacts(database, source.folder))
        finally:
            if database is not source.database:
                database.close()
    if sources[0].folder is not None:
        result.blobs = len(wanted)
        take(check_blobs(sources[0].blobs, wanted))
    return result


@contextmanager
def _progress(total: int, *, quiet: bool) -> Generator[Callable[[], None]]:
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Checking runs", total=total)
        yield lambda: progress.advance(task)


def _as_data(place: object, recovery: Report | None, trouble: list[str], result: _Result) -> dict[str, Any]:
    return {
        "store": str(place),
        "healthy": result.is_well and not trouble,
        "runs": result.runs,
        "chunks": result.chunks,
        "blobs": result.blobs,
        "recovered": [] if recovery is None else recovery.runs,
        "living": [] if recovery is None else recovery.living,
        "troubles": trouble,
        "findings": [
            {
                "kind": finding.kind,
                "where": finding.where,
                "message": finding.message,
                "lost": finding.lost,
                "repairable": finding.repair is not None,
                "repaired": done or None,
            }
            for finding, done in result.findings
        ],
    }


def _print(place: object, recovery: Report | None, trouble: list[str], result: _Result, *, repair: bool) -> None:
    from rich.text import Text

    out = console()
    wrap = not is_terminal()  # a pipe has no width to cut at

    def say(text: str, style: str = "") -> None:
        out.print(Text(text, style=style), soft_wrap=wrap)

    say(f"Store {place}", "bold")
    looked = ((result.runs, "run"), (result.chunks, "chunk"), (result.blobs, "file"))
    say(f"Checked {', '.join(fmt.counted(count, what) for count, what in looked)}.")
    for run in [] if recovery is None else recovery.runs:
        say(f"Brought in run {run.id}, which had died: {run.rows:,} records; it is {run.state}.", "green")
        for damage in run.damage:
            say(f"  its journal is damaged: {damage}", "red")
    if recovery is not None and recovery.living:
        say(f"Running now: {', '.join(recovery.living)}.")
    for text in trouble:
        say(f"✗ {text}", "red")
    _print_findings(result, say, repair=repair)
    if not result.findings and not trouble:
        say("✓ Everything is as it should be.", "green")


def _print_findings(result: _Result, say: Callable[..., None], *, repair: bool) -> None:
    orphans = [(finding, done) for finding, done in result.findings if finding.kind == "orphan"]
    others = [(finding, done) for finding, done in result.findings if finding.kind != "orphan"]
    for finding, done in others[:_SHOWN]:
        sign, style = ("✓", "green") if done and not finding.lost else ("✗", "red" if finding.lost else "yellow")
        said = finding.message if finding.message.startswith(finding.where) else f"{finding.where}: {finding.message}"
        say(f"{sign} {said.removesuffix(' `treering doctor` lists all damage.')}", style)
        if done:
            say(f"  {done}", "dim")
    if len(others) > _SHOWN:
        say(f"and {len(others) - _SHOWN:,} more, see --json")
    if orphans:
        size = sum(Path(finding.where).stat().st_size for finding, done in orphans if not done)
        say(
            f"{fmt.counted(len(orphans), 'file')} that no run needs"
            + (" deleted." if repair else f" ({fmt.size(size)}); --repair deletes them.")
        )
    if not repair and any(finding.repair is not None for finding, _ in others):
        say("--repair puts right what can be.")
