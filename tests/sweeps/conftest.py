"""What tests of sweeps share."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from programs import BARE

# Ray has a session of its own, `nox -s ray`: it wants older releases of others.
collect_ignore = [] if importlib.util.find_spec("ray") else ["test_sweep_ray.py"]


@pytest.fixture
def bare(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose runs record nothing but what they are given."""
    for name, value in BARE.items():
        monkeypatch.setenv(name, value)
    return store_dir
