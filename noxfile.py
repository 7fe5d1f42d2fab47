"""Every task of this repository: `nox -l` lists them, `nox -s NAME` sets one up in its own environment and runs it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox
import nox.project

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
CONSTRAINTS = "constraints.txt"
OTHER_PYTHONS = ["3.10", "3.12", "3.13"]  # besides the one that runs nox
CORE_TESTS = [f"tests/{name}" for name in ("core", "store", "capture", "cli")] + [
    f"tests/sweeps/test_sweep_{name}.py" for name in ("agents", "distributions", "stopping", "trials", "yaml")
]
WORKERS = str(max(2, min(4, (os.cpu_count() or 2) // 2)))

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["ui", "tests", "lint", "types", "docs"]

# What a machine says to pip holds for uv too: above all where a CPU build of torch lies.
for _pip_name, _uv_name, _separator in (
    ("PIP_FIND_LINKS", "UV_FIND_LINKS", ","),
    ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", " "),
    ("PIP_EXTRA_INDEX_URL", "UV_INDEX", " "),
    ("PIP_DEFAULT_TIMEOUT", "UV_HTTP_TIMEOUT", " "),
):
    if os.environ.get(_pip_name):
        os.environ.setdefault(_uv_name, _separator.join(os.environ[_pip_name].split()))
    elif os.environ.get(_uv_name):
        os.environ[_pip_name] = " ".join(os.environ[_uv_name].replace(_separator, " ").split())

# The tests start many processes that import torch and others; without bytecode on disk each would compile them anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# pyenv's shims answer for the versions that are switched on only: switch on what is installed, this one first.
_pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
if "PYENV_VERSION" not in os.environ and _pyenv.is_dir():
    _current = ".".join(map(str, sys.version_info[:3]))
    _installed = sorted((path.name for path in _pyenv.iterdir()), key=lambda name: (name != _current, name))
    os.environ["PYENV_VERSION"] = ":".join(_installed)


def groups(*names: str) -> list[str]:
    """The requirements of dependency groups, spelled out: old versions of pip cannot read groups themselves."""
    return list(nox.project.dependency_groups(PROJECT, *names))


def tested_version(name: str) -> str:
    """The pin of one package in the constraints."""
    pins = Path(CONSTRAINTS).read_text(encoding="utf-8").splitlines()
    return next(pin for pin in pins if pin.startswith(f"{name}=="))


def setup(session: nox.Session, *names: str, extras: str = "") -> None:
    """Install this tree (editable) and some dependency groups, at the tested versions."""
    project = f".[{extras}]" if extras else "."
    session.install("-c", CONSTRAINTS, "-e", project, *groups(*names))


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: a PPO agent on CartPole and a small supervised model, recorded; then the printed result."""
    setup(session, "demo")
    store = Path(os.environ.get("TREERING_DIR", ROOT / ".nox" / "demo-store"))
    env = {"TREERING_DIR": str(store), "KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": ""}
    session.run("python", "-m", "examples.demo", *session.posargs, env=env)
    session.run("treering", "runs", env=env)
    session.log("The store is %s; the command is %s", store, Path(session.bin, "treering"))


@nox.session
def tests(session: nox.Session) -> None:
    """The whole test suite, every framework included."""
    setup(session, "test")
    session.run("pytest", "-n", WORKERS, "--dist", "worksteal", *session.posargs)


@nox.session
def ui(session: nox.Session) -> None:
    """The dashboard: its rules, types and tests, then the build that the server shows; needs no Node of its own."""
    sys.path.insert(0, str(ROOT))
    import hatch_build

    if not hatch_build.has_node():
        session.install("-c", CONSTRAINTS, hatch_build.NODE_WHEEL)
    for task in ("check", "test"):
        session.run("python", "hatch_build.py", "npm", "run", task)
    session.run("python", "hatch_build.py")


@nox.session(python=OTHER_PYTHONS)
def python(session: nox.Session) -> None:
    """The core's tests, which need no framework, on the other supported versions of Python."""
    setup(session, "core-test", extras="arrow,buckets,pandas,polars")
    session.run("pytest", "-n", WORKERS, "--dist", "worksteal", *(session.posargs or CORE_TESTS))


@nox.session(venv_backend="uv")
def floors(session: nox.Session) -> None:
    """The core's tests with every dependency of the core at the lowest version that pyproject.toml takes."""
    session.install("--resolution", "lowest-direct", "-e", ".[arrow,buckets,pandas,polars]")
    session.install(*groups("core-test"))
    session.run("pytest", "-n", WORKERS, "--dist", "worksteal", *(session.posargs or CORE_TESTS))


