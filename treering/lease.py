"""Who writes a run: a lock that the kernel takes back when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import weakref
from pathlib import Path

import msgspec

if sys.platform != "win32":
    import fcntl

__all__ = ["Lease", "holder_of"]

# Where locks of other machines cannot be seen, a holder that has not shown itself for this long is gone.
_SILENCE_S = 300.0

_held: weakref.WeakSet[Lease] = weakref.WeakSet()


class Lease:
    """An exclusive lock on a file, held until `release` or the end of the process.

    The lock belongs to this open file: a second `Lease` on it fails in this process as in any other. Children made
    by `os.fork` close their copy at once, so they cannot keep it alive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, *, recovers: bool = False) -> bool:
        """Take the lock; False when someone else holds it.

        Args:
            recovers: say that it is held for a moment only, by someone who looks after a dead run.

        Raises:
            OSError: the file cannot be made or locked at all.
        """
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            if not _lock(descriptor):
                os.close(descriptor)
                return False
            # Whoever held it before may have deleted the file on leaving; a lock on that helps nobody.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                    break
            os.close(descriptor)
        self._descriptor = descriptor
        _held.add(self)
        self._sign(descriptor, recovers=recovers)
        return True

    def _sign(self, descriptor: int, *, recovers: bool) -> None:
        holder = {"pid": os.getpid(), "host": host_name(), "boot": boot_id()}
        signature = msgspec.json.encode({**holder, "recovers": True} if recovers else holder)
        with contextlib.suppress(OSError):  # a full disk; the lock itself holds
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, signature)

    def touch(self) -> None:
        """Show that the holder lives, for machines that cannot see the lock; made anew if somebody deleted it."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            try:
                os.utime(self.path)
            except FileNotFoundError:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.forget()
                self.acquire()

    def release(self, *, unlink: bool = False) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is None:
            return
        if unlink:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.forget()

    def forget(self) -> None:
        """Close this process's copy of the file; the lock stays with a parent that has it too."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _held.discard(self)


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder_of(path: Path) -> dict[str, object]:
    """Return what the last holder of a lease wrote into it: pid, host, boot; empty when unreadable."""
    try:
        signature: dict[str, object] = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return signature


def seems_alive_elsewhere(path: Path) -> bool:
    """Tell whether a lease of another machine, whose lock may be invisible here, was touched lately."""
    holder = holder_of(path)
    if not holder or holder.get("host") == host_name():
        return False
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime < _SILENCE_S
    return False


def host_name() -> str:
    """Return the machine's name."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # slow to load

    return socket.gethostname()


def boot_id() -> str:
    """Return what changes with each start of the machine; "" where the system does not tell."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _forget_in_child() -> None:
    for lease in list(_held):
        lease.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
