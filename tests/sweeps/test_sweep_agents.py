"""Agents and the programs that they run: killed, preempted, told to stop; arguments arrive as they are."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import treering
from treering.errors import UsageError
from treering.sweeps.agents import Flapping, run_agent
from treering.sweeps.command import build_command
from treering.sweeps.opening import open_sweeps, place_for, place_of
from treering.sweeps.records import ENDED, Trial
from treering.sweeps.working import Options

# Says what it was given, in a file of its own; needs no treering, as any program may not.
SHOW = """
import json, os, sys
theirs = ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_ENTITY")
names = ("TREERING_SWEEP_ID", "TREERING_TRIAL", *theirs)
told = {"argv": sys.argv[1:], "env": {name: os.environ.get(name) for name in names}}
told["theirs"] = open(os.environ["WANDB_SWEEP_PARAM_PATH"]).read()
json.dump(told, open(os.path.join(sys.argv[0] + "." + os.environ["TREERING_TRIAL"]), "w"))
"""
HOSTILE = [
    "a b",
    "'\"",
    "; touch x",
    "$(touch x)",
    "`touch x`",
    "line\nline",
    "-rf",
    "--help",
    "é\u2603",
    "*",
    "\\",
    "%PATH%",
    "a=b",
]


def script(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    return path


def grid(program: Path, values: list[Any], **more: Any) -> dict[str, Any]:
    return {"method": "grid", "program": str(program), "parameters": {"text": {"values": values}}, **more}


def trials_of(sweep_id: str, place: str | None = None) -> list[Trial]:
    with open_sweeps(place or place_of()) as sweeps:
        return sweeps.trials(sweep_id)


def test_values_reach_the_program_unchanged(bare: Path, tmp_path: Path) -> None:
    program = script(tmp_path, SHOW)
    sweep_id = treering.sweep(grid(program, HOSTILE, entity="theirs"), entity="our team")
    assert run_agent(sweep_id, options=Options(cwd=str(tmp_path))) == len(HOSTILE)
    for number, value in enumerate(HOSTILE):
        told = json.loads(Path(f"{program}.{number}").read_text())
        assert told["argv"] == [f"--text={value}"]
        assert told["env"]["TREERING_SWEEP_ID"] == told["env"]["WANDB_SWEEP_ID"] == sweep_id
        assert told["env"]["WANDB_ENTITY"] == "our team"
        assert yaml.safe_load(told["theirs"]) == {"wandb_version": 1, "text": {"value": value}}
    assert not (tmp_path / "x").exists()


PARAMS = {"a": 1, "yes": True, "no": False, "list": [1, "x"], "deep": {"b": None}, "text": "x y"}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["${args}"], ["--a=1", "--yes=True", "--no=False", '--list=[1, "x"]', '--deep={"b": null}', "--text=x y"]),
        (["${args_no_boolean_flags}"], ["--a=1", "--yes", '--list=[1, "x"]', '--deep={"b": null}', "--text=x y"]),
        (["${args_no_hyphens}"], ["a=1", "yes=True", "no=False", 'list=[1, "x"]', 'deep={"b": null}', "text=x y"]),
        (["--c", "${args_json}"], ["--c", json.dumps(PARAMS)]),
        (["--f=${args_json_file}"], ["--f=/p.json"]),
        (["${env}", "${interpreter}", "${program}"], ["/usr/bin/env", sys.executable, "train.py"]),
        (["x-${envvar:TREERING_QUIET}-y"], ["x-1-y"]),
    ],
)
def test_macros(command: list[str], words: list[str], bare: Path) -> None:
    assert build_command(command, "train.py", PARAMS, "/p.json") == words


def test_macros_without_what_they_stand_for_are_refused() -> None:
    with pytest.raises(UsageError, match="there is no variable NOTHING_LIKE_THIS"):
        build_command(["${envvar:NOTHING_LIKE_THIS}"], None, {}, "")
    with pytest.raises(UsageError, match="no `program`"):
        build_command(["${program}"], None, {}, "")


def test_an_agent_gives_up_where_every_program_fails(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = script(tmp_path, "raise SystemExit(3)")
    sweep_id = treering.sweep(grid(program, list(range(9))))
    with pytest.raises(Flapping, match=r"3 trials failed within .* exit code 3"):
        run_agent(sweep_id)
    assert [trial.state for trial in trials_of(sweep_id)] == ["failed"] * 3
    monkeypatch.setenv("WANDB_AGENT_DISABLE_FLAPPING", "true")
    assert run_agent(sweep_id) == 6


def test_a_function_that_fails_is_a_failed_trial(bare: Path) -> None:
    def train() -> None:
        run = treering.init()
        run.log({"loss": 1.0})
        if run.config.a:
            raise ValueError("boom")

    config = {"method": "grid", "metric": {"name": "loss"}, "parameters": {"a": {"values": [0, 1]}}}
    with pytest.warns(UserWarning, match="is minimized"):
        sweep_id = treering.sweep(config, project="p")
    assert treering.agent(sweep_id, train) == 2
    told = [(trial.state, trial.values, trial.failure) for trial in trials_of(sweep_id)]
    assert told == [("finished", [1.0], None), ("failed", [1.0], "ValueError: boom")]
    runs = {run.config["a"]: run for run in treering.Api(bare).runs()}
    assert (runs[0].state, runs[1].state, runs[0].project) == ("finished", "failed", "p")


def test_a_function_may_return_its_metric(bare: Path) -> None:
    config = {"method": "random", "run_cap": 2, "metric": {"name": "y", "goal": "maximize"}, "parameters": {"x": {"min": 0, "max": 9}}}  # fmt: skip  # noqa: E501
    sweep_id = treering.sweep(config)
    assert treering.agent(sweep_id, lambda: 5, count=1) == 1
    assert [trial.values for trial in trials_of(sweep_id)] == [[5.0]]


def test_parameters_win_over_the_program_and_stay(bare: Path) -> None:
    seen: list[Any] = []

    def train() -> None:
        run = treering.init(config={"a": 9, "own": 1, "deep": {"b": 9, "own": 2}})
        run.config.update({"a": 100, "late": 3})
        seen.append(run.config.as_dict())

    config = {"method": "grid", "parameters": {"a": {"value": 1}, "deep": {"parameters": {"b": {"values": [2]}}}}}
    treering.agent(treering.sweep(config), train)
    assert seen == [{"a": 1, "own": 1, "deep": {"b": 2, "own": 2}, "late": 3}]
    (run,) = treering.Api(bare).runs()
    assert run.config == seen[0]


# -- killed -----------------------------------------------------------------------------------------------------------

NOTE = """
import os, sys, time
time.sleep(0.15)
with open(sys.argv[1], "a") as file:
    file.write(sys.argv[2] + "\\n")
