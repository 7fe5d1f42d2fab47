from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from typing_extensions import assert_type

from treering.errors import TreeringWarning, UsageError
from treering.settings import FIELDS, ForkPoint, Settings, markdown_table, resolve

#: For each setting: what a variable says, what a TOML file says, and the value that both stand for.
EXAMPLES: dict[str, tuple[str, str, object]] = {
    "dir": ("/data/store", "'/data/store'", Path("/data/store")),
    "project": ("mnist", "'mnist'", "mnist"),
    "name": ("run 7", "'run 7'", "run 7"),
    "mode": ("Offline", "'offline'", "offline"),
    "url": ("https://runs.example", "'https://runs.example'", "https://runs.example"),
    "api_key": ("k" * 43, "", "k" * 43),
    "finish_timeout_s": ("5", "5", 5.0),
    "id": ("a-1_b.c", "", "a-1_b.c"),
    "resume": ("must", "true", None),
    "resume_step": ("-3", "", -3),
    "fork_from": ("abc?step=120", "", ForkPoint("abc", 120)),
    "group": ("g", "'g'", "g"),
    "job_type": ("eval", "'eval'", "eval"),
    "tags": ("a, b,,a ", "['a', 'b']", ("a", "b")),
    "notes": ("two\nlines", '"two\\nlines"', "two\nlines"),
    "reinit": ("create_new", "'create_new'", "create_new"),
    "console": ("off", "false", False),
    "system_interval_s": ("2.5", "2.5", 2.5),
    "capture_git": ("0", "false", False),
    "capture_source": ("No", "'no'", False),
    "capture_environment": ("FALSE", "0", False),
    "sync_tensorboard": ("on", "true", True),
    "journal_limit_mb": ("64", "64", 64),
    "flush_interval_s": ("3", "3", 3.0),
    "quiet": ("yes", "true", True),
    "debug": ("1", "true", True),
}
NAMES = [setting.name for setting in FIELDS]


def variable(name: str) -> str:
    return next(setting.variable for setting in FIELDS if setting.name == name)


def test_every_setting_has_an_example() -> None:
    assert list(EXAMPLES) == NAMES


def test_declarations_are_complete() -> None:
    assert len({setting.variable for setting in FIELDS}) == len(FIELDS)
    for setting in FIELDS:
        assert setting.variable.startswith("TREERING_")
        assert setting.help.endswith(".")
        assert setting.takes
        assert setting.name in markdown_table()
        # A default is a value that the setting itself would take.
        if setting.default is not None:
            assert setting.read(setting.default) == setting.default


def test_the_table_for_the_docs_is_a_table() -> None:
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(FIELDS)
    assert {line.count("|") for line in lines} == {7}


def test_defaults(tmp_path: Path) -> None:
    settings = resolve({}, cwd=tmp_path, environ={})
    assert settings == Settings()
    assert settings.sources == {}
    assert settings.mode == "local"
    assert settings.resume == "never"
    assert_type(settings.system_interval_s, float)
    assert_type(settings.tags, tuple[str, ...])


@pytest.mark.parametrize("name", NAMES)
def test_variable(name: str, tmp_path: Path) -> None:
    text, _, expected = EXAMPLES[name]
    settings = resolve({}, cwd=tmp_path, environ={variable(name): text})
    assert getattr(settings, name) == (text if expected is None else expected)
    assert settings.sources == {name: variable(name)}


