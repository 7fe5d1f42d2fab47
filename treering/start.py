"""Starting a run: settings to `Run`, whether new, resumed or forked."""

from __future__ import annotations

import os
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from xxhash import xxh3_64_intdigest

from treering import records
from treering._run import DisabledRun, Run
from treering.errors import NotFound, RunExists, StoreError, TreeringWarning, UsageError
from treering.lease import Lease, boot_id, holder_of, host_name
from treering.observer import Observer
from treering.places import find_store, is_network_file_system
from treering.recording import Recording, Start
from treering.store import DATABASE, KnownRun, Store
from treering.store.batch import NUL
from treering.store.database import is_inherited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treering.online.credentials import Server
    from treering.settings import ForkPoint, Settings
    from treering.sweeps.link import TrialRun
    from treering.sweeps.ticket import Ticket

__all__ = ["start_run"]

_LEASE_PATIENCE_S = 30.0

_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_ADJECTIVES = "amber ancient bold bright calm clear copper crisp deep early fair golden hardy keen lively mossy noble old pale quiet rugged silver slender steady still sturdy tall tender upright verdant warm young"  # noqa: E501
_TREES = "acacia alder ash aspen baobab beech birch cedar cherry cypress elm fir ginkgo hazel hickory holly juniper larch linden maple oak olive pear pine plum poplar redwood rowan spruce sycamore walnut willow yew"  # noqa: E501


def start_run(settings: Settings, config: object = None) -> Run:
    """Make a run as `settings` say.

    Raises:
        RunExists: the id is taken and `resume` is "never".
        NotFound: `resume` is "must" and there is no such run, or the run to fork from is not there.
        UsageError: the run is being written by a living process.
    """
    if settings.mode == "disabled":
        return DisabledRun(_new_start(settings, Path(), settings.id), config)
    ticket = _ticket()
    if ticket is not None:
        settings, config = _as_trial(settings, config, ticket)
    folder = find_store(settings)
    try:
        return _start_in(folder, settings, config, ticket)
    except (OSError, StoreError) as error:
        if isinstance(error, (NotFound, RunExists, UsageError)):
            raise
        return _start_elsewhere(folder, settings, config, error)


def _ticket() -> Ticket | None:
    """Return what an agent has told this process, if its first run is to be a trial of a sweep."""
    if "TREERING_SWEEP_PARAM_PATH" not in os.environ and "treering.sweeps.ticket" not in sys.modules:
        return None
    from treering.sweeps.ticket import current_ticket
    from treering.training.ranks import process_rank

    ticket = current_ticket()
    if ticket is None or ticket.taken or process_rank() != 0:
        return None
    ticket.taken = True
    os.environ.pop("TREERING_SWEEP_PARAM_PATH", None)  # a program that this one starts is not the trial as well
    return ticket


def _as_trial(settings: Settings, config: object, ticket: Ticket) -> tuple[Settings, object]:
    """Return settings and config of a trial's run: its id, and its parameters over those of the program."""
    from treering.settings import Settings
    from treering.values import merged

    given = {"project": ticket.project, "id": ticket.run_id, "resume": "allow", **settings.given()}
    if given["resume"] == "never":
        given["resume"] = "allow"
    plain = Recording.config_of(config)
    plain.update({name: merged(plain.get(name), value) for name, value in ticket.params.items()})
    return Settings(**given, sources=settings.sources), plain  # type: ignore[arg-type]  # __post_init__ checks each


def _start_elsewhere(folder: Path, settings: Settings, config: object, error: OSError) -> Run:
    """Record somewhere else what cannot be recorded where it should: the training must go on, and nothing be lost."""
    import tempfile

    try:
        refuge = Path(tempfile.gettempdir()) / f"treering-{os.getuid() if hasattr(os, 'getuid') else 'runs'}"
        run = _start_in(refuge, settings, config)
    except (OSError, StoreError):
        _warn(
            f"the store {folder} cannot be written ({error}), nor can the folder for temporary files; this run is not "
            "recorded"
        )
        return DisabledRun(_new_start(settings, folder, settings.id), config)
    _warn(
        f"the store {folder} cannot be written ({error}); this run is recorded in {refuge}. Bring it over with "
        f"`treering merge {refuge}` once the store can be written."
    )
    return run