# What the framework sessions test: the test files, and what the framework needs beside its extra.
FRAMEWORKS: dict[str, tuple[str, list[str]]] = {
    "accelerate": ("test_accelerate*.py", ["torch"]),
    "gymnasium": ("test_gymnasium.py", ["moviepy"]),
    "keras": ("test_keras*.py", ["torch", "tensorflow", "jax", "orbax-checkpoint"]),
    "lightning": ("test_lightning*.py", ["torch"]),
    "optuna": ("test_optuna.py", []),
    "ray": ("test_ray.py", ["torch"]),
    "rllib": ("test_rllib.py", ["torch"]),
    "sb3": ("test_sb3*.py", ["torch", "gymnasium", "moviepy", "tensorboard"]),
    "tensorflow": ("test_tensorflow*.py", ["keras", "torch", "tensorboard"]),
    "transformers": ("test_transformers*.py", ["torch"]),
}
MATRIX = [nox.param(name, age, id=f"{name}-{age}") for name in FRAMEWORKS for age in ("oldest", "latest")]


@nox.session
@nox.parametrize("name,age", MATRIX)
def framework(session: nox.Session, name: str, age: str) -> None:
    """One framework at the floor of its extra, or at its newest release: nox -s "framework(sb3-latest)"."""
    (requirement,) = PROJECT["project"]["optional-dependencies"][name]
    pin = requirement.replace(">=", "==") if age == "oldest" else requirement
    test_files, companions = FRAMEWORKS[name]
    # torch stays at its tested version: its newest may exist with gigabytes of CUDA only.
    companions = [tested_version(each) if each == "torch" else each for each in companions]
    session.install("-e", f".[{name}]", pin, *companions, "scikit-learn", *groups("core-test"))
    env = {"TREERING_NO_SKIP": "1", "KERAS_BACKEND": "tensorflow" if name == "tensorflow" else "torch"}
    files = sorted(str(path.relative_to(ROOT)) for path in Path(ROOT, "tests", "callbacks").glob(test_files))
    session.run("pytest", *files, *session.posargs, env=env)
    if name == "optuna":  # a sweep's samplers, of those that need nothing more
        words = ("tests/sweeps/test_sweep_methods.py", "-k", "tpe or nsga2 or random or impute")
        session.run("pytest", *words, env=env)


@nox.session
def ray(session: nox.Session) -> None:
    """Ray Tune, Train and RLlib, which want older releases of others than the rest of the tests."""
    session.install("-e", ".[ray,rllib]", tested_version("torch"), *groups("core-test"))
    files = [f"tests/callbacks/{FRAMEWORKS[name][0]}" for name in ("ray", "rllib")]
    files.append("tests/sweeps/test_sweep_ray.py")
    session.run("pytest", *files, *session.posargs, env={"TREERING_NO_SKIP": "1"})


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and layout of the code; `nox -s lint -- --fix` repairs what can be repaired."""
    session.install("-c", CONSTRAINTS, *groups("lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Two type checkers, both strict."""
    setup(session, "test", "types", "docs")
    session.install("-c", CONSTRAINTS, "nox")
    # Each uses one core, and neither waits for the other; pyright's words follow in one piece.
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(session.run, "pyright", silent=True)
        session.run("mypy")
        print(told.result())


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation into site/; a broken link or a missing docstring target fails. `-- serve` shows it live."""
    setup(session, "docs")
    session.env["NO_MKDOCS_2_WARNING"] = "1"
    if session.posargs[:1] == ["serve"]:
        session.run("mkdocs", *session.posargs)
    else:
        session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session(default=False)
def screens(session: nox.Session) -> None:
    """The pictures of the dashboard in docs/assets, taken anew; wants the dashboard built (`nox -s ui`)."""
    setup(session, "test")
    session.run("python", "docs/screens.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Timings beside other trackers in the same run, as a table."""
    setup(session, "bench", "demo")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """The test suite with line and branch coverage."""
    setup(session, "test")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Renew constraints.txt: `nox -s lock` keeps pins that still fit, `nox -s lock -- --upgrade` takes the newest."""
    session.install("uv")
    names = [argument for name in sorted(PROJECT["dependency-groups"]) for argument in ("--group", name)]
    # Ray's are left out: what they want would hold back the rest.
    extras = sorted(PROJECT["project"]["optional-dependencies"].keys() - {"all", "ray", "rllib"})
    names += [argument for name in extras for argument in ("--extra", name)]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, CONSTRAINTS)
        shutil.copyfile(CONSTRAINTS, target)
        command = ["uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.10"]
        quiet = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        session.run(*command, *names, *quiet, "--output-file", str(target), *session.posargs)
        lines = target.read_text(encoding="utf-8").splitlines()
    # A CPU build of torch takes no CUDA libraries, a CUDA build pins its own: neither needs a word from us. A local
    # version (2.13.0+cpu) satisfies the pin 2.13.0, while a pin on it would lock out everybody else.
    cuda = re.compile(r"nvidia-(cu|nc|nvj|nvs|nvt)|cuda-|triton")
    pins = [line.replace("+cpu", "") for line in lines if line and not line.startswith("#")]
    head = "# The versions that the tests ran with; `nox -s lock` writes this file."
    Path(CONSTRAINTS).write_text("\n".join([head, *(pin for pin in pins if not cuda.match(pin)), ""]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit("run this with nox: nox -l")
