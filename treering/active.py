"""The active run, and the functions that act on it without naming it."""

from __future__ import annotations

import contextlib
import os
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treering.errors import UsageError
from treering.settings import Settings, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from treering._run import Run
    from treering.artifacts import Artifact

__all__ = [
    "activate",
    "active_run",
    "alert",
    "define_metric",
    "finish",
    "init",
    "link_model",
    "log",
    "log_artifact",
    "log_event",
    "log_model",
    "save",
    "use_artifact",
    "use_model",
]

_in_context: ContextVar[Run | None] = ContextVar("treering_run", default=None)
_opened: list[Run] = []


def active_run() -> Run | None:
    """Return the run opened last in this context (task or thread), else in this process; None if none is live."""
    run = _in_context.get()
    if run is not None and not run.ended:
        return run
    live = live_runs()
    return live[-1] if live else None


def activate(run: Run) -> None:
    """Make a run that is live the active one of this context again."""
    _in_context.set(run)


def live_runs() -> list[Run]:
    """Return the runs of this process that have not ended, oldest first."""
    for run in list(_opened):
        if run.ended:
            with contextlib.suppress(ValueError):  # another thread was quicker
                _opened.remove(run)
    return list(_opened)


def init(  # noqa: PLR0913  # one argument for each thing there is to say about a run
    project: str | None = None,
    name: str | None = None,
    *,
    config: object = None,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002  # the word of the field
    mode: str | None = None,
    id: str | None = None,  # noqa: A002  # the word of the field
    resume: str | bool | None = None,
    resume_step: int | None = None,
    fork_from: str | tuple[str, int | None] | None = None,
    group: str | None = None,
    job_type: str | None = None,
    tags: Iterable[str] | None = None,
    notes: str | None = None,
    settings: Settings | Mapping[str, object] | None = None,
    reinit: str | bool | None = None,
    sync_tensorboard: bool | None = None,
    **others: Any,
) -> Run:
    """Start recording a run.

    Each argument wins over its `TREERING_...` variable, which wins over `treering.toml` and `[tool.treering]`.

    Args:
        project: what the run belongs to.
        name: for people; default three words.
        config: hyperparameters: a mapping, dataclass, parsed arguments, or any object.
        dir: folder of the store; default the nearest `.treering` above the working folder, else the user's data folder.
        mode: "local" (the default), "online" (there and on a server), "offline" (a file of its own, to carry away or
            to `treering sync` later), or "disabled".
        id: the run's id, to go on with a run or to choose one; default random.
        resume: "never" (the default), "allow", "must", or "auto": go on with the unfinished run of this script.
        resume_step: the step of the checkpoint that is gone on from; later rows are superseded.
        fork_from: "RUN" or "RUN?step=120": begin as a copy of another run up to a step.
        group: joins runs that belong together.
        job_type: such as "train" or "eval".
        tags: words to find the run by.
        notes: longer description.
        settings: any other settings by name.
        reinit: what becomes of a run that is open: "create_new" leaves it open (default in scripts),
            "finish_previous" ends it (default in notebooks), "return_previous" returns it.
        sync_tensorboard: record what this process writes for TensorBoard, too.
        others: what else W&B's `init` takes: `config_include_keys` and `config_exclude_keys` are heeded, accounts and
            ways of uploading (`entity`, `anonymous`, `save_code`, ...) mean nothing here.

    Returns:
        The run, which is the active one from now on. Usable as a context manager.

    Raises:
        UsageError: an argument that cannot be taken.
        RunExists: the id is taken and `resume` is "never".
        NotFound: no such run to resume or fork from.
    """
    from treering.start import start_run

    if others:
        from treering.convention import chosen_config

        config = chosen_config(config, others)
    if isinstance(resume, bool):  # W&B's older spelling
        resume = "auto" if resume else "never"
    if isinstance(reinit, bool):
        reinit = "finish_previous" if reinit else "return_previous"
    arguments = {
        "project": project, "name": name, "dir": dir, "mode": mode, "id": id, "resume": resume,
        "resume_step": resume_step, "fork_from": fork_from, "group": group, "job_type": job_type, "tags": tags,
        "notes": notes, "reinit": reinit, "sync_tensorboard": others.get("tensorboard", sync_tensorboard),
    }  # fmt: skip
    resolved = resolve(arguments, settings=settings)
    previous = live_runs()
    how = resolved.reinit
    if how == "default":
        how = "finish_previous" if _in_notebook() else "create_new"
    if previous and how == "return_previous":
        if config is not None:
            previous[-1].config.update(config)
        return previous[-1]
    if how == "finish_previous":
        for run in previous:
            run.finish()
    run = start_run(resolved, config)
    _opened.append(run)
    _in_context.set(run)
    if not resolved.quiet and run.mode != "disabled":
        _greet(run)
    return run


