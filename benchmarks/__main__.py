"""`python -m benchmarks`: measure, print the table, write it to results.json and RESULTS.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks import report, trackers
from benchmarks.harness import MEASURES, load_measure, run_measure
from benchmarks.process import adopt_orphans


def main() -> None:
    arguments = _arguments()
    if arguments.list:
        for measure in arguments.measure:
            print(*(figure.key for figure in load_measure(measure).FIGURES))
        return
    console = Console(width=200 if arguments.wide or not sys.stdout.isatty() else None)
    adopt_orphans()
    where = report.machine()
    for name, value in where.items():
        console.print(f"{name}: {value}", style="dim", markup=False, highlight=False)
    results: dict[str, object] = {}
    for measure in arguments.measure:
        names = arguments.tracker or trackers.installed(measure)
        outcome = run_measure(measure, names, arguments.size, arguments.repeats, console.log)
        results = report.merge(outcome, where, arguments.json)
    report.print_table(results, console, tuple(arguments.measure))
    if arguments.markdown:
        report.write_markdown(results, arguments.markdown)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    choices = [*trackers.installed(), trackers.REFERENCE]
    parser.add_argument("measure", nargs="*", metavar="MEASURE", help=f"some of {', '.join(MEASURES)} (default: all)")
    parser.add_argument("--tracker", action="append", choices=choices, help="may be repeated (default: all installed)")
    parser.add_argument("--size", choices=["full", "tiny"], default="full", help="tiny: seconds, figures mean nothing")
    parser.add_argument("--repeats", type=int, help="fresh repetitions of each measure and tracker")
    parser.add_argument("--json", type=Path, default=report.RESULTS_JSON, help="file that results are merged into")
    parser.add_argument("--markdown", type=Path, default=report.RESULTS_MD, help="table written from all of that file")
    parser.add_argument("--wide", action="store_true", help="print 200 columns wide, whatever the terminal")
    parser.add_argument("--list", action="store_true", help="print the names of the figures and stop")
    arguments = parser.parse_args()
    if unknown := set(arguments.measure) - set(MEASURES):
        parser.error(f"no measure {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    arguments.measure = arguments.measure or list(MEASURES)
    return arguments


if __name__ == "__main__":
    main()
