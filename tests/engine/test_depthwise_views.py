"""Depthwise convolutions that read, add or make some channels of a larger value."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.engine import Plan
from zoo.network import Network
from zoo.plugins import select

HEAD = "[net]\nchannels=3\n[convolutional]\nfilters=48\nsize=1\nactivation=linear\n"


@pytest.mark.parametrize("activation", ["linear", "leaky", "gelu_erf", "mish"])
@pytest.mark.parametrize("size", [3, 5, 4])
@pytest.mark.parametrize("count", [5, 16, 37])
@pytest.mark.parametrize("width", [1, 33])
def test_part_of_a_value(activation: str, size: int, count: int, width: int) -> None:
    pytest.importorskip("zoo.plugins.native._native")
    convolution = (
        f"[convolutional]\nfilters={count}\nsize={size}\npadding={size // 2}\n"
        f"groups={count}\nactivation={activation}\n"
    )
    text = f"{HEAD}[route]\nlayers=-1\nfirst=9\ncount={count}\n{convolution}"
    if size % 2:
        text += (
            f"[route]\nlayers=0\nfirst=11\ncount={count}\n"
            "[shortcut]\nfrom=-2\nactivation=linear\n[route]\nlayers=-1,-3,0\n"
        )
    network = Network.parse(text).initialize(1)
    shape = (1, 11, width + 4, 3)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    truth = network.forward(x, kernels=select("numpy"))
    plan = Plan(network, *shape[1:3], select("native"))
    np.testing.assert_allclose(plan(x), truth, rtol=1e-5, atol=1e-5)
