"""Where the store lies, and whether that place can carry a database shared between processes.

Nothing here writes: a folder is named, not made.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treering.settings import Settings

__all__ = [
    "STORE_FOLDER",
    "expand_home",
    "find_store",
    "is_network_file_system",
    "user_config_folder",
    "user_data_folder",
]

#: A folder of this name makes its parent, and all below it, use it as their store.
STORE_FOLDER = ".treering"

# Their locks or their shared memory do not reach from one machine to the other, which SQLite's WAL needs.
_NETWORK_TYPES = frozenset(
    (
        *("9p", "virtiofs", "vboxsf", "vmhgfs"),  # a folder of the host, seen from a virtual machine
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "coda", "ncpfs", "davfs", "sshfs"),
        *("lustre", "gpfs", "mmfs", "beegfs", "beegfs_nodev", "ceph", "glusterfs", "panfs", "wekafs", "juicefs"),
        *("orangefs", "pvfs", "pvfs2", "quobyte", "dvs", "gfs", "gfs2", "ocfs2", "acfs", "snfs"),
    )
)
# FUSE carries anything; these are known to lie on a disk of this machine.
_LOCAL_FUSE = frozenset(
    (
        *("bindfs", "cryfs", "encfs", "exfat", "fuse-overlayfs", "gocryptfs", "lxcfs", "mergerfs", "ntfs", "ntfs-3g"),
        *("overlayfs", "squashfuse", "unionfs", "unionfs-fuse", "zfs"),
    )
)
_MOUNT_POINT = 4  # the fifth field of a line of mountinfo


def find_store(settings: Settings, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """Name the folder of the store: `settings.dir` > nearest folder upward with `.treering/` > the user's data folder.

    A `dir` that has a `.treering/` in it, and is no store itself, means that one: `dir="."` in a project does what it
    seems to. Nothing is made or written.

    Args:
        settings: as `resolve` returns them.
        cwd: where to look from; the working folder unless given.
        environ: the environment; the process's own unless given.

    Returns:
        An absolute path; the folder may not exist yet.

    Raises:
        UsageError: a file lies where the folder should be, or there is no home folder to fall back on.
    """
    cwd = Path.cwd() if cwd is None else cwd
    environ = os.environ if environ is None else environ
    if settings.dir is not None:
        folder = cwd / expand_home(settings.dir, environ)
        inner = folder / STORE_FOLDER
        if inner.is_dir() and not (folder / "treering.db").exists():
            return inner
        return _checked(folder, settings.sources.get("dir", "dir="))
    for parent in (cwd, *cwd.parents):
        path = os.path.join(parent, STORE_FOLDER)  # twice as fast as Path, and this is in every start
        if os.path.lexists(path):
            return _checked(Path(path), "the nearest .treering")
    return _checked(user_data_folder(environ), "the user's data folder")


def _checked(folder: Path, source: str) -> Path:
    for path in (folder, *folder.parents):
        if path.is_dir():
            return folder
        if os.path.lexists(path):
            kind = "a file" if path.is_file() else "a broken link" if path.is_symlink() else "no folder"
            raise UsageError(
                f"{source} says that the store is {folder}, but {path} is {kind}. Move it away, or name another folder "
                "with dir= or TREERING_DIR."
            )
    return folder


def expand_home(path: Path, environ: Mapping[str, str]) -> Path:
    """Replace a leading `~` or `~name` by that home folder.

    Raises:
        UsageError: there is no such home folder.
    """
    if not path.parts or not path.parts[0].startswith("~"):
        return path
    home = environ.get("HOME") if path.parts[0] == "~" else None
    if home:
        return Path(home, *path.parts[1:])
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{path} begins with {path.parts[0]!r}, and this user has no home folder. Name the store's folder with "
            "dir= or TREERING_DIR."
        ) from error


def user_data_folder(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the folder for data of ours that the platform's customs name, whether or not it exists."""
    # platformdirs knows the same, but takes longer to import than the whole start of a run may.
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return Path(local or expand_home(Path("~/AppData/Local"), environ)) / "treering"
    if platform == "darwin":
        return expand_home(Path("~/Library/Application Support/treering"), environ)
    named = environ.get("XDG_DATA_HOME", "")
    # The XDG specification says to ignore relative ones.
    base = Path(named) if os.path.isabs(named) else expand_home(Path("~/.local/share"), environ)
    return base / "treering"


def user_config_folder(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the folder for settings of ours that the platform's customs name, whether or not it exists."""
    if platform == "win32":
        roaming = environ.get("APPDATA")
        return Path(roaming or expand_home(Path("~/AppData/Roaming"), environ)) / "treering"
    if platform == "darwin":
        return expand_home(Path("~/Library/Application Support/treering"), environ)
    named = environ.get("XDG_CONFIG_HOME", "")
    base = Path(named) if os.path.isabs(named) else expand_home(Path("~/.config"), environ)
    return base / "treering"


def is_network_file_system(path: str | os.PathLike[str], mountinfo: str = "/proc/self/mountinfo") -> bool:
    """Say whether `path` lies, or would lie, on a file system that other machines share.

    Args:
        path: need not exist.
        mountinfo: the kernel's list of mounts, as proc(5) describes it.

    Returns:
        True for network file systems and for FUSE ones not known to be local; False for all others, and where the
        list cannot be read (other systems than Linux).
    """
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()
    except OSError:
        return False
    target = os.path.realpath(path)
    best_length, best_type = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = _unescaped(before.split(" ")[_MOUNT_POINT]) if before.count(" ") >= _MOUNT_POINT else ""
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        # Of two mounts on one point the later hides the earlier.
        if point and inside and len(point) >= best_length:
            best_length, best_type = len(point), after.split(" ", 1)[0]
    return _is_network_type(best_type.lower())


def _is_network_type(name: str) -> bool:
    family, _, program = name.partition(".")
    if family in {"fuse", "fuseblk"}:
        return bool(program or family == "fuse") and program not in _LOCAL_FUSE
    return family in _NETWORK_TYPES


def _unescaped(text: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    if "\\" not in text:
        return text
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
