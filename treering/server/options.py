"""What a server is told when it starts, and the addresses that it may not be started on."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treering.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LOOPBACK_NAMES", "ServerOptions", "check_bind", "is_loopback"]

#: What a browser on this machine may call it; `Host` headers are compared with these in lower case.
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_PREFIX = re.compile(r"(/[A-Za-z0-9_.~-]+)*")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:(?<=:)\*)?")  # a star is any port
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]")


@dataclass(frozen=True)
class ServerOptions:
    """How one server serves one store.

    Attributes:
        place: folder of a store, file of a bundle, "postgresql://" address, or None for what the settings say.
        token: whoever shows it may read. There is no server without one.
        hosts: further names by which browsers may call it, in lower case, without a port.
        root_path: prefix under which a proxy shows it, such as "/tracking"; "" for none.
        frame_origins: pages that may show it in a frame, such as "https://portal.example".
        max_body_bytes: of one request.
        max_streams: event streams open at once.
        alerts: file of who is told what; None for `alerts.toml` in the store's folder.
    """

    place: str | Path | None
    token: str
    hosts: frozenset[str] = frozenset()
    root_path: str = ""
    frame_origins: tuple[str, ...] = ()
    max_body_bytes: int = 1 << 20
    max_streams: int = 64
    alerts: Path | None = None

    def __post_init__(self) -> None:
        if len(self.token) < 32:  # noqa: PLR2004  # 128 bit and more in any usual alphabet
            raise UsageError("the server's token is too short to protect anything; give 32 random letters or more")
        if not _PREFIX.fullmatch(self.root_path) or ".." in self.root_path:
            raise UsageError(f"root path {self.root_path!r} cannot be taken; write it as '/tracking', without an end")
        for name in self.hosts:
            if not _HOST.fullmatch(name):
                raise UsageError(f"host {name!r} cannot be taken; give a name without scheme and port, in lower case")
        for origin in self.frame_origins:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(f"origin {origin!r} cannot be taken; write it as 'https://portal.example'")


def is_loopback(host: str) -> bool:
    """Tell whether an address that is listened on is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(host: str, *, exposed: bool) -> None:
    """Refuse to listen where other machines reach us, unless that was asked for in so many words.

    Args:
        host: address to listen on.
        exposed: whether the user has said that others may connect.

    Raises:
        UsageError: it is no loopback address and nobody said so.
    """
    if not is_loopback(host) and not exposed:
        raise UsageError(
            f"--host {host} would let other machines reach this store, over a connection that is not encrypted; "
            "add --expose if that is meant, or leave --host out and use `ssh -L` to look from elsewhere"
        )
