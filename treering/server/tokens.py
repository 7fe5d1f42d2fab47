"""Who may come in: whoever shows the token, the cookie that a browser got for it, or the key of one run.

Cookies and keys of runs are made from the token with a keyed hash, so none of them tells the others, nothing has to be
remembered, servers that share a token know each other's, and a new token makes all old ones worthless.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import time
from typing import TYPE_CHECKING

from treering.errors import StoreError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Tokens", "kept_token", "new_token"]

_TOKEN_BYTES = 32
_RUN_KEY = "run-"
_TICKET = "ticket-"
_TICKET_S = 180.0


def new_token() -> str:
    """Return 256 random bits as 43 letters."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def kept_token(path: Path) -> str:
    """Return the token that a file holds; a file that is not there is made, for this user alone.

    Raises:
        UsageError: others may read the file.
        StoreError: it cannot be read or made.
    """
    try:
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(new_token() + "\n")
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise UsageError(
                f"others may read the token in {path}; say `chmod 600 {path}`, and delete it to get a new one"
            )
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise StoreError(error.errno, f"the token cannot be kept in {path}: {error.strerror}") from error


class Tokens:
    """Checks what a request shows.

    Args:
        token: of the server.
    """

    def __init__(self, token: str) -> None:
        key = token.encode()
        # Cookies are shared by all ports of a host: each server has a name of its own.
        self.cookie_name = f"treering_{hashlib.sha256(b'name ' + key).hexdigest()[:8]}"
        self.cookie_value = base64.urlsafe_b64encode(hmac.digest(key, b"cookie", "sha256")).decode().rstrip("=")
        self._key = key
        self._token_hash = hashlib.sha256(key).digest()

    def is_token(self, given: str) -> bool:
        """Tell whether it is the token, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._token_hash)

    def ticket(self, valid_s: float = _TICKET_S) -> str:
        """Return what can be exchanged for the cookie for a while; it may be left lying about, as in a notebook."""
        return self._ticket(int(time.time() + valid_s))

    def _ticket(self, until_s: int) -> str:
        proof = hmac.digest(self._key, f"ticket {until_s}".encode(), "sha256")
        return f"{_TICKET}{until_s}.{base64.urlsafe_b64encode(proof).decode().rstrip('=')}"

    def is_ticket(self, given: str) -> bool:
        """Tell whether it is a ticket that is still good."""
        until = given.removeprefix(_TICKET).partition(".")[0]
        if not given.startswith(_TICKET) or not re.fullmatch(r"[0-9]{1,12}", until, re.ASCII):
            return False
        return hmac.compare_digest(given.encode(), self._ticket(int(until)).encode()) and time.time() < int(until)

    def is_cookie(self, given: str) -> bool:
        """Tell whether it is the cookie's value, in the same way."""
        return hmac.compare_digest(given.encode(), self.cookie_value.encode())

    def for_run(self, run_id: str) -> str:
        """Return the key that opens one run and nothing else: what a job on a shared machine is given."""
        proof = base64.urlsafe_b64encode(hmac.digest(self._key, b"run " + run_id.encode(), "sha256")).decode()
        return f"{_RUN_KEY}{proof.rstrip('=')}.{run_id}"

    def run_of(self, given: str) -> str | None:
        """Return the run whose key this is, or None."""
        if not given.startswith(_RUN_KEY) or not given.isascii():
            return None
        run_id = given.removeprefix(_RUN_KEY).partition(".")[2]
        return run_id if hmac.compare_digest(given.encode(), self.for_run(run_id).encode()) else None

    def set_cookie(self, path: str, *, secure: bool) -> str:
        """Return the value of `Set-Cookie`."""
        end = "; Secure" if secure else ""
        return f"{self.cookie_name}={self.cookie_value}; Path={path or '/'}; HttpOnly; SameSite=Strict{end}"
