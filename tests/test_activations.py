"""Activations against PyTorch, finite differences and their written formulas."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from zoo.activations import (
    ACTIVATIONS,
    NAMES,
    PARAMETER_FREE,
    activation,
    with_numbers,
)

# Points away from the kinks of every formula (which stand at integers).
_GRID = np.linspace(-9.03, 9.04, 200).reshape(40, 5)


def _slopes(row, dtype=np.float64):
    return np.array([0.1, 0.25, -0.5, 0.0, 1.5], dtype) if row.needs_slopes else None


def _torch_functions():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    return {
        "linear": lambda x: x,
        "logistic": torch.sigmoid,
        "loggy": lambda x: 2 * torch.sigmoid(x) - 1,
        "relu": f.relu,
        "relu6": f.relu6,
        "elu": f.elu,
        "relie": lambda x: f.leaky_relu(x, 0.01),
        "ramp": lambda x: f.relu(x) + 0.1 * x,
        "tanh": torch.tanh,
        "leaky": lambda x: f.leaky_relu(x, 0.1),
        "revleaky": lambda x: f.leaky_relu(x, 0.1),
        "hardtan": f.hardtanh,
        "softplus": f.softplus,
        "softsign": f.softsign,
        "symmelliot": f.softsign,
        "swish": f.silu,
        "mish": f.mish,
        "gelu": lambda x: f.gelu(x, approximate="tanh"),
        "gelu_erf": f.gelu,
        "silu": f.silu,
        "clip": lambda x: torch.clamp(x, 0, 1),
        "selu": lambda x: 1.0507 * torch.where(x >= 0, x, 1.6732 * torch.expm1(x)),
        "prelu": lambda x: f.prelu(
            x, torch.tensor(_slopes(ACTIVATIONS["prelu"]), dtype=x.dtype)
        ),
        "normalize_channels": lambda x: (
            f.relu(x) / (1e-4 + f.relu(x).sum(-1, keepdim=True))
        ),
        "normalize_channels_softmax": lambda x: (
            x.exp() / (1e-4 + x.exp().sum(-1, keepdim=True))
        ),
        "normalize_channels_softmax_maxval": lambda x: (
            (x - x.amax(-1, keepdim=True)).exp()
            / (1e-4 + (x - x.amax(-1, keepdim=True)).exp().sum(-1, keepdim=True))
        ),
    }


def test_the_table_is_complete():
    wanted = (
        "linear logistic loggy relu relu6 elu relie ramp tanh plse leaky stair hardtan "
        "lhtan selu softplus softsign elliot symmelliot swish silu mish gelu gelu_erf "
        "hard_mish clip "
        "revleaky normalize_channels normalize_channels_softmax "
        "normalize_channels_softmax_maxval prelu"
    )
    assert set(NAMES) == set(wanted.split())
    assert set(NAMES) - set(PARAMETER_FREE) == {"prelu", "clip"}
    assert all(row.name == name and row.formula for name, row in ACTIVATIONS.items())


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no activation 'reul'.*relu"):
        activation("reul")


def test_numbers_are_part_of_a_name():
    assert with_numbers("leaky", 0.1) == "leaky"
    assert with_numbers("clip", 0, 6) == "clip(0.0,6.0)"
    x = np.linspace(-9, 9, 19)[:, None]
    row = activation(with_numbers("leaky", -0.2))
    np.testing.assert_allclose(row(x), np.where(x > 0, x, -0.2 * x))
    assert row.from_x, "the sign of f no longer tells that of x"
    row = activation("clip(-2.0,3.5)")
    np.testing.assert_array_equal(row(x), np.clip(x, -2, 3.5))
    with pytest.raises(ValueError, match="no activation 'mish"):
        activation("mish(2)")


def test_the_error_function_is_exact_far_out():
    """P(-t) t of the Gaussian's tail, to the last places that float32 has."""
    x = np.linspace(-37, -1, 999)
    want = [0.5 * t * math.erfc(-t / math.sqrt(2)) for t in x]
    np.testing.assert_allclose(activation("gelu_erf")(x), want, rtol=1e-9)


def test_prelu_asks_for_its_slopes():
    with pytest.raises(TypeError, match="prelu needs slopes"):
        activation("prelu")(np.zeros((1, 2)))


