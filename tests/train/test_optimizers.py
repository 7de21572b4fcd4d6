"""Optimizers against PyTorch's, step by step."""

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.train.optimizers import OPTIMIZERS, optimizer_named

RATE = 0.05

THEIRS = {
    "sgd": ("SGD", {}, {}),
    "momentum": ("SGD", {"momentum": 0.9}, {}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}, {}),
    "adagrad": ("Adagrad", {"eps": 1e-8}, {}),
    "rmsprop": ("RMSprop", {"alpha": 0.9, "eps": 1e-8}, {}),
    "adadelta": ("Adadelta", {"rho": 0.9, "eps": 1e-6}, {}),
    "adam": ("Adam", {}, {}),
    "adamax": ("Adamax", {}, {}),
    "adamw": ("AdamW", {"weight_decay": 0.1}, {"decay": 0.1}),
}


def _gradients(count=12, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(4, 3)) for _ in range(count)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equals_torch(name):
    torch = pytest.importorskip("torch")
    kind, their_options, our_options = THEIRS[name]
    start = np.random.default_rng(1).normal(size=(4, 3))
    leaf = torch.tensor(start.copy(), requires_grad=True)
    theirs = getattr(torch.optim, kind)([leaf], lr=RATE, **their_options)
    ours = optimizer_named(name, learning_rate=RATE, **our_options)
    p = start.copy()
    for g in _gradients():
        leaf.grad = torch.tensor(g)
        theirs.step()
        ours.begin_update()
        ours.step("p", p, g)
        np.testing.assert_allclose(p, leaf.detach().numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_restored_state_continues_exactly(name):
    gradients = _gradients(8)
    whole = optimizer_named(name, learning_rate=RATE)
    p = np.ones((4, 3), np.float32)
    for g in gradients:
        whole.begin_update()
        whole.step("p", p, g.astype(np.float32))
    first = optimizer_named(name, learning_rate=RATE)
    q = np.ones((4, 3), np.float32)
    for g in gradients[:5]:
        first.begin_update()
        first.step("p", q, g.astype(np.float32))
    second = optimizer_named(name, learning_rate=RATE)
    second.restore(first.state_arrays(), first.updates)
    for g in gradients[5:]:
        second.begin_update()
        second.step("p", q, g.astype(np.float32))
    np.testing.assert_array_equal(p, q)
    assert q.dtype == np.float32


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_finds_the_bottom_of_a_bowl(name):
    rate = 1.0 if name == "adadelta" else 0.1
    optimizer = optimizer_named(name, learning_rate=rate)
    p = np.array([3.0, -2.0])
    start = float(p @ p)
    for _ in range(400):
        optimizer.begin_update()
        optimizer.step("p", p, 2 * p)
    assert float(p @ p) < 0.2 * start


def test_unknown_name_and_option():
    with pytest.raises(UsageError, match="adam"):
        optimizer_named("adman")
    with pytest.raises(UsageError, match="beta3"):
        optimizer_named("adam", beta3=1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_factor_of_the_rate_is_of_this_parameter_alone(name):
    one = optimizer_named(name, learning_rate=RATE, decay=0.01)
    two = optimizer_named(name, learning_rate=RATE / 4, decay=0.01)
    p, q = np.ones((4, 3)), np.ones((4, 3))
    for g in _gradients(4):
        for optimizer in (one, two):
            optimizer.begin_update()
        one.step("p", p, g, 0.25)
        two.step("p", q, g)
        assert one.learning_rate == RATE
    np.testing.assert_array_equal(p, q)
