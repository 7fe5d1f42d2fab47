"""Which event files this process writes: each writer that is made is noticed.

PyTorch writes with a class of `tensorboard`, tensorboardX has one of its own, and TensorFlow and Keras write from C++
under names that they pick themselves. Their constructors are wrapped from the first `listen` to the last
`stop_listening`; a module that is not loaded yet is wrapped when it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from functools import partial, wraps
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from treering.integrations._event_files import is_event_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["Source", "forget", "listen", "present", "stop_listening"]

_BEGAN = re.compile(r"tfevents\.(\d+)\.")
# Behind the host's name: process and a count. tensorboardX's names, and those of TensorFlow 1, have neither.
_PROCESS = re.compile(r"\.(\d+)\.\d+(\.|$)")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]+:/")


class Source(NamedTuple):
    """Where events come from.

    Attributes:
        place: the file; or, where its name is not told, the folder, in which this process's files are looked for.
        flush: brings what the writer holds back into the file; may raise anything.
        waiting: whether the writer has more than that to write.
        since_s: files in a folder are this one's if they were begun since then, in seconds since 1970.
        flushes: whether `flush` does what it says.
    """

    place: Path
    flush: Callable[[], object]
    waiting: Callable[[], bool] = lambda: False
    since_s: float = 0.0
    flushes: bool = True

    def files(self) -> list[Path]:
        """Return the files that there are."""
        if not self.place.is_dir():
            return [self.place] if self.place.exists() else []
        return sorted(path for path in self.place.iterdir() if self._is_ours(path.name))

    def _is_ours(self, name: str) -> bool:
        began = _BEGAN.search(name)
        if began is None or int(began[1]) < int(self.since_s):
            return False
        process = _PROCESS.search(name, began.end())
        return process is None or int(process[1]) == os.getpid()


Hear = Callable[[Source], None]
_ears: list[Hear] = []
_wrapped: list[tuple[object, str, Any]] = []
_lock = threading.RLock()


def listen(hear: Hear) -> None:
    """Call `hear` for each writer that is made from now on; the one who listens last hears it, and nobody else."""
    with _lock:
        _ears.append(hear)
        if len(_ears) == 1:
            for name, wrap in _WRITERS.items():
                if (module := sys.modules.get(name)) is not None:
                    wrap(module)
            sys.meta_path.insert(0, _finder)


def stop_listening(hear: Hear) -> None:
    """Undo `listen`; with the last one everything is as it was."""
    with _lock:
        if hear in _ears:
            _ears.remove(hear)
            if not _ears:
                sys.meta_path.remove(_finder)
                while _wrapped:
                    owner, name, original = _wrapped.pop()
                    setattr(owner, name, original)


def forget() -> None:
    """In a forked child: hear nothing more. Takes no lock, which a thread of the parent may have held."""
    _ears.clear()


def _tell(source: Source) -> None:
    if _ears and not _REMOTE.match(str(source.place)):  # a bucket, which cannot be read on as it grows
        _ears[-1](source._replace(place=source.place.absolute()))


def _wrap(owner: Any, name: str, after: Callable[..., Source | None]) -> None:
    """Have `after(result, *arguments)` say what a call that succeeded has opened."""
    original = getattr(owner, name)

    @wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        with contextlib.suppress(Exception):  # a writer that is not what we know is none of ours
            source = after(*arguments, **options)
            if source is not None:
                _tell(source)
        return result

    _wrapped.append((owner, name, original))
    setattr(owner, name, call)


def _wrap_tensorboard(module: Any) -> None:
    def made(writer: Any, *_: Any, **__: Any) -> Source:
        return Source(Path(writer._file_name), writer.flush)

    _wrap(module.EventFileWriter, "__init__", made)


def _wrap_tensorboardx(module: Any) -> None:
    def made(writer: Any, *_: Any, **__: Any) -> Source:
        queue = writer._event_queue  # None once it is closed; its feeder may hold more than the queue tells
        return Source(
            Path(writer._ev_writer._file_name),
            writer.flush,
            lambda: writer._event_queue is not None and bool(queue._buffer or not queue.empty()),
        )

    _wrap(module.EventFileWriter, "__init__", made)


def _wrap_tensorflow(module: Any) -> None:
    def made(
        writer: Any, logdir: Any, max_queue: Any, flush_millis: Any, filename_suffix: Any, *_: Any, **__: Any
    ) -> Source:
        del max_queue, flush_millis, filename_suffix
        folder: str = logdir if isinstance(logdir, str) else logdir.numpy().decode()
        return Source(Path(folder), lambda: module.flush_summary_writer(writer), since_s=time.time() - 1)

    _wrap(module, "create_summary_file_writer", made)


def _wrap_tensorflow_1(module: Any) -> None:
    def made(writer: Any, *_: Any, **__: Any) -> Source:
        return Source(Path(writer._logdir), writer.flush, since_s=time.time() - 1)

    _wrap(module.EventFileWriter, "__init__", made)


_WRITERS: dict[str, Callable[[Any], None]] = {
    "tensorboard.summary.writer.event_file_writer": _wrap_tensorboard,
    "tensorboardX.event_file_writer": _wrap_tensorboardx,
    "tensorflow.python.ops.gen_summary_ops": _wrap_tensorflow,
    "tensorflow.python.summary.writer.event_file_writer": _wrap_tensorflow_1,
}


class _AfterImport(MetaPathFinder):
    """Wraps the writers of modules that are imported while somebody listens."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        wrap = _WRITERS.get(fullname)
        if wrap is None:
            return None
        spec = self._spec_of_others(fullname, path, target)
        loader: Any = spec.loader if spec is not None else None
        if loader is None:
            return None
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            with _lock:
                if _ears:
                    wrap(module)

        loader.exec_module = exec_module
        return spec

    def _spec_of_others(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                return spec
        return None


_finder = _AfterImport()


def present() -> list[Source]:
    """Return the writers that were made before anybody listened, as far as they can be found.

    Those in Python have a thread each; of TensorFlow's the open files can be seen, on Linux.
    """
    found: dict[Path, Source] = {}
    for thread in threading.enumerate():
        records = getattr(thread, "_record_writer", None)
        inner = getattr(records, "_writer", None)
        name = getattr(records, "_file_name", None) or getattr(inner, "filename", None) or getattr(inner, "name", None)
        if records is not None and isinstance(name, (str, bytes)) and is_event_file(os.fsdecode(name)):
            path = Path(os.fsdecode(name)).absolute()
            found[path] = Source(path, records.flush, partial(_has_more, getattr(thread, "_queue", None)))
    with contextlib.suppress(OSError):
        for descriptor in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                target = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
                if is_event_file(target.name) and target.is_file() and _is_written(descriptor):
                    found.setdefault(target, Source(target, _nothing, flushes=False))
    return list(found.values())


def _has_more(queue: Any) -> bool:
    """Whether the queue between a program and a writer's thread holds events; a thread may have one in its hand."""
    unfinished = getattr(queue, "unfinished_tasks", None)
    return bool(queue._buffer or not queue.empty()) if unfinished is None else unfinished > 0


def _is_written(descriptor: str) -> bool:
    """Tell an open file that is written from one that is only read, by somebody who looks at older logs."""
    lines = Path("/proc/self/fdinfo", descriptor).read_text(encoding="ascii").splitlines()
    flags = next(int(line.split()[1], 8) for line in lines if line.startswith("flags:"))
    return flags & os.O_ACCMODE != os.O_RDONLY


def _nothing() -> None:
    """What there is to do for a file whose writer cannot be reached."""
