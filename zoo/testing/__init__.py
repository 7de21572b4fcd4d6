"""Conformance checks that authors of plugins run in their own tests.

::

    from zoo.shapes import Shape
    from zoo.testing import check_layer

    def test_blur():
        check_layer(Blur(radius=2), [Shape(7, 6, 3)])

There is one for every registry. Every failure is an AssertionError that says which
rule was broken.
"""

from zoo.testing.engine import check_engine
from zoo.testing.family import check_family
from zoo.testing.format import check_format
from zoo.testing.gradients import check_gradients, numeric_gradient
from zoo.testing.kernels import check_kernels
from zoo.testing.layer import check_layer
from zoo.testing.reader import check_reader
from zoo.testing.values import build_randomly, random_inputs

__all__ = [
    "build_randomly",
    "check_engine",
    "check_family",
    "check_format",
    "check_gradients",
    "check_kernels",
    "check_layer",
    "check_reader",
    "numeric_gradient",
    "random_inputs",
]
