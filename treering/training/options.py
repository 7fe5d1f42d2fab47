"""What every adapter takes, under the same names, and what it says about a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from treering.errors import UsageError
from treering.training.adopted import users_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treering._run import Run
    from treering.artifacts.retention import Keep
    from treering.watching import WatchOptions

__all__ = ["Options", "Score", "check_options", "rule_of", "trial_options"]

Checkpoints = Literal["all", "best+last", "last", False]


class Options(TypedDict, total=False):
    """What every adapter takes, under the same names.

    `project`, `name`, `id`, `resume`, `group`, `job_type`, `tags`, `notes` and `config` go to `treering.init` when the
    training opens a run of its own. `checkpoints` says which files that the framework saves are recorded; `keep` how
    many of them the next collection leaves beside those that an alias such as `best` is on, {"best": 3, "last": 1} for
    example (default: all); `watch` whether gradients are recorded (True, or a dict of `treering.watching.WatchOptions`;
    default False); `rank` overrides the rank that this process believes to have (0 writes, any other records nothing).
    """

    project: str | None
    name: str | None
    id: str | None
    resume: str | None
    group: str | None
    job_type: str | None
    tags: Sequence[str] | None
    notes: str | None
    config: Mapping[str, object] | None
    checkpoints: Checkpoints
    keep: Mapping[str, int] | None
    watch: bool | WatchOptions
    rank: int | None


@dataclass(frozen=True)
class Score:
    """What a checkpoint was judged by.

    Attributes:
        monitor: the series, as it is named in the run (`"val/loss"`).
        value: its value for this checkpoint; None when the framework does not say.
        mode: whether small or large values are good.
        best: what the framework says about this file; None lets `Training` compare it with the best so far.
    """

    monitor: str
    value: float | None = None
    mode: Literal["min", "max"] = "min"
    best: bool | None = None


def check_options(framework: str, run: Run | None, log_every: int, options: Options) -> None:
    """See that the options are ones that an adapter takes.

    Raises:
        UsageError: they are not.
    """
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise UsageError(
            f"{framework}: unknown option {min(unknown)!r}; options are run, log_every, "
            + ", ".join(Options.__annotations__)
        )
    if run is not None and options.get("id"):
        raise UsageError(f"{framework}: got both run= and id=; give one of them")
    if options.get("checkpoints", "last") not in {"all", "best+last", "last", False}:
        raise UsageError(
            f"{framework}: checkpoints={options.get('checkpoints')!r}; "
            "use 'all', 'best+last' (default), 'last' or False"
        )
    rule_of(options)
    watch = options.get("watch", False)
    if not isinstance(watch, bool):
        from treering.watching import checked_options

        checked_options(watch)
    if log_every < 1:
        raise UsageError(f"{framework}: log_every={log_every!r}; use a number of steps, 1 or more")


def rule_of(options: Options) -> Keep | None:
    """What the option `keep` says, as a rule of the store.

    Raises:
        UsageError: it says nothing, or something else.
    """
    keep = options.get("keep")
    if keep is None:
        return None
    from treering.artifacts.retention import Keep

    if unknown := keep.keys() - {"best", "last"}:
        raise UsageError(f"keep got {min(unknown)!r}; it takes a number for 'best', for 'last', or for both")
    return Keep(best=keep.get("best"), last=keep.get("last")).check()


def trial_options(options: Options, given: Run | None) -> Options:
    """The options of a trial's run: those of the whole search less its id, and the group that its runs share.

    Args:
        options: of the search.
        given: the run that the search was given; without it the user's, if he opened one. Its name is the group's.
    """
    own: Options = {**options, "id": None, "resume": None}
    user = users_run() if given is None else given
    if user is not None:
        own["project"] = options.get("project") or user.project
        own["group"] = options.get("group") or user.group or user.name
    return own
