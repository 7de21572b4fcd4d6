"""[maxpool] adaptive=1 against PyTorch, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.layers.maxpool import MaxPool
from zoo.layers.upsample import Upsample
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import check_gradients, random_inputs

CASES = [(2, 7, 5), (4, 11, 6), (8, 8, 17), (2, 6, 4), (3, 3, 3)]


@pytest.mark.parametrize("stride, height, width", CASES)
def test_equals_torch(stride: int, height: int, width: int) -> None:
    torch = pytest.importorskip("torch")
    shape = Shape(height, width, 3)
    (x,) = random_inputs([shape])
    layer = MaxPool(stride=stride, adaptive=True)
    got = layer.forward(x, kernels=NumpyKernels(threads=1))
    check_gradients(layer, [x], tolerance=1e-3)
    picture = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    size = height // stride, width // stride
    want = torch.nn.functional.adaptive_max_pool2d(picture, size)
    np.testing.assert_array_equal(got, want.numpy().transpose(0, 2, 3, 1))
    back = Upsample(mode="nearest", like=-3)
    large = back.forward(got, x, kernels=NumpyKernels(threads=1))
    want = torch.nn.functional.interpolate(want, (height, width), mode="nearest")
    np.testing.assert_array_equal(large, want.numpy().transpose(0, 2, 3, 1))


def test_what_goes_with_nothing_else() -> None:
    with pytest.raises(ValueError, match="beside a key other than stride"):
        MaxPool(stride=2, size=3, adaptive=True)
    with pytest.raises(ShapeError, match="a window of 4 does not fit"):
        MaxPool(stride=4, adaptive=True).output_shape(Shape(3, 8, 1))
