"""Keras: the files of one training, and the run that a loaded model goes on in."""

# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# The framework leaves holes in its own types.

from __future__ import annotations

import contextlib
import gc
import glob
import json
import os
import re
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from treering._framework import framework
from treering.errors import UsageError
from treering.resuming import earlier_run_in, writer_of
from treering.training import Score, metric_name

with framework("keras", extra="keras"):
    import keras

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from treering.training import Training

__all__ = ["Place", "SavedFiles", "load_model"]

_SIDECAR = "treering.json"
_PATIENCE_S = 5.0
Signature = tuple[int, int, int]
_MODEL_CHECKPOINT, _BACKUP = keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore
_ORBAX = getattr(keras.callbacks, "OrbaxCheckpoint", None)  # of newer releases

#: Models that came out of a file, and what the store knows of it; until they are trained.
_loaded: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


class Place(NamedTuple):
    """Where a training is: optimizer updates done, the epoch's number from 0, batches since it began."""

    step: int
    epoch: int
    batch: int


def load_model(path: str | os.PathLike[str], **options: Any) -> Any:
    """Load a model as `keras.saving.load_model` does; its next `fit` goes on in the run that wrote the file.

    The file is looked for in the store by its content, so it may have been moved or renamed. One that no run of this
    store wrote is loaded all the same, and its training is a new run.

    Args:
        path: of a `.keras` or `.h5` file that a `ModelCheckpoint` wrote, or the callback itself.
        **options: of `keras.saving.load_model`.
    """
    model = keras.saving.load_model(path, **options)
    found = writer_of(Path(path)) if os.path.isfile(path) else {}
    if found:
        _loaded[model] = found
    return model


