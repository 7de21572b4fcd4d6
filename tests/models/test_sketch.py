"""What a family composes is what the network then is."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from zoo.models.convnet import ConvFamily
from zoo.models.edsr import EDSR
from zoo.models.sketch import Role, Sketch
from zoo.models.view import View
from zoo.models.wdsr import WDSR
from zoo.network import Network
from zoo.parsers.base import Checkpoint

CASES: list[tuple[type[ConvFamily], dict[str, Any]]] = [
    *(
        (EDSR, {"scale": scale, "tail": tail, "channels": channels})
        for scale, tail, channels in itertools.product(
            (1, 2, 3, 4, 6), ("official", "single"), (1, 3)
        )
    ),
    *(
        (WDSR, {"scale": scale, "variant": variant, "padding": padding})
        for scale, variant, padding in itertools.product(
            (1, 2, 3), "ab", ("same", "symmetric")
        )
    ),
]


@pytest.mark.parametrize("family, options", CASES)
def test_shapes_and_names_are_the_networks(
    family: type[ConvFamily], options: dict[str, Any]
) -> None:
    options = {"blocks": 2, "filters": 6, **options}
    sketch = family.sketch(family.complete(options))
    network = Network.parse(family.write(**options))
    tensors = network.tensors
    for role, shape in sketch.shapes.items():
        assert tensors.pop(sketch.tensor(role, "weights")).shape == shape
        assert tensors.pop(sketch.tensor(role, "biases")).shape == shape[3:]
    assert tensors == {}


def test_roles_and_channels() -> None:
    sketch = Sketch(channels=3)
    assert sketch.channels == 3
    sketch.add("input")
    assert sketch.convolution(Role("a"), 8) == 1
    sketch.add("shuffler", scale=2, order="crd")
    assert sketch.channels == 2
    sketch.add("route", layers=(1, -1))
    assert sketch.channels == 10
    sketch.convolution(Role("b"), 4, size=1)
    assert sketch.shapes[Role("b")] == (1, 1, 10, 4)
    assert sketch.tensor(Role("b"), "weights") == "4.convolutional.weights"


def test_shapes_that_would_take_terabytes_are_refused_at_once() -> None:
    """Empty tensors may claim any shape; nothing is allocated for them."""
    tensors = {
        "head.0.weight": np.zeros((4096, 3, 3, 3), np.float32),
        "head.0.bias": np.zeros(4096, np.float32),
        "tail.0.weight": np.zeros((12, 0, 3, 3), np.float32),
        "tail.0.bias": np.zeros(12, np.float32),
        "skip.0.weight": np.zeros((12, 3, 5, 5), np.float32),
        "skip.0.bias": np.zeros(12, np.float32),
    }
    for block in range(1000):
        name = f"body.{block}.body"
        tensors[f"{name}.0.weight"] = np.zeros((32768, 0, 3, 3), np.float32)
        tensors[f"{name}.0.bias"] = np.zeros(32768, np.float32)
        tensors[f"{name}.2.weight"] = np.zeros((4096, 0, 3, 3), np.float32)
        tensors[f"{name}.2.bias"] = np.zeros(4096, np.float32)
    checkpoint = Checkpoint("torch", tensors)
    assert WDSR.recognize(checkpoint) is None
    assert "3x3x0x32768" in WDSR.mismatch(checkpoint).reason


def test_wrappers_are_dropped_only_where_all_names_have_them() -> None:
    def names(*given: str) -> list[str]:
        return list(View(Checkpoint("torch", dict.fromkeys(given, np.zeros(1)))))

    assert names("module.a", "module.b.c") == ["a", "b.c"]
    assert names("model.module.a", "model.module.b") == ["a", "b"]
    assert names("module.a", "b") == ["module.a", "b"]
    assert names() == []
