"""What a family composes is what the network then is."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.models.builder import NetworkBuilder
from zoo.models.edsr import EDSR
from zoo.models.network_family import NetworkFamily
from zoo.models.wdsr import WDSR
from zoo.network import Network
from zoo.parsers.base import Checkpoint
from zoo.parsers.cfg import write_cfg

CASES: list[tuple[type[NetworkFamily], dict[str, Any]]] = [
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
    family: type[NetworkFamily], options: dict[str, Any]
) -> None:
    options = {"blocks": 2, "filters": 6, **options}
    tensors = Network.parse(family.write(**options)).tensors
    for tensor_map in family.build(family.complete(options)).maps:
        for name, shape in tensor_map.shapes.items():
            assert tensors.pop(tensor_map.tensor(name)).shape == shape
    assert tensors == {}


def test_a_route_stands_where_another_layer_than_the_last_is_read() -> None:
    net = NetworkBuilder(channels=3)
    x = net.input()
    a = net.conv("a", x, 8)
    b = net.conv("b", x, 8)
    assert (a, b) == (1, 3)
    assert net.sections[3] == ("route", {"layers": (-2,)})
    assert net.sum(b, a) == 4  # the last comes first
    assert net.sum(a, 4) == 5  # as a sum's terms may change places
    assert net.sections[6][1]["from"] == (-4,)
    assert net.sum(a, 5, alpha=0.5) == 7  # but not where one has a factor
    assert net.sections[7] == ("route", {"layers": (-5,)})
    joined = net.concat(a, b, 7)
    assert net.channels(joined) == 24
    assert net.channels(net.shuffle(joined, 2)) == 6
    assert net.shuffle(joined, 1) == joined
    network = Network.parse(write_cfg(net.sections))
    assert network.sources[4] == (3, 1)
    assert network.sources[5] == (4, 1)
    assert network.sources[7] == (6, 5)
    assert network.shapes(4, 5)[-1] == (8, 10, 6)


def test_mistakes_show_at_once() -> None:
    net = NetworkBuilder(channels=3)
    net.input()
    with pytest.raises(ShapeError, match="multiple of 4"):
        net.shuffle(0, 2)
    with pytest.raises(ValueError, match="no key 'bilters'"):
        net.add("convolutional", bilters=3)


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
    assert "32768x0x3x3" in WDSR.mismatch(checkpoint).reason