def _greet(run: Run) -> None:
    attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
    place = _short(run.store_dir)
    if run.url is not None:
        place = f"{place} and {run.url}"
    print(  # noqa: T201  # the one line that says where the run goes
        f"treering: recording {run.name} in project {run.project}{attempt} -> {place} (treering show {run.id})",
        file=sys.stderr,
    )


def _short(folder: Path) -> str:
    for base, sign in ((Path.cwd(), "."), (Path.home(), "~")):
        if folder.is_relative_to(base):
            return os.path.join(sign, folder.relative_to(base))
    return str(folder)


def _in_notebook() -> bool:
    """Tell whether this process is a notebook's kernel, where a cell that starts a run is run again and again."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    session = get_ipython() if get_ipython is not None else None
    return getattr(session, "kernel", None) is not None


def _need(verb: str) -> Run:
    run = active_run()
    if run is None:
        raise UsageError(f"treering.{verb}() needs a run; call treering.init() first")
    return run


def log(
    data: Mapping[str, object], step: int | None = None, commit: bool | None = None, *, time_s: float | None = None
) -> None:
    """Log to the active run; see `Run.log`."""
    _need("log").log(data, step, commit, time_s=time_s)


def log_event(kind: str, message: str = "", *, level: str = "info", **fields: object) -> None:
    """Record an event in the active run; see `Run.log_event`."""
    _need("log_event").log_event(kind, message, level=level, **fields)


def alert(title: str, text: str = "", level: str = "info", **options: Any) -> None:
    """Tell people something, in the active run; see `Run.alert`."""
    _need("alert").alert(title, text, level, **options)


def define_metric(name: str, x: str | None = None, **options: Any) -> None:
    """Say how a metric of the active run is to be read; see `Run.define_metric`."""
    _need("define_metric").define_metric(name, x, **options)


def log_artifact(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Artifact, **options: Any
) -> Artifact:
    """Keep files as a version; see `Run.log_artifact`."""
    return _need("log_artifact").log_artifact(source, **options)


def use_artifact(artifact: str | Artifact, **options: Any) -> Artifact:
    """Use a version; see `Run.use_artifact`."""
    return _need("use_artifact").use_artifact(artifact, **options)


def log_model(
    path: str | os.PathLike[str], name: str | None = None, aliases: str | Sequence[str] | None = (), **options: Any
) -> Artifact:
    """Keep a model as a version; see `Run.log_model`."""
    return _need("log_model").log_model(path, name, aliases, **options)


def use_model(name: str) -> Path:
    """Download a model; see `Run.use_model`."""
    return _need("use_model").use_model(name)


def link_model(path: str | os.PathLike[str] | Artifact, registered_model_name: str, **options: Any) -> Artifact:
    """Register a model; see `Run.link_model`."""
    return _need("link_model").link_model(path, registered_model_name, **options)


def save(pattern: str | os.PathLike[str], base_path: str | os.PathLike[str] | None = None) -> list[Artifact]:
    """Keep files with the active run; see `Run.save`."""
    return _need("save").save(pattern, base_path)


def finish(
    state: str | int | None = None, error: BaseException | str | None = None, *, exit_code: int | None = None, **_: Any
) -> None:
    """End the active run; does nothing when there is none. See `Run.finish`."""
    run = active_run()
    if run is not None:
        run.finish(state, error, exit_code=exit_code)
