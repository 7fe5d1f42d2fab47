"""A stand-in for the run of a training, for frameworks that ask for it long before, or without, recording anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treering.training._training import Training

__all__ = ["LazyRun"]


class LazyRun:
    """Opens the training's run when it is first used; on ranks other than zero it takes any call and does nothing."""

    def __init__(self, training: Training) -> None:
        self._training = training

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle look for their hooks before there is a training
            raise AttributeError(name)
        run = self._training.run
        return _NOTHING if run is None else getattr(run, name)

    def __repr__(self) -> str:
        return repr(self._training.opened or "<Run not open yet>")


class _Nothing:
    """What is there of a run where none is recorded."""

    def __call__(self, *_args: object, **_options: object) -> _Nothing:
        return self

    def __getattr__(self, name: str) -> _Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _key: object) -> _Nothing:
        return self

    def __setitem__(self, _key: object, _value: object) -> None: ...


_NOTHING = _Nothing()
