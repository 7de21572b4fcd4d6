"""Every family: a small member runs on each back end alike, and is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.api import Model
from zoo.models.network_family import NetworkFamily
from zoo.network import Network
from zoo.plugins import select
from zoo.registry import registry

SMALL: dict[str, dict[str, Any]] = {
    "bsrn": {
        "blocks": 1,
        "filters": 8,
        "distilled": 4,
        "hidden": 2,
        "squeeze": 2,
    },
    "carn": {"filters": 8, "groups": 2, "variant": "m"},
    "compact": {"blocks": 1, "filters": 8},
    "cunet": {},
    "dat": {
        "depths": (4,),
        "heads": (2,),
        "filters": 16,
        "window": (2, 4),
        "hidden": 12,
        "width": 6,
    },
    "drct": {
        "groups": 1,
        "filters": 8,
        "growth": 4,
        "heads": (2, 2, 1, 2, 2),
        "hidden": (6, 6, 6, 6, 6),
        "window": 4,
        "width": 6,
        "scale": 2,
    },
    "edsr": {"blocks": 1, "filters": 8},
    "efdn": {"filters": 8, "hidden": 2},
    "espcn": {"widths": (6, 5)},
    "fsrcnn": {"blocks": 1, "filters": 8, "width": 4},
    "hat": {
        "depths": (2,),
        "heads": (2,),
        "filters": 8,
        "window": 4,
        "overlap": 1,
        "hidden": 12,
        "convolved": 4,
        "squeeze": 2,
        "width": 6,
        "scale": 2,
    },
    "imdn": {"blocks": 1, "filters": 8, "distilled": 2, "hidden": 2},
    "lapsrn": {"blocks": 1, "filters": 6},
    "mdsr": {"blocks": 1, "filters": 6},
    "mosr": {"blocks": 1, "filters": 8, "width": 12, "convolved": 8, "scale": 2},
    "omnisr": {
        "groups": 1,
        "filters": 8,
        "window": 4,
        "expanded": 6,
        "squeeze": 2,
        "hidden": 4,
        "gate": 6,
        "scale": 2,
    },
    "plksr": {"blocks": 1, "filters": 8, "partial": 4, "width": 12, "size": 5},
    "rcan": {"groups": 1, "blocks": 1, "filters": 8, "hidden": 2, "scale": 2},
    "rdn": {"blocks": 2, "layers": 2, "filters": 6, "growth": 4, "width": 6},
    "rfdn": {"blocks": 1, "filters": 8, "distilled": 4, "hidden": 4},
    "rgt": {
        "depths": (4,),
        "heads": (2,),
        "filters": 8,
        "window": (2, 4),
        "hidden": 12,
        "keys": 4,
        "width": 6,
        "scale": 2,
    },
    "rlfn": {"blocks": 1, "filters": 8, "width": 6, "hidden": 4},
    "rrdbnet": {"blocks": 1, "filters": 8, "growth": 4},
    "safmn": {"blocks": 1, "filters": 8, "width": 12, "scale": 2},
    "span": {"blocks": 1, "filters": 8, "scale": 2},
    "srformer": {
        "depths": (2,),
        "heads": (2,),
        "filters": 8,
        "window": 4,
        "hidden": 12,
        "width": 6,
    },
    "srcnn": {"filters": 6, "width": 5},
    "srgan": {"blocks": 1, "filters": 6},
    "srresnet": {"blocks": 1, "filters": 6},
    "swiftsrgan": {"blocks": 1, "filters": 6, "scale": 2},
    "swinir": {
        "depths": (2,),
        "heads": (2,),
        "filters": 8,
        "window": 4,
        "hidden": 12,
        "width": 6,
    },
    "upconv": {"widths": (4, 6)},
    "vdsr": {"blocks": 1, "filters": 6},
    "wdsr": {"blocks": 1, "filters": 6},
}
"""Options of a small member of each."""


def small(name: str) -> Network:
    family: type[NetworkFamily] = registry("zoo.models").load(name)
    text = family.write(**SMALL[name])
    assert family.write(**SMALL[name]) == text
    return Network.parse(text, f"{name}.cfg").initialize(3)


def test_all_are_here() -> None:
    assert set(SMALL) == set(registry("zoo.models").canonical())


@pytest.mark.parametrize("name", SMALL)
def test_back_ends_agree(name: str) -> None:
    pytest.importorskip("zoo.plugins.native._native")
    network = small(name)
    shape = (26, 33, network.pixels.channels)
    image = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    truth = Model(network, select("numpy"))(image, as_float=True)
    native = Model(network, select("native"))(image, as_float=True)
    assert truth.shape == native.shape
    assert truth.shape[0] == network.scale * shape[0]
    assert truth.std() > 0
    np.testing.assert_allclose(native, truth, rtol=1e-4, atol=1e-4 * truth.std())


@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_training(name: str) -> None:
    """Along the gradients the cost changes as they say: a finite difference."""
    network, kernels = small(name), select("numpy")
    rng = np.random.default_rng(8)
    for layer in network:
        for tensors in (layer.parameters, layer.statistics):
            for key in tensors:
                tensors[key] = tensors[key].astype(np.float64)
    x = rng.random((1, 24, 24, network.pixels.channels))
    weights = rng.normal(size=network.forward(x, kernels=kernels, training=True).shape)

    def cost() -> float:
        y = network.forward(x, kernels=kernels, training=True)
        return float((y * weights).sum())

    cost()
    network.backward(weights, kernels=kernels)
    gradients = [dict(layer.gradients) for layer in network]
    for layer, found in zip(network, gradients, strict=True):
        assert found.keys() == layer.parameters.keys()
    total = sum(float((g**2).sum()) for found in gradients for g in found.values())
    assert total > 0

    def move(by: float) -> None:
        for layer, found in zip(network, gradients, strict=True):
            for key, gradient in found.items():
                layer.parameters[key] += by * gradient

    step = 1e-6 / total**0.5
    move(step)
    above = cost()
    move(-2 * step)
    assert (above - cost()) / (2 * step) == pytest.approx(total, rel=1e-3)
