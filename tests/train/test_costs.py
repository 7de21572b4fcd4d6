"""Costs against finite differences and PyTorch."""

import numpy as np
import pytest

from zoo.errors import ShapeError, UsageError
from zoo.network import Network
from zoo.plugins import select
from zoo.plugins.numpy import NumpyKernels
from zoo.testing import numeric_gradient
from zoo.train.costs import COSTS, SECRET, cost_named, gradient_start
from zoo.train.network_learner import NetworkLearner
from zoo.train.recipe import Recipe

PLAIN = [name for name in COSTS if name not in ("softmax", "logistic")]


def _pair(name, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(3, 5))
    t = rng.normal(size=(3, 5))
    if name == "hellinger":
        y, t = np.abs(y) + 0.1, np.abs(t)
    if name in ("hinge", "wgan"):
        t = np.sign(t)
    if name in ("masked", "seg"):
        t[0, :2] = SECRET if name == "masked" else 0
    return y, t


@pytest.mark.parametrize("name", PLAIN)
def test_gradient_is_the_derivative(name):
    y, t = _pair(name)
    cost = cost_named(name)
    _, gradient = cost(y, t)
    step = 1e-6
    for index in np.ndindex(y.shape):
        up, down = y.copy(), y.copy()
        up[index] += step
        down[index] -= step
        slope = (cost(up, t)[0] - cost(down, t)[0]) / (2 * step)
        assert gradient[index] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("mse", "mse_loss"),
        ("mae", "l1_loss"),
        ("smooth", "smooth_l1_loss"),
    ],
)
def test_equals_torch(name, theirs):
    torch = pytest.importorskip("torch")
    y, t = _pair(name, 1)
    leaf = torch.tensor(y, requires_grad=True)
    loss = getattr(torch.nn.functional, theirs)(leaf, torch.tensor(t))
    loss.backward()
    value, gradient = cost_named(name)(y, t)
    assert value == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-12)


def test_softmax_gradient_is_with_respect_to_the_logits():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(4, 6))
    classes = rng.integers(6, size=4)
    leaf = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(leaf, torch.tensor(classes))
    loss.backward()
    y = torch.softmax(leaf, 1).detach().numpy()
    value, gradient = cost_named("softmax")(y, np.eye(6)[classes])
    assert value == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, leaf.grad.numpy(), atol=1e-12)


def test_logistic_gradient_is_with_respect_to_the_logits():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(4, 6))
    t = rng.integers(2, size=(4, 6)).astype(float)
    leaf = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(leaf, torch.tensor(t))
    loss.backward()
    value, gradient = cost_named("logistic")(torch.sigmoid(leaf).detach().numpy(), t)
    assert value == pytest.approx(loss.item(), rel=1e-9)
    np.testing.assert_allclose(gradient, leaf.grad.numpy(), atol=1e-12)


def with_edges(rng):
    """Random values, and every pair of those where a formula may break or kink."""
    edges = [0.0, 1.0, -1.0, -0.5, 0.5, 2.0, 1e-12, -1e-12, 1e-40, SECRET, 40.0]
    y, t = np.meshgrid(edges, edges)
    random = rng.normal(size=(2, 22, 11))
    return tuple(
        np.concatenate([part, more]).astype(np.float32)
        for part, more in zip((y, t), random, strict=True)
    )


@pytest.mark.parametrize("name", COSTS)
def test_both_libraries_give_the_same_cost(name):
    """At the edges too, where it must be finite."""
    torch = pytest.importorskip("torch")
    y, t = with_edges(np.random.default_rng(7))
    cost = cost_named(name)
    loss, gradient = cost(y, t)
    other, by_torch = cost(torch.from_numpy(y), torch.from_numpy(t))
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    assert gradient.dtype == np.float32
    assert by_torch.dtype == torch.float32
    assert other.item() == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(by_torch.numpy(), gradient, rtol=1e-5)