def _start_in(folder: Path, settings: Settings, config: object, ticket: Ticket | None = None) -> Run:
    server = _server_of(folder, settings)
    known = _find_known(folder, settings)
    run_id = known.id if known is not None else settings.id or new_id()
    start = _new_start(settings, folder, run_id)
    start.bundle, start.server = _in_bundle(folder, settings, known), server
    start.sweep = None if ticket is None else ticket.key.sweep
    fork: dict[str, Any] = {"parent_id": None, "parent_step": None}
    if known is not None:
        _continue(start, known, settings)
    elif settings.fork_from is not None:
        fork = _fork(start, folder, settings.fork_from)
    lease = _lease(folder, run_id)
    if known is None and settings.id is not None and known_run(folder, run_id) is not None:
        # Another process made it between our look and our lease.
        lease.release()
        raise RunExists(f"run {run_id!r} was made by another process just now; use resume='allow', or another id")
    recording = Recording(start, lease)
    run = _run_of(recording, ticket)
    plain = recording.config_of(config)
    begin = {
        "run": {
            "project": start.project,
            "name": start.name,
            "group_name": start.group_name,
            "job_type": start.job_type,
            "notes": start.notes,
            "resume_key": resume_key(settings),
            "sweep": start.sweep,
            "next_step": start.next_step,
            **fork,
        },
        "bundle": start.bundle,
        "attempt": start.attempt,
        "first_row": start.first_row,
        "from_step": start.next_step if settings.resume_step is not None and known is not None else None,
        "process": start.process,
        "changes": _changes(start, settings, known),
        "config_changes": _config_changes(start, plain, known),
    }
    run.begin(begin, plain if known is not None else {**start.config, **plain})
    if ticket is not None:
        cast("TrialRun", run).take_over(ticket.params)
    recording.observe(_observer(run, recording))
    if settings.sync_tensorboard:
        # By its name, as the command line calls importers: the core imports no integration.
        recording.accompany(import_module("treering.integrations.tensorboard").sync(run))
    _recover_others(folder)
    return run


def _server_of(folder: Path, settings: Settings) -> Server | None:
    """Return the server that the run is to be brought to, and learn from it what it knows of a run to go on with.

    Raises:
        UsageError: none is named, or there is no key to it.
    """
    if settings.mode != "online":
        return None
    from treering.online.credentials import find_server

    server = find_server(settings.url, settings.api_key)
    if settings.id is not None and settings.resume != "never":
        from treering.online.pulling import pull_run
        from treering.store.recover import recover_folder

        recover_folder(folder)
        pull_run(folder, server, settings.id)
    return server


def _run_of(recording: Recording, ticket: Ticket | None) -> Run:
    if ticket is None:
        return Run(recording)
    from treering.sweeps.link import TrialRun

    return TrialRun(recording, ticket)


def _in_bundle(folder: Path, settings: Settings, known: KnownRun | None) -> bool:
    """Tell whether the run goes into a file of its own."""
    if known is None:
        inherited = is_inherited(folder / DATABASE)
        return settings.mode == "offline" or inherited or is_network_file_system(_existing(folder))
    if Store.bundle_path(folder, known.id).exists():
        return True
    if is_inherited(folder / DATABASE):
        raise UsageError(
            f"run {known.id!r} is in a store that the process which forked this one has open, and SQLite forbids to "
            "write there from here; start the process by 'spawn' instead"
        )
    return False


def _config_changes(start: Start, plain: Mapping[str, Any], known: KnownRun | None) -> dict[str, Any] | None:
    """Return [before, now] of the config entries that a resumed run is given anew."""
    if known is None:
        return None
    config = start.config
    return {key: [config[key], value] for key, value in plain.items() if key in config and config[key] != value}


def _observer(run: Run, recording: Recording) -> Observer:
    return Observer(
        recording.start.settings,
        recording.start.folder,
        emit_console=lambda row: run.log_stream(records.CONSOLE, row),  # the run's own observer
        emit_system=lambda row: run.log_stream(records.SYSTEM, row),  # the run's own observer
        emit_capture=run.record_capture,
        warn=recording.background.warn,
    )


def _new_start(settings: Settings, folder: Path, run_id: str | None) -> Start:
    return Start(
        id=run_id or new_id(),
        project=settings.project.replace("\0", NUL),
        name=(settings.name or new_name()).replace("\0", NUL),
        mode=settings.mode,
        folder=folder,
        settings=settings,
        group_name=settings.group,
        job_type=settings.job_type,
        notes=settings.notes,
        tags=settings.tags,
        process={
            "pid": os.getpid(),
            "host": host_name(),
            "boot": boot_id(),
            "python": sys.version.split()[0],
            "mode": settings.mode,
        },
    )


def _find_known(folder: Path, settings: Settings) -> KnownRun | None:
    """Return the run to go on with, or None for a new one."""
    resume = settings.resume
    if settings.id is None and resume in ("never", "allow"):
        return None
    from treering.store.recover import recover_folder

    found = None
    if (folder / DATABASE).exists() or (folder / "bundles").is_dir() or (folder / "journal").is_dir():
        living = recover_folder(folder).living
        run_id = settings.id
        if run_id in living and resume != "never":  # perhaps so young that the database does not know it yet
            raise _being_written(folder, run_id)
        if run_id is None and resume == "auto":
            run_id = _unfinished(folder, settings)
            if run_id in living:  # the same program at the same time is another run
                run_id = None
        if run_id is not None:
            found = known_run(folder, run_id)
    if found is None and resume == "must":
        raise NotFound(
            f"init(resume='must') found no run {settings.id!r} in {folder}; check the id with `treering runs`, or use "
            "resume='allow'"
        )
    if found is not None and resume == "never":
        raise RunExists(f"run {found.id!r} exists in {folder}; use resume='allow' to go on with it, or another id")
    return found


