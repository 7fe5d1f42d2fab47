"""What the documentation shows runs, and what there is has its place in it."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import treering
from treering import settings
from treering.cli._app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(?P<indent> *)```python[^\n]*\n(?P<code>.*?)^(?P=indent)```", flags=re.MULTILINE | re.DOTALL)


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[str]:
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        code = textwrap.dedent(found["code"])
        if not code.startswith("--8<--"):  # an example, which has a test of its own
            yield code


def imports(code: str) -> list[tuple[str, str]]:
    """Each imported module with the name taken from it, or ''."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if list(blocks(page))], ids=page_id)
def test_code_blocks_run(page: Path, store_dir: Path, tmp_path: Path) -> None:
    """Blocks that need treering alone are run, in order, in one program; of the others the imports are checked."""
    program = ""
    for code in blocks(page):
        ours = [(module, name) for module, name in imports(code) if module.partition(".")[0] == "treering"]
        assert ours, f"a block of {page} shows no import of treering:\n{code}"
        if len(ours) == len(imports(code)) and not any("callbacks" in module for module, _ in ours):
            program += code + "\n"
        for module, name in ours:
            if name and module.startswith("treering.callbacks."):
                source = ROOT / (module.removeprefix("treering.").replace(".", "/") + ".py")
                assert re.search(
                    rf"^(class {name}\b|    from .* import .*\b{name}\b)", source.read_text(), re.MULTILINE
                )
            elif name:
                assert hasattr(importlib.import_module(module), name)
    if program:
        environ = {**os.environ, "PYTHONWARNINGS": "error"}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


SHELL = re.compile(r"^ *```bash\n(.*?)^ *```", flags=re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *treering ([a-z]+)(.*)$", flags=re.MULTILINE)


def test_commands_exist() -> None:
    context = click.Context(app)
    commands = {name: app.get_command(context, name) for name in app.list_commands(context)}
    for page in PAGES:
        shown = "".join(SHELL.findall(page.read_text(encoding="utf-8")))
        for name, line in COMMAND.findall(shown):
            rest = line.partition(" #")[0]
            command = commands.get(name)
            assert command is not None, f"{page} shows `treering {name}`"
            for word in rest.split():
                if isinstance(command, click.Group) and not word.startswith("-"):
                    command = command.commands.get(word)
                    assert command is not None, f"{page} shows `treering {name} {word}`"
            known = {option for parameter in command.params for option in parameter.opts}
            unknown = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)) - known
            assert not unknown, f"{page} shows {unknown} of `treering {name}`"


def test_every_public_name_is_documented() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    documented = set(re.findall(r"^::: (\S+)", pages, flags=re.MULTILINE))
    explained = {"treering.run", "treering.config", "treering.summary"}  # names of the active run's parts
    whole_modules = {"treering.TreeringError": "treering.errors", "treering.TreeringWarning": "treering.errors"}
    whole_modules["treering.Api"] = "treering.api"
    missing = {f"treering.{name}" for name in treering.__all__} - documented - explained
    assert {name for name in missing if whole_modules.get(name) not in documented} == set()


def test_every_example_is_shown() -> None:
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    examples = {path.name for path in (ROOT / "examples").glob("*.py")} - {"__init__.py", "demo.py"}
    assert {name for name in examples if f'--8<-- "examples/{name}"' not in shown} == set()


def test_every_setting_is_documented() -> None:
    table = settings.markdown_table()
    assert "<!-- settings -->" in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    missing = [field.name for field in fields(settings.Settings) if f"| `{field.name}` |" not in table]
    assert [name for name in missing if name != "sources"] == []
