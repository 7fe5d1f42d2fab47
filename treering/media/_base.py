"""What all media have in common: the way into a journal, from there into the store, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import msgspec

from treering.errors import CorruptData
from treering.store.values import encode

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["INLINE_BYTES", "Blobs", "Fetch", "Media", "Payload", "checked", "type_name"]

Payload = dict[str, Any]
#: Up to this many bytes stay in the column; a file of their own would cost more.
INLINE_BYTES = 1024

_T = TypeVar("_T")


class Blobs(Protocol):
    """Where large bytes are kept, such as `treering.store.blobs.Blobs`."""

    def put(self, data: bytes, /) -> str:
        """Keep bytes and return the digest to `get` them by."""
        ...

    def get(self, digest: str, /) -> bytes:
        """Return what was put."""
        ...


class Fetch:
    """A call that reads a blob; a class of its own, so that a medium not yet read can be pickled."""

    def __init__(self, blobs: Blobs, digest: str) -> None:
        self.blobs = blobs
        self.digest = digest

    def __call__(self) -> bytes:
        return self.blobs.get(self.digest)


class Media:
    """Base of all media.

    A value takes three forms. As an object it is the user's. As a *payload* (plain data that MessagePack holds) it is
    in the journal; `to_payload` runs on the thread that calls `log` and is cheap. As a *reference* it is in a column;
    `store` makes it, on the writer's thread, and moves large bytes out of it.

    Attributes:
        kind: names the class in the store.
    """

    __slots__ = ()

    kind: ClassVar[str]

    def to_payload(self) -> Payload:
        """Return the value as plain data, which later changes of this object do not touch."""
        raise NotImplementedError

    @classmethod
    def from_payload(cls, payload: Payload) -> Self:
        """Make the object from its payload.

        Raises:
            CorruptData: not a payload of this class.
        """
        raise NotImplementedError

    @classmethod
    def store(cls, payload: Payload, blobs: Blobs) -> Payload:
        """Turn a payload into the reference that stays in the column; `blobs` takes large bytes."""
        del blobs
        return payload

    @classmethod
    def load(cls, reference: Payload, blobs: Blobs) -> Self:
        """Make the object from its reference.

        Raises:
            CorruptData: not a reference of this class, or its bytes are damaged.
            NotFound: its bytes are gone.
        """
        del blobs
        return cls.from_payload(reference)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Media):
            return NotImplemented
        # As bytes, since NaN equals itself there and 1 differs from 1.0 and True.
        return type(self) is type(other) and encode(self.to_payload()) == encode(other.to_payload())

    __hash__ = None  # type: ignore[assignment]  # tables change, and comparing the others reads all their data


def checked(payload: Payload, shape: type[_T], what: str) -> _T:
    """Return `payload` as an object of `shape`, a `msgspec.Struct`.

    Raises:
        CorruptData: it does not have that shape.
    """
    try:
        return msgspec.convert(payload, shape)
    except msgspec.ValidationError as error:
        raise CorruptData(f"{what} in the store is damaged, or newer than this treering: {error}") from error


def type_name(value: object) -> str:
    """Name a value's class as a user knows it, e.g. `str`, `torch.Tensor`."""
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
