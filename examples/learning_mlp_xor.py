"""A network with one hidden layer learns XOR, which a perceptron cannot.

The hidden neurons bend the plane so that a line divides it. This is the oldest
proof that back-propagation works (Rumelhart, Hinton and Williams, 1986).

    python examples/learning_mlp_xor.py
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
output=8
activation=tanh

[connected]
output=1
activation=logistic
"""
POINTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32).reshape(4, 1, 1, 2)
TRUTH = np.array([0, 1, 1, 0], np.float32).reshape(4, 1, 1, 1)


def learn(updates: int = 500, seed: int = 0) -> tuple[float, np.ndarray]:
    """Train; return the last loss and what the network says of the four points."""
    network = Network.parse(CFG).initialize(seed)
    recipe = Recipe(cost="mse", optimizer="adam")
    learner = NetworkLearner(network, select("numpy"), recipe)
    for _ in range(updates):
        loss = learner.learn(POINTS, TRUTH, rate=0.03).loss
    return loss, network.forward(POINTS, kernels=select("numpy")).ravel()


if __name__ == "__main__":
    loss, says = learn()
    print(f"0^0 0^1 1^0 1^1 = {says.round(3)}, mean squared error {loss:.5f}")
