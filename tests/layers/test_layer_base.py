"""What every layer inherits: the keys' ranges, and what it keeps between passes."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.keys import Key
from zoo.layers.activation import Activation
from zoo.layers.base import Array, Layer
from zoo.layers.batchnorm import BatchNorm
from zoo.layers.connected import Connected
from zoo.layers.convolutional import Convolutional
from zoo.layers.deconvolutional import Deconvolutional
from zoo.layers.dropout import Dropout
from zoo.layers.local_avgpool import LocalAveragePool
from zoo.layers.maxpool import MaxPool
from zoo.layers.pad import Pad
from zoo.layers.route import Route
from zoo.layers.shortcut import Shortcut
from zoo.layers.softmax import Softmax
from zoo.plugins import Kernels
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)
SHAPE = Shape(4, 4, 2)
GUIDE = Path(__file__).parents[2] / "docs" / "add_layer.md"

KEEPING: list[Layer] = [
    Activation(activation="relu"),
    BatchNorm(),
    Connected(output=3),
    Convolutional(filters=3, size=3),
    Deconvolutional(filters=3, size=2, stride=2),
    Dropout(),
    LocalAveragePool(size=2, stride=2),
    MaxPool(size=2, stride=2),
    Pad(size=1),
    Route(layers=(-1,)),
    Shortcut(origins=(-2,)),
    Softmax(),
]


@pytest.mark.parametrize("layer", KEEPING, ids=lambda layer: type(layer).__name__)
def test_backward_needs_a_training_forward_and_forget_drops_it(layer: Layer) -> None:
    shapes = [SHAPE] * (2 if isinstance(layer, Shortcut) else 1)
    build_randomly(layer, shapes)
    inputs = random_inputs(shapes)
    output = layer.forward(*inputs, kernels=KERNELS)
    words = f"the {type(layer).__name__} layer .* training=True before backward"
    with pytest.raises(RuntimeError, match=words):
        layer.backward(output, kernels=KERNELS)
    layer.forward(*inputs, kernels=KERNELS, training=True)
    layer.backward(output, kernels=KERNELS)
    layer.forget()
    assert not any(
        np.shares_memory(value, x)
        for value in vars(layer).values()
        if isinstance(value, np.ndarray)
        for x in inputs
    )
    with pytest.raises(RuntimeError, match=words):
        layer.backward(output, kernels=KERNELS)


def test_the_layer_of_the_guide_keeps_what_it_needs(tmp_path: Path) -> None:
    code = GUIDE.read_text(encoding="utf-8").split("```python\n")
    (block,) = (part.split("```")[0] for part in code if "class Square" in part)
    (tmp_path / "square.py").write_text(block, encoding="utf-8")
    layer = runpy.run_path(str(tmp_path / "square.py"))["Square"]()
    check_layer(layer, [SHAPE])
    with pytest.raises(RuntimeError, match="the Square layer"):
        layer.backward(np.zeros((1, *SHAPE), np.float32), kernels=KERNELS)


class Ranged(Layer):
    """A layer whose default -1 stands outside of the key's range."""

    keys = (
        Key("size", "int", -1, "or -1", minimum=1, maximum=9),
        Key("from", "ints", (0,), "several", minimum=0, attribute="origins"),
        Key("mode", "str", "slow", "how", choices=("slow", "fast")),
    )
    size: int


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size=0: 0 is below 1"),
        ({"size": 10}, "size=10: 10 is above 9"),
        ({"origins": (1, -1)}, r"from=\(1, -1\): -1 is below 0"),
        ({"origins": [1, -1]}, r"from=\[1, -1\]: -1 is below 0"),
        ({"mode": "fats"}, "mode=fats: .* did you mean fast?"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Ranged(**values)


def test_a_default_may_stand_outside_of_the_range() -> None:
    assert Ranged(size=-1).size == Ranged().size == -1


class Tripled(Layer):
    """3 x, once forward has run: a layer that keeps that under a name of its own."""

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        if training:
            self._mask = np.full_like(inputs[0], 3)
        return 3 * inputs[0]

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        return (delta * self._mask,)


def test_a_layer_may_keep_things_under_names_of_its_own() -> None:
    layer = Tripled()
    check_layer(layer, [SHAPE])
    (x,) = random_inputs([SHAPE])
    layer.forward(x, kernels=KERNELS, training=True)
    layer.forget()
    (gradient,) = layer.backward(x, kernels=KERNELS)
    np.testing.assert_array_equal(gradient, 3 * x)