@pytest.mark.parametrize("name", [setting.name for setting in FIELDS if setting.key])
@pytest.mark.parametrize("file", ["treering.toml", "pyproject.toml"])
def test_file(name: str, file: str, tmp_path: Path) -> None:
    _, text, expected = EXAMPLES[name]
    head = "" if file == "treering.toml" else "[project]\nname = 'mine'\n[tool.treering]\n"
    (tmp_path / file).write_text(f"{head}{name} = {text}\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    settings = resolve({}, cwd=below, environ={})
    assert getattr(settings, name) == ("auto" if name == "resume" else expected)
    assert settings.sources[name].endswith(f"{name} in {tmp_path / file}")


@pytest.mark.parametrize("name", NAMES)
def test_argument_and_settings_object(name: str, tmp_path: Path) -> None:
    text, _, expected = EXAMPLES[name]
    value = text if expected is None else expected
    assert getattr(resolve({name: value}, cwd=tmp_path, environ={}), name) == value
    assert getattr(resolve(settings=Settings(**{name: value}), cwd=tmp_path, environ={}), name) == value  # type: ignore[arg-type]
    assert getattr(resolve(settings={name: value}, cwd=tmp_path, environ={}), name) == value


def test_precedence(tmp_path: Path) -> None:
    (tmp_path / "treering.toml").write_text("project = 'from-file'\ngroup = 'from-file'\nnotes = 'from-file'\n")
    environ = {"TREERING_PROJECT": "from-env", "TREERING_RUN_GROUP": "from-env"}
    settings = resolve({"project": "from-call", "notes": None}, cwd=tmp_path, environ=environ)
    assert (settings.project, settings.group, settings.notes) == ("from-call", "from-env", "from-file")
    assert settings.job_type is None


def test_a_value_given_on_purpose_wins_though_it_is_the_default(tmp_path: Path) -> None:
    environ = {"TREERING_CONSOLE": "off", "TREERING_PROJECT": "p"}
    settings = resolve(settings=Settings(console=True), cwd=tmp_path, environ=environ)
    assert settings.console is True
    assert settings.project == "p"
    assert resolve({"console": False}, settings=Settings(console=True), cwd=tmp_path, environ={}).console is False


def test_nearest_file_wins_and_treering_toml_before_pyproject(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "treering.toml").write_text("project = 'outer'\ngroup = 'outer'\n")
    (inner / "pyproject.toml").write_text("[tool.ruff]\n# treering is not set up here\n")
    assert resolve({}, cwd=inner, environ={}).project == "outer"
    (inner / "pyproject.toml").write_text("[tool.treering]\nproject = 'inner'\n")
    settings = resolve({}, cwd=inner, environ={})
    assert (settings.project, settings.group) == ("inner", None)
    (inner / "treering.toml").write_text("project = 'innermost'\n")
    assert resolve({}, cwd=inner, environ={}).project == "innermost"


def test_nothing_is_not_a_value(tmp_path: Path) -> None:
    (tmp_path / "treering.toml").write_text("group = ''\n")
    settings = resolve({"name": "", "notes": None}, cwd=tmp_path, environ={"TREERING_MODE": "", "TREERING_TAGS": " "})
    assert settings == Settings()


def test_relative_folder_is_meant_from_where_it_is_said(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "treering.toml").write_text("dir = 'store'\n")
    assert resolve({}, cwd=below, environ={}).dir == tmp_path / "store"
    assert resolve({}, cwd=below, environ={"TREERING_DIR": "store"}).dir == below / "store"
    assert resolve({"dir": Path("x/y")}, cwd=below, environ={}).dir == below / "x" / "y"
    assert resolve({"dir": "~/s"}, cwd=below, environ={"HOME": "/homes/me"}).dir == Path("/homes/me/s")


@pytest.mark.parametrize(
    ("name", "value", "in_text"),
    [
        ("mode", "ofline", "Did you mean 'offline'?"),
        ("mode", 3, "local, online, offline or disabled"),
        ("id", "../x", "letters, digits"),
        ("id", ".hidden", "letters, digits"),
        ("id", "ä", "letters, digits"),
        ("id", "a" * 129, "128"),
        ("project", "a/b", "Leave out '/'"),
        ("project", "a\x00b", "Leave out '\\x00'"),
        ("project", "p" * 129, "129 characters"),
        ("name", 3, "str(3)"),
        ("resume", "yes", "never, allow, must or auto"),
        ("resume", 1, "never, allow, must or auto"),
        ("resume_step", "1.5", "whole number"),
        ("resume_step", True, "whole number"),
        ("fork_from", "abc?time=3", "RUN_ID?step=120"),
        ("fork_from", ("a", 1, 2), "RUN_ID?step=120"),
        ("tags", 3, "list of texts"),
        ("tags", ["a", 3], "3 is no text"),
        ("console", "maybe", "yes or no"),
        ("console", 2, "yes or no"),
        ("system_interval_s", -1, "0 or more"),
        ("system_interval_s", "nan", "0 or more"),
        ("system_interval_s", "fast", "seconds"),
        ("system_interval_s", True, "seconds"),
        ("journal_limit_mb", 1, "16 or more"),
        ("dir", 3, "a path"),
        ("dir", "a\0b", "a path"),
        ("dir", "s3://bucket/runs", "An address is no folder"),
    ],
)
def test_refused_values_name_source_and_fix(name: str, value: object, in_text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve({name: value}, cwd=tmp_path, environ={})
    text = str(caught.value)
    assert text.startswith(f"{name}= is ")
    assert in_text in text
    with pytest.raises(UsageError, match=f"Settings\\({name}="):
        Settings(**{name: value})  # type: ignore[arg-type]


def test_refused_values_name_variable_and_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^TREERING_CONSOLE is 'maybe'; .* unset it\.$"):
        resolve({}, cwd=tmp_path, environ={"TREERING_CONSOLE": "maybe"})
    (tmp_path / "pyproject.toml").write_text("[tool.treering]\nflush_interval_s = 'x'\n")
    with pytest.raises(UsageError) as caught:
        resolve({}, cwd=tmp_path, environ={})
    assert f"tool.treering.flush_interval_s in {tmp_path / 'pyproject.toml'} is 'x'" in str(caught.value)


def test_a_long_value_is_not_repeated_whole(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve({"mode": "x" * 10_000}, cwd=tmp_path, environ={})
    assert len(str(caught.value)) < 300


def test_unknown_argument(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"projekt= is no setting\. Did you mean 'project'"):
        resolve({"projekt": "x"}, cwd=tmp_path, environ={})
    with pytest.raises(UsageError, match="is no setting"):
        resolve(settings={"start_method": "fork"}, cwd=tmp_path, environ={})


def test_unknown_key_warns_once_at_the_users_line(tmp_path: Path) -> None:
    (tmp_path / "treering.toml").write_text("projct = 'x'\nid = 'abc'\nproject = 'kept'\n")
    with pytest.warns(TreeringWarning) as caught:
        assert resolve({}, cwd=tmp_path, environ={}).project == "kept"
    first, second = (str(warning.message) for warning in caught)
    assert first.startswith(f"projct in {tmp_path / 'treering.toml'} is no setting")
    assert "Did you mean 'project'?" in first
    assert "TREERING_RUN_ID" in second
    assert {warning.filename for warning in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve({}, cwd=tmp_path, environ={})


def test_unknown_variable_warns_once(tmp_path: Path) -> None:
    environ = {"TREERING_PROJEKT": "x", "TREERING_NO_SKIP": "1", "OTHER": "x"}
    with pytest.warns(TreeringWarning) as caught:
        resolve({}, cwd=tmp_path, environ=environ)
    assert [str(warning.message) for warning in caught] == [
        "The environment variable TREERING_PROJEKT is no setting and has no effect. Did you mean 'TREERING_PROJECT'?"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolve({}, cwd=tmp_path, environ=environ)


@pytest.mark.parametrize("content", [b"project = \n", b"project = '\xff'\n"])
def test_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "treering.toml").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        resolve({}, cwd=tmp_path, environ={})
    assert str(tmp_path / "treering.toml") in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="a file that even root cannot read is Linux's")
def test_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "treering.toml").symlink_to("/proc/self/mem")
    with pytest.raises(UsageError, match=r"treering.toml cannot be read"):
        resolve({}, cwd=tmp_path, environ={})


def test_somebody_elses_broken_pyproject_is_no_business_of_ours(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff\n")
    assert resolve({}, cwd=tmp_path, environ={}) == Settings()


def test_settings_are_values() -> None:
    settings = Settings(project="p", tags=("a",), console=True)
    assert settings.given() == {"project": "p", "tags": ("a",), "console": True}
    for twin in (copy.copy(settings), copy.deepcopy(settings), pickle.loads(pickle.dumps(settings))):
        assert twin == settings
        assert twin.given() == settings.given()
    with pytest.raises(AttributeError):
        settings.project = "q"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Settings(projekt="x")  # type: ignore[call-arg]


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    settings = resolve({"resume_step": np.int64(7), "system_interval_s": np.float64(2)}, cwd=tmp_path, environ={})
    assert type(settings.resume_step) is int
    assert settings.system_interval_s == 2.0


def test_resolving_without_a_file_is_quick_and_loads_no_toml(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from treering.settings import resolve\n"
        "resolve({'project': 'p'})\n"
        "times = []\n"
        "for _ in range(20):\n"
        "    start = time.perf_counter()\n"
        "    resolve({'project': 'p'})\n"
        "    times.append(time.perf_counter() - start)\n"
        "assert not {'tomllib', 'tomli', 'difflib', 'numpy', 'platformdirs'} & set(sys.modules)\n"
        "print(min(times))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.001


def test_reading_settings_writes_nothing(tmp_path: Path) -> None:
    resolve({"dir": "store"}, cwd=tmp_path, environ={})
    assert list(tmp_path.iterdir()) == []
