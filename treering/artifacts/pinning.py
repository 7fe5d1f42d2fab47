"""Securing files at the moment of the call, so that their source may be changed or deleted as soon as it returns.

Small files are copied, one after another into one file. A larger one shares its blocks where the file system can, is
linked where whoever writes it promises to make new files, else linked under a lease that a keeper holds, else copied.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from treering.artifacts.cutting import MIN_CHUNK as _SMALL
from treering.artifacts.manifest import Entry
from treering.artifacts.names import check_path, check_together
from treering.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "BUNDLE",
    "PLAN",
    "Pin",
    "PinGone",
    "files_below",
    "is_intact",
    "open_pin",
    "pin_all",
    "read_plan",
    "readable",
]

PLAN = "plan"
BUNDLE = "bundle"
_COPIED = 4 << 20
_FICLONE = 0x40049409  # Linux's ioctl that shares a file's blocks with another
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})


class Pin(msgspec.Struct, array_like=True, gc=False):
    """How one file is secured.

    Attributes:
        path: inside the version.
        size: bytes.
        name: of the file among the pins; "" for one in the bundle.
        offset: in the bundle.
        mtime_ns: of one that is watched, that is, linked without anybody's promise; else 0.
        entry: of a file that need not be stored: one of the base version's, or a reference.
    """

    path: str
    size: int
    name: str = ""
    offset: int = 0
    mtime_ns: int = 0
    entry: Entry | None = None


class PinGone(StoreError):  # noqa: N818  # says what happened
    """A pinned file no longer holds what it held."""


def files_below(folder: Path, links: str = "refuse") -> list[tuple[str, Path]]:
    """Return (path inside the version, file) of all files below a folder, in order.

    Args:
        folder: where to look; links to folders are not followed, links to nothing are left out.
        links: what becomes of links to files outside: "refuse", "follow" or "skip".

    Raises:
        UsageError: a link that leads out, or a name that cannot be kept.
    """
    root = os.path.realpath(folder)
    found: list[tuple[str, Path]] = []
    waiting = [("", str(folder), 0)]
    while waiting:
        prefix, place, depth = waiting.pop()
        if depth > 200:  # noqa: PLR2004  # beyond what a path may be; the check of the path says it
            check_path(f"{prefix}x")
        with os.scandir(place) as entries:
            for entry in entries:
                path = prefix + readable(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((f"{path}/", entry.path, depth + 1))
                elif entry.is_symlink():
                    if entry.is_file() and _take_link(entry.path, root, links):
                        found.append((path, Path(entry.path)))
                elif entry.is_file():
                    found.append((path, Path(entry.path)))
    return sorted(found)


def _take_link(place: str, root: str, links: str) -> bool:
    real = os.path.realpath(place)
    if links == "follow" or real.startswith(root + os.sep):
        return True
    if links == "skip":
        return False
    raise UsageError(
        f"{place} is a link to {real}, outside of {root}; copy the file, or say links='follow' to keep what it leads "
        "to, or links='skip' to leave it out"
    )


def readable(name: str) -> str:
    """Return a name with bytes that are no UTF-8 as %FF."""
    if name.isascii():
        return name
    return "".join(f"%{ord(letter) - 0xDC00:02X}" if "\udc80" <= letter <= "\udcff" else letter for letter in name)


def pin_all(folder: Path, files: Mapping[str, Path], kept: Iterable[Entry], *, linkable: bool, key: str) -> None:
    """Secure files in a folder, which is made, with a plan that says how.

    Args:
        folder: on the file system of the store; must not exist.
        files: by their paths inside the version.
        kept: entries that need not be stored.
        linkable: whoever wrote the files makes new ones each time instead of writing over them.
        key: names these files to the keeper.

    Raises:
        UsageError: paths that cannot be kept, or not side by side.
        FileNotFoundError: a file that is not there.
        StoreError: there is no room, or the store cannot be written.
    """
    entries = list(kept)
    check_together([*(check_path(path) for path in files), *(entry.path for entry in entries)])
    try:
        folder.mkdir(parents=True)
        pins = _Pinner(folder, linkable=linkable, key=key).pin(files)
        pins += [Pin(entry.path, entry.size, entry=entry) for entry in entries]
        (folder / f"{PLAN}.part").write_bytes(msgspec.msgpack.encode(pins))
        (folder / f"{PLAN}.part").replace(folder / PLAN)
    except BaseException as error:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            names = ", ".join(str(path) for path in list(files.values())[:3])
            raise StoreError(error.errno, f"{names} cannot be kept: {error.strerror}") from error
        raise


class _Pinner:
    def __init__(self, folder: Path, *, linkable: bool, key: str) -> None:
        self._folder = folder
        self._linkable = linkable
        self._key = key
        self._pins: list[Pin] = []
        self._watched: list[tuple[Pin, Path]] = []

    def pin(self, files: Mapping[str, Path]) -> list[Pin]:
        large: list[tuple[str, Path]] = []
        offset = 0
        with (self._folder / BUNDLE).open("wb", buffering=1 << 20) as bundle:
            for path, file in files.items():
                data = _read_small(file)
                if data is None:
                    large.append((path, file))
                    continue
                bundle.write(data)
                self._pins.append(Pin(path, len(data), offset=offset))
                offset += len(data)
        for number, (path, file) in enumerate(large):
            self._pin_large(f"f{number}", path, file)
        self._lease()
        return self._pins

    def _pin_large(self, name: str, path: str, file: Path) -> None:
        place = self._folder / name
        found = file.stat()
        pin = Pin(path, found.st_size, name)
        self._pins.append(pin)
        if _clone(file, place):
            pin.size = place.stat().st_size
            return
        if found.st_size > _COPIED or self._linkable:
            with contextlib.suppress(OSError):
                os.link(os.path.realpath(file), place)
                if not self._linkable:
                    self._watched.append((pin, file))
                return
        _copy(file, place)
        pin.size = place.stat().st_size

    def _lease(self) -> None:
        """Have the linked files kept as they are; copy those that cannot be."""
        if not self._watched:
            return
        from treering.artifacts.leasing import keep

        places = [self._folder / pin.name for pin, _ in self._watched]
        held = keep(self._key, [(place, place.with_name(f"{place.name}.copy")) for place in places])
        for (pin, file), place, is_held in zip(self._watched, places, held, strict=True):
            if is_held:
                found = place.stat()
                pin.size, pin.mtime_ns = found.st_size, found.st_mtime_ns
            else:
                place.unlink()
                _copy(file, place)
                pin.size = place.stat().st_size


def _read_small(file: Path) -> bytes | None:
    """Return the content of a small file, None for a larger one."""
    with open(file, "rb", buffering=0) as reader:
        data = reader.read(_SMALL + 1) or b""
        if len(data) > _SMALL:
            return None
        while more := reader.read(_SMALL + 1):  # a short read
            data += more
        return data if len(data) <= _SMALL else None


def _copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copyfile(source, target)


def _clone(source: Path, target: Path) -> bool:
    """Share blocks copy-on-write (btrfs, XFS, bcachefs); False where the file system cannot."""
    if sys.platform != "linux":
        return False
    import fcntl

    with source.open("rb") as reader, target.open("xb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            pass
        else:
            return True
    target.unlink()
    return False


def read_plan(folder: Path) -> list[Pin]:
    """Return how the files of a folder of pins are secured.

    Raises:
        PinGone: there is no plan, or none that can be read.
    """
    try:
        return msgspec.msgpack.decode((folder / PLAN).read_bytes(), type=list[Pin])
    except (OSError, msgspec.MsgspecError) as error:
        raise PinGone(f"the list of what was to be saved is gone: {error}") from error


def open_pin(folder: Path, pin: Pin) -> tuple[int, Path]:
    """Open a pinned file; returns its descriptor and where it lies.

    Raises:
        PinGone: it is not there, or no longer what it was.
    """
    place = folder / pin.name
    copy = place.with_name(f"{pin.name}.copy")
    for path in (copy, place) if pin.mtime_ns else (place,):
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            continue
        return descriptor, path
    raise PinGone(f"{pin.path!r} is gone before it was saved")


def is_intact(folder: Path, pin: Pin, descriptor: int, path: Path) -> bool:
    """Tell whether what was just read of a pin is what it held when it was pinned; False: read it again.

    Raises:
        PinGone: it has been written over, and there is no copy.
    """
    if not pin.mtime_ns or path.name != pin.name:
        return True
    copy = folder / f"{pin.name}.copy"
    if copy.exists():
        return False
    found = os.fstat(descriptor)
    # The order matters: the copy appears before anybody may write.
    unchanged = (found.st_size, found.st_mtime_ns) == (pin.size, pin.mtime_ns)
    if copy.exists():
        return False
    if not unchanged or copy.with_name(f"{copy.name}.torn").exists():
        raise PinGone(f"{pin.path!r} was written over before it was saved")
    return True
