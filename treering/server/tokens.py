"""Who may read: whoever shows the token, or the cookie that a browser got for it.

The cookie's value is made from the token with a keyed hash, so neither tells the other, nothing has to be remembered,
and a new token makes all old cookies worthless.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

__all__ = ["Tokens", "new_token"]

_TOKEN_BYTES = 32


def new_token() -> str:
    """Return 256 random bits as 43 letters."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


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
        self._token_hash = hashlib.sha256(key).digest()

    def is_token(self, given: str) -> bool:
        """Tell whether it is the token, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._token_hash)

    def is_cookie(self, given: str) -> bool:
        """Tell whether it is the cookie's value, in the same way."""
        return hmac.compare_digest(given.encode(), self.cookie_value.encode())

    def set_cookie(self, path: str, *, secure: bool) -> str:
        """Return the value of `Set-Cookie`."""
        end = "; Secure" if secure else ""
        return f"{self.cookie_name}={self.cookie_value}; Path={path or '/'}; HttpOnly; SameSite=Strict{end}"
