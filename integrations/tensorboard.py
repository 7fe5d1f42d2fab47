"""TensorBoard: what goes into event files goes into the run too, while it is written or long after.

    run = treering.init(project="digits", sync_tensorboard=True)    # or TREERING_SYNC_TENSORBOARD=1
    writer = SummaryWriter("logs")                                   # PyTorch's, tensorboardX's, TensorFlow's, Keras'
    writer.add_scalar("train/loss", 0.5, global_step=1)

and for logs that are there already: `treering import tensorboard logs`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from treering.errors import TreeringWarning
from treering.integrations._event_files import EventFile
from treering.integrations._event_import import import_folder, log_bytes
from treering.integrations._event_names import Names, row_of
from treering.integrations._event_writers import forget, listen, present, stop_listening

if TYPE_CHECKING:
    from pathlib import Path

    from treering import Run
    from treering.integrations._event_writers import Source

__all__ = ["Sync", "import_folder", "log_bytes", "sync"]

_FLUSH_EVERY_S = 5.0
# At the end nothing new is to come so many times in a row: a writer's thread may just have an event in its hand.
_DRAIN_S, _DRAIN_POLL_S, _QUIET_TIMES = 5.0, 0.01, 2
# At the start it waits this long for writers to let go of what was given to them before.
_SETTLE_S = 1.0

#: How far each file was read for a run of this process; a writer that outlives its run goes on in the next one.
_read_before: dict[Path, EventFile] = {}
#: Those that are reading; a writer stays with the one that follows it.
_live: list[Sync] = []


class Sync:
    """Reads on, in a thread of its own, in every event file that this process writes, into a run.

    Args:
        run: where to; a value has the step and the time that the writer gave it.
        interval_s: seconds between two readings.
    """

    def __init__(self, run: Run, interval_s: float = 1.0) -> None:
        self._run = run
        self._interval_s = interval_s
        self._sources: list[Source] = []
        self._files: dict[Path, EventFile] = {}
        #: How many bytes of a file are not this run's, nor what is older than the time, in seconds since 1970.
        self._begin_at: dict[Path, tuple[int, float]] = {}
        self._names: Names | None = None
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="treering-tensorboard", daemon=True)

    def start(self) -> None:
        """Begin, with the writers that there are and those that come: with what they write from now on."""
        now_s = time.time()
        taken = {path for other in _live for path in other.files()}
        self._sources += [source for source in present() if source.place not in taken]
        self._settle(now_s)
        _live.append(self)
        listen(self._hear)
        self._thread.start()

    def files(self) -> list[Path]:
        """The files that it follows."""
        return [path for source in list(self._sources) for path in source.files()]

    def _settle(self, now_s: float) -> None:
        """Let writers that were left open write what they were given for something else, and begin behind it."""
        deadline, quiet = time.monotonic() + _SETTLE_S, 0
        while self._sources and quiet < _QUIET_TIMES and time.monotonic() < deadline:
            quiet = 0 if self._flush() else quiet + 1
            time.sleep(_DRAIN_POLL_S)
        for source in self._sources:
            with contextlib.suppress(OSError):
                # Only what cannot be made to write is told by its times, which a program may give as it likes.
                self._begin_at[source.place] = source.place.stat().st_size, 0.0 if source.flushes else now_s

    def stop(self) -> None:
        """Bring in all that was written so far, and end."""
        stop_listening(self._hear)
        with contextlib.suppress(ValueError):
            _live.remove(self)
        self._stopped.set()
        self._thread.join(_DRAIN_S)
        deadline, quiet = time.monotonic() + _DRAIN_S, 0
        while quiet < _QUIET_TIMES:
            waiting = self._flush()
            quiet = 0 if self._read() or waiting else quiet + 1
            if time.monotonic() > deadline:
                self._tell("slow", "TensorBoard's writers still hold events back; the last ones may be missing here")
                return
            time.sleep(_DRAIN_POLL_S)

    def forget(self) -> None:
        """In a forked child: leave the files to the parent."""
        forget()
        _live.clear()

    def _hear(self, source: Source) -> None:
        self._sources.append(source)

    def _watch(self) -> None:
        flushed_s = time.monotonic()
        while not self._stopped.wait(self._interval_s):
            if time.monotonic() - flushed_s > _FLUSH_EVERY_S:
                self._flush()
                flushed_s = time.monotonic()
            self._read()

    def _flush(self) -> bool:
        """Have the writers write; returns whether one has more that it will write in a moment."""
        waiting = False
        for source in list(self._sources):
            with contextlib.suppress(Exception):  # it was closed, or is not what we think
                waiting |= source.waiting()
                source.flush()
        return waiting

    def _read(self) -> int:
        """Bring in what is new; returns how many events that was."""
        found = 0
        with self._lock:
            for source in list(self._sources):
                with contextlib.suppress(OSError):
                    for path in source.files():
                        if path not in self._files:
                            self._files[path] = _read_before.setdefault(path, EventFile(path))
            for path, file in self._files.items():
                try:
                    found += self._take(path, file)
                except Exception as error:  # whatever it is, the training goes on
                    self._tell(str(path), f"{path} cannot be read ({type(error).__name__}: {error})")
        return found

    def _take(self, path: Path, file: EventFile) -> int:
        count = 0
        begin_at, begin_s = self._begin_at.get(path, (0, 0.0))
        for event in file.read():
            count += 1
            if file.offset <= begin_at or event.time_s < begin_s:
                continue
            if self._names is None:  # only now, for there may be a writer of what was trained before
                self._names = Names(path.parent)
            prefix = self._names.prefix(path.parent)
            if event.values:
                self._run.log(row_of(event, prefix), step=event.step, time_s=event.time_s)
            if event.hparams.values:
                known = self._run.config
                self._run.config.update({key: one for key, one in event.hparams.values.items() if key not in known})
            for plugin in event.left_out:
                self._tell(plugin, f"values of TensorBoard's plugin {plugin!r} stay in its files only")
        if file.damage:
            self._tell(str(path), f"{path}: {file.damage}; what follows is not recorded")
        return count

    def _tell(self, kind: str, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            with contextlib.suppress(TreeringWarning):  # warnings may be errors; not on this thread
                from treering._notice import warn

                warn(f"run {self._run.id}: {text}")


def sync(run: Run) -> Sync:
    """Begin to sync; what `treering.init(sync_tensorboard=True)` calls."""
    started = Sync(run)
    started.start()
    return started
