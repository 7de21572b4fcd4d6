"""[input]: the network's input by a name."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.layers.input import Input
from zoo.program.operations import Identity
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

SHAPE = Shape(4, 6, 3)


@pytest.mark.parametrize(
    "values", [{}, {"channels": 3}, {"height": 4, "width": 6, "channels": 3}]
)
def test_identity(values):
    (x,) = random_inputs([SHAPE])
    assert np.array_equal(check_layer(Input(**values), [SHAPE], inputs=[x]), x)


@pytest.mark.parametrize("name", ["height", "width", "channels"])
def test_sizes_are_checked(name):
    with pytest.raises(ShapeError, match=f"{name}=5, but 4x6x3 arrives"):
        Input(**{name: 5}).output_shape(SHAPE)


def test_reads_the_networks_input_from_anywhere():
    assert Input().sources(0) == Input().sources(7) == (-1,)
    assert Input().lower(SHAPE) == Identity()