"""


def start_agent(sweep_id: str, place: str, lease_s: float = 60.0) -> subprocess.Popen[bytes]:
    """An agent as a person starts it, in a process of its own."""
    words = [sys.executable, "-m", "treering.cli", "agent", sweep_id, "--dir", place, "--lease", str(lease_s)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_until(done: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + 240
    while not done():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.05)


@pytest.mark.parametrize("method", ["grid", "random"])
def test_agents_killed_at_random_lose_and_double_nothing(method: str, bare: Path, tmp_path: Path) -> None:
    """Eight agents at work, four killed on the way; others take over, and each trial ends once."""
    count = 24
    config: dict[str, Any] = {
        "method": method,
        "command": [sys.executable, str(script(tmp_path, NOTE)), str(tmp_path / "log"), "${args_no_hyphens}"],
        "parameters": {"x": {"min": 1, "max": count}},
    }
    if method == "random":
        config |= {"run_cap": count, "parameters": {"x": {"min": 0.0, "max": 1.0}}, "seed": 1}
    sweep_id = treering.sweep(config)
    place = place_of()
    agents = [start_agent(sweep_id, place) for _ in range(8)]
    chance = random.Random(5)
    try:
        for killed in range(1, 5):
            wait_until(lambda: sum(one.state in ENDED for one in trials_of(sweep_id)) >= 3 * killed, "no progress")  # noqa: B023
            one = chance.choice(agents)
            one.send_signal(signal.SIGKILL)
            one.wait()
            agents.remove(one)
        for one in agents:
            assert one.wait(240) == 0
    finally:
        for one in agents:
            one.kill()
            one.wait()
    trials = trials_of(sweep_id)
    assert [trial.state for trial in trials] == ["finished"] * count
    assert len({json.dumps(trial.params) for trial in trials}) == count
    done = (tmp_path / "log").read_text().split()
    assert set(done) == {f"x={trial.params['x']}" for trial in trials}
    # A killed agent's program may have got as far as its last line; nothing else is done twice.
    assert len(done) <= count + 4
    with open_sweeps(place) as sweeps:
        assert sweeps.sweep(sweep_id).state == "finished"


def test_a_preempted_agent_ends_its_program_and_gives_the_trial_back(bare: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = script(tmp_path, f"import time\nopen({str(started)!r}, 'w').close()\ntime.sleep(300)")
    sweep_id = treering.sweep(grid(program, ["x"]))
    agent = start_agent(sweep_id, place_of())
    wait_until(started.exists, "the program did not start")
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(120) == 0
    (trial,) = trials_of(sweep_id)
    assert (trial.state, trial.failure) == ("waiting", "its agent was asked to end")


def test_a_preempted_search_ends_all_of_its_agents(bare: Path, tmp_path: Path) -> None:
    text = "import sys, time\nopen(sys.argv[1].replace('--text=', ''), 'w').close()\ntime.sleep(300)"
    marks = [tmp_path / name for name in ("one", "two", "three")]
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(grid(script(tmp_path, text), [str(mark) for mark in marks])))
    words = [sys.executable, "-m", "treering.cli", "sweep", "local", str(tmp_path / "sweep.yaml"), "--agents", "2"]
    search = subprocess.Popen([*words, "--dir", str(bare)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: marks[0].exists() and marks[1].exists(), "the programs did not start")
        search.send_signal(signal.SIGTERM)
        told, _ = search.communicate(timeout=120)
    finally:
        search.kill()
        search.wait()
    assert search.returncode == 0
    sweep_id = told.decode().split()[0]
    assert [trial.state for trial in trials_of(sweep_id)] == ["waiting"] * 2
    assert not marks[2].exists()


def test_cancel_ends_a_program_that_does_not_listen(bare: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    text = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    text += f"open({str(started)!r}, 'w').close()\ntime.sleep(300)"
    sweep_id = treering.sweep(grid(script(tmp_path, text), ["x"]))

    def cancel() -> None:
        wait_until(started.exists, "the program did not start")
        with open_sweeps(place_of()) as sweeps:
            sweeps.change(sweep_id, "cancel")

    thread = threading.Thread(target=cancel)
    thread.start()
    run_agent(sweep_id, options=Options(term_timeout_s=0.3), lease_s=1.0)
    thread.join()
    (trial,) = trials_of(sweep_id)
    assert trial.state == "cancelled"


def test_an_agent_of_a_paused_sweep_says_once_that_it_waits(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treering.sweeps.store._LATER_S", 0.01)  # asks many times in a short test
    said: list[str] = []
    sweep_id = treering.sweep({"method": "grid", "parameters": {"x": {"values": [1, 2]}}})

    def change(action: str) -> None:
        with open_sweeps(place_of()) as sweeps:
            sweeps.change(sweep_id, action)

    def resume_each_time() -> None:
        for count in (1, 2):
            wait_until(lambda: sum("is paused" in line for line in said) >= count, "nothing was said")  # noqa: B023
            time.sleep(0.3)
            change("resume")

    def train() -> None:
        if not any("finished" in line for line in said):
            change("pause")

    change("pause")
    thread = threading.Thread(target=resume_each_time)
    thread.start()
    assert run_agent(sweep_id, train, say=said.append) == 2  # its first trial pauses the sweep again, which is news
    thread.join()
    told = f"sweep {sweep_id} is paused; waiting until `treering sweep resume {sweep_id}`"
    assert [line for line in said if "paused" in line] == [told, told]


def test_the_pods_of_a_job_work_on_a_sweep_in_postgresql(
    bare: Path, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pod runs is run here, with its variables only and with the address where Kubernetes would put it."""
    from click.testing import CliRunner

    from treering.cli._app import app

    sweep_id = treering.sweep(grid(script(tmp_path, "pass"), ["a", "b"]), project="p", dir=postgres_url)
    told = CliRunner().invoke(app, ["sweep", "k8s", sweep_id, "--dir", postgres_url])
    assert told.exit_code == 0, told.output
    assert postgres_url not in told.stdout
    container = yaml.safe_load(told.stdout)["spec"]["template"]["spec"]["containers"][0]
    variables: dict[str, str] = {}
    for one in container["env"]:
        secret = one.get("valueFrom", {}).get("secretKeyRef")
        assert secret in (None, {"name": "treering", "key": "store"})
        variables[one["name"]] = one["value"] if secret is None else postgres_url
    assert container["command"][0] == "treering"
    words = [re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], word) for word in container["command"][1:]]
    monkeypatch.delenv("TREERING_DIR")
    subprocess.run(
        [sys.executable, "-m", "treering.cli", *words], check=True, env={**os.environ, **variables}, timeout=240
    )
    assert [trial.state for trial in trials_of(sweep_id, postgres_url)] == ["finished"] * 2


