"""[dysample] against PyTorch's grid_sample, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.layers.dysample import Dysample
from zoo.layers.upsample import Upsample
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)
CASES = [(2, 4, 5, 3), (3, 3, 4, 4), (1, 2, 3, 6), (2, 1, 1, 4), (4, 2, 2, 1)]


def shapes_of(scale: int, groups: int, height: int, width: int) -> list[Shape]:
    return [
        Shape(height, width, 2 * groups * scale**2),
        Shape(height, width, 3 * groups),
    ]


@pytest.mark.parametrize("scale, groups, height, width", CASES)
def test_equals_torch(scale: int, groups: int, height: int, width: int) -> None:
    """Offsets of several pixels, many of them beyond the edge."""
    torch = pytest.importorskip("torch")
    from zoo.torch.dysample import dysample

    layer = Dysample(origin=-2, scale=scale, groups=groups, strength=3.0)
    offsets, x = random_inputs(shapes_of(scale, groups, height, width))
    got = layer.forward(offsets, x, kernels=KERNELS)
    moved = [torch.from_numpy(a.transpose(0, 3, 1, 2).copy()) for a in (offsets, x)]
    want = dysample(layer)({}, False, *moved).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(got, want, atol=2e-5)


@pytest.mark.parametrize("scale, groups, height, width", CASES)
def test_gradients(scale: int, groups: int, height: int, width: int) -> None:
    """Away from the kinks, where an output pixel lies on a pixel of the input."""
    shapes = shapes_of(scale, groups, height, width)
    offsets, x = random_inputs(shapes)
    layer = Dysample(origin=-2, scale=scale, groups=groups, strength=0.5)
    check_layer(layer, shapes, inputs=[offsets, x], tolerance=1e-3)


@pytest.mark.parametrize("scale", [2, 3])
def test_without_offsets_it_is_bilinear(scale: int) -> None:
    layer = Dysample(origin=-2, scale=scale, groups=2)
    offsets, x = random_inputs(shapes_of(scale, 2, 5, 4))
    got = layer.forward(0 * offsets, x, kernels=KERNELS)
    bilinear = Upsample(stride=scale, mode="bilinear")
    np.testing.assert_allclose(got, bilinear.forward(x, kernels=KERNELS), atol=1e-6)


@pytest.mark.parametrize(
    "shapes, message",
    [
        ([Shape(4, 4, 32)], "takes two inputs"),
        ([Shape(4, 4, 31), Shape(4, 4, 8)], "needs offsets of 4x4x32"),
        ([Shape(4, 4, 32), Shape(4, 4, 6)], "do not divide into groups=4"),
    ],
)
def test_shapes_that_do_not_fit(shapes: list[Shape], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Dysample(origin=-2).output_shape(*shapes)
