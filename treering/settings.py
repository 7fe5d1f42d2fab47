"""Every setting, declared once: `FIELDS` lists them for the docs, the command line and the tests.

A setting may be given to `init`, as an environment variable, in `treering.toml` or in `pyproject.toml` below
`[tool.treering]`; the first of these that gives it wins. The nearest such file is used, looking upward from the
working folder. Reading settings writes nothing, anywhere.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from treering import _readers
from treering._notice import warn_once
from treering._readers import ForkPoint, Refused, did_you_mean
from treering.errors import UsageError
from treering.places import expand_home, find_store, is_network_file_system

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

__all__ = [
    "FIELDS",
    "ForkPoint",
    "Setting",
    "Settings",
    "find_store",
    "is_network_file_system",
    "markdown_table",
    "resolve",
]

PREFIX = "TREERING_"
FILE_NAME = "treering.toml"
#: Variables with our prefix that are no settings.
RESERVED_VARIABLES = frozenset(
    {"TREERING_ENTITY", "TREERING_SWEEP_ID", "TREERING_SWEEP_PARAM_PATH", "TREERING_TRIAL", "TREERING_NO_SKIP"}
)
_LONGEST_SHOWN = 80


class Setting(NamedTuple):
    """What there is to know about one setting.

    Attributes:
        name: its name in `Settings`, and as an argument.
        default: its value where nobody gave one.
        variable: its environment variable.
        key: its key in `treering.toml` and `[tool.treering]`; None where only a single run can have it.
        takes: the values it takes, in words.
        help: what it is for, in a sentence.
        read: turns a value, or the text of a variable, into the setting's own type.
    """

    name: str
    default: object
    variable: str
    key: str | None
    takes: str
    help: str
    read: Callable[[object], object]


_BOOL_TAKES = "yes or no (true/false, on/off, 1/0)"


def _setting(
    default: object,
    read: Callable[[object], object],
    takes: str,
    help_text: str,
    *,
    variable: str = "",
    toml: bool = True,
    secret: bool = False,
) -> Any:
    """Declare one setting of `Settings`; the variable is called after the field unless named."""
    return field(default=default, repr=not secret, metadata={"setting": (variable, toml, takes, help_text, read)})


_NAME_TAKES = "a text of at most 128 printable characters without / \\ # ? % :"
_name_read = _readers.label(128, "/\\#?%:")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one run, as a value: `init(settings=Settings(console=False))` gives some of them.

    Every value is checked and brought into the field's type when the object is made, whoever makes it.

    Attributes:
        sources: for each setting that somebody gave, where it came from, in words.

    Raises:
        UsageError: a value that its setting does not take.
    """

    dir: Path | None = _setting(  # noqa: RUF009  # a field, made by a function
        None,
        _readers.folder,
        "a path; relative to the working folder, or to the file that says it; `~` is your home",
        "Folder of the store. Without it: the nearest folder upward with `.treering/` in it, else your data folder.",
    )
    project: str = _setting("uncategorized", _name_read, _NAME_TAKES, "Project that the run belongs to.")
    name: str | None = _setting(
        None,
        _readers.label(256, ""),
        "a text of at most 256 printable characters",
        "Name of the run, for people; need not be unique.",
    )
    mode: Literal["local", "online", "offline", "disabled"] = _setting(
        "local",
        _readers.choice("local", "online", "offline", "disabled"),
        "local, online, offline or disabled",
        "Where a run is recorded: in the store (`local`), there and on a server (`online`), in a file of its own to "
        "carry away or to `treering sync` later (`offline`), or nowhere.",
    )
    url: str | None = _setting(
        None,
        _readers.text,
        "an address such as https://host:8265",
        "Server of `online` runs and of `treering sync`. Without it: the one of the last `treering login`.",
    )
    api_key: str | None = _setting(
        None,
        _readers.text,
        "the token that the server was started with, or the key of one run",
        "Opens the server. Without it: what `treering login` has kept.",
        toml=False,
        secret=True,
    )
    finish_timeout_s: float = _setting(
        60.0,
        _readers.number(0.0),
        "seconds, 0 or more",
        "How long the end of an `online` run waits for the server to have all of it; `treering sync` brings the rest.",
    )
    id: str | None = _setting(
        None,
        _readers.run_id,
        "up to 128 letters, digits, '-', '_' and '.', not beginning with '.'",
        "Id of the run, unique in its store. Without it: a random one.",
        variable="RUN_ID",
        toml=False,
    )
    resume: Literal["never", "allow", "must", "auto"] = _setting(
        "never",
        _readers.choice("never", "allow", "must", "auto", also={True: "auto", False: "never"}),
        "never, allow, must or auto",
        "Whether to go on with the run of this id: `never` (an error if it exists), `allow`, `must` (an error if it "
        "does not), or `auto` (the last unfinished run of the same program and project, found by itself).",
    )
    resume_step: int | None = _setting(
        None,
        _readers.integer(),
        "a whole number",
        "Step to go on from when resuming: rows after it are superseded by the new attempt.",
        toml=False,
    )
    fork_from: ForkPoint | None = _setting(  # noqa: RUF009  # a field, made by a function
        None,
        _readers.fork_point,
        "'RUN_ID?step=120', 'RUN_ID' or (run_id, step)",
        "Run, and its step, that the new run starts as a copy of.",
        toml=False,
    )
    group: str | None = _setting(
        None,
        _readers.label(256, ""),
        "a text of at most 256 printable characters",
        "Group of runs that belong together.",
        variable="RUN_GROUP",
    )
    job_type: str | None = _setting(
        None,
        _readers.label(256, ""),
        "a text of at most 256 printable characters",
        "What the run does, such as `train` or `eval`.",
    )
    tags: tuple[str, ...] = _setting(
        (), _readers.tags, "a list of texts, or one text with commas", "Labels to find the run by."
    )
    notes: str | None = _setting(None, _readers.text, "a text", "Longer description of the run.")
    reinit: Literal["default", "return_previous", "finish_previous", "create_new"] = _setting(
        "default",
        _readers.choice(
            "default",
            "return_previous",
            "finish_previous",
            "create_new",
            also={True: "finish_previous", False: "return_previous"},
        ),
        "default, return_previous, finish_previous or create_new",
        "What `init` does while a run is active: give that run back, finish it first, or leave it alone and open "
        "another. `default` finishes in notebooks and gives back elsewhere.",
    )
    console: bool = _setting(True, _readers.yes_no, _BOOL_TAKES, "Record what the program prints.")
    system_interval_s: float = _setting(
        10.0,
        _readers.number(0.0),
        "seconds, 0 or more",
        "Seconds between two measurements of CPU, memory, disk, network and GPUs; 0 takes none.",
    )
    capture_git: bool = _setting(
        True, _readers.yes_no, _BOOL_TAKES, "Record the git commit and the uncommitted changes."
    )
    capture_source: bool = _setting(True, _readers.yes_no, _BOOL_TAKES, "Record the script or the notebook's cells.")
    capture_environment: bool = _setting(
        True, _readers.yes_no, _BOOL_TAKES, "Record Python, packages, host, hardware and the command line."
    )
    sync_tensorboard: bool = _setting(
        False,
        _readers.yes_no,
        _BOOL_TAKES,
        "Record what this process writes for TensorBoard, too: by PyTorch's, tensorboardX's or TensorFlow's writers.",
    )
    journal_limit_mb: int = _setting(
        1024,
        _readers.integer(16),
        "a whole number of MiB, 16 or more",
        "How much a run may keep in its journal while the store cannot be written; later rows are counted, not kept.",
    )
    flush_interval_s: float = _setting(
        1.0,
        _readers.number(0.01),
        "seconds, 0.01 or more",
        "Seconds between two moves from the journal into the store.",
    )
    quiet: bool = _setting(
        False, _readers.yes_no, _BOOL_TAKES, "Print nothing when a run starts and ends; warnings still come."
    )
    debug: bool = _setting(
        False,
        _readers.yes_no,
        _BOOL_TAKES,
        "Raise treering's own failures inside a training instead of warning about them.",
    )
    sources: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)

    def __new__(cls, **given: object) -> Self:  # noqa: D102
        # `__init__` cannot tell a default from the same value given on purpose, and a value given on purpose wins.
        self = object.__new__(cls)
        object.__setattr__(self, "_given", tuple(name for name in given if name in _BY_NAME))
        return self

    def __post_init__(self) -> None:
        for name in cast("tuple[str, ...]", self._given):  # type: ignore[attr-defined]  # set in __new__
            value = getattr(self, name)
            source = self.sources.get(name, f"Settings({name}=...)")
            object.__setattr__(self, name, None if value is None else _read(_BY_NAME[name], value, source))

    def given(self) -> dict[str, object]:
        """Return the settings that were given when this object was made, whether or not they equal the default."""
        names = cast("tuple[str, ...]", self._given)  # type: ignore[attr-defined]  # set in __new__
        return {name: getattr(self, name) for name in names}


