"""A recurrent network learns a sine: a gated unit of eight values foretells the next.

Trained on pieces of 20 steps, whose phases differ; then it goes on by itself, each of its
answers being the next input, for three periods more. (Elman, "Finding structure in time", 1990.)

    python examples/learning_sine.py
"""

import numpy as np

from zoo.network import Network
from zoo.plugins import select
from zoo.train.network_learner import NetworkLearner
from zoo.train.recipe import Recipe

STEPS, PERIOD = 20, 16

CFG = """
[net]
inputs=1
time_steps={steps}

[{unit}]
output=8
{keys}

[connected]
output=1
activation=linear
"""


def network(unit: str = "gru", steps: int = STEPS) -> Network:
    keys = {"gru": "tanh=1", "rnn": "hidden=8\nactivation=tanh"}.get(unit, "")
    return Network.parse(CFG.format(unit=unit, keys=keys, steps=steps), "sine.cfg")


def wave(phases: np.ndarray, steps: int) -> np.ndarray:
    """Rows of a sine, step by step as the network takes them: steps x phases x 1 x 1 x 1."""
    places = np.arange(steps)[:, None] + phases[None]
    return np.sin(2 * np.pi * places / PERIOD).astype(np.float32).reshape(-1, 1, 1, 1)


def learn(
    unit: str = "gru", updates: int = 400, seed: int = 0
) -> tuple[float, float, Network]:
    """Train; return the first and the last loss, and the trained network."""
    net = network(unit).initialize(seed)
    recipe = Recipe(cost="mse", optimizer="adam")
    learner = NetworkLearner(net, select(), recipe)
    rng = np.random.default_rng(seed)
    losses = []
    for update in range(updates):
        phases = rng.uniform(0, PERIOD, 16)
        rate = 0.02 * (1 - update / updates) + 1e-4
        x, t = wave(phases, STEPS), wave(phases + 1, STEPS)
        losses.append(learner.learn(x, t, rate).loss)
    return losses[0], losses[-1], net


def go_on(trained: Network, unit: str = "gru", steps: int = 3 * PERIOD) -> np.ndarray:
    """What the network foretells of a sine that it saw for one piece."""
    seen = wave(np.zeros(1), STEPS).reshape(-1)
    while len(seen) < STEPS + steps:
        longer = network(unit, len(seen)).initialize()
        for name, tensor in trained.tensors.items():
            longer.tensors[name][...] = tensor
        answers = longer.forward(seen.reshape(-1, 1, 1, 1)).reshape(-1)
        seen = np.append(seen, answers[-1])
    return seen[STEPS:]


if __name__ == "__main__":
    first, last, trained = learn()
    print(f"loss {first:.3f} at first, {last:.5f} in the end")
    truth = np.sin(2 * np.pi * np.arange(STEPS, STEPS + 3 * PERIOD) / PERIOD)
    foretold = go_on(trained)
    print(
        f"three periods by itself: off by {np.abs(foretold - truth).max():.2f} at most"
    )
    for value in foretold[:PERIOD]:
        print(" " * round(30 * (value + 1)) + "*")
