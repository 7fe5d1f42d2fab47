"""A depot: one database's packs, wherever they lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from treering.artifacts.backends import Folder, open_backend
from treering.artifacts.packs import pack_key
from treering.errors import StoreError

if TYPE_CHECKING:
    from treering.artifacts.backends import Backend
    from treering.store.database import Database

__all__ = ["URL_KEY", "Depot"]

#: Key of `store_info` that holds the address of an object store; without it packs lie in the store's folder.
URL_KEY = "artifact_store"


class Depot:
    """Where the chunks of one database lie.

    Args:
        database: whose index it is; may be read-only for reading.
        folder: of the store; None for a PostgreSQL store without one, whose packs must be in an object store.

    Raises:
        StoreError: there is neither folder nor address.
    """

    def __init__(self, database: Database, folder: Path | None) -> None:
        self.database = database
        self.folder = folder
        path: Path | None = getattr(database, "path", None)
        # A bundle's index is its own; a collection in the store it lies beside must not take its packs for strangers.
        self.prefix = f"packs-{path.stem}" if path is not None and path.parent.name == "bundles" else "packs"
        self.backend = self._open()

    def _open(self) -> Backend:
        rows = self.database.query("SELECT value FROM store_info WHERE key = :key", {"key": URL_KEY})
        if rows:
            # A store without a folder is read from anywhere; only what is written needs a place on its way.
            return open_backend(self.folder / "blobs" if self.folder is not None else Path(), rows[0][0])
        return Folder(self.scratch)

    @property
    def scratch(self) -> Path:
        """Folder for what is on its way; on the file system of the packs where they lie in a folder."""
        if self.folder is None:
            raise StoreError(
                "this store has no folder, so the bytes of its artifacts cannot be reached; name it as dir"
            )
        return self.folder / "blobs"

    def key(self, pack: str) -> str:
        """Return the key of a pack's object."""
        return pack_key(self.prefix, pack)
