"""The index in PostgreSQL: the same saves, uses, collections and checks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from treering.artifacts import Artifact
from treering.artifacts.changing import delete_version, record_use, set_aliases, set_tags
from treering.artifacts.checking import verify_store
from treering.artifacts.collecting import collect, plan
from treering.artifacts.committing import Request
from treering.artifacts.depot import Depot
from treering.artifacts.home import Home
from treering.artifacts.lookup import find, used_by
from treering.artifacts.saving import add_pending, pending_of, pin, save_now, save_pending
from treering.errors import NotFound
from treering.store.database import Postgres


def test_the_same_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    database = Postgres(postgres_url, create=True)
    depot = Depot(database, tmp_path)
    file = tmp_path / "file"
    for number in range(2):
        file.write_bytes(random.Random(number).randbytes(500_000))
        request = Request(id=f"v{number}", name="m", project="p", tags=["t"], aliases=["best"])
        assert save_now(database, tmp_path, request, {"file": file}).version == number
    found = Artifact.of(Home(tmp_path, database), find(database, "p/m:best"))
    assert found.read() == file.read_bytes()
    with pytest.raises(NotFound, match="it has v0 to v1 and best, latest"):
        find(database, "m:nothing")
    record_use(database, "v1", "r", "m:best", 1)
    assert used_by(database, "v1") == ["r"]
    set_aliases(database, find(database, "m:v0"), add=["old"])
    set_tags(database, find(database, "m:v0"), ["a", "b"])
    assert (find(database, "m:old").tags, find(database, "m:old").aliases) == (("a", "b"), ("old",))
    request = Request(id="later", name="n", project="p", run_id="r", created_us=1)
    pin(tmp_path, request, {"file": file})
    add_pending(database, request)
    (again,) = pending_of(database, "r")
    filed = save_pending(database, tmp_path, again)
    assert filed is not None
    assert save_pending(database, tmp_path, again) is None
    delete_version(database, find(database, "m:v0"), with_aliases=True)
    assert plan(depot, grace_s=0.0).dead_chunks == 3
    assert collect(depot, grace_s=0.0).dead_chunks == 3
    assert verify_store(depot).damage == []
    assert found.read() == file.read_bytes()
    database.close()
