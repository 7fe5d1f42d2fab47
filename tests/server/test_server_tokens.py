"""What opens a server: the token, kept where nobody else reads it, and keys of single runs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from treering.errors import StoreError, UsageError
from treering.server.tokens import Tokens, kept_token, new_token


def test_a_token_is_kept_from_one_start_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = kept_token(path)
    assert len(token) >= 43
    assert kept_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        kept_token(path)
    with pytest.raises(StoreError, match="cannot be kept"):
        kept_token(tmp_path / "nowhere" / "token")


def test_keys_of_runs() -> None:
    tokens, others = Tokens(new_token()), Tokens(new_token())
    key = tokens.for_run("a.run-1")
    assert tokens.run_of(key) == "a.run-1"
    assert others.run_of(key) is None
    for forged in ("", "run-", "run-.a.run-1", key[:-1], key + "x", key.replace("a.run", "b.run"), f"{key}\u00e9"):
        assert tokens.run_of(forged) is None
    assert not tokens.is_token(key)
    assert not tokens.is_cookie(key)
