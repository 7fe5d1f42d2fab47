"""What every test gets: an environment of its own, skips that must be asked for, stores and real databases."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, MutableMapping

    from postgres_server import Server

hypothesis.settings.register_profile("treering", deadline=None, print_blob=True)
hypothesis.settings.load_profile("treering")

# Set before any test module is collected, for some frameworks read these while they are imported. Programs that the
# tests start inherit them.
QUIET = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",  # the models are tiny and the workers of pytest share few cores
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.com",
    "GIT_COMMITTER_NAME": "A Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.com",
}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Take the developer's home, settings and GPUs out of sight, for this process and all that it starts."""
    real_home = Path.home()
    os.environ.setdefault("UV_CACHE_DIR", str(real_home / ".cache" / "uv"))
    os.environ.setdefault("PIP_CACHE_DIR", str(real_home / ".cache" / "pip"))
    os.environ.setdefault("PYENV_ROOT", str(real_home / ".pyenv"))
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.update(QUIET)
    folder = tempfile.TemporaryDirectory(prefix="treering-home-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    use_home(Path(folder.name), os.environ)


def use_home(home: Path, environ: MutableMapping[str, str]) -> None:
    """Point every variable that leads to a user's files at `home`."""
    environ["HOME"] = str(home)
    environ["USERPROFILE"] = str(home)
    environ["XDG_DATA_HOME"] = str(home / ".local" / "share")
    environ["XDG_CONFIG_HOME"] = str(home / ".config")
    environ["XDG_CACHE_HOME"] = str(home / ".cache")
    environ["XDG_STATE_HOME"] = str(home / ".local" / "state")
    for name in [name for name in environ if name.startswith("TREERING_") and name != "TREERING_NO_SKIP"]:
        del environ[name]


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where TREERING_NO_SKIP says that everything is installed."""
    if report.skipped and os.environ.get("TREERING_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped while TREERING_NO_SKIP is set: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skips inside tests and fixtures."""
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skips of whole modules, such as `importorskip` on top."""
    report = yield
    refuse_skip(report)
    return report


@pytest.fixture(autouse=True)
def isolation(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home folder of its own, no TREERING_* variable, and no active run left to the next test."""
    home = tmp_path_factory.mktemp("home", numbered=True)
    for name, value in {
        "HOME": home,
        "USERPROFILE": home,
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_CONFIG_HOME": home / ".config",
    }.items():
        monkeypatch.setenv(name, str(value))
    for name in list(os.environ):
        if name.startswith("TREERING_") and name != "TREERING_NO_SKIP":
            monkeypatch.delenv(name)
    yield
    treering = sys.modules.get("treering")
    if treering is not None and getattr(treering, "run", None) is not None:
        treering.finish()


@pytest.fixture
def store_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this test's store, not created yet; TREERING_DIR names it, for programs started here too."""
    folder = tmp_path / "store"
    monkeypatch.setenv("TREERING_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL, alone on a Unix socket in a folder of its own; one for each worker of pytest."""
    from postgres_server import start

    with start() as server:
        yield server


@pytest.fixture
def new_postgres_url(postgres_server: Server) -> Iterator[Callable[[], str]]:
    """Call it for the URL (for SQLAlchemy, psycopg 3) of one more empty database; all are dropped after the test."""
    names: list[str] = []

    def new() -> str:
        names.append(postgres_server.create_database())
        return postgres_server.url(names[-1])

    yield new
    for name in names:
        postgres_server.drop_database(name)


@pytest.fixture
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    """The URL of an empty PostgreSQL database that only this test uses."""
    return new_postgres_url()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs PostgreSQL, so that `-m "not postgres"` leaves it out."""
    for item in items:
        if any(re.search("postgres", name) for name in getattr(item, "fixturenames", ())):
            item.add_marker("postgres")
