"""DQN on CartPole: an off-policy algorithm, whose losses are recorded between the episodes too.

pip install 'treering[sb3]'
python examples/sb3_dqn.py
"""

from __future__ import annotations

import argparse
import tempfile

import gymnasium
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.monitor import Monitor

import treering
from treering.callbacks.sb3 import TreeringCallback

torch.set_num_threads(1)  # more only get in each other's way in networks this small


def train(timesteps: int = 6_000, folder: str | None = None) -> treering.Run:
    """Train within a run of our own, and keep Monitor's file and the checkpoints in `folder`."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        treering.init(project="examples", name="dqn-cartpole", tags=["rl"], config={"timesteps": timesteps}) as run,
    ):
        folder = folder or scratch
        env = Monitor(gymnasium.make("CartPole-v1"), folder)
        model = DQN(
            "MlpPolicy",
            env,
            learning_rate=2.3e-3,
            batch_size=64,
            buffer_size=20_000,
            learning_starts=500,
            gamma=0.99,
            target_update_interval=10,
            train_freq=128,
            gradient_steps=64,
            exploration_fraction=0.4,
            exploration_final_eps=0.04,
            policy_kwargs={"net_arch": [64, 64]},
            seed=1,
            device="cpu",
        )
        saver = CheckpointCallback(save_freq=max(timesteps // 3, 1), save_path=folder)
        model.learn(timesteps, callback=[TreeringCallback(run), saver])
        env.close()
        return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timesteps", type=int, default=6_000, help="environment steps")
    run = train(parser.parse_args().timesteps)
    print(f"see how it went:  treering plot {run.id} episode/return_mean")
