"""Handing files to the keeper, which see."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from treering.artifacts import keeper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["keep", "let_go", "stop", "stop_when_idle"]

_MAX_FILES = 32
_lock = threading.Lock()
_keeper: tuple[subprocess.Popen[bytes], socket.socket] | None = None
#: Of the groups that are kept.
_keys: set[str] = set()


def keep(key: str, files: Sequence[tuple[Path, Path]]) -> list[bool]:
    """Have files kept as they are until `let_go`.

    Args:
        key: of this group.
        files: (file, where it is copied to if somebody writes to it meanwhile).

    Returns:
        For each file whether it is kept; False where the system cannot, or somebody has it open for writing.
    """
    if sys.platform != "linux" or not files:
        return [False] * len(files)
    descriptors = [_lease(path) for path, _ in files[:_MAX_FILES]]
    leased = [number for number, descriptor in enumerate(descriptors) if descriptor is not None]
    try:
        if leased:
            targets = [str(files[number][1]) for number in leased]
            found = [descriptor for descriptor in descriptors if descriptor is not None]
            if _send("\0".join(["K", key, *targets]), found):
                _keys.add(key)
            else:
                leased = []
    finally:
        for descriptor in descriptors:
            if descriptor is not None:
                os.close(descriptor)
    return [number in leased for number in range(len(files))]


def let_go(key: str) -> None:
    """Say that files need not be kept any longer."""
    _keys.discard(key)
    if _keeper is not None:
        _send(f"D\0{key}", [], start=False)


def _lease(path: Path) -> int | None:
    import fcntl

    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        # What the kernel would send by default ends a process that does not expect it; this one is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except (OSError, AttributeError):
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def _send(message: str, descriptors: list[int], *, start: bool = True) -> bool:
    """Send a message to the keeper, started where it is not running; False where it cannot be."""
    data = message.encode("utf-8", "surrogateescape")
    with _lock:
        for _ in range(2):
            try:
                connection = _connection() if start else _keeper[1] if _keeper is not None else None
                if connection is None:
                    return False
                socket.send_fds(connection, [data], descriptors)
            except OSError:
                _forget()
                continue
            return True
    return False


def _connection() -> socket.socket | None:
    global _keeper  # one for the process
    if _keeper is not None and _keeper[0].poll() is None:
        return _keeper[1]
    _forget()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    _keeper = process, ours
    return ours


def _forget() -> None:
    global _keeper  # the same
    if _keeper is not None:
        with contextlib.suppress(OSError):
            _keeper[1].close()
        process = _keeper[0]
        # It ends by itself, and is nobody's zombie until then.
        threading.Thread(target=process.wait, daemon=True).start() if process.poll() is None else None
        _keeper = None


def stop() -> None:
    """Let the keeper end, and wait for it: nothing is left behind when the last save is over."""
    with _lock:
        global _keeper  # the same
        if _keeper is not None:
            process, connection = _keeper
            _keeper = None
            connection.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5.0)


def stop_when_idle() -> None:
    """Let the keeper end unless somebody still has files kept."""
    if not _keys:
        stop()


def _forget_in_child() -> None:
    global _keeper, _lock  # the parent's
    _keys.clear()
    if _keeper is not None:
        with contextlib.suppress(OSError):
            _keeper[1].close()
        _keeper[0].returncode = 0  # not ours to wait for
        _keeper = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
