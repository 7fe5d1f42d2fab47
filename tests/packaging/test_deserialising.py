"""Nothing that is read runs: no unpickling, no `eval`, no archive that unpacks itself, anywhere in the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [path for folder in ("treering", "callbacks", "integrations") for path in sorted((ROOT / folder).rglob("*.py"))]
# Names whose call hands bytes to code. What a module reads with them it would have to import, so aliases are seen, too.
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"extractall", "unpack_archive", "unsafe_load", "full_load"}
# Why each of these may: (file, what).
ALLOWED = {
    ("integrations/_torch_loading.py", "import pickle"),  # its exception is caught; nothing is read with it
    ("treering/lifecycle.py", "exec"),  # of a constant: the one way to raise at a line of the user's frame
}


def dangers(tree: ast.AST) -> set[str]:
    """What a module does that could run what it reads."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {f"import {one.name}" for one in node.names if one.name.partition(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            found.add(f"import {node.module}")
        elif isinstance(node, ast.Call):
            found |= call_dangers(node)
    return found


def call_dangers(node: ast.Call) -> set[str]:
    name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
    if name in METHODS or (name in CALLS and isinstance(node.func, ast.Name)):
        return {name}
    if name not in {"load", "load_all", "load_model"}:
        return set()
    called = ast.unparse(node.func)
    options = {one.arg: ast.unparse(one.value) for one in node.keywords}
    if called == "torch.load" and options.get("weights_only", "False") == "False":
        return {"torch.load without weights_only"}
    if called in {"yaml.load", "yaml.load_all"} and "Safe" not in ast.unparse(node):
        return {"yaml.load without a safe loader"}
    if called in {"np.load", "numpy.load"} and options.get("allow_pickle") != "False":
        return {"np.load with pickles"}
    if called.endswith("saving.load_model") and "safe_mode" not in options and None not in options:
        return {"load_model without safe_mode"}
    return set()


def test_nothing_that_is_read_runs() -> None:
    assert len(FILES) > 200
    found = {
        (path.relative_to(ROOT).as_posix(), what)
        for path in FILES
        for what in dangers(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from dill import load",
        "eval('1')",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "yaml.load(text)",
        "np.load(file)",
        "tar.extractall()",
        "keras.saving.load_model(file)",
    ],
)
def test_the_dangers_are_seen(code: str) -> None:
    assert dangers(ast.parse(code))


@pytest.mark.parametrize("code", ["torch.load(f, weights_only=not trusted)", "re.compile('a')", "yaml.safe_load(text)"])
def test_what_is_safe_is_left_alone(code: str) -> None:
    assert not dangers(ast.parse(code))
