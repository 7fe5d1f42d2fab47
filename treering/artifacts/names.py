"""What names, aliases, tags and paths inside an artifact may be.

Whatever is accepted here can be written to a folder of any system without leaving it and without two files becoming
one, and looks like what it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from treering.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "check_alias",
    "check_name",
    "check_path",
    "check_tags",
    "check_together",
    "check_type",
    "parse_reference",
    "words",
]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_NUMBER = re.compile(r"v\d+")
_MAX_WORD = 200
_MAX_DEPTH = 100
_MAX_PART_BYTES = 255
_MAX_PATH_BYTES = 2048
_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\..*)?", re.IGNORECASE)
# Letters that reorder or hide their neighbours: a name must read as it is.
_HIDING = frozenset("\u200b\u200c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")
# Division slash, fraction slash, big solidus, set minus, reverse solidus operator, big reverse solidus.
_LOOK_ALIKES = frozenset("\u2215\u2044\u29f8\u2216\u29f5\u29f9")
# Nearly all paths are such: told at once, and only the others are looked at letter by letter.
_PLAIN_PART = r"[A-Za-z0-9_=,+@-](?:[A-Za-z0-9_=,+@.-]*[A-Za-z0-9_=,+@-])?"
_PLAIN_PATH = re.compile(rf"{_PLAIN_PART}(?:/{_PLAIN_PART}){{0,50}}")
_MAY_BE_DEVICE = re.compile(r"(?:^|/)(?:con|prn|aux|nul|com|lpt)", re.IGNORECASE)


def check_name(name: str) -> str:
    """Return `name` if a collection may be called so.

    Raises:
        UsageError: it may not.
    """
    name = str(name)
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"artifact name {name!r} cannot be taken; use up to 200 letters, digits, '-', '_', '.', the first a letter "
            "or digit, and no '..'"
        )
    return name


def check_type(kind: str) -> str:
    """Return `kind` if an artifact's type may be called so.

    Raises:
        UsageError: it may not.
    """
    return _word(kind, "artifact type")


def check_alias(alias: str) -> str:
    """Return `alias` if a version may be called so.

    Raises:
        UsageError: it may not.
    """
    alias = _word(alias, "alias")
    if _NUMBER.fullmatch(alias):
        raise UsageError(f"alias {alias!r} looks like a version's number, which treering gives; choose another word")
    return alias


def words(given: str | Iterable[str] | None) -> Iterable[str]:
    """Aliases or tags as people give them: several, one, or none."""
    return () if given is None else (given,) if isinstance(given, str) else given


def check_tags(tags: str | Iterable[str] | None) -> list[str]:
    """Return tags, each once.

    Raises:
        UsageError: one that cannot be taken.
    """
    return list(dict.fromkeys(_word(tag, "tag") for tag in words(tags)))


def _word(word: str, what: str) -> str:
    word = str(word)
    if not word or len(word) > _MAX_WORD or not word.isprintable() or word != word.strip():
        raise UsageError(f"{what} {word!r} cannot be taken; use 1 to {_MAX_WORD} printable characters")
    return word


def check_path(path: str) -> str:
    """Return the path of a file inside an artifact, if it may be one: relative, with "/" between its parts.

    Raises:
        UsageError: it may not; the text says why.
    """
    path = str(path)
    if len(path) <= _MAX_PART_BYTES and _PLAIN_PATH.fullmatch(path) and not _MAY_BE_DEVICE.search(path):
        return path
    wrong = _wrong_with(path)
    if wrong:
        raise UsageError(
            f"path {path if len(path) <= _MAX_WORD else path[:_MAX_WORD] + '...'!r} cannot be kept in an artifact: "
            f"{wrong}; use a relative path such as 'data/train.csv'"
        )
    return path


def _wrong_with(path: str) -> str:
    if "\0" in path:
        return "it has a NUL"
    if "\\" in path:
        return "it has a backslash, which separates folders on Windows"
    if path.startswith("/") or _DRIVE.match(path):
        return "it is absolute"
    if any(letter in _HIDING for letter in path):
        return "it has letters that hide or reorder others"
    try:
        size = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        return "it is no valid Unicode"
    if size > _MAX_PATH_BYTES:
        return f"it is longer than {_MAX_PATH_BYTES} bytes"
    parts = path.split("/")
    if len(parts) > _MAX_DEPTH:
        return f"it is more than {_MAX_DEPTH} folders deep"
    return next((wrong for wrong in map(_wrong_with_part, parts) if wrong), "")


def _wrong_with_part(part: str) -> str:
    if not part:
        return "a part of it is empty"
    if len(part.encode("utf-8")) > _MAX_PART_BYTES:
        return f"{part[:20]!r}... is longer than {_MAX_PART_BYTES} bytes"
    flat = unicodedata.normalize("NFKC", part)
    if part in {".", ".."} or flat in {".", ".."}:
        return "it has '.' or '..', or what looks like it"
    if any(letter in flat and letter not in part for letter in "/\\:"):
        return f"{part!r} has a letter that looks like a separator"
    if not _LOOK_ALIKES.isdisjoint(part):
        return f"{part!r} has a letter that looks like a separator"
    if _DEVICE.fullmatch(flat):
        return f"{part!r} is the name of a device on Windows"
    if part[-1] in ". ":
        return f"{part!r} ends with a dot or a space, which Windows drops"
    return ""


def check_together(paths: Iterable[str]) -> None:
    """Check that no two paths are the same to a reader or a file system, and no file is another one's folder.

    Raises:
        UsageError: two that cannot be kept side by side.
    """
    seen: dict[str, str] = {}
    odd = False
    for path in paths:
        flat = path if path.isascii() else unicodedata.normalize("NFC", path)
        if flat in seen:
            raise UsageError(
                f"paths {seen[flat]!r} and {path!r} are the same once their letters are composed; rename one of them"
            )
        odd = odd or "/" in path
        seen[flat] = path
    if not odd:
        return
    folders = {flat[:at] for flat in seen for at in range(len(flat)) if flat[at] == "/"}
    for flat, path in seen.items():
        if flat in folders:
            raise UsageError(f"path {path!r} is a file and the folder of another one; rename one of them")


def parse_reference(text: str) -> tuple[str | None, str, str]:
    """Split "project/name:alias" into project (None when not given), name and alias ("latest" when not given).

    Raises:
        UsageError: it is no such text.
    """
    text = str(text)
    place, _, alias = text.partition(":")
    project, slash, name = place.rpartition("/")
    if not name or (slash and not project) or (":" in text and not alias):
        raise UsageError(f"got {text!r} for an artifact; say 'name', 'name:v3', 'name:best' or 'project/name:latest'")
    return (project or None), name, alias or "latest"
