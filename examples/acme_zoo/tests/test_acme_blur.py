"""The conformance checks that zoo offers to authors of layers."""

import numpy as np
from acme_zoo.blur import Blur

from zoo.shapes import Shape
from zoo.testing import check_layer


def test_blur_is_a_layer() -> None:
    check_layer(Blur(times=2), [Shape(5, 4, 3)])
    check_layer(Blur(), [Shape(1, 1, 1)])


def test_blur_keeps_what_is_flat() -> None:
    flat = np.full((1, 6, 7, 2), 0.25, np.float32)
    assert np.array_equal(Blur(times=3)._blur(flat), flat)