class SavedFiles:
    """What the callbacks of one `fit` write, and what is saved here.

    Args:
        training: to record it with.
        save_every: epochs between two checkpoints of our own, the last one at the end; None for none.

    Raises:
        UsageError: `save_every` is no number of epochs.
    """

    def __init__(self, training: Training, save_every: int | None) -> None:
        if save_every is not None and save_every < 1:
            raise UsageError(f"keras: save_every={save_every!r}; use a number of epochs, 1 or more")
        self._training = training
        self._save_every = save_every
        self._saved_at = -1
        self._model: Any = None
        self._logs: Mapping[str, float] = {}
        self._epochs: dict[int, tuple[Place, Mapping[str, float]]] = {}
        self._savers: dict[Any, dict[str, Signature]] = {}
        self._folders: dict[Any, set[int]] = {}
        self._backups: list[str] = []
        self.come_within_epochs = False
        """Whether files may be written before an epoch's end; asked with each batch."""

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_model": None, "_savers": {}, "_folders": {}}  # a copy is attached anew

    def attach(self, model: Any) -> dict[str, object]:
        """A `fit` of `model` begins; returns what is known of the run that it goes on in.

        Known from the backup that was restored, else from the file that the model was loaded from.
        """
        self._model, self._saved_at = model, -1
        found = _siblings(model)
        self._savers = {one: dict(_written(one.filepath)) for one in found if isinstance(one, _MODEL_CHECKPOINT)}
        self.come_within_epochs = any(saver.save_freq != "epoch" for saver in self._savers)
        self._folders = {one: set(_numbered(one)) for one in found if _ORBAX is not None and isinstance(one, _ORBAX)}
        self._backups = [os.fspath(one.backup_dir) for one in found if isinstance(one, _BACKUP)]
        loaded = _loaded.pop(model, {})
        return next(self._read_sidecars(), loaded)

    def link_back(self, epoch: int) -> None:
        """Say which run this one seems to go on from, for a `fit` that begins at a later epoch and was not told."""
        run = self._training.opened
        templates = [saver.filepath for saver in self._savers] + [f"{one.directory}/" for one in self._folders]
        folders = {os.path.dirname(os.fspath(one).partition("{")[0]) for one in templates}
        if run is None or run.attempt > 1 or run.mode == "disabled" or not folders:
            return
        run.flush(_PATIENCE_S)  # the store of a first run may not be made yet
        earlier = earlier_run_in(folders, run)
        if earlier is not None:
            self._training.configure("continues", earlier._asdict())
            text = f"begins at epoch {epoch}; the last run that saved in the same folder is {earlier.run}"
            run.log_event("continues", text, **earlier._asdict())

    def look(self, place: Place) -> None:
        """Take what was written since the last call."""
        for saver, seen in self._savers.items():
            now = dict(_written(saver.filepath))
            changed = [path for path, signature in now.items() if seen.get(path) != signature]
            self._savers[saver] = now
            for path in sorted(changed, key=lambda path: now[path]):
                self._take(Path(path), place, _score(saver, self._logs))
        for saver, taken in self._folders.items():
            for number in _numbered(saver):
                if number not in taken:
                    taken.add(number)
                    self._take_folder(saver, number, place)

    def epoch_ended(self, place: Place, logs: Mapping[str, float]) -> None:
        """An epoch is over, with these metrics."""
        self._logs = dict(logs)
        if self._folders:
            self._epochs[place.epoch] = place, self._logs
        if self._save_every is not None and (place.epoch + 1) % self._save_every == 0:
            self._save(place)

    def end(self, place: Place) -> None:
        """The training is over."""
        for saver in self._folders:
            with contextlib.suppress(Exception):  # its own end may have come first, and closed what writes
                saver.wait_until_finished()
        self.look(place)
        if self._save_every is not None and place.step != self._saved_at:
            self._save(place)

    def leave_sidecars(self, batch: int) -> None:
        """Leave word in the folders of backups, which Keras deletes at the end, of the run that they belong to."""
        for folder in self._backups:
            if self._training.opened is not None and os.path.isdir(folder):
                state = {**self._training.state(), "batch": batch}
                Path(folder, _SIDECAR).write_text(json.dumps(state), encoding="utf-8")

    def _read_sidecars(self) -> Iterator[dict[str, object]]:
        for folder in self._backups:
            path = Path(folder, _SIDECAR)
            if path.exists():
                yield json.loads(path.read_text(encoding="utf-8"))

    def _take(self, path: Path, place: Place, score: Score | None, *, is_new: bool = False) -> None:
        metadata = {"epoch": place.epoch, "batch": place.batch}
        self._training.checkpoint(path, step=place.step, score=score, linkable=is_new, metadata=metadata)

    def _take_folder(self, saver: Any, number: int, now: Place) -> None:
        """Take a folder of Orbax, which is called after the epoch or the batch that it is of."""
        place, logs = self._epochs.get(number, (now, self._logs))
        if saver.save_freq != "epoch":
            place = Place(number, now.epoch, number)
        with contextlib.suppress(FileNotFoundError):  # a newer one has just taken its place
            self._take(Path(saver.directory, str(number)), place, _score(saver, logs))

    def _save(self, place: Place) -> None:
        if self._training.opened is None:
            return
        self._saved_at = place.step
        name = "val_loss" if "val_loss" in self._logs else "loss"
        score = Score(metric_name(name, "train"), float(self._logs[name])) if name in self._logs else None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            self._model.save(path)
            self._take(path, place, score, is_new=True)


def _siblings(model: Any) -> list[Any]:
    """Return the callbacks of the same `fit` that write checkpoints or backups.

    Keras gives a callback no way to the others in its list, so they are looked for among all objects, once for each
    `fit`. One of an earlier `fit` does no harm: nothing happens before its files change.
    """
    kinds = (_MODEL_CHECKPOINT, _BACKUP, *([] if _ORBAX is None else [_ORBAX]))
    return [one for one in gc.get_objects() if issubclass(type(one), kinds) and one._model is model]


def _written(template: str) -> Iterator[tuple[str, Signature]]:
    """Yield the files that exist for a ModelCheckpoint's `filepath`, with what tells that one was written again."""
    pattern = "*".join(glob.escape(part) for part in re.split(r"\{[^{}]*\}", template))
    for path in glob.iglob(pattern):
        stat = os.stat(path)
        yield path, (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _numbered(saver: Any) -> list[int]:
    """Return the folders that Orbax has completed: while it writes one, that has another name."""
    try:
        names = os.listdir(saver.directory)
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isdigit())


def _score(saver: Any, logs: Mapping[str, float]) -> Score | None:
    if saver.monitor_op is None or saver.monitor not in logs:
        return None
    best = float(saver.best) if saver.save_best_only else float(logs[saver.monitor])
    # NumPy's function in older releases, Keras's own in newer ones.
    mode: Literal["min", "max"] = "min" if saver.monitor_op.__name__ == "less" else "max"
    # With save_best_only a file is written only for a new best; else every epoch, and the scores decide.
    return Score(metric_name(saver.monitor, "train"), best, mode, best=True if saver.save_best_only else None)
