"""TensorBoard's event files: their records, and the few messages in them that hold values.

    file = EventFile(path)
    for event in file.read():      # what has been written since the last call; a file may still be growing
        event.step, event.time_s, event.values

A file is a sequence of TFRecords, each an `Event` of protocol buffers. That much of both formats is read here: it takes
neither TensorFlow nor `tensorboard`, whose reader needs protobuf and gRPC and has to be installed.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from treering.integrations._messages import Tensor, double, masked_crc, message, repeated, signed, single, text
from treering.media import Histogram, Image, Text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

__all__ = ["Event", "EventFile", "HParams", "is_event_file"]

_HEADER, _FOOTER_BYTES = struct.Struct("<QI"), 4
#: Read at a time; bounds the memory, as does that no record is longer than protocol buffers can be.
_READ_BYTES, _LONGEST_RECORD = 8 << 20, 1 << 31
_NAME = re.compile(r"tfevents\.\d+")
_HPARAMS = "_hparams_/"
_TEXT_SUFFIX = "/text_summary"  # what PyTorch's writers put behind the name
_MAGIC = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


class _Event:
    TIME, STEP, SUMMARY = 1, 2, 5


class _Summary:
    VALUE = 1


class _Value:
    TAG, NUMBER, IMAGE, HISTOGRAM, AUDIO, TENSOR, METADATA = 1, 2, 4, 5, 6, 8, 9


class _Metadata:
    PLUGIN, NAME, CONTENT = 1, 1, 2


class _OldHistogram:
    MIN, MAX, LIMITS, COUNTS = 1, 2, 6, 7


class _OldImage:
    ENCODED = 4


class _Session:
    START, END, HPARAMS, STATUS = 3, 4, 1, 1
    KEY, VALUE, NUMBER, TEXT, BOOL = 1, 2, 2, 3, 4
    STATES: ClassVar = {1: "finished", 2: "failed", 3: "running"}


def is_event_file(name: str) -> bool:
    """Tell whether a file is called as TensorBoard wants it: `tfevents`, and when it was begun."""
    return _NAME.search(name) is not None


class HParams(NamedTuple):
    """What the hyperparameter plugin was told; None where nothing was said."""

    values: dict[str, Any] | None = None
    state: str | None = None


NO_HPARAMS = HParams()


@dataclass
class Event:
    """One record of a file.

    Attributes:
        time_s: when it was written, in seconds since 1970.
        step: as whoever wrote it gave it.
        values: by tag: numbers, `Histogram`, `Image` or a list of them, `Text`.
        hparams: hyperparameters, and how the session that has them ended.
        left_out: plugins whose values cannot be shown here, such as "pr_curves".
    """

    time_s: float = 0.0
    step: int = 0
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    hparams: HParams = NO_HPARAMS
    left_out: list[str] = field(default_factory=list[str])


class EventFile:
    """One file, read on from where the last reading ended.

    Args:
        path: of the file.
        offset: where to begin, as `offset` was after an earlier reading.
        plugins: as `plugins` was then.

    Attributes:
        offset: bytes that were read.
        plugins: which plugin each tag belongs to; a file says so once.
        damage: why nothing behind `offset` can be read, in words, or "".
    """

    def __init__(self, path: str | os.PathLike[str], offset: int = 0, plugins: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.offset = offset
        self.plugins = dict(plugins or {})
        self.damage = ""

    def read(self) -> Iterator[Event]:
        """Yield the events that are there; what is written half is left for the next call.

        Raises:
            OSError: the file cannot be read.
        """
        while not self.damage:
            data = self._load()
            before = self.offset
            yield from self._split(data)
            if self.offset == before:
                return

    def _load(self) -> bytes:
        """Return the bytes behind `offset`, at least one record whole if it is there."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read(_READ_BYTES)
            if len(data) == _READ_BYTES:
                whole = _HEADER.size + _HEADER.unpack_from(data)[0] + _FOOTER_BYTES
                data += file.read(whole - len(data)) if len(data) < whole < _LONGEST_RECORD else b""
        return data

    def _split(self, data: bytes) -> Iterator[Event]:
        at = 0
        while at + _HEADER.size <= len(data):
            length, checksum = _HEADER.unpack_from(data, at)
            start = at + _HEADER.size
            if masked_crc(data[at : at + 8]) != checksum:
                self.damage = f"the record at byte {self.offset} has no sound length"
                return
            end = start + length
            if end + _FOOTER_BYTES > len(data):
                return
            try:
                event = self._parse(data[start:end])
            except (ValueError, IndexError, TypeError, struct.error) as error:
                self.damage = f"the record at byte {self.offset} cannot be read ({error})"
                return
            self.offset += end + _FOOTER_BYTES - at
            at = end + _FOOTER_BYTES
            if event.values or event.left_out or event.hparams != NO_HPARAMS:
                yield event

    def _parse(self, data: bytes) -> Event:
        event = Event()
        found = message(data)
        if _Event.SUMMARY in found:
            event.time_s = double(found[_Event.TIME]) if _Event.TIME in found else 0.0
            event.step = signed(found.get(_Event.STEP, 0))
            for value in repeated(found[_Event.SUMMARY], _Summary.VALUE):
                self._take(value, event)
        return event

    def _take(self, data: bytes, event: Event) -> None:
        """Put one value of a summary into the event."""
        parts = message(data)
        tag, content = text(parts.get(_Value.TAG, b"")), b""
        if _Value.METADATA in parts:
            plugin = message(message(parts[_Value.METADATA]).get(_Metadata.PLUGIN, b""))
            content = plugin.get(_Metadata.CONTENT, b"")
            if _Metadata.NAME in plugin:
                self.plugins[tag] = text(plugin[_Metadata.NAME])
        if tag.startswith(_HPARAMS):
            event.hparams = _hparams(event.hparams, content)
            return
        plugin_name = "audio" if _Value.AUDIO in parts else self.plugins.get(tag, "")
        value = _value(plugin_name, parts)
        if value is not None:
            event.values[tag.removesuffix(_TEXT_SUFFIX)] = value
        elif plugin_name:
            event.left_out.append(plugin_name)


