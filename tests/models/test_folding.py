"""Weights of other systems, folded into plain convolutions."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import WeightsError
from zoo.models.folding import finite_float32, fold_weight_norm


@pytest.mark.parametrize("new_names", [False, True])
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weight_norm_is_that_of_torch(new_names: bool) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(5, 7, 3)
    if new_names:
        layer = torch.nn.utils.parametrizations.weight_norm(layer)
        g, v = layer.parametrizations.weight.original0, None
        v = layer.parametrizations.weight.original1
    else:
        layer = torch.nn.utils.weight_norm(layer)
        g, v = layer.weight_g, layer.weight_v
    with torch.no_grad():
        g.copy_(torch.randn(7, 1, 1, 1))
        v.copy_(torch.randn(7, 5, 3, 3))
        layer(torch.zeros(1, 5, 4, 4))
        wanted = layer.weight.numpy()
        folded = fold_weight_norm(g.numpy(), v.numpy(), "v")
    np.testing.assert_allclose(folded, wanted, rtol=1e-6, atol=1e-7)


def test_a_filter_of_zeros_has_no_direction() -> None:
    direction = np.ones((3, 2, 1, 1), np.float32)
    direction[1] = 0
    with pytest.raises(WeightsError, match=r"filter 1 of 'body\.v'"):
        fold_weight_norm(np.ones(3, np.float32), direction, "body.v")


def test_magnitudes_must_be_one_per_filter() -> None:
    with pytest.raises(WeightsError, match="3 filters, and there are 2"):
        fold_weight_norm(np.ones(2, np.float32), np.ones((3, 2, 1, 1)), "v")


@pytest.mark.parametrize(
    "values", [np.array([1.0, np.nan]), np.array([np.inf]), np.array([1e39])]
)
def test_values_must_be_finite_in_float32(values: np.ndarray) -> None:
    with pytest.raises(WeightsError, match="NaN or infinity"):
        finite_float32(values, "x")


def test_values_must_be_floats() -> None:
    with pytest.raises(WeightsError, match="int64"):
        finite_float32(np.array([1, 2]), "x")
