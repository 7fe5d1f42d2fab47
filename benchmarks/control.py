"""The line between a measured process and the benchmark that started it; imports as little as can be."""

from __future__ import annotations

import os

__all__ = ["Control"]


class Control:
    """The child's end of the line to the parent."""

    def __init__(self, receive_fd: int, send_fd: int) -> None:
        self._receive_fd, self._send_fd = receive_fd, send_fd

    def mark(self, name: str) -> None:
        """Tell the parent that this point is reached, and wait until it lets us go on."""
        os.write(self._send_fd, f"{name}\n".encode())
        if os.read(self._receive_fd, 1) != b"g":
            raise SystemExit("the benchmark that started this process has gone away")
