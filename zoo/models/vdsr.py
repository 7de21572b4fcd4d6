"""VDSR: a deep stack of convolutions that corrects a bicubic picture.

::

    x = bicubic(picture);  y = relu(conv(x));  B times  y = relu(conv(y))
    picture = x + conv(y)

The tensors are the same for every scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import CHANNELS, COLOR, blocks_key, filters_key, scale_key
from zoo.models.luma import ENLARGED, assume_enlarged, enlarged_picture
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["VDSR"]


class VDSR(NetworkFamily):
    """Convolutions whose result is added to the enlarged picture."""

    name = "vdsr"
    summary = "very deep super-resolution, of an enlarged picture"
    paper = (
        "Kim et al., Accurate Image Super-Resolution Using Very Deep Convolutional "
        "Networks, 2016"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(18, "convolutions between the first and the last"),
        filters_key(64),
        scale_key(2),
        ENLARGED,
        Key("bias", "bool", False, "1: convolutions have biases"),
        CHANNELS,
        COLOR,
    )

    exports = True

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters = options["filters"]
        bias: dict[str, Any] = {} if options["bias"] else {"bias": False}
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )
        x = picture = enlarged_picture(net, options)
        x = net.conv("input", x, filters, activation="relu", **bias)
        for block in range(options["blocks"]):
            name = f"residual_layer.{block}.conv"
            x = net.conv(name, x, filters, activation="relu", **bias)
        net.sum(net.conv("output", x, options["channels"], **bias), picture)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("input")
        return {
            "blocks": state.count("residual_layer.{}.conv"),
            "filters": filters,
            "bias": "input.bias" in state,
            "channels": channels,
        }


VDSR.namings = (
    Naming("pytorch-vdsr", assume=assume_enlarged),
    Naming(
        "VDSR-PyTorch of Lornatang",
        (
            ("conv1.0", "input"),
            ("trunk.{b}.conv", "residual_layer.{b}.conv"),
            ("conv2", "output"),
        ),
        assume=assume_enlarged,
    ),
)
