"""A training that dies with its agent goes on from its checkpoint, in the same run, under the next agent."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import treering
from treering.sweeps.agents import run_agent
from treering.sweeps.opening import open_sweeps

# The first time it stops its agent and kills itself, as a machine that fails takes both at once.
PROGRAM = """
import os, signal, sys, time
sys.modules["tensorflow"] = None  # TensorBoard would load it, for ten seconds
import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
import treering
from treering.callbacks.sb3 import TreeringCallback

callback = TreeringCallback(resume="auto", save_every=64, log_every_s=0)
checkpoint = callback.checkpoint
env = gymnasium.make("CartPole-v1", max_episode_steps=8)
if checkpoint is None:
    small = dict(n_steps=32, batch_size=32, n_epochs=1, seed=0, device="cpu")
    model = PPO("MlpPolicy", env, learning_rate=callback.run.config.lr, **small)
else:
    model = PPO.load(checkpoint, env, device="cpu")
with open("begun", "a") as file:
    file.write(f"{model.num_timesteps}\\n")

class Dies(BaseCallback):
    def _on_step(self):
        if checkpoint is None and self.num_timesteps == 150:
            deadline_s = time.monotonic() + 60
            while len(treering.Api().run(callback.run.id).versions()) < 2 and time.monotonic() < deadline_s:
                time.sleep(0.02)
            os.kill(os.getppid(), signal.SIGSTOP)
            with open("pid", "w") as file:
                file.write(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return True

model.learn(224 - model.num_timesteps, callback=[callback, Dies()], reset_num_timesteps=checkpoint is None)
"""


def wait_for_death(marker: Path) -> None:
    deadline_s = time.monotonic() + 180
    while True:
        assert time.monotonic() < deadline_s
        text = marker.read_text() if marker.exists() else ""
        if text and (not psutil.pid_exists(int(text)) or psutil.Process(int(text)).status() == psutil.STATUS_ZOMBIE):
            return
        time.sleep(0.05)


def test_a_killed_training_goes_on_from_its_checkpoint(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("stable_baselines3") is None:  # the program imports it, in its own process
        pytest.skip("Stable-Baselines3 is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    config = {
        "program": str(tmp_path / "program.py"),
        "command": ["${env}", "${interpreter}", "${program}"],
        "method": "grid",
        "metric": {"name": "rollout/ep_rew_mean", "goal": "maximize"},
        "parameters": {"lr": {"values": [0.001]}},
    }
    sweep_id = treering.sweep(config)
    words = [sys.executable, "-m", "treering.cli", "agent", sweep_id, "--dir", str(bare)]
    agent = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        wait_for_death(tmp_path / "pid")
    finally:
        agent.kill()
        agent.wait()
    with open_sweeps(str(bare)) as sweeps:
        (before,) = sweeps.trials(sweep_id)
    said: list[str] = []
    assert run_agent(sweep_id, say=said.append) == 1
    assert "attempt 2 from its checkpoint" in said[0]

    with open_sweeps(str(bare)) as sweeps:
        (trial,) = sweeps.trials(sweep_id)
    assert (before.state, before.attempt) == ("running", 1)
    assert (trial.state, trial.attempt, trial.deaths, trial.run_id) == ("finished", 2, 1, before.run_id)
    assert (tmp_path / "begun").read_text().split() == ["0", "128"]
    (run,) = treering.Api(bare).runs()
    assert (run.id, run.state, run.attempt) == (trial.run_id, "finished", 2)
    assert run.attempts[1].from_step == 129
    steps = run.history("rollout/ep_rew_mean").x.tolist()
    assert steps == sorted(set(steps))  # what the first attempt logged behind its checkpoint is superseded
    assert steps[-1] == 224
