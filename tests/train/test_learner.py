"""One update: clipping, the average, the guard, what goes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_training import tiny_cfg

from zoo.errors import UsageError
from zoo.network import Network
from zoo.plugins.numpy import NumpyKernels
from zoo.train.batches import training_arrays
from zoo.train.network_learner import NetworkLearner
from zoo.train.recipe import Recipe


def test_average_is_the_mean_of_all_weights_while_young(tmp_path: Path) -> None:
    network = Network.read(tiny_cfg(tmp_path)).initialize()
    learner = NetworkLearner(network, NumpyKernels(), Recipe())
    name = "0.convolutional.weights"
    learner.update_average(0.5)
    first = network.tensors[name].copy()
    network.tensors[name][...] = 2
    learner.update_average(0.25)
    np.testing.assert_allclose(
        learner.best_weights()[name], 0.75 * first + 0.5, rtol=1e-6
    )


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    network = Network.read(tiny_cfg(tmp_path)).initialize()
    learner = NetworkLearner(network, NumpyKernels(), Recipe())
    honest = learner.cost
    learner.cost = lambda y, t: (0.5, honest(y, t)[1] * np.float32(np.inf))
    before = {k: v.copy() for k, v in network.tensors.items()}
    low, high = np.zeros((1, 4, 4, 3), np.uint8), np.ones((1, 8, 8, 3), np.uint8)
    with np.errstate(invalid="ignore"):
        assert not learner.step(low, high, 0.1).applied
    for name, array in network.tensors.items():
        np.testing.assert_array_equal(array, before[name])


def test_gradient_clipping_bounds_the_step(tmp_path: Path) -> None:
    network = Network.read(tiny_cfg(tmp_path)).initialize()
    recipe = Recipe(optimizer="sgd", clip_gradient=1e-3)
    learner = NetworkLearner(network, NumpyKernels(), recipe)
    before = {k: v.copy() for k, v in network.tensors.items()}
    rng = np.random.default_rng(0)
    low = rng.integers(256, size=(2, 6, 6, 3), dtype=np.uint8)
    high = rng.integers(256, size=(2, 12, 12, 3), dtype=np.uint8)
    outcome = learner.step(low, high, 1.0)
    assert outcome.norm > 1e-2
    moved = sum(np.sum((v - before[k]) ** 2) for k, v in network.tensors.items())
    assert np.sqrt(moved) == pytest.approx(1e-3, rel=1e-3)


def _network(net: str) -> Network:
    return Network.parse(f"[net]\n{net}\n\n[activation]\nactivation=linear\n")


def test_networks_of_luma_get_luma() -> None:
    low = np.full((1, 2, 2, 3), (10, 200, 50), np.uint8)
    pixels = _network("channels=1\ncolor=y").pixels
    x, t = training_arrays(low, low, pixels)
    luma = (0.299 * 10 + 0.587 * 200 + 0.114 * 50) / 255
    np.testing.assert_allclose(x, luma, rtol=1e-5)
    np.testing.assert_allclose(t, luma, rtol=1e-5)


def test_networks_of_something_else_get_nothing() -> None:
    low = np.zeros((1, 2, 2, 3), np.uint8)
    with pytest.raises(UsageError, match="the network takes 4 channels"):
        training_arrays(low, low, _network("channels=4").pixels)
