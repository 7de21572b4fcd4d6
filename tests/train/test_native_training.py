"""Training on the native back end: exact resuming, threads, gradients, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_sessions import assert_equal_checkpoints, begin, go_on
from tiny_training import BATCHNORM, tiny_cfg

from zoo.errors import PluginError
from zoo.network import Network
from zoo.plugins.numpy import NumpyKernels
from zoo.train.network_learner import NetworkLearner
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder

try:
    from zoo.plugins.native import NativeKernels
except PluginError as error:
    pytest.skip(str(error), allow_module_level=True)

# Every way that gradients take: sums of several readers, aliases of one array,
# slices, strides, and inputs that have no parameters before them.
BRANCHES = """
[net]
channels=3
[input]
[pad]
size=1
mode=symmetric
[convolutional]
filters=16
size=3
activation=relu
[convolutional]
filters=16
size=3
pad=1
activation=mish
[shortcut]
from=-2
activation=linear
[shortcut]
from=-3
alpha=0.5
activation=leaky
[convolutional]
filters=16
size=3
pad=1
batch_normalize=1
activation=swish
[route]
layers=-1,-3
[convolutional]
filters=12
size=3
stride=1
dilation=2
pad=1
activation=tanh
[route]
layers=-1,-2,0
[convolutional]
filters=12
size=1
activation=elu
[maxpool]
size=3
stride=1
[shuffler]
scale=2
[upsample]
stride=2
mode=bilinear
"""


def learner_of(kernels: Any, seed: int = 0) -> NetworkLearner:
    network = Network.parse(BRANCHES).initialize(seed)
    return NetworkLearner(network, kernels, Recipe(learning_rate=1e-3))


def patches(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 12, 14, 3)).astype(np.float32)
    return x, rng.standard_normal((2, 48, 56, 3)).astype(np.float32)


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_six_updates_are_three_and_three(tmp_path: Path, optimizer: str) -> None:
    cfg = tiny_cfg(tmp_path, middle=BATCHNORM)
    choice = {"backend": "native", "optimizer": optimizer, "average": 0.1}
    begin(tmp_path, "whole", cfg, **choice, updates=6).trainer.run()
    begin(tmp_path, "parts", cfg, **choice, updates=6).trainer.run(until=3)
    session = go_on(tmp_path / "parts", backend="native")
    assert isinstance(session.trainer.learner.kernels, NativeKernels)
    session.trainer.run()
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    assert whole.load().update == parts.load().update == 6
    assert_equal_checkpoints(whole.last, parts.last)


def test_threads_do_not_change_a_bit() -> None:
    found = []
    for threads in (1, 2, 3, 5):
        learner = learner_of(NativeKernels(threads))
        for seed in range(3):
            learner.learn(*patches(seed), 1e-3)
        found.append(learner.network.tensors)
    for other in found[1:]:
        for name, array in found[0].items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_gradients_are_those_of_double_precision() -> None:
    x, t = patches()
    native, exact = learner_of(NativeKernels(2)), learner_of(NumpyKernels(1))
    for layer in exact.network.layers:
        for tensors in (layer.parameters, layer.statistics):
            for name, array in tensors.items():
                tensors[name] = array.astype(np.float64)
    found = []
    for learner, kind in ((native, np.float32), (exact, np.float64)):
        y = learner.network.forward(
            x.astype(kind), kernels=learner.kernels, training=True
        )
        learner.network.backward(t.astype(kind) / 100, kernels=learner.kernels)
        found.append((y, [layer.gradients for layer in learner.network.layers]))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-4)
    for ours, truth in zip(found[0][1], found[1][1], strict=True):
        assert ours.keys() == truth.keys()
        for name, array in truth.items():
            assert array.dtype == np.float64
            scale = max(1.0, float(np.abs(array).max()))
            np.testing.assert_allclose(ours[name], array, atol=1e-4 * scale)


@pytest.mark.parametrize("kernels", [NumpyKernels(1), NativeKernels(2)])
def test_the_short_way_back_gives_the_same(kernels: Any) -> None:
    x, t = patches()
    network = learner_of(kernels).network
    before, delta = x.copy(), t.copy()
    network.forward(x, kernels=kernels, training=True)
    by_input = network.backward(delta, kernels=kernels)
    assert by_input.shape == x.shape
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(delta, t)
    whole = [dict(layer.gradients) for layer in network.layers]
    np.testing.assert_array_equal(network.backward(delta, kernels=kernels), by_input)
    network.backward_parameters(delta, kernels=kernels)
    np.testing.assert_array_equal(delta, t)
    for first, layer in zip(whole, network.layers, strict=True):
        assert first.keys() == layer.gradients.keys()
        for name, array in first.items():
            np.testing.assert_array_equal(array, layer.gradients[name])
    kept = [vars(layer).get("_saved") for layer in network.layers]
    assert not any(kept)


def test_gradients_by_the_input_by_finite_differences() -> None:
    kernels = NumpyKernels(1)
    network = learner_of(kernels).network
    for layer in network.layers:
        for tensors in (layer.parameters, layer.statistics):
            for name, array in tensors.items():
                tensors[name] = array.astype(np.float64)
    x, t = (array.astype(np.float64) for array in patches())
    network.forward(x, kernels=kernels, training=True)
    gradient = network.backward(t, kernels=kernels)
    rng = np.random.default_rng(0)
    for _ in range(5):
        step = 1e-6 * rng.standard_normal(x.shape)
        up = network.forward(x + step, kernels=kernels, training=True)
        down = network.forward(x - step, kernels=kernels, training=True)
        difference = float(((up - down) * t).sum())
        expected = 2 * float((gradient * step).sum())
        assert abs(difference - expected) < 1e-4 * abs(expected) + 1e-9