# -- values -----------------------------------------------------------------------------------------------------------


def _value(plugin: str, parts: dict[int, Any]) -> Any:
    """Return what a summary's value holds, or None where there is nothing to show."""
    if _Value.NUMBER in parts:
        return single(parts[_Value.NUMBER])
    # What had fields of its own before there were tensors; PyTorch's writers still use them.
    if _Value.HISTOGRAM in parts:
        return _old_histogram(parts[_Value.HISTOGRAM])
    if _Value.IMAGE in parts:
        return _picture(message(parts[_Value.IMAGE]).get(_OldImage.ENCODED, b""))
    return _of_tensor(plugin, Tensor(parts[_Value.TENSOR])) if _Value.TENSOR in parts else None


def _of_tensor(plugin: str, tensor: Tensor) -> Any:
    if plugin == "text":
        return Text("\n\n".join(map(text, tensor.strings)), format="markdown") if tensor.strings else None
    if plugin == "images":
        found = [picture for one in tensor.strings[2:] if (picture := _picture(one)) is not None]  # behind the size
        return found[0] if len(found) == 1 else found or None
    numbers = tensor.numbers() if plugin in {"", "scalars", "histograms"} else None
    if numbers is None or not numbers.size:
        return None
    if plugin == "histograms":
        rows = numbers.reshape(-1, 3)  # left, right, count
        return _histogram(np.concatenate([rows[:1, 0], rows[:, 1]]), rows[:, 2])
    return float(numbers[0]) if numbers.size == 1 else None


def _old_histogram(data: bytes) -> Histogram | None:
    parts = message(data)
    low, high = (double(parts.get(number, bytes(8))) for number in (_OldHistogram.MIN, _OldHistogram.MAX))
    limits, counts = (
        np.frombuffer(b"".join(repeated(data, number)), "<f8")
        for number in (_OldHistogram.LIMITS, _OldHistogram.COUNTS)
    )
    inside = np.flatnonzero(counts)
    if limits.size != counts.size or not inside.size:
        return None
    # The upper edges alone are given: the first bin has none below, and the last one's may be the end of all numbers.
    first, last = int(inside[0]), int(inside[-1])
    edges = np.concatenate([[limits[first - 1] if first else low], limits[first : last + 1]])
    edges[-1] = min(edges[-1], high) if high > edges[-2] else edges[-1]
    return _histogram(edges, counts[first : last + 1])


def _histogram(edges: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> Histogram | None:
    """Make one of edges that may fall together: a bin without width is added to the next one that has some."""
    if not (np.isfinite(edges).all() and np.isfinite(counts).all()):
        return None
    wide = np.flatnonzero(np.diff(edges) > 0)
    if not wide.size:  # all values are equal
        return Histogram(np_histogram=([float(counts.sum())], [float(edges[0]) - 0.5, float(edges[0]) + 0.5]))
    sums = np.add.reduceat(counts, np.concatenate([[0], wide[:-1] + 1]))
    return Histogram(np_histogram=(sums.tolist(), [float(edges[0]), *edges[wide + 1].tolist()]))


def _picture(data: bytes) -> Image | None:
    """Return a picture as it was encoded; Pillow finds its size and whether it is one."""
    from PIL import Image as pillow  # noqa: N813  # its class is called Image too

    form = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)
    try:
        width, height = pillow.open(io.BytesIO(data)).size
    except (OSError, SyntaxError):
        return None
    return Image.from_payload({"width": width, "height": height, "format": form, "data": data}) if form else None


# -- hyperparameters --------------------------------------------------------------------------------------------------


def _hparams(before: HParams, content: bytes) -> HParams:
    """Add what one message of the plugin says to what was said before."""
    parts = message(content)
    values, state = before
    if _Session.START in parts:
        entries = map(message, repeated(parts[_Session.START], _Session.HPARAMS))
        values = {text(entry[_Session.KEY]): _setting(entry.get(_Session.VALUE, b"")) for entry in entries}
    if _Session.END in parts:
        state = _Session.STATES.get(message(parts[_Session.END]).get(_Session.STATUS, 0))
    return HParams(values, state)


def _setting(value: bytes) -> object:
    """Of a `google.protobuf.Value`; whole numbers were integers, more likely than not."""
    parts = message(value)
    if _Session.NUMBER in parts:
        number = double(parts[_Session.NUMBER])
        return int(number) if number.is_integer() else number
    return (
        text(parts[_Session.TEXT])
        if _Session.TEXT in parts
        else bool(parts[_Session.BOOL])
        if _Session.BOOL in parts
        else None
    )
