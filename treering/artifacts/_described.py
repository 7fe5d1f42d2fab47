"""What an artifact is: name, number, aliases and all else that is said of it, before and after it is in the store."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from treering.artifacts import names
from treering.artifacts._filling import Filling
from treering.artifacts.aliasing import LATEST
from treering.artifacts.drafts import Draft
from treering.errors import NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from typing_extensions import Self

    from treering.artifacts.committing import Filed
    from treering.artifacts.home import Home
    from treering.artifacts.lookup import Facts
    from treering.artifacts.manifest import Entry

__all__ = ["Described", "State", "nothing_to_hurry"]

State = Literal["draft", "saving", "saved", "failed", "deleted"]


class Described(Filling):
    """Says what it is."""

    def __init__(
        self,
        name: str,
        type: str = "file",  # noqa: A002  # the word of the field
        *,
        metadata: Mapping[str, object] | None = None,
        description: str | None = None,
    ) -> None:
        self._name = names.check_name(name)
        self._type = names.check_type(type)
        self._metadata: dict[str, Any] = dict(metadata or {})
        self._description = description
        self._aliases: list[str] = []
        self._tags: list[str] = []
        self._ttl: timedelta | None = None
        self._base_id: str | None = None
        self._draft: Draft | None = Draft()
        self._home: Home | None = None
        self._facts: Facts | None = None
        self._entries: list[Entry] | None = None
        self._failure = ""
        self._state: State = "draft"
        self._id = ""
        self._filed: Filed | None = None
        self._done = threading.Event()
        self._hurry: Callable[[float | None], bool] = nothing_to_hurry

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of its collection."""
        return self._name

    @property
    def type(self) -> str:
        """What kind of thing it is."""
        return self._type

    @property
    def state(self) -> State:
        """One of draft, saving (logged, but not in the store yet), saved, failed (a warning says why), deleted."""
        if self._state == "saving" and self._done.is_set():
            self._state = "saved" if self._filed is not None else "failed"
        return self._state

    @property
    def id(self) -> str:
        """Of the version, random; "" for a draft."""
        return self._filed.id if self._filed is not None else self._id

    @property
    def version(self) -> int:
        """Its number; waits for it."""
        return self._known().version

    @property
    def digest(self) -> str:
        """BLAKE3 over paths and content of its files; waits for it."""
        return self._known().digest

    @property
    def project(self) -> str:
        """That its collection belongs to."""
        return self._saved().project

    @property
    def run_id(self) -> str:
        """Of the run that made it, "" for none."""
        return self._saved().run_id

    @property
    def created(self) -> datetime:
        """When it was logged, in UTC."""
        from treering.api._records import moment

        return moment(self._saved().created_us)

    @property
    def size(self) -> int:
        """Bytes of all its files; those that it refers to not counted."""
        if self._draft is not None:
            kept = sum(max(entry.size, 0) for entry in self._draft.kept.values() if entry.reference is None)
            return kept + sum(file.stat().st_size for file in self._draft.files.values())
        return self._saved().size

    @property
    def stored(self) -> int:
        """Bytes that it has added to the store."""
        return self._saved().stored

    @property
    def metadata(self) -> dict[str, Any]:
        """Plain data kept with it; may be set."""
        return self._metadata if self._draft is not None or self._facts is None else self._facts.metadata

    @metadata.setter
    def metadata(self, metadata: Mapping[str, object]) -> None:
        from treering.plain import to_plain

        plain = cast("dict[str, Any]", to_plain(dict(metadata)))
        self._metadata = plain
        if self._draft is None:
            self._change(metadata=plain)

    @property
    def description(self) -> str | None:
        """For people; may be set."""
        return self._description if self._draft is not None or self._facts is None else self._facts.description

    @description.setter
    def description(self, description: str | None) -> None:
        self._description = description
        if self._draft is None:
            self._change(description=description)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names that point to it; may be set to others. "latest" is treering's to give, stages a registry's."""
        return tuple(self._aliases) if self._draft is not None or self._home is None else self._saved().aliases

    @aliases.setter
    def aliases(self, aliases: str | Iterable[str] | None) -> None:
        wanted = list(dict.fromkeys(names.words(aliases)))
        if self._draft is not None:
            self._aliases = [names.check_alias(alias) for alias in wanted]
            return
        from treering.artifacts.changing import set_aliases

        facts = self._fresh()
        left = {LATEST, self.stage, *wanted}
        add = [alias for alias in wanted if alias not in facts.aliases]
        remove = [alias for alias in facts.aliases if alias not in left]
        with self.home.writing() as database:
            set_aliases(database, facts, add, remove)
        self._fresh()

    @property
    def stage(self) -> str | None:
        """The stage of a registry that it is in, such as "production"; `Api.registry` moves it."""
        from treering.artifacts.registry import stage_of

        if self._draft is not None or self._home is None:
            return None
        facts = self._saved()
        with self.home.reading() as database:
            return stage_of(database, facts)

    @property
    def tags(self) -> tuple[str, ...]:
        """Words to find it by; may be set."""
        return tuple(self._tags) if self._draft is not None or self._home is None else self._saved().tags

    @tags.setter
    def tags(self, tags: str | Iterable[str] | None) -> None:
        if self._draft is not None:
            self._tags = names.check_tags(tags)
            return
        from treering.artifacts.changing import set_tags

        with self.home.writing() as database:
            set_tags(database, self._saved(), names.words(tags))
        self._fresh()

    @property
    def ttl(self) -> timedelta | None:
        """How long after it was logged it may go, unless an alias keeps it; None: for ever.

        "latest" and "step-1000", which come by themselves, keep nothing.
        """
        if self._draft is not None or self._home is None:
            return self._ttl
        facts = self._saved()
        return None if facts.expires_us is None else timedelta(microseconds=facts.expires_us - facts.created_us)

    @ttl.setter
    def ttl(self, ttl: timedelta | None) -> None:
        if ttl is not None and ttl <= timedelta(0):
            raise UsageError(f"ttl got {ttl}; it takes a timedelta above zero, or None to keep the version for ever")
        self._ttl = ttl
        if self._draft is None:
            facts = self._saved()
            self._change(expires_us=None if ttl is None else facts.created_us + ttl // timedelta(microseconds=1))

    # -- whether it is there ------------------------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None) -> Self:
        """Wait until it is in the store, whole and visible.

        Raises:
            TimeoutError: it is not, after `timeout_s` or because the run ended without it.
        """
        if self._draft is not None:
            raise UsageError(f"{self._name!r} has not been logged; hand it to run.log_artifact(), or save() it")
        if not self._done.is_set():
            started_s = time.monotonic()
            self._hurry(timeout_s)
            left_s = None if timeout_s is None else max(timeout_s - (time.monotonic() - started_s), 0.1)
            if not self._done.wait(left_s):
                raise TimeoutError(f"{self._name!r} is not in the store yet; see the run's warnings, or wait longer")
        if self._filed is None:
            raise TimeoutError(f"{self._name!r} is not in the store: {self._failure or 'the run ended without it'}")
        return self

    def _known(self) -> Filed:
        return self.wait()._filed  # type: ignore[return-value]  # `wait` raises where there is none

    @property
    def _title(self) -> str:
        return f"{self._name}:v{self._filed.version}" if self._filed is not None else self._name

    @property
    def home(self) -> Home:
        """The store that it is in; for treering itself."""
        if self._home is None:
            raise StoreError(f"{self._name!r} is in no store; its run records nothing")
        return self._home

    def _saved(self) -> Facts:
        if self._draft is not None:
            raise UsageError(f"{self._name!r} is a draft; log it with run.log_artifact(), or save() it, first")
        if self._facts is None:
            return self._fresh()
        return self._facts

    def facts(self) -> Facts:
        """What the database says of it now; for treering itself."""
        return self._fresh()

    def _fresh(self) -> Facts:
        from treering.artifacts.lookup import select

        filed = self._known()
        with self.home.reading() as database:
            found = select(database, "id = :id", {"id": filed.id})
        if not found:
            raise NotFound(f"{self._title} has been deleted")
        self._facts = found[0]
        return found[0]

    def _change(self, **fields: Any) -> None:
        from treering.artifacts.changing import set_fields

        with self.home.writing() as database:
            set_fields(database, self._saved(), **fields)
        self._fresh()


def nothing_to_hurry(_timeout_s: float | None) -> bool:
    """What `wait` calls where nobody saves."""
    return True
