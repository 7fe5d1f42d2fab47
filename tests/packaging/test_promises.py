"""The lists of what each part promises name tests that exist, and a promise has at least one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from treering.training import Options

TESTS = Path(__file__).parents[1]


def promised(folder: str) -> list[list[str]]:
    """The rows of a list: a promise, and its tests."""
    lines = (TESTS / folder / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| ---", "| promise"))]
    return [row.strip("|\n ").split(" | ") for row in rows]


ROWS = promised("callbacks")
SWEEP_ROWS = promised("sweeps")
ARTIFACT_ROWS = promised("artifacts")
UI_ROWS = promised("ui")


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


LISTS = [*ROWS, *SWEEP_ROWS, *ARTIFACT_ROWS, *UI_ROWS, *promised("server")]


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row[0])
def test_each_promise_has_its_tests(row: list[str]) -> None:
    promise, tests = row
    named = re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", tests)
    assert named, f"{promise}: no test"
    assert len(named) == tests.count("`") // 2
    assert [name for file, name in named if name not in names_in(file)] == []


def test_every_adapter_has_promises() -> None:
    named = {Path(file).stem for row in ROWS for file in re.findall(r"callbacks/(test_\w+)\.py", row[1])}
    written = {path.stem for path in (TESTS / "callbacks").glob("test_*.py")}
    frameworks = {path.stem for path in (TESTS.parent / "callbacks").glob("*.py")} - {"__init__"}
    assert {f"test_{framework}" for framework in frameworks} <= named
    assert named <= written


@pytest.mark.parametrize(("folder", "rows"), [("sweeps", SWEEP_ROWS), ("artifacts", ARTIFACT_ROWS), ("ui", UI_ROWS)])
def test_every_test_keeps_a_promise(folder: str, rows: list[list[str]]) -> None:
    named = {one for row in rows for one in re.findall(rf"`{folder}/(test_\w+\.py::test_\w+)`", row[1])}
    files = sorted((TESTS / folder).glob("test_*.py"))
    tests = ((path.name, name) for path in files for name in names_in(f"{folder}/{path.name}"))
    assert {f"{file}::{name}" for file, name in tests if name.startswith("test_")} == named


PAGES = {"rllib": "ray"}


def own_options(path: Path) -> set[str]:
    """What the public classes of an adapter take beside the options that all have."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for one in node.body:
                if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                    found |= {argument.arg for argument in (*one.args.args, *one.args.kwonlyargs)} - {"self"}
    return found


@pytest.mark.parametrize("path", sorted((TESTS.parent / "callbacks").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_every_option_is_on_its_page(path: Path) -> None:
    pages = TESTS.parent / "docs" / "frameworks"
    page = (pages / f"{PAGES.get(path.stem, path.stem)}.md").read_text(encoding="utf-8")
    shared = (pages / "index.md").read_text(encoding="utf-8")
    assert {option for option in own_options(path) if f"`{option}`" not in page + shared} == set()
    assert {option for option in Options.__annotations__ if f"`{option}`" not in shared} == set()
