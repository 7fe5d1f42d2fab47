"""A linear policy learns to balance a pole by trial and error, in a vector of environments: no framework but Gymnasium.

pip install 'treering[gymnasium]'
python examples/gymnasium_cartpole.py
"""

from __future__ import annotations

import argparse

import gymnasium
import numpy as np

import treering
from treering.integrations.gymnasium import track_env

ENVIRONMENTS = 8
EPISODE_STEPS = 200


def score(env: gymnasium.vector.VectorEnv, policies: np.ndarray) -> np.ndarray:
    """Steps that each environment's policy keeps its pole up, in one episode."""
    observations, _ = env.reset(seed=0)
    alive, steps = np.ones(ENVIRONMENTS, dtype=bool), np.zeros(ENVIRONMENTS)
    while alive.any():
        actions = (np.einsum("ij,ij->i", observations, policies) > 0).astype(int)
        observations, _, terminated, truncated, _ = env.step(actions)
        steps += alive
        alive &= ~(terminated | truncated)
    return steps


def train(generations: int = 12, seed: int = 0) -> float:
    """Let the best policies have children; returns the mean score of the last generation."""
    generator = np.random.default_rng(seed)
    vector = gymnasium.make_vec("CartPole-v1", ENVIRONMENTS, max_episode_steps=EPISODE_STEPS, vectorization_mode="sync")
    with treering.init("examples", "evolution-cartpole", config={"generations": generations, "seed": seed}) as run:
        env = track_env(vector)
        mean, spread, steps = np.zeros(4), 1.0, np.zeros(1)
        for generation in range(generations):
            policies = mean + spread * generator.normal(size=(ENVIRONMENTS, 4))
            steps = score(env, policies)
            mean = policies[np.argsort(steps)[-2:]].mean(axis=0)
            spread *= 0.9
            run.log({"generation": generation, "score/mean": steps.mean(), "score/best": steps.max()})
        env.close()
    return float(steps.mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generations", type=int, default=12)
    print(f"the last generation kept its poles up for {train(parser.parse_args().generations):.0f} steps on average")