# What PyTorch has no counterpart of is worked out by hand below.
_NOT_IN_TORCH = ("plse", "stair", "lhtan", "elliot", "hard_mish")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in _NOT_IN_TORCH])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_torch(name, dtype):
    functions = _torch_functions()
    torch = pytest.importorskip("torch")
    row = ACTIVATIONS[name]
    x = _GRID.astype(dtype)
    ours = row(x, _slopes(row, dtype))
    given = torch.tensor(x, requires_grad=True)
    theirs = functions[name](given)
    tight = (
        {"rtol": 2e-5, "atol": 1e-6}
        if dtype is np.float32
        else {"rtol": 1e-9, "atol": 1e-14}
    )
    np.testing.assert_allclose(ours, theirs.detach().numpy(), **tight)

    delta = np.random.default_rng(0).standard_normal(x.shape).astype(dtype)
    theirs.backward(torch.tensor(delta))
    by_x, _ = row.backward(x, ours, delta, _slopes(row, dtype))
    assert by_x.dtype == dtype
    loose = (
        {"rtol": 1e-3, "atol": 2e-5}
        if dtype is np.float32
        else {"rtol": 1e-7, "atol": 1e-12}
    )
    np.testing.assert_allclose(by_x, given.grad.numpy(), **loose)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        # Worked out by hand from the formulas.
        ("plse", [(-6, -0.02), (-4, 0.0), (0, 0.5), (4, 1.0), (6, 1.02)]),
        ("stair", [(0.5, 0.0), (1.25, 0.25), (2.5, 1.0), (3.5, 1.5), (-0.5, -0.5)]),
        ("lhtan", [(-2, -0.002), (0.25, 0.25), (3, 1.002)]),
        ("elliot", [(-1, 0.25), (0, 0.5), (3, 0.875)]),
        ("hard_mish", [(-3, 0.0), (-1, -0.5), (-0.5, -0.375), (2, 2.0)]),
    ],
)
def test_formulas_by_hand(name, points):
    x = np.array([[point] for point, _ in points], np.float64)
    np.testing.assert_allclose(
        ACTIVATIONS[name](x).ravel(), [value for _, value in points], atol=1e-12
    )


@pytest.mark.parametrize("name", NAMES)
def test_derivative_equals_finite_differences(name):
    row = ACTIVATIONS[name]
    slopes = _slopes(row)
    x, step = _GRID, 1e-6
    delta = np.random.default_rng(1).standard_normal(x.shape)
    by_x, by_slopes = row.backward(x, row(x, slopes), delta, slopes)
    for channel in range(x.shape[1]):
        move = np.zeros(x.shape[1])
        move[channel] = step
        numeric = (row(x + move, slopes) - row(x - move, slopes)) / (2 * step)
        np.testing.assert_allclose(
            by_x[:, channel], (numeric * delta).sum(axis=1), rtol=1e-5, atol=1e-7
        )
        if slopes is not None:
            numeric = (row(x, slopes + move) - row(x, slopes - move)) / (2 * step)
            np.testing.assert_allclose(
                by_slopes[channel], (numeric * delta).sum(), rtol=1e-6
            )
    assert (by_slopes is None) == (slopes is None)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_values_give_no_warning(name):
    row = ACTIVATIONS[name]
    x = np.array([1e4, -1e4, 1e30, -1e30, np.inf, -np.inf, np.nan, 0], np.float32)
    x = np.repeat(x[:, None], 5, axis=1)
    slopes = _slopes(row, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = row(x, slopes)
        row.backward(x, y, np.ones_like(x), slopes)
    assert y.dtype == np.float32 and y.shape == x.shape
    assert np.isnan(y[6]).all(), "NaN must pass through"
    if not row.needs_slopes:
        assert np.isfinite(y[:4]).all(), "finite values must stay finite"


def test_tails_are_exact():
    x = np.array([[-80.0]], np.float32)
    np.testing.assert_allclose(activation("logistic")(x), np.exp(x), rtol=1e-6)
    np.testing.assert_allclose(activation("softplus")(x), np.exp(x), rtol=1e-6)
    np.testing.assert_allclose(activation("elu")(x / 1e9), x / 1e9, rtol=1e-6)
