"""`treering export`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from treering._framework import framework
from treering.api import Api
from treering.api._listing import flat
from treering.api._tables import column_of, plain, to_arrow
from treering.cli._options import filter_option, keys_option, place_option, project_completion, run_argument
from treering.cli._output import jsonable
from treering.errors import NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import pyarrow as pa

    from treering.api import ApiRun

__all__ = ["command"]

_FORMATS = ("parquet", "csv", "json")
_STREAMS = ("history", "system", "console", "events", "runs")


@click.command()
@run_argument("names", metavar="[RUN...]", nargs=-1)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write; without it, to the screen.",
)
@click.option("--format", "form", metavar="FORMAT", help="parquet, csv or json; else by the file's name, else csv.")
@keys_option
@click.option("--stream", default="history", metavar="NAME", help="history, system, console, events, or runs.")
@click.option("--project", "-p", shell_complete=project_completion, help="Only runs of this project.")
@filter_option
@click.option("--superseded", is_flag=True, help="Also rows that a later attempt replaced.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@place_option
def command(
    names: tuple[str, ...],
    output: Path | None,
    form: str | None,
    keys: list[str] | None,
    stream: str,
    project: str | None,
    filters: str | None,
    superseded: bool,
    as_json: bool,
    place: str | None,
) -> None:
    """Write the rows of one, several or all runs as one table; --stream runs gives one row for each run."""
    form = _format("json" if as_json else form, output)
    if stream not in _STREAMS:
        raise UsageError(f"--stream got {stream!r}; it takes {', '.join(_STREAMS)}")
    if form == "parquet" and output is None:
        raise UsageError("Parquet is not for the screen; name a file with --output")
    with Api(place) as api:
        runs = [api.run(name) for name in names] if names else list(api.runs(project, filters, order="created"))
        if not runs:
            raise NotFound("there is no such run to export")
        if form == "parquet" and output is not None:
            _write_parquet(output, runs, stream, keys, superseded=superseded)
            return
        write = _write_csv if form == "csv" else _write_json
        with _opened(output) as file:
            write(file, runs, stream, keys, superseded=superseded)


def _format(form: str | None, output: Path | None) -> str:
    if form is None:
        form = "csv" if output is None else output.suffix.removeprefix(".").lower()
        if form not in _FORMATS:
            raise UsageError(f"the name {output} does not tell the format; give --format {' or '.join(_FORMATS)}")
    if form not in _FORMATS:
        raise UsageError(f"--format got {form!r}; it takes {', '.join(_FORMATS)}")
    return form


@contextmanager
def _opened(output: Path | None) -> Generator[IO[str]]:
    """Open a file that appears whole or not at all, or standard output."""
    if output is None:
        yield sys.stdout
        return
    temporary = output.with_name(f".{output.name}.part")
    try:
        with temporary.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            yield file
        temporary.replace(output)
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _rows(run: ApiRun, stream: str, keys: list[str] | None, *, superseded: bool) -> Iterator[dict[str, Any]]:
    """Yield flat rows, each beginning with the run's id."""
    if stream == "runs":
        yield {"run": run.id, **flat(run)}
        return
    if stream == "history":
        for row in run.scan_history(keys, superseded=superseded):
            yield {"run": run.id, **row}
        return
    if stream == "console":
        for line in run.console():
            yield {"run": run.id, "_time": line.time, "line": line.number, "source": line.source, "text": line.text}
        return
    from treering.api._records import moment

    for _, row in run.reader.scan(stream, None if keys is None else [*keys, "_step", "_time"]):
        row["_time"] = moment(row.get("_time", 0))
        yield {"run": run.id, **row}


def _columns(runs: Sequence[ApiRun], stream: str, keys: list[str] | None) -> list[str]:
    """Return the names of a table's columns before any row is read."""
    if stream == "console":
        return ["run", "_time", "line", "source", "text"]
    if stream == "runs":
        return list(dict.fromkeys(key for run in runs for key in ("run", *flat(run))))
    if keys is None:
        found = dict.fromkeys(key for run in runs for key in run.reader.columns(stream))
        keys = [key for key in found if key not in {"_step", "_time"}]
    return ["run", "_step", "_time", *keys]


def _write_csv(file: IO[str], runs: Sequence[ApiRun], stream: str, keys: list[str] | None, *, superseded: bool) -> None:
    import csv

    columns = _columns(runs, stream, keys)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for run in runs:
        for row in _rows(run, stream, keys, superseded=superseded):
            writer.writerow([_csv_cell(row.get(name)) for name in columns])


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    import json

    return json.dumps(jsonable(plain(value)), ensure_ascii=False)


def _write_json(
    file: IO[str], runs: Sequence[ApiRun], stream: str, keys: list[str] | None, *, superseded: bool
) -> None:
    """Write one list with an object for each row, a row a line."""
    import json

    separator = "[\n"
    for run in runs:
        for row in _rows(run, stream, keys, superseded=superseded):
            cells = {
                key: found.isoformat() if hasattr(found, "isoformat") else plain(found) for key, found in row.items()
            }
            file.write(separator + json.dumps(jsonable(cells), ensure_ascii=False))
            separator = ",\n"
    file.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_parquet(
    output: Path, runs: Sequence[ApiRun], stream: str, keys: list[str] | None, *, superseded: bool
) -> None:
    with framework("pyarrow", extra="arrow"):
        import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [_arrow_table(run, stream, keys, superseded=superseded) for run in runs]
    table = pa.concat_tables(_alike(tables), promote_options="permissive")
    temporary = output.with_name(f".{output.name}.part")
    try:
        pq.write_table(table, temporary, compression="zstd")
        temporary.replace(output)
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _alike(tables: list[pa.Table]) -> list[pa.Table]:
    """Make texts of the columns that are texts in some tables and something else in others."""
    import pyarrow as pa

    fields = [field for table in tables for field in table.schema]
    texts = {field.name for field in fields if pa.types.is_string(field.type)}
    mixed = {field.name for field in fields if field.name in texts and not pa.types.is_string(field.type)}
    return [
        table.cast(
            pa.schema([pa.field(field.name, pa.string()) if field.name in mixed else field for field in table.schema])
        )
        for table in tables
    ]


def _arrow_table(run: ApiRun, stream: str, keys: list[str] | None, *, superseded: bool) -> pa.Table:
    if stream == "history":
        import numpy as np

        from treering.api._tables import Filled

        known = run.keys() if keys is None else [key for key in keys if key in run.metrics]
        history = run.history(known, x="_row", superseded=superseded)
        steps = run.history("_step", x="_row", superseded=superseded)
        times = run.history("_time", x="_row", superseded=superseded)
        at = np.searchsorted(steps.row_numbers, history.row_numbers)
        columns = {
            "run": Filled(np.full(len(history), run.id, dtype=object)),
            "_step": Filled(steps.values[at]),
            "_time": Filled(times.values[at].astype("datetime64[us]")),
        }
        return to_arrow({**columns, **history.filled()})
    rows = list(_rows(run, stream, keys, superseded=superseded))
    return to_arrow({name: column_of([row.get(name) for row in rows]) for name in _columns([run], stream, keys)})
