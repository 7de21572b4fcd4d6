"""[pad]: borders of zeros, edges and mirrors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.layers.pad import Pad
from zoo.plugins.base import Padding
from zoo.plugins.numpy import NumpyKernels
from zoo.program import operations as program
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

cv2 = pytest.importorskip("cv2")

MODES = {
    "zero": cv2.BORDER_CONSTANT,
    "symmetric": cv2.BORDER_REFLECT,
    "edge": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
}


@settings(max_examples=30, deadline=None)
@given(
    mode=st.sampled_from(sorted(MODES)),
    sides=st.tuples(*[st.integers(0, 4)] * 4),
    size=st.tuples(*[st.integers(1, 5)] * 2, st.integers(1, 3)),
)
def test_equals_opencv(mode, sides, size):
    # Borders wider than the image included: it is then reflected repeatedly.
    (x,) = random_inputs([Shape(*size)])
    layer = Pad(**dict(zip(Padding._fields, sides, strict=True)), mode=mode)
    if mode == "reflect" and max(sides) >= min(size[:2]):  # ONNX Runtime does not
        got = layer.forward(x, kernels=NumpyKernels(threads=1))
    else:
        got = check_layer(layer, [Shape(*size)], inputs=[x], samples=12)
    for image, padded in zip(x, got, strict=True):
        want = cv2.copyMakeBorder(image, *sides, MODES[mode], value=0)
        assert np.array_equal(padded, want.reshape(padded.shape))


def test_size_is_for_the_sides_not_given():
    layer = Pad(size=2, left=0, bottom=5)
    assert layer.sides == Padding(top=2, bottom=5, left=0, right=2)
    assert layer.output_shape(Shape(3, 3, 1)) == Shape(10, 5, 1)


def test_gradient_folds_the_border():
    kernels = NumpyKernels(threads=1)
    layer = Pad(size=1, mode="symmetric")
    x = np.zeros((1, 2, 2, 1))
    layer.forward(x, kernels=kernels, training=True)
    (gradient,) = layer.backward(np.ones((1, 4, 4, 1)), kernels=kernels)
    # Sixteen ones come back to four pixels, which all were copied four times.
    assert np.array_equal(gradient, np.full((1, 2, 2, 1), 4.0))


def test_lowering():
    want = program.Pad(Padding(1, 1, 1, 1), "edge")
    assert Pad(size=1, mode="edge").lower(Shape(3, 3, 1)) == want


def test_backward_before_forward():
    with pytest.raises(RuntimeError, match="training"):
        Pad(size=1).backward(np.zeros((1, 3, 3, 1)), kernels=NumpyKernels(threads=1))


def test_multiple() -> None:
    """Added at the bottom and right, beyond the border that is asked for."""
    layer = Pad(size=2, multiple=8, mode="reflect")
    shape = Shape(9, 12, 2)
    assert layer.output_shape(shape) == (16, 16, 2)
    y = check_layer(layer, [shape], inputs=(x := random_inputs([shape])))
    expected = np.pad(x[0], ((0, 0), (2, 5), (2, 2), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(y, expected)
    assert Pad(multiple=4).output_shape(Shape(8, 12, 1)) == (8, 12, 1)
