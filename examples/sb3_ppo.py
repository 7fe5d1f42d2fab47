"""PPO learns to balance a pole: every episode, every update and the best model are recorded.

pip install 'treering[sb3]'
python examples/sb3_ppo.py
"""

from __future__ import annotations

import argparse
import tempfile

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env

from treering.callbacks.sb3 import TreeringCallback

torch.set_num_threads(1)  # more only get in each other's way in networks this small


def train(timesteps: int = 16_384, folder: str | None = None) -> TreeringCallback:
    """Train, and keep Monitor's files and the best model in `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = folder or scratch
        env = make_vec_env("CartPole-v1", n_envs=8, seed=1, monitor_dir=folder)
        model = PPO(
            "MlpPolicy",
            env,
            n_steps=32,
            batch_size=256,
            n_epochs=20,
            gamma=0.98,
            gae_lambda=0.8,
            learning_rate=lambda left: left * 1e-3,
            clip_range=lambda left: left * 0.2,
            seed=1,
            device="cpu",
        )
        recorder = TreeringCallback(project="examples", name="ppo-cartpole", tags=["rl"])
        evaluation = make_vec_env("CartPole-v1", seed=2)
        best = EvalCallback(evaluation, eval_freq=256, best_model_save_path=folder, verbose=0)
        model.learn(timesteps, callback=[recorder, best])
        env.close()
        evaluation.close()
        return recorder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timesteps", type=int, default=16_384, help="environment steps")
    recorder = train(parser.parse_args().timesteps)
    if recorder.run is not None:
        print(f"see how it went:  treering plot {recorder.run.id} episode/return_mean")
