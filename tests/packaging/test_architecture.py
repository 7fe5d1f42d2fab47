"""The shape of the code: which way imports point, what is public, how long things may get."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from treering.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
ADAPTERS = ("callbacks", "integrations")

# What may be imported for each word; the word is also the module's name, the extra's name and the test's name.
FRAMEWORKS = {
    "accelerate": {"accelerate", "torch"},
    "gymnasium": {"gymnasium"},
    "jax": {"jax", "jaxlib"},
    "keras": {"keras"},
    "lightning": {"lightning", "pytorch_lightning", "lightning_fabric", "torch"},
    "pytorch": {"torch"},
    "ray": {"ray"},
    "rllib": {"ray"},
    "sb3": {"stable_baselines3", "gymnasium", "torch"},
    "tensorflow": {"tensorflow"},
    "transformers": {"transformers", "torch"},
}
FORBIDDEN: frozenset[str] = frozenset[str]().union(*FRAMEWORKS.values(), {"torchvision", "sb3_contrib", "optuna"})
HEAVY = {"pandas", "polars", "pyarrow", "scipy", "sklearn", "matplotlib", "IPython"}


def sources(folder: Path) -> list[Path]:
    """The Python files below, not following the links."""
    found: list[Path] = []
    for parent, _folders, names in os.walk(folder):  # does not follow links
        found += [Path(parent, name) for name in names if name.endswith(".py")]
    return sorted(found)


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = parts if parts[0] == "treering" else ["treering", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


CORE = sources(ROOT / "treering")
ADAPTER_FILES = [path for folder in ADAPTERS for path in sources(ROOT / folder)]
SHIPPED = {module_name(path): path for path in (*CORE, *ADAPTER_FILES)}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


@cache
def imported(path: Path, *, typing_too: bool = True) -> frozenset[str]:
    """Dotted names that a file imports anywhere in it, functions included."""
    names: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.ImportFrom):
            names.add("a relative import")
        children = list(ast.iter_child_nodes(node))
        if not typing_too and isinstance(node, ast.If) and is_type_checking(node):
            children = list(node.orelse)
        pending += children
    return frozenset(names)


def roots(names: frozenset[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def reachable(path: Path) -> set[Path]:
    """A file and every file of ours that importing it can load, for the adapters' side only."""
    seen: set[Path] = set()
    pending = [path]
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        ours = {SHIPPED[name] for name in imported(current, typing_too=False) if name in SHIPPED}
        pending += [other for other in ours if other in ADAPTER_FILES]
    return seen


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_core_names_no_framework(path: Path) -> None:
    # Sweeps sample by Optuna, which comes with the core and is loaded when a point is chosen.
    allowed = {"optuna"} if path.is_relative_to(ROOT / "treering" / "sweeps") else set[str]()
    assert not roots(imported(path)) & FORBIDDEN - allowed


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_core_does_not_point_outwards(path: Path) -> None:
    assert not [name for name in imported(path) if name.startswith(("treering.callbacks", "treering.integrations"))]


@pytest.mark.parametrize("path", sources(ROOT / "integrations"), ids=module_name)
def test_integrations_do_not_point_at_callbacks(path: Path) -> None:
    assert not [name for name in imported(path) if name.startswith("treering.callbacks")]


@pytest.mark.parametrize("path", ADAPTER_FILES, ids=module_name)
def test_an_adapter_imports_its_own_framework_only(path: Path) -> None:
    word = path.stem.lstrip("_").partition("_")[0]  # `_torch_lanes.py` belongs to `torch.py`
    allowed = FRAMEWORKS.get(word, {word})
    assert not {name for file in reachable(path) for name in roots(imported(file))} & FORBIDDEN - allowed


@pytest.mark.parametrize("path", [*CORE, *ADAPTER_FILES], ids=module_name)
def test_modules_are_named_in_one_way(path: Path) -> None:
    """`callbacks.x` or `.x` beside `treering.callbacks.x` would load a module twice."""
    names = imported(path)
    assert "a relative import" not in names
    assert not roots(names) & set(ADAPTERS)


