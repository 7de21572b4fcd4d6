"""A perceptron learns AND and OR, and cannot learn XOR.

One neuron, y = logistic(w . x + b), divides the plane by a line. The four
points of AND and OR can be divided so; those of XOR cannot, whatever the
training (Minsky and Papert, 1969).

    python examples/learning_perceptron.py
"""

import numpy as np

from zoo.network import Network
from zoo.plugins import select
from zoo.train.network_learner import NetworkLearner
from zoo.train.recipe import Recipe

CFG = """
[net]
height=1
width=1
channels=2

[connected]
output=1
activation=linear

[activation]
activation=logistic
"""
POINTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
TRUTHS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}


def learn(truth: list[int], updates: int = 300) -> np.ndarray:
    """Train a perceptron and return what it says of the four points."""
    network = Network.parse(CFG).initialize()
    recipe = Recipe(cost="logistic", optimizer="sgd")
    learner = NetworkLearner(network, select("numpy"), recipe)
    x = POINTS.reshape(4, 1, 1, 2)
    t = np.array(truth, np.float32).reshape(4, 1, 1, 1)
    for _ in range(updates):
        learner.learn(x, t, rate=2.0)
    return network.forward(x, kernels=select("numpy")).ravel()


if __name__ == "__main__":
    for name, truth in TRUTHS.items():
        says = learn(truth)
        print(f"{name:4} {says.round(2)}", end="  ")
        print("learned" if np.array_equal(says > 0.5, truth) else "not learned")
