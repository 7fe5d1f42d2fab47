"""A small program that keeps files as they are while they are saved; started as a script, it imports next to nothing.

A lease on a file makes the kernel hold back whoever opens it for writing or cuts it off. The kernel gives us a while to
let go; we use it to copy the file, so that the writer waits for one copy at most, and only if it writes over that very
file while it is being saved. It is a process of its own because the one that trains may sit in `open` with Python's
lock held, in which case nothing else would run there. When the training dies, the files it had handed over are copied.

It reads messages from the socket that is its standard input:

    K [id, target, target, ...]   with one leased descriptor for each target: keep them
    D [id]                        they are stored, let go
"""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

# The kernel's signal wakes us when somebody waits; should one be lost, we look nevertheless.
_POLL_S = 1.0
# Whoever has started it closes the socket when there is nothing to save any more; the next checkpoint of a training
# must not wait for another one to start.
_IDLE_S = 6 * 3600.0
_MESSAGE_BYTES = 1 << 16
_DESCRIPTORS = 64
_COPY_BYTES = 64 << 20


class _Kept:
    """One file that is kept as it is."""

    def __init__(self, descriptor: int, target: str) -> None:
        import fcntl

        self.descriptor = descriptor
        self.target = target
        self._before = os.fstat(descriptor)
        # What the kernel sends when somebody waits comes to us instead of to whoever took the lease.
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())

    def is_wanted(self) -> bool:
        """Tell whether somebody waits to write to it."""
        import fcntl

        return fcntl.fcntl(self.descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK

    def copy(self) -> None:
        """Copy it to its target, where it appears whole or, if that did not work, as an empty file "...torn"."""
        part = f"{self.target}.part"
        try:
            self._copy(part)
            now = os.fstat(self.descriptor)
            if (now.st_size, now.st_mtime_ns) != (self._before.st_size, self._before.st_mtime_ns):
                raise OSError("it was changed in spite of the lease")
            os.rename(part, self.target)
        except OSError:
            try:
                os.close(os.open(f"{self.target}.torn", os.O_WRONLY | os.O_CREAT, 0o600))
                os.unlink(part)
            except OSError:
                pass  # whoever reads it compares size and time again

    def _copy(self, part: str) -> None:
        target = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            left, at = self._before.st_size, 0
            while left:
                try:
                    done = os.copy_file_range(self.descriptor, target, min(left, _COPY_BYTES), at, at)
                except OSError:  # across file systems of some kinds
                    done = os.pwrite(target, os.pread(self.descriptor, min(left, 1 << 20), at), at)
                if not done:
                    raise OSError("it is shorter than it was")
                left, at = left - done, at + done
        finally:
            os.close(target)

    def close(self) -> None:
        """Let go."""
        os.close(self.descriptor)


class _Keeper:
    """What is kept, in groups."""

    def __init__(self) -> None:
        self.groups: dict[str, list[_Kept]] = {}

    def obey(self, message: bytes, descriptors: list[int]) -> None:
        """Do what a message says."""
        verb, key, *targets = message.decode("utf-8", "surrogateescape").split("\0")
        if verb == "K":
            self.groups[key] = [_Kept(one, target) for one, target in zip(descriptors, targets)]  # noqa: B905  # alike
            return
        for one in self.groups.pop(key, []):
            one.close()

    def give_way(self) -> None:
        """Copy what somebody waits to write to, and let go of it."""
        for key, files in self.groups.items():
            wanted = [one for one in files if one.is_wanted()]
            for one in wanted:
                one.copy()
                one.close()
            self.groups[key] = [one for one in files if one not in wanted]

    def rescue(self) -> None:
        """Copy all that is kept: whoever handed it over has died."""
        for files in self.groups.values():
            for one in files:
                one.copy()


def main() -> None:
    """Serve until the other end of standard input is closed, or nobody has asked for anything for a while."""
    import select
    import signal
    import socket

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training; it tells us when it is over
    woken, waker = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGURG, lambda _signal, _frame: None)
    connection = socket.socket(fileno=0)
    ours = connection.fileno()
    keeper = _Keeper()
    while True:
        ready, _, _ = select.select([ours, woken], [], [], _POLL_S if keeper.groups else _IDLE_S)
        if woken in ready:
            os.read(woken, 4096)
        if ours in ready:
            message, descriptors, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, _DESCRIPTORS)
            if not message:
                break
            keeper.obey(message, descriptors)
        elif not ready and not keeper.groups:
            return
        keeper.give_way()
    keeper.rescue()


if __name__ == "__main__":
    sys.path[:] = [
        path for path in sys.path if not path.endswith("artifacts")
    ]  # its neighbours are no top-level modules
    main()