def known_run(folder: Path, run_id: str) -> KnownRun | None:
    """Look a run up in a store's database and bundles."""
    if Store.bundle_path(folder, run_id).exists():
        with Store.open_bundle(folder, run_id) as store:
            return store.known_run(run_id)
    if (folder / DATABASE).exists():
        with Store.open(folder) as store:
            return store.known_run(run_id)
    return None


def _unfinished(folder: Path, settings: Settings) -> str | None:
    key = resume_key(settings)
    found: list[tuple[int, str, str] | None] = []
    if (folder / DATABASE).exists():
        with Store.open(folder) as store:
            found.append(store.newest_run(settings.project, key))
    for path in (folder / "bundles").glob("*.db"):
        with Store.open_bundle(folder, path.stem) as store:
            found.append(store.newest_run(settings.project, key))
    _, run_id, state = max((run for run in found if run is not None), default=(0, "", "finished"))
    return run_id if state != "finished" else None


def resume_key(settings: Settings) -> str:
    """Return what two starts of one program have in common, by which `resume="auto"` finds the run to go on with."""
    script = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    parts = (settings.project, settings.name or "", settings.group or "", settings.job_type or "", script)
    return f"{xxh3_64_intdigest(chr(0).join(parts).encode('utf-8', 'surrogateescape')):016x}"


def _continue(start: Start, known: KnownRun, settings: Settings) -> None:
    start.project, start.name = known.project, settings.name or known.name
    start.attempt = known.attempt + 1
    start.first_row = known.next_row
    start.next_rows = known.next_rows
    start.first_segment = known.journal_segment + 1
    start.next_step = known.next_step if settings.resume_step is None else settings.resume_step + 1
    start.config = known.config
    start.group_name = settings.group or known.group
    start.job_type = settings.job_type or known.job_type
    start.notes = settings.notes or known.notes
    start.tags = tuple(dict.fromkeys((*known.tags, *settings.tags)))


def _changes(start: Start, settings: Settings, known: KnownRun | None) -> dict[str, Any]:
    """Return the columns of `runs` that this start sets beyond those of a new row."""
    if known is None:
        return {"tags": start.tags} if start.tags else {}
    given = {
        "name": settings.name,
        "notes": settings.notes,
        "job_type": settings.job_type,
        "group_name": settings.group,
        "tags": start.tags if set(start.tags) != set(known.tags) else None,
    }
    return {name: value for name, value in given.items() if value}


def _fork(start: Start, folder: Path, point: ForkPoint) -> dict[str, Any]:
    from treering.store.recover import recover_folder

    parent_id, step = point
    recover_folder(folder)
    parent = known_run(folder, parent_id)
    if parent is None:
        raise NotFound(f"init(fork_from=...) found no run {parent_id!r} in {folder}; see `treering runs`")
    step = parent.next_step - 1 if step is None else step
    start.next_step = step + 1
    start.config = parent.config
    start.group_name = start.group_name or parent.group
    return {"parent_id": parent_id, "parent_step": step}


def _lease(folder: Path, run_id: str) -> Lease:
    place = Store.journal_path(folder, run_id)
    lease = Lease(place / "lock")
    deadline_s = time.monotonic() + _LEASE_PATIENCE_S
    while True:
        # Another process may be looking for dead runs: it holds a lease for a moment, and removes an empty folder.
        try:
            place.mkdir(parents=True, exist_ok=True)
            if lease.acquire():
                return lease
        except FileNotFoundError:
            if time.monotonic() > deadline_s:
                raise
        else:
            holder = holder_of(lease.path)
            if time.monotonic() > deadline_s or (holder and not holder.get("recovers")):
                raise _being_written(folder, run_id)
        time.sleep(0.01)


def _being_written(folder: Path, run_id: str) -> UsageError:
    holder = holder_of(Store.journal_path(folder, run_id) / "lock")
    return UsageError(
        f"run {run_id!r} is being written by process {holder.get('pid', '?')} on {holder.get('host', '?')}; finish it "
        "there first, or use another id"
    )


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _recover_others(folder: Path) -> None:
    from treering.store.recover import recover_in_background

    recover_in_background(folder)


def new_id() -> str:
    """Return a fresh run id: 10 letters and digits, none easily taken for another."""
    # 32 letters, so each of them is equally likely.
    return "".join(_ID_LETTERS[byte % len(_ID_LETTERS)] for byte in os.urandom(10))


def new_name() -> str:
    """Return a name that people can say."""
    # Not from the program's own random numbers: seeded ones would repeat, and would be one short afterwards.
    number = int.from_bytes(os.urandom(8), "little")
    words = [number >> 32, number >> 16 & 0xFFFF, number & 0xFFFF]
    return f"{_pick(_ADJECTIVES, words[0])}-{_pick(_TREES, words[1])}-{words[2] % 90 + 10}"


def _pick(words: str, number: int) -> str:
    choices = words.split()
    return choices[number % len(choices)]


def _warn(text: str) -> None:
    warnings.warn(text, TreeringWarning, stacklevel=5)
