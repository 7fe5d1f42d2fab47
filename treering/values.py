"""`run.config` and `run.summary`: dictionaries that tell the run what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, cast

__all__ = ["Config", "Summary"]


class Config(MutableMapping[str, Any]):
    """A run's configuration: a dictionary, also readable as attributes.

    Any object may be set: it is kept as plain data (dataclasses, arguments, arrays, callables ... as their public
    fields), and secrets are masked. Setting never raises. Nested dictionaries are plain `dict`; to change one, set it
    anew or use `update`, which merges.

    Args:
        values: plain data to begin with.
        to_plain: makes plain entries of any object.
        on_change: told of the top-level entries set and deleted.
    """

    def __init__(
        self,
        values: dict[str, Any],
        to_plain: Callable[[object], dict[str, Any]],
        on_change: Callable[[dict[str, Any], list[str]], None],
    ) -> None:
        self.__dict__.update(_values=values, _to_plain=to_plain, _on_change=on_change, _locked={})

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        self.update({key: value}, merge=False)

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._on_change({}, [key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(
                f"the config has no entry {name!r}; it has {', '.join(self._values) or 'none'}"
            ) from None

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Copies and pickles are plain dictionaries: they tell no run of their changes."""
        return dict, (self._values,)

    def __repr__(self) -> str:
        return f"Config({self._values!r})"

    def update(
        self,
        *values: object,
        merge: bool = True,
        allow_val_change: bool | None = None,  # noqa: ARG002  # W&B's; changing is always allowed
        **named: object,
    ) -> None:
        """Set entries from mappings or any objects with fields; nested dictionaries are merged.

        Args:
            *values: a mapping, dataclass, namespace, parsed arguments ...
            merge: False replaces nested dictionaries.
            allow_val_change: accepted for code written for W&B; changing a value is always allowed.
            **named: entries.
        """
        changed: dict[str, Any] = {}
        for source in (*values, named):
            for key, value in self._to_plain(source).items():
                new = merged(self._values.get(key), value) if merge else value
                if key in self._locked:
                    new = merged(new, self._locked[key])
                self._values[key] = changed[key] = new
        if changed:
            self._on_change(changed, [])

    def lock(self, values: dict[str, Any]) -> None:
        """Set entries that stay as they are, whatever is set later; a sweep's parameters are so."""
        self._locked.update(values)
        self.update(values)

    def setdefaults(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Set the entries that are not there yet."""
        self.update({key: value for key, value in values.items() if key not in self._values})
        return self.as_dict()

    def as_dict(self) -> dict[str, Any]:
        """Return a copy as a plain dictionary."""
        return dict(self._values)


def merged(old: Any, new: Any) -> Any:
    """Return `new`, with the entries of `old` that it does not have where both are dictionaries."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    both = dict(cast("dict[str, Any]", old))
    for key, value in cast("dict[str, Any]", new).items():
        both[key] = merged(both.get(key), value)
    return both


class Summary(MutableMapping[str, Any]):
    """A run's summary: what its metrics came to, and what was set by hand.

    Reading waits for the rows logged so far to be counted. An entry set by hand stays as it was set.

    Args:
        read: returns the whole summary as it is now.
        on_change: told of the entries set.
    """

    def __init__(self, read: Callable[[], dict[str, Any]], on_change: Callable[[dict[str, Any]], None]) -> None:
        self._read = read
        self._on_change = on_change

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __setitem__(self, key: str, value: object) -> None:
        self._on_change({key: value})

    def __delitem__(self, key: str) -> None:
        self._on_change({key: None})

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"Summary({self._read()!r})"

    def update(self, *values: Mapping[str, object], **named: object) -> None:  # type: ignore[override]  # one change for all
        """Set several entries at once."""
        changed = {key: value for source in (*values, named) for key, value in source.items()}
        if changed:
            self._on_change(changed)