def _declared() -> tuple[Setting, ...]:
    settings: list[Setting] = []
    for one in fields(Settings):
        if "setting" in one.metadata:
            variable, toml, takes, help_text, read = one.metadata["setting"]
            key = one.name if toml else None
            settings.append(
                Setting(one.name, one.default, PREFIX + (variable or one.name.upper()), key, takes, help_text, read)
            )
    return tuple(settings)


#: All settings, in the order of the docs.
FIELDS: tuple[Setting, ...] = _declared()
_BY_NAME = {setting.name: setting for setting in FIELDS}
_BY_VARIABLE = {setting.variable: setting for setting in FIELDS}


def _read(setting: Setting, value: object, source: str) -> object:
    try:
        return setting.read(value)
    except Refused as refusal:
        shown = repr(value)
        shown = shown if len(shown) <= _LONGEST_SHOWN else shown[: _LONGEST_SHOWN - 3] + "..."
        advice = str(refusal) or ("Correct it, or unset it." if source.startswith(PREFIX) else "Correct it.")
        raise UsageError(f"{source} is {shown}; {setting.name} takes {setting.takes}. {advice}") from None


def resolve(
    arguments: Mapping[str, object] | None = None,
    *,
    settings: Settings | Mapping[str, object] | None = None,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Put the settings of a run together: argument > environment > nearest file upward > default.

    Args:
        arguments: what was given to the call by name. Here as anywhere, None and the empty text mean not given.
        settings: what was given to the call as `settings=`; `arguments` win over it.
        cwd: where to look for a file; the working folder unless given.
        environ: the environment; the process's own unless given.

    Returns:
        A `Settings` whose `sources` tell where each value that is not a default came from. `dir` is absolute.

    Raises:
        UsageError: a value that its setting does not take, or a file that is no TOML; the text names the source. What
            no setting is called is an error among the arguments and a warning in the environment and in files.
    """
    cwd = Path.cwd() if cwd is None else cwd
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for name, value, source in _from_arguments(arguments or {}, settings):
        values[name], sources[name] = value, source
    for variable in [variable for variable in environ if variable.startswith(PREFIX)]:
        setting = _BY_VARIABLE.get(variable)
        if setting is None:
            _warn_unknown_variable(variable)
        elif setting.name not in values and not _is_nothing(environ[variable]):
            values[setting.name], sources[setting.name] = environ[variable], variable
    folder, found = _find_file(cwd)
    for name, value, source in found:
        if name not in values:
            values[name], sources[name] = value, source
            if name == "dir":
                values[name] = _anchored(value, folder, source, environ)
    if "dir" in values:
        values["dir"] = _anchored(values["dir"], cwd, sources["dir"], environ)
    return Settings(**values, sources=sources)  # type: ignore[arg-type]  # __post_init__ checks each value


def _anchored(value: object, folder: Path, source: str, environ: Mapping[str, str]) -> Path:
    return folder / expand_home(cast("Path", _read(_BY_NAME["dir"], value, source)), environ)


def _from_arguments(
    arguments: Mapping[str, object], settings: Settings | Mapping[str, object] | None
) -> list[tuple[str, object, str]]:
    found: list[tuple[str, object, str]] = []
    if isinstance(settings, Settings):
        found += [
            (name, value, settings.sources.get(name, f"Settings({name}=...)"))
            for name, value in settings.given().items()
        ]
    elif settings is not None:
        found += [(name, value, f"settings[{name!r}]") for name, value in settings.items()]
    found += [(name, value, f"{name}=") for name, value in arguments.items()]
    for name, _, source in found:
        if name not in _BY_NAME:
            advice = did_you_mean(name, list(_BY_NAME)) or f"Settings are {', '.join(_BY_NAME)}."
            raise UsageError(f"{source} is no setting. {advice}")
    return [item for item in found if not _is_nothing(item[1])]


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _find_file(cwd: Path) -> tuple[Path, list[tuple[str, object, str]]]:
    """Return the settings of the nearest file upward from `cwd`, and the folder that it lies in."""
    for folder in (cwd, *cwd.parents):
        path = os.path.join(folder, FILE_NAME)  # twice as fast as Path, and this is in every start
        if os.path.isfile(path):
            return folder, _from_table(_load_toml(path), path, "")
        path = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(path):
            table = _tool_table(path)
            if table is not None:
                return folder, _from_table(table, path, "tool.treering.")
    return cwd, []


def _tool_table(path: str) -> Mapping[str, object] | None:
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return None  # somebody else's file: what we cannot read was not written for us
    if b"treering" not in text or b"tool" not in text:
        return None  # parsing takes longer than all the rest
    table = _load_toml(path).get("tool")
    table = cast("Mapping[str, object]", table).get("treering") if isinstance(table, dict) else None
    return cast("Mapping[str, object]", table) if isinstance(table, dict) else None


def _load_toml(path: str) -> Mapping[str, object]:
    # By name, since no checker knows both of the two at once.
    tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        with open(path, "rb") as file:
            return cast("Mapping[str, object]", tomllib.load(file))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); make it readable or move it away.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no valid TOML: {error}. Correct that line.") from error


def _from_table(table: Mapping[str, object], path: str, prefix: str) -> list[tuple[str, object, str]]:
    found: list[tuple[str, object, str]] = []
    for key, value in table.items():
        setting = _BY_NAME.get(key)
        source = f"{prefix}{key} in {path}"
        if setting is None:
            advice = did_you_mean(key, [one.key for one in FIELDS if one.key]) or "Delete it."
            warn_once(f"{source} is no setting and has no effect. {advice}")
        elif setting.key is None:
            warn_once(
                f"{source} has no effect: it belongs to a single run. Give {key}= to init(), or set {setting.variable}."
            )
        elif not _is_nothing(value):
            found.append((key, value, source))
    return found


def _warn_unknown_variable(variable: str) -> None:
    if variable not in RESERVED_VARIABLES:
        advice = did_you_mean(variable, list(_BY_VARIABLE)) or "Unset it."
        warn_once(f"The environment variable {variable} is no setting and has no effect. {advice}")


def markdown_table() -> str:
    """Return the settings as a Markdown table: argument, variable, key of the file, values, default, meaning."""
    lines = ["| argument | variable | in a file | takes | default | meaning |", "| --- | --- | --- | --- | --- | --- |"]
    for one in FIELDS:
        default = "" if one.default is None or one.default == () else f"`{_spelled(one.default)}`"
        key = f"`{one.key}`" if one.key else ""
        lines.append(f"| `{one.name}` | `{one.variable}` | {key} | {one.takes} | {default} | {one.help} |")
    return "\n".join(lines) + "\n"


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