def test_a_sweep_over_a_shared_folder_needs_no_server(bare: Path, tmp_path: Path) -> None:
    """Four processes, no database that two have open, and each run in a file of its own."""
    program = script(
        tmp_path,
        "import treering\nrun = treering.init()\nfor step in range(3):\n    run.log({'loss': run.config.x + step})\n",
    )
    config = {"method": "grid", "metric": {"name": "loss", "goal": "minimize"}, "program": str(program), "parameters": {"x": {"min": 1, "max": 8}}}  # fmt: skip  # noqa: E501
    sweep_id = treering.sweep(config, shared=True)
    assert place_for(sweep_id) == f"shared:{bare}"
    agents = [start_agent(sweep_id, str(bare)) for _ in range(4)]
    assert [one.wait(240) for one in agents] == [0] * 4
    trials = trials_of(sweep_id, place_for(sweep_id))
    assert [(one.state, one.values) for one in trials] == [("finished", [one.params["x"] + 2.0]) for one in trials]
    assert len(trials) == 8
    assert not (bare / "treering.db").exists()
    runs = treering.Api(bare).runs()
    assert {run.id for run in runs} == {one.run_id for one in trials}
    assert {run.config["x"] for run in runs} == set(range(1, 9))


def test_the_commands(bare: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from treering.cli._app import app

    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(grid(script(tmp_path, "pass"), ["a", "b"], name="small")))
    told = CliRunner().invoke(app, ["sweep", str(file), "--project", "p", "--entity", "e", "--count", "1", "--json"])
    assert told.exit_code == 0, told.output
    sweep_id = json.loads(told.stdout)["id"]
    for action, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped"), ("resume", "running")):
        assert f"is {state}" in CliRunner().invoke(app, ["sweep", action, sweep_id]).stdout
    done = CliRunner().invoke(app, ["agent", f"team/p/{sweep_id}", "--count", "1"])
    assert done.exit_code == 0, done.output
    listed = CliRunner().invoke(app, ["sweep", "list"]).stdout.splitlines()
    assert listed[1].split("\t")[:5] == [sweep_id, "small", "p", "running", "1"]
    shown = json.loads(CliRunner().invoke(app, ["sweep", "show", sweep_id, "--json"]).stdout)
    assert [trial["state"] for trial in shown["trials"]] == ["finished"]
    job = yaml.safe_load(
        CliRunner().invoke(app, ["sweep", "k8s", sweep_id, "--image", "me", "--agents", "3", "--gpus", "1"]).stdout
    )
    assert job["spec"]["parallelism"] == 3
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["treering", "agent", sweep_id]
    assert {"name": "TREERING_DIR", "value": str(bare)} in container["env"]
    assert {"name": "TREERING_ENTITY", "value": "e"} in container["env"]
    local = CliRunner().invoke(app, ["sweep", "local", str(file)])
    assert local.exit_code == 0, local.output
    assert len(trials_of(local.stdout.split()[0])) == 2


def test_ranks_of_the_agents_are_not_those_of_programs(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agents that a launcher started side by side have ranks; each program trains alone and records."""
    monkeypatch.setenv("SLURM_PROCID", "3")
    program = script(tmp_path, "import treering\ntreering.init().log({'loss': 1.0})")
    config = {"metric": {"name": "loss", "goal": "minimize"}}
    sweep_id = treering.sweep(grid(program, ["x"], **config))
    run_agent(sweep_id)
    (trial,) = trials_of(sweep_id)
    assert treering.Api(bare).run(trial.run_id).summary == {"loss": 1.0}
    assert os.environ["SLURM_PROCID"] == "3"
