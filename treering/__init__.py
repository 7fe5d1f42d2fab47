"""treering: an open experiment tracker that people add to a training with one line.

    import treering

    run = treering.init(project="digits", config={"lr": 0.1})
    run.log({"loss": 0.5})
    run.finish()

The callbacks for Lightning, Keras, Hugging Face and Stable-Baselines3 are in `treering.callbacks`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from treering.active import (
    alert,
    define_metric,
    finish,
    init,
    link_model,
    log,
    log_artifact,
    log_event,
    log_model,
    save,
    use_artifact,
    use_model,
)
from treering.errors import TreeringError, TreeringWarning

if TYPE_CHECKING:
    from treering import plot
    from treering._run import Run
    from treering.api import Api
    from treering.artifacts import Artifact
    from treering.checkpoints import load_checkpoint
    from treering.convention import AlertLevel, termerror, termlog, termwarn
    from treering.media import Audio, Chart, Histogram, Html, Image, Object3D, Table, Text, Video
    from treering.online.credentials import login
    from treering.settings import Settings
    from treering.sweeps import agent, sweep
    from treering.values import Config, Summary
    from treering.watching import unwatch, watch

    run: Run | None
    config: Config
    summary: Summary

__version__ = "0.1.0"

__all__ = [
    "AlertLevel",
    "Api",
    "Artifact",
    "Audio",
    "Chart",
    "Histogram",
    "Html",
    "Image",
    "Object3D",
    "Run",
    "Settings",
    "Table",
    "Text",
    "TreeringError",
    "TreeringWarning",
    "Video",
    "agent",
    "alert",
    "config",
    "define_metric",
    "finish",
    "init",
    "link_model",
    "load_checkpoint",
    "log",
    "log_artifact",
    "log_event",
    "log_model",
    "login",
    "plot",
    "run",
    "save",
    "summary",
    "sweep",
    "termerror",
    "termlog",
    "termwarn",
    "unwatch",
    "use_artifact",
    "use_model",
    "watch",
]

# Loaded when first used, since a training that only logs has no need of them.
_LAZY = {
    "AlertLevel": "treering.convention",
    "Api": "treering.api",
    "Artifact": "treering.artifacts",
    "Audio": "treering.media",
    "Chart": "treering.media",
    "Histogram": "treering.media",
    "Html": "treering.media",
    "Image": "treering.media",
    "Object3D": "treering.media",
    "Run": "treering._run",
    "Settings": "treering.settings",
    "Table": "treering.media",
    "Text": "treering.media",
    "Video": "treering.media",
    "load_checkpoint": "treering.checkpoints",
    "login": "treering.online.credentials",
    "agent": "treering.sweeps",
    "sweep": "treering.sweeps",
    "termerror": "treering.convention",
    "termlog": "treering.convention",
    "termwarn": "treering.convention",
    "unwatch": "treering.watching",
    "watch": "treering.watching",
}


def __getattr__(name: str) -> Any:
    """Return the active run and its parts, and load what is lazy."""
    if name == "plot":
        return import_module("treering.plot")
    if name in _LAZY:
        value = globals()[name] = getattr(import_module(_LAZY[name]), name)
        return value
    if name in ("run", "config", "summary"):
        from treering.active import active_run
        from treering.errors import UsageError

        active = active_run()
        if name == "run":
            return active
        if active is None:
            raise UsageError(f"treering.{name} needs a run; call treering.init() first")
        return getattr(active, name)
    if name == "load_ipython_extension":  # what `%load_ext treering` looks for
        from treering.notebook.magic import register

        return register
    raise AttributeError(f"module 'treering' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
