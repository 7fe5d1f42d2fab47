"""Ports of this machine for servers of tests."""

from __future__ import annotations

import contextlib
import random
import socket

__all__ = ["free_port", "free_ports"]

# Below those that the system gives to connections by itself: one of them would be free while its server is away, and
# any connection of this machine might be given it meanwhile.
_FIRST, _BEHIND = 12_000, 32_000


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, each another."""
    found: set[int] = set()
    while len(found) < count:
        port = random.SystemRandom().randrange(_FIRST, _BEHIND)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def free_port() -> int:
    """Return a port that nobody listens on."""
    return free_ports(1)[0]
