"""The server of this kernel, and the frame that shows it below a cell."""

from __future__ import annotations

import atexit
import json
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from treering.errors import StoreError
from treering.notebook.serving import Order
from treering.reports.drawing import escape
from treering.server.tokens import Tokens, new_token

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FRAMES", "KernelServer", "frame", "running_url", "start", "stop"]

#: Pages that may show it: notebooks of this machine, whatever port they have. Other sites get no cookie anyway.
FRAMES = ("http://localhost:*", "http://127.0.0.1:*")
_START_S = 60.0
_STOP_S = 10.0


@dataclass
class KernelServer:
    """A server that runs beside this kernel and ends with it.

    Attributes:
        place: of the store that it shows.
        port: that it listens on, on this machine.
    """

    place: str
    port: int
    token: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    @property
    def url(self) -> str:
        """Where a browser of this machine finds it."""
        return f"http://127.0.0.1:{self.port}"

    def ticket(self) -> str:
        """Return what lets a browser in for some minutes: a saved notebook holds nothing that opens the store."""
        return Tokens(self.token).ticket()

    def stop(self) -> None:
        """End it."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


_lock = threading.Lock()
_servers: dict[str, KernelServer] = {}


def start(place: str | Path, port: int | None = None) -> KernelServer:
    """Return the server of a store: the one that this kernel has, or a new one.

    Args:
        place: folder of the store, or its "postgresql://" address.
        port: to listen on; None for the first free one.

    Raises:
        StoreError: it does not start.
    """
    with _lock:
        known = _servers.get(str(place))
        if known is not None and known.alive and port in {None, known.port}:
            return known
        if known is not None:
            known.stop()
        if not _servers:
            atexit.register(stop)
        found = _servers[str(place)] = _start(str(place), port)
        return found


def _start(place: str, port: int | None) -> KernelServer:
    token = new_token()
    process = subprocess.Popen(
        [sys.executable, "-m", "treering.notebook.serving"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    if process.stdin is None or process.stdout is None:  # for type checkers: both are pipes
        raise StoreError("the server has no pipes")
    process.stdin.write(msgspec.json.encode(Order(place, token, port, FRAMES)) + b"\n")
    process.stdin.flush()
    timer = threading.Timer(_START_S, process.kill)
    timer.start()
    try:
        said = process.stdout.readline().strip()
    finally:
        timer.cancel()
    if not said.isdigit():
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        raise StoreError(
            "the server did not start; what it says stands in the log of the notebook's server. `treering ui` in a "
            "terminal shows the same dashboard"
        )
    return KernelServer(place, int(said), token, process)


def stop() -> bool:
    """End the servers of this kernel, and tell whether there were any."""
    with _lock:
        found = list(_servers.values())
        _servers.clear()
    for server in found:
        server.stop()
    return bool(found)


def running_url() -> str | None:
    """Return where the newest server of this kernel is; None while there is none."""
    alive = [server for server in _servers.values() if server.alive]
    return alive[-1].url if alive else None


_FRAME = """<div id="{id}">
<p>The dashboard is at <a href="{link}" target="_blank" rel="noopener">{url}</a>, on the machine of the kernel. If
nothing appears below, open it in a window of its own.</p></div>
<script>(() => {{
  const place = document.getElementById({id_json});
  const {{hostname, protocol}} = location;
  // A browser keeps the cookie back in a frame of another site, so the name has to be the page's own.
  if (!place || protocol !== "http:" || !["localhost", "127.0.0.1"].includes(hostname)) return;
  const frame = document.createElement("iframe");
  frame.src = `http://${{hostname}}:{port}{path}`;
  frame.title = "treering";
  frame.style.cssText = "width:100%;height:{height}px;border:1px solid rgba(127,127,127,.35);border-radius:6px";
  place.replaceChildren(frame);
}})();</script>"""


def frame(server: KernelServer, path: str = "/", height: int = 720) -> str:
    """Return HTML that shows the dashboard.

    Where the notebook's page is one of this machine, as http://localhost:8888 is, a frame appears. Elsewhere (a hub, an
    editor's own window) the address stays, with which a browser of the kernel's machine opens it.

    Args:
        server: to show.
        path: of the page, such as "/digits".
        height: in pixels.
    """
    from urllib.parse import urlencode

    name = f"treering-{secrets.token_hex(6)}"
    login = f"/login?{urlencode({'token': server.ticket(), 'to': path})}"
    return _FRAME.format(
        id=name,
        id_json=json.dumps(name),
        url=escape(server.url),
        link=escape(server.url + login),
        port=server.port,
        path=login,  # of letters that a query has: none that ends a text or an element
        height=int(height),
    )
