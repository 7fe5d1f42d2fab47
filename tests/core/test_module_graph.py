"""How the core's modules hang together."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "treering"


def modules() -> dict[str, Path]:
    """The core's modules by dotted name; the links to the adapters are left out."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if parts[1] not in {"callbacks", "integrations"}:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_on_load(path: Path) -> set[str]:
    """Modules of ours that importing this one imports: not those inside functions or for type checkers only."""
    names: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        pending += ast.iter_child_nodes(node)
    return names & set(MODULES)


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, or nothing."""
    state: dict[str, int] = {}
    path: list[str] = []

    def visit(name: str) -> list[str]:
        state[name] = 1
        path.append(name)
        for other in sorted(graph[name]):
            if state.get(other) == 1:
                return [*path[path.index(other) :], other]
            if other not in state and (found := visit(other)):
                return found
        path.pop()
        state[name] = 2
        return []

    for name in sorted(graph):
        if name not in state and (found := visit(name)):
            return found
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    # A package and its modules are one: `treering.media` imports its parts, which may import the package's own names.
    graph = {name: {other for other in imports_on_load(path) if other != name} for name, path in MODULES.items()}
    for name, others in graph.items():
        others -= {name.rpartition(".")[0], "treering"}
    assert circle(graph) == []


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("treering.store", ("treering._run", "treering.recording", "treering.start", "treering.api")),
        ("treering.journal", ("treering.store", "treering.writer", "treering._run")),
        ("treering.plain", ("treering._run", "treering.store", "treering.writer")),
        ("treering.capture", ("treering._run", "treering.store", "treering.writer", "treering.recording")),
    ],
)
def test_arrows_point_inwards(inner: str, outer: tuple[str, ...]) -> None:
    for name, path in MODULES.items():
        if name == inner or name.startswith(f"{inner}."):
            assert not [found for found in imports_on_load(path) if found.startswith(outer)], name
