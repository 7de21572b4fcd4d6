"""[softmax]: over the image, groups or pixels, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.layers.softmax import Softmax
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)


@pytest.mark.parametrize("shape", [Shape(1, 1, 12), Shape(2, 3, 4), Shape(1, 1, 1)])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 7.0])
def test_over_the_image(shape, temperature):
    torch = pytest.importorskip("torch")
    (x,) = random_inputs([shape])
    got = check_layer(Softmax(temperature=temperature), [shape], inputs=[x])
    want = torch.softmax(torch.from_numpy(x).flatten(1) / temperature, dim=1)
    np.testing.assert_allclose(got.reshape(2, -1), want.numpy(), rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6])
def test_groups_follow_darknets_order(groups):
    torch = pytest.importorskip("torch")
    shape = Shape(2, 3, 4)
    (x,) = random_inputs([shape])
    got = check_layer(Softmax(groups=groups), [shape], inputs=[x])
    channel_first = torch.from_numpy(x).permute(0, 3, 1, 2).reshape(2, groups, -1)
    want = torch.softmax(channel_first, dim=2).reshape(2, 4, 2, 3).permute(0, 2, 3, 1)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 3])
def test_per_pixel(groups):
    torch = pytest.importorskip("torch")
    shape = Shape(4, 3, 6)
    (x,) = random_inputs([shape])
    layer = Softmax(spatial=True, groups=groups)
    got = check_layer(layer, [shape], inputs=[x])
    rows = torch.from_numpy(x).reshape(2, 4, 3, groups, -1)
    want = torch.softmax(rows, dim=4).reshape(got.shape)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-5)


def test_large_values_do_not_overflow():
    x = np.array([1e30, 0, -1e30, 1e30], np.float32).reshape(1, 1, 1, 4)
    with np.errstate(over="raise", invalid="raise"):
        got = Softmax().forward(x, kernels=KERNELS)
    assert np.array_equal(got.ravel(), [0.5, 0, 0, 0.5])


@pytest.mark.parametrize(
    ("spatial", "words"), [(True, "4 channels"), (False, "16 values")]
)
def test_groups_that_do_not_divide(spatial, words):
    with pytest.raises(ShapeError, match=f"{words} .* 3 groups"):
        Softmax(groups=3, spatial=spatial).output_shape(Shape(2, 2, 4))


def test_backward_before_forward():
    with pytest.raises(RuntimeError, match="training"):
        Softmax().backward(np.zeros((1, 1, 1, 1)), kernels=KERNELS)