def fresh_python(code: str) -> str:
    """What a new Python prints, started where neither the tree nor the tests are on its path."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_no_framework() -> None:
    unwanted = sorted(FORBIDDEN | HEAVY)
    modules = "treering, treering.callbacks, treering.integrations"
    assert fresh_python(f"import sys, {modules}; print(sorted(sys.modules.keys() & set({unwanted})))") == "[]"


def test_no_core_module_loads_a_framework() -> None:
    modules = [module_name(path) for path in CORE if path.stem != "__main__"]
    code = f"""
import importlib, sys
for name in {modules}:
    importlib.import_module(name)
    print(*(f"{{name}} loads {{found}}" for found in sys.modules.keys() & set({sorted(FORBIDDEN)})), sep="\\n", end="")
"""
    assert fresh_python(code) == ""


def test_an_absent_framework_is_one_sentence_with_the_command() -> None:
    words = [path.stem for path in sources(ROOT / "callbacks") if not path.stem.startswith("_")]
    code = f"""
import importlib, sys
from importlib.abc import MetaPathFinder
class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(FORBIDDEN)}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
for word in {words}:
    try:
        importlib.import_module(f"treering.callbacks.{{word}}")
    except ImportError as error:
        if f"pip install 'treering[{{word}}]'" not in str(error):
            print(word, "says", repr(error))
    else:
        print(word, "was imported without its framework")
"""
    assert fresh_python(code) == ""


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_folder_is_imported_under_one_name(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert f"import 'treering.{name}', not '{name}'" in done.stderr


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_links_lead_to_the_real_folders(name: str) -> None:
    link = ROOT / "treering" / name
    assert link.is_symlink()
    assert os.readlink(link) == f"../{name}"


@pytest.mark.parametrize("path", [path for path in ADAPTER_FILES if path.stem != "__init__"], ids=module_name)
def test_one_framework_one_word(path: Path) -> None:
    if path.parent.name == "callbacks":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]
        assert path.stem in extras
        assert f'"{path.stem}"' in (ROOT / "noxfile.py").read_text(encoding="utf-8")
        assert (ROOT / "tests" / "callbacks" / f"test_{path.stem}.py").exists()
    assert "test" not in path.stem.split("_")


def is_there(module: ModuleType, name: str) -> bool:
    """Whether a name can be taken from a module; `treering.config` is there and asks for a run."""
    try:
        return hasattr(module, name)
    except UsageError:
        return True


def test_exports() -> None:
    import treering

    public = {
        name
        for name, value in vars(treering).items()
        if not name.startswith("_") and str(getattr(value, "__module__", "")).startswith("treering")
    }
    listed: list[str] = list(treering.__all__)
    assert public <= set(listed)
    assert [name for name in listed if not is_there(treering, name)] == []


@pytest.mark.parametrize("name", sorted(module_name(path) for path in CORE if path.stem != "__main__"))
def test_what_a_module_lists_is_there_once(name: str) -> None:
    module = importlib.import_module(name)
    listed: list[str] = list(getattr(module, "__all__", []))
    assert len(listed) == len(set(listed))
    assert [item for item in listed if not is_there(module, item)] == []


MAX_FILE_LINES = 500
MAX_ADAPTER_LINES = 250
MAX_FUNCTION_LINES = 60


@pytest.mark.parametrize("path", [*CORE, *ADAPTER_FILES, ROOT / "noxfile.py"], ids=lambda path: path.stem)
def test_nothing_grows_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    limit = MAX_ADAPTER_LINES if path.parent.name == "callbacks" else MAX_FILE_LINES
    assert len(text.splitlines()) <= limit
    too_long: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            has_docstring = ast.get_docstring(node) is not None and len(node.body) > 1
            first = node.body[1].lineno if has_docstring else node.lineno  # explaining more is never a fault
            if node.end_lineno - first + 1 > MAX_FUNCTION_LINES:
                too_long.append(f"{node.name} in line {node.lineno}")
    assert too_long == []
