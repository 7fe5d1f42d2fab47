"""What the core's tests share: a store of their own, in which nothing but what is logged is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from programs import BARE

import treering
from treering.api import ApiRun


@pytest.fixture
def store(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this test's store; runs opened here record only what they are given."""
    for name, value in BARE.items():
        monkeypatch.setenv(name, value)
    return store_dir


@pytest.fixture
def read(store: Path) -> Callable[[str], ApiRun]:
    """Reads a run of this test's store back as anybody would."""
    return lambda run_id: treering.Api(store).run(run_id)
