"""What the tests of the store share: an empty one of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from store_builder import StoreBuilder


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def builder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreBuilder]:
    """A new store that a module writes as it needs it, once on either database."""
    if request.param == "sqlite":
        store = StoreBuilder(tmp_path_factory.mktemp("store"))
    else:
        server = request.getfixturevalue("postgres_server")
        store = StoreBuilder(server.url(server.create_database()))
    yield store
    store.database.close()
