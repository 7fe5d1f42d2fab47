"""Who is told: targets of an `alerts.toml`, which lies in the store's folder or is named by `--alerts`.

Rules are data of the store; targets are not, since they hold secrets and make the server talk to others: they are for
whoever runs it. `${NAME}` in a text stands for an environment variable.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from treering.alerts.reaching import Internal
from treering.errors import NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["FILE_NAME", "Mail", "Target", "Targets", "load_targets", "targets_file"]

FILE_NAME = "alerts.toml"
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_NAME = re.compile(r"[\w.-]{1,64}")
_FORMATS = {"hooks.slack.com": "slack", "discord.com": "discord"}


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody, or something, that is told.

    Attributes:
        name: by which rules name it.
        webhook: address that alerts are posted to.
        format: of what is posted: "json" (all fields), "slack" (also Mattermost, Rocket.Chat) or "discord".
        secret: what is posted is signed with it.
        headers: further ones of the request.
        email: addresses that are written to.
        level: only alerts of this level and above: "info", "warn" or "error".
        code: whether it gets what trainings raise themselves, with `run.alert`.
    """

    name: str
    webhook: str | None = None
    format: Literal["json", "slack", "discord"] | None = None
    secret: str | None = None
    headers: dict[str, str] = {}
    email: tuple[str, ...] = ()
    level: Literal["info", "warn", "error"] = "info"
    code: bool = True

    @property
    def kind(self) -> Literal["webhook", "e-mail"]:
        """How it is reached: "webhook" or "e-mail"."""
        return "e-mail" if self.webhook is None else "webhook"

    @property
    def shown(self) -> str:
        """Where it is, without what is secret about it: the paths of webhooks are keys."""
        if self.webhook is None:
            return ", ".join(self.email)
        return f"{urlsplit(self.webhook).hostname} ({self.posted})"

    @property
    def posted(self) -> str:
        """The format of what is posted."""
        return self.format or _FORMATS.get(urlsplit(self.webhook or "").hostname or "", "json")


class Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The server that mail goes through.

    Attributes:
        host, port: where it is.
        sender: whom mail is from.
        user, password: to log in with.
        encryption: "starttls" (the default), "tls" from the first byte on, or "none".
    """

    host: str
    port: int = 587
    sender: str
    user: str | None = None
    password: str | None = None
    encryption: Literal["starttls", "tls", "none"] = "starttls"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    targets: dict[str, dict[str, Any]] = {}
    mail: Mail | None = None
    internal: tuple[str, ...] = ()
    url: str = ""


class Targets:
    """All targets of a file.

    Attributes:
        mail: the mail server, if one is named.
        internal: what of the own network may be reached.
        url: of the server, for links in what is sent; "" for none.
    """

    def __init__(self, targets: Mapping[str, Target], mail: Mail | None, internal: Internal, url: str) -> None:
        self._targets = dict(targets)
        self.mail = mail
        self.internal = internal
        self.url = url.rstrip("/")

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets.values())

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, name: str) -> Target:
        try:
            return self._targets[name]
        except KeyError:
            known = ", ".join(self._targets) or "none yet"
            raise NotFound(f"there is no target {name!r}; {FILE_NAME} names {known}") from None


def targets_file(place: str | Path | None, named: Path | None) -> Path | None:
    """Return where the targets of a store are.

    Args:
        place: the store, as for `Api`.
        named: a file that the user names; it has to be there.

    Raises:
        UsageError: it is not.
    """
    if named is not None:
        if not named.is_file():
            raise UsageError(
                f"there is no file {named}; write the targets of alerts into it, see `treering alert --help`"
            )
        return named
    if isinstance(place, str) and place.startswith(("postgresql:", "postgresql+")):
        return None
    from treering.api._sources import store_folder

    return store_folder(place) / FILE_NAME


def load_targets(path: Path | None) -> Targets:
    """Read a file of targets; one that is not there has none.

    Raises:
        UsageError: it cannot be read; the message names the file and what is wrong.
    """
    if path is None or not path.is_file():
        return Targets({}, None, Internal(), "")
    tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        data = _expanded(tomllib.loads(path.read_text(encoding="utf-8")))
        file = msgspec.convert(data, _File)
        targets = {name: _target(name, fields) for name, fields in file.targets.items()}
        internal = Internal(file.internal)
        for target in targets.values():
            _check(target, file, internal)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); make it readable or move it away") from error
    except (ValueError, UsageError) as error:  # of TOML, of Unicode, of the structure
        raise UsageError(f"{path}: {error}") from error
    return Targets(targets, file.mail, internal, file.url)


def _target(name: str, fields: dict[str, Any]) -> Target:
    if not _NAME.fullmatch(name):
        raise UsageError(f"target {name!r} has no name that can be used; take letters, digits, '-', '_' and '.'")
    try:
        return msgspec.convert({**fields, "name": name}, Target)
    except msgspec.ValidationError as error:
        raise UsageError(f"[targets.{name}] {error}") from None


def _check(target: Target, file: _File, internal: Internal) -> None:
    where = f"[targets.{target.name}]"
    if (target.webhook is None) == (not target.email):
        raise UsageError(f"{where} takes one of webhook = '...' and email = ['...']")
    if target.email and file.mail is None:
        raise UsageError(f"{where} needs a [mail] with host and sender to send from")
    if target.webhook is not None:
        parts = urlsplit(target.webhook)
        if not parts.hostname or parts.scheme not in {"https", "http"}:
            raise UsageError(f"{where} webhook is no address; write it as 'https://...'")
        if parts.scheme == "http" and not (internal.allows_name(parts.hostname) or _is_address(parts.hostname)):
            raise UsageError(
                f"{where} webhook begins with http://, so what is sent could be read on its way; use https://, or add "
                f"internal = [{parts.hostname!r}] if it is in your own network"
            )


def _is_address(host: str) -> bool:
    """Tell whether a host is a bare address, which is asked about when it is reached."""
    return host.replace(".", "").isdigit() or ":" in host


def _expanded(value: Any) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _variable(found[1]), value)
    if isinstance(value, dict):
        return {key: _expanded(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]  # of TOML
    if isinstance(value, list):
        return [_expanded(item) for item in value]  # pyright: ignore[reportUnknownVariableType]  # the same
    return value


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise UsageError(f"${{{name}}} is not set in the environment; set it, or write the value itself")
    return value
