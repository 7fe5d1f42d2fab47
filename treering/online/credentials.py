"""Which server a program writes to, and the key that opens it.

`treering login` keeps both in a file of the user's configuration folder that nobody else may read.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from treering.errors import StoreError, UsageError
from treering.online.client import check_url
from treering.places import user_config_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Server", "find_server", "has_their_server", "login", "logout"]

_FILE = "credentials.json"


class Server(NamedTuple):
    """A server's address and the key to it."""

    url: str
    key: str

    def __repr__(self) -> str:
        return f"Server(url={self.url!r}, key=...)"


class _Kept(msgspec.Struct):
    default: str = ""
    keys: dict[str, str] = {}


def _path(environ: Mapping[str, str]) -> Path:
    return user_config_folder(environ) / _FILE


def _read(environ: Mapping[str, str]) -> _Kept:
    path = _path(environ)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return _Kept()
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{path} cannot be read ({error}); delete it and call `treering login` again") from None


def _write(kept: _Kept, environ: Mapping[str, str]) -> Path:
    path = _path(environ)
    part = path.with_name(f"{_FILE}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made with its mode: between writing and changing it somebody could read it.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(kept))
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StoreError(error.errno, f"the key cannot be kept in {path}: {error.strerror}") from error
    return path


def login(
    url: str | None = None, key: str | None = None, *, environ: Mapping[str, str] | None = None, **_others: object
) -> bool:
    """Keep the key of a server, which is the default one from now on.

    Nobody needs it to record on this machine. W&B's programs call it without a server: that changes nothing, and a key
    of theirs is not kept.

    Args:
        url: of the server, such as "https://runs.example:8265".
        key: its token, or the key of one run.
        environ: the environment; the process's own unless given.

    Returns:
        Whether there is a server that online runs go to.

    Raises:
        UsageError: this is no address, or the key is none.
        StoreError: it cannot be kept.
    """
    environ = os.environ if environ is None else environ
    if url is None:
        try:
            find_server(None, None, environ=environ)
        except UsageError:
            return False
        return True
    url, key = check_url(url), (key or "").strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError("the key is empty or has letters that no key has; copy what the server printed")
    kept = _read(environ)
    kept.default = url
    kept.keys[url] = key
    _write(kept, environ)
    return True


def logout(url: str, *, environ: Mapping[str, str] | None = None) -> bool:
    """Forget the key of a server; False when there was none."""
    environ = os.environ if environ is None else environ
    kept, url = _read(environ), check_url(url)
    found = kept.keys.pop(url, None) is not None
    if kept.default == url:
        kept.default = ""
    if found:
        _write(kept, environ)
    return found


def has_their_server(environ: Mapping[str, str]) -> bool:
    """Tell whether WANDB_BASE_URL names a server that may be one of ours."""
    from urllib.parse import urlsplit

    host = urlsplit(environ.get("WANDB_BASE_URL", "")).hostname or ""
    return bool(host) and host != "wandb.ai" and not host.endswith(".wandb.ai")


def _their_key(environ: Mapping[str, str]) -> str | None:
    """Return the key in WANDB_API_KEY; one that may be for W&B's own servers goes nowhere else."""
    return environ.get("WANDB_API_KEY") if has_their_server(environ) else None


def find_server(url: str | None, key: str | None, *, environ: Mapping[str, str] | None = None) -> Server:
    """Return the server that is meant: the one given, else the one of the last `login`, else WANDB_BASE_URL's.

    W&B's own names of variables are what Run:ai and other launchers set; W&B's own servers are none of ours.

    Raises:
        UsageError: there is none, or no key to it.
    """
    environ = os.environ if environ is None else environ
    kept = _read(environ) if url is None or key is None else _Kept()
    url = url or kept.default or (environ["WANDB_BASE_URL"] if has_their_server(environ) else "")
    if not url:
        raise UsageError("no server is named; set TREERING_URL, or call `treering login URL` once")
    url = check_url(url)
    key = key or kept.keys.get(url) or _their_key(environ)
    if not key:
        raise UsageError(f"there is no key for {url}; set TREERING_API_KEY, or call `treering login {url}` once")
    return Server(url, key)
