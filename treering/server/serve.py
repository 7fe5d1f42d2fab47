"""Running the server until somebody stops it."""

from __future__ import annotations

import html
import os
import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from treering.errors import StoreError
from treering.server.options import check_bind

if TYPE_CHECKING:
    from collections.abc import Generator

    import uvicorn

    from treering.server.options import ServerOptions

__all__ = ["listen", "make_server", "open_browser", "start_page"]

_TRIES = 50
#: Columns that the server keeps decoded: a wall of 100 curves of 100,000 points, or one curve of 10,000,000, twice.
_DECODED_BYTES = 192 << 20
_REDIRECT = '<!doctype html><meta charset="utf-8"><title>treering</title><meta http-equiv="refresh" content="0;url={}">'


def listen(host: str, port: int | None, *, exposed: bool) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: address.
        port: 0 for any, None for the first free one from 8265 on.
        exposed: whether the user has said that other machines may connect.

    Raises:
        UsageError: the address is not this machine's own and nobody said so.
        StoreError: the address or the port cannot be had.
    """
    check_bind(host, exposed=exposed)
    ports = range(8265, 8265 + _TRIES) if port is None else [port]
    trouble: OSError | None = None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for one in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host.strip("[]"), one))
            listener.listen(128)
        except OSError as error:
            listener.close()
            trouble = error
        else:
            return listener
    raise StoreError(f"cannot listen on {host}:{ports[0]}: {trouble}; choose another one with --port")


def make_server(options: ServerOptions) -> uvicorn.Server:
    """Return the server; `run(sockets=[...])` serves until it is stopped."""
    import uvicorn

    from treering.server.app import create_app
    from treering.server.protocol import PatientProtocol
    from treering.store.read_columns import CACHE

    CACHE.limit_bytes = max(CACHE.limit_bytes, _DECODED_BYTES)
    config = uvicorn.Config(
        create_app(options),
        log_level="warning",
        access_log=False,  # its lines would hold the start address
        server_header=False,
        proxy_headers=False,  # X-Forwarded-* is whatever a client likes to write
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,  # event streams never end by themselves
    )
    return uvicorn.Server(config)


@contextmanager
def start_page(url: str) -> Generator[Path]:
    """Make a page that only this user may read and that leads to `url`.

    Given to a browser, an address stands in the process list, where every user of the machine reads it.
    """
    with tempfile.TemporaryDirectory(prefix="treering-ui-") as folder:
        page = Path(folder) / "open.html"
        with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(_REDIRECT.format(html.escape(url)))
        yield page


def open_browser(page: Path) -> None:
    """Show a page in the user's browser, if there is one, without waiting for it."""
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()