def test_hellinger_of_what_is_not_positive():
    """Its slope is that of a cost that sees 0 there; above 0 it is the derivative."""
    y = np.array([-3, -1e-9, 0, 1e-9, 0.25, 1, 4], np.float32)
    t = np.full_like(y, 1)
    loss, gradient = cost_named("hellinger")(y, t)
    each = [0.5, 0.5, 0.5, 0.5 * (1 - 1e-9**0.5) ** 2, 0.125, 0, 0.5]
    assert loss == pytest.approx(np.mean(each), rel=1e-6)
    slopes = [0, 0, 0, 0.5 * (1 - 1e9**0.5), -0.5, 0, 0.25]
    np.testing.assert_allclose(gradient, np.array(slopes) / 7, rtol=1e-5)
    assert (cost_named("hellinger")(y, -t)[1][4:] == np.float32(0.5 / 7)).all()


def test_float32_stays_float32_and_logcosh_does_not_overflow():
    y = np.full((2, 2), 1e4, np.float32)
    loss, gradient = cost_named("logcosh")(y, np.zeros_like(y))
    assert np.isfinite(loss)
    assert gradient.dtype == np.float32


def _ending(text):
    return Network.parse("[net]\nchannels=2\n[convolutional]\nfilters=3\n" + text)


def test_joint_costs_start_below_the_function_they_include():
    end = "[softmax]\n[cost]\n"
    assert gradient_start(_ending(end), "softmax") == (0, 1)
    logistic = "[activation]\nactivation=logistic\n"
    assert gradient_start(_ending(logistic), "logistic") == (0, 1)
    assert gradient_start(_ending(end), "mae") == (2, 1)
    scaled = "[softmax]\n[cost]\nscale=0.5\n[cost]\nscale=3\n"
    assert gradient_start(_ending(scaled), "softmax") == (0, 1.5)
    assert gradient_start(_ending(scaled), "mae") == (3, 1)  # they multiply it
    for name, end in (
        ("softmax", ""),
        ("logistic", ""),
        ("logistic", "[softmax]\n"),
        ("softmax", "[activation]\nactivation=relu\n"),
    ):
        with pytest.raises(UsageError, match=f"the cost {name} needs"):
            gradient_start(_ending(end), name)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("softmax", "[softmax]\nspatial=1\n"),
        ("logistic", "[activation]\nactivation=logistic\n"),
    ],
)
def test_joint_gradient_through_a_network(name, end):
    """Finite differences of the loss by the weights of the layer below."""
    network = _ending(end).initialize(1)
    kernels = NumpyKernels()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 3, 2))
    layer = network[0]
    layer.parameters = {k: v.astype(np.float64) for k, v in layer.parameters.items()}
    t = np.eye(3)[rng.integers(3, size=(2, 3, 3))]
    cost = cost_named(name)

    def loss():
        return cost(network.forward(x, kernels=kernels, training=True), t)[0]

    _, delta = cost(network.forward(x, kernels=kernels, training=True), t)
    start, _ = gradient_start(network, name)
    network.backward(delta, kernels=kernels, layer=start)
    gradient = layer.gradients["weights"].ravel()
    indices, numeric = numeric_gradient(loss, layer.weights)
    np.testing.assert_allclose(gradient[indices], numeric, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("softmax", "[softmax]\nspatial=1\n"),
        ("logistic", "[activation]\nactivation=logistic\n"),
        ("mae", "[softmax]\nspatial=1\n"),
    ],
)
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_scale_of_a_cost_section(name, end, backend):
    """It multiplies the gradient of every cost, on every back end."""
    if backend == "torch":
        pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2, 3, 3, 2)).astype(np.float32)
    t = rng.dirichlet(np.ones(3), size=(2, 3, 3)).astype(np.float32)
    recipe = Recipe(cost=name, optimizer="sgd")
    norms = []
    for scale in ("1", "0.5"):
        network = _ending(end + f"[cost]\nscale={scale}\n[cost]\nscale={scale}\n")
        network.initialize(1)
        kernels = select(backend, 1)
        own = kernels.learner(network, recipe)
        learner = own or NetworkLearner(network, kernels, recipe)
        norms.append(learner.learn(x, t, 0.1).norm)
    assert norms[1] == pytest.approx(norms[0] / 4, rel=1e-5)


def test_bad_calls():
    with pytest.raises(UsageError, match="mse"):
        cost_named("mean")
    with pytest.raises(ShapeError):
        cost_named("mse")(np.zeros(3), np.zeros(4))
