"""What every adapter takes, under the same names, and what it says about a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from treering.errors import UsageError
from treering.training.adopted import users_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering._run import Run
    from treering.artifacts.retention import Keep
    from treering.watching import WatchOptions

__all__ = ["Options", "Score", "check_options", "default_rule", "rule_of", "trial_options"]

Checkpoints = Literal["all", "best+last", "last", False]


class Options(TypedDict, total=False):
    """What every adapter takes, under the same names.

    `project`, `name`, `id`, `resume`, `group`, `job_type`, `tags`, `notes` and `config` go to `treering.init` when the
    training opens a run of its own.

    `checkpoints` says which files that the framework saves are recorded: "best+last" (default), "all", "last" or False;
    `keep` how many of them the next collection leaves beside those that an alias such as `best` is on (default
    {"best": 3, "last": 1} with "best+last", {"last": 1} with "last"; None: all); `upload` whether a server that the run
    is brought to gets them, too (default False).

    `log_every_ms` is the least time between two rows with the same series, and `prefix` stands before the names of all
    series. `config_prefixes` says where the parts of the adapter's own config go: {"args": "hf"} puts `args` at
    `config["hf"]`, "" at the config's top, and None leaves it out (default: below the framework's name). `watch` says
    whether gradients are recorded (True, or a dict of `treering.watching.WatchOptions`; default False).

    `rank` overrides the rank that this process believes to have (0 writes, any other records nothing); with
    `rank_streams` the machines of the others are measured, too (default False).
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
    upload: bool
    log_every_ms: float | None
    prefix: str | None
    config_prefixes: Mapping[str, str | None] | None
    watch: bool | WatchOptions
    rank: int | None
    rank_streams: bool


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
    _check_shapes(framework, options)
    watch = options.get("watch", False)
    if not isinstance(watch, bool):
        from treering.watching import checked_options

        checked_options(watch)
    if log_every < 1:
        raise UsageError(f"{framework}: log_every={log_every!r}; use a number of steps, 1 or more")


def _check_shapes(framework: str, options: Options) -> None:
    """See that the options about names and times are what they are to be."""
    given: Mapping[str, object] = dict(options)  # whatever a caller without a type checker has said
    for name in ("upload", "rank_streams"):
        if not isinstance(given.get(name, False), bool):
            raise UsageError(f"{framework}: {name}={given.get(name)!r}; use True or False")
    pause_ms = given.get("log_every_ms")
    if pause_ms is not None and not (isinstance(pause_ms, (int, float)) and 0 <= pause_ms < math.inf):
        raise UsageError(f"{framework}: log_every_ms={pause_ms!r}; use milliseconds, 0 or more")
    prefix = given.get("prefix")
    if prefix is not None and not isinstance(prefix, str):
        raise UsageError(f"{framework}: prefix={prefix!r}; use the words that are to stand before the names of series")
    places = given.get("config_prefixes")
    if places is None:
        return
    if not isinstance(places, Mapping) or not all(
        isinstance(part, str) and (place is None or isinstance(place, str))
        for part, place in cast("Mapping[object, object]", places).items()
    ):
        raise UsageError(
            f"{framework}: config_prefixes={places!r}; use parts of the config and where they go, such as "
            "{'model': 'net', 'args': None}"
        )


def default_rule(options: Options) -> Keep | None:
    """How many checkpoints stay where the user has said which are recorded at most; None for all."""
    from treering.artifacts.retention import Keep

    if "keep" in options:
        return None
    return {"best+last": Keep(best=3, last=1), "last": Keep(last=1)}.get(str(options.get("checkpoints", "best+last")))


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
