"""Networks with several outputs, through everything that runs a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.api import Model
from zoo.engine import Plan
from zoo.errors import ShapeError, UsageError, ZooError
from zoo.layers.base import Array
from zoo.network import Network
from zoo.plugins import select
from zoo.plugins.numpy import NumpyKernels
from zoo.summary import summarize
from zoo.train.batches import targets
from zoo.train.network_learner import NetworkLearner
from zoo.train.recipe import Recipe

CFG = """
[net]
channels=3

[convolutional]
filters=8
size=3
pad=1
activation=relu

[convolutional]
filters=3
size=3
pad=1
activation=linear

[route]
layers=0

[convolutional]
filters=12
size=3
pad=1
activation=linear

[shuffler]
scale=2
"""


@pytest.fixture
def network() -> Network:
    return Network.parse(CFG).initialize(3)


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).random((2, 10, 14, 3), np.float32)


def test_outputs_are_what_nobody_reads(network: Network) -> None:
    assert network.outputs == (1, 4)
    assert Network.read(Path("cfg/edsr_x2.cfg")).outputs == (len_of("edsr_x2") - 1,)


def len_of(name: str) -> int:
    return len(Network.read(Path(f"cfg/{name}.cfg")))


def test_forward_gives_them_in_order(network: Network, x: Array) -> None:
    small, large = network.forward(x, kernels=NumpyKernels())
    assert small.shape == (2, 10, 14, 3) and large.shape == (2, 20, 28, 3)
    first = network[0].forward(x, kernels=NumpyKernels())
    np.testing.assert_array_equal(
        small, network[1].forward(first, kernels=NumpyKernels())
    )


@pytest.mark.parametrize("backend", ["numpy", "native", "torch"])
def test_every_back_end_and_plan_agrees(
    network: Network, x: Array, backend: str
) -> None:
    if backend == "torch":
        pytest.importorskip("torch")
    try:
        kernels = select(backend)
    except ZooError as error:
        pytest.skip(str(error))
    expected = network.forward(x, kernels=NumpyKernels())
    found = Plan(network, 10, 14, kernels)(x)
    assert isinstance(found, tuple)
    for ours, truth in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, truth, rtol=1e-4, atol=1e-5)


def test_a_model_gives_a_tuple_of_pictures(network: Network) -> None:
    image = np.random.default_rng(1).integers(0, 256, (9, 8, 3), np.uint8)
    small, large = Model(network, select())(image)
    assert small.shape == (9, 8, 3) and large.shape == (18, 16, 3)
    assert small.dtype == large.dtype == np.uint8
    values = Model(network, select()).values(image)
    assert [v.shape for v in values] == [(1, 9, 8, 3), (1, 18, 16, 3)]
    np.testing.assert_array_equal(
        np.clip(np.rint(values[1][0] * 255), 0, 255).astype(np.uint8), large
    )


def test_summary_names_them(network: Network) -> None:
    summary = summarize(network, 8, 8)
    assert summary.outputs == (1, 4)
    assert "outputs 8x8x3 (layer 1), 16x16x3 (layer 4)" in str(summary)


def test_backward_is_the_gradient_of_the_sum(network: Network) -> None:
    rng = np.random.default_rng(5)
    for layer in network:
        layer.parameters = {k: v.astype(float) for k, v in layer.parameters.items()}
    x = rng.standard_normal((1, 5, 4, 3))
    outputs = network.forward(x, kernels=NumpyKernels(), training=True)
    deltas = [rng.standard_normal(y.shape) for y in outputs]
    gradient = network.backward(deltas, kernels=NumpyKernels())
    direction = rng.standard_normal(x.shape)
    step = 1e-6

    def cost(sign: int) -> float:
        moved = network.forward(x + sign * step * direction, kernels=NumpyKernels())
        return sum(float((y * d).sum()) for y, d in zip(moved, deltas, strict=True))

    expected = (cost(1) - cost(-1)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-5)


def test_one_gradient_each(network: Network, x: Array) -> None:
    _, large = network.forward(x, kernels=NumpyKernels(), training=True)
    with pytest.raises(UsageError, match=r"2 outputs \(layers 1, 4\)"):
        network.backward([large])
    network.forward(x, kernels=NumpyKernels(), training=True)
    by_large = network.backward([None, large], kernels=NumpyKernels())
    assert by_large.shape == x.shape


def test_every_learner_learns_both(x: Array) -> None:
    recipe = Recipe(cost="mse", optimizer="sgd")
    truth = np.random.default_rng(2).random((2, 20, 28, 3), np.float32)
    results = []
    for kind in ("numpy", "torch"):
        network = Network.parse(CFG).initialize(3)
        if kind == "numpy":
            learner: object = NetworkLearner(network, NumpyKernels(), recipe)
        else:
            torch = pytest.importorskip("torch")
            from zoo.torch.learner import TorchLearner

            learner = TorchLearner(network, recipe, torch.device("cpu"))
        truths = targets(network, x, truth)
        assert [t.shape for t in truths] == [(2, 10, 14, 3), (2, 20, 28, 3)]
        losses = [learner.learn(x, truths, 0.05).loss for _ in range(3)]  # type: ignore[attr-defined]
        assert losses[2] < losses[0]
        results.append(losses)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_truths_must_fit(network: Network, x: Array) -> None:
    with pytest.raises(ShapeError, match="no whole part"):
        targets(network, x, np.zeros((2, 21, 28, 3), np.float32))
    learner = NetworkLearner(network, NumpyKernels(), Recipe())
    with pytest.raises(ShapeError, match="as many truths"):
        learner.learn(x, np.zeros((2, 20, 28, 3), np.float32), 0.1)


@pytest.mark.parametrize("size", [(10, 14), (None, None)])
def test_onnx_has_named_outputs(
    network: Network, x: Array, size: tuple[int | None, int | None]
) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from zoo.onnx.graph import to_onnx

    model = to_onnx(network, *size, batch=None)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    assert names == ["convolutional_1", "shuffler_4"]
    found = session.run(None, {"input": x.transpose(0, 3, 1, 2).copy()})
    expected = network.forward(x, kernels=NumpyKernels())
    for their, our in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            their.transpose(0, 2, 3, 1), our, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_result_that_is_not_finite_is_refused(dtype: type) -> None:
    network = Network.parse(
        "[net]\nchannels=3\n[convolutional]\nfilters=4\nactivation=linear\n"
        "[convolutional]\nfilters=3\nactivation=linear\n"
    ).initialize(0)
    image = np.random.default_rng(0).random((20, 9, 3)) * 200
    assert Model(network, select())(image.astype(dtype), white=255).shape == image.shape
    network[0].weights[...] = 3e38
    network[1].weights[:, :, :2] = 3e38
    network[1].weights[:, :, 2:] = -3e38
    with pytest.raises(ZooError, match="gives NaN or infinity"):
        Model(network, select())(image.astype(dtype), white=255)
    black = np.zeros_like(image).astype(dtype)
    assert not Model(network, select())(black, white=255).any()  # 0 is finite
