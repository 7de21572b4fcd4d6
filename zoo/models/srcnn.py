"""SRCNN: three convolutions of an enlarged picture.

::

    picture = conv(relu(conv(relu(conv(bicubic(picture))))))

The tensors are the same for every scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import CHANNELS, COLOR, filters_key, scale_key
from zoo.models.luma import ENLARGED, assume_enlarged, enlarged_picture
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["SRCNN"]


class SRCNN(NetworkFamily):
    """The first network for super-resolution."""

    name = "srcnn"
    summary = "three convolutions of an enlarged picture"
    paper = (
        "Dong et al., Image Super-Resolution Using Deep Convolutional Networks, 2014"
    )
    options: ClassVar[tuple[Key, ...]] = (
        filters_key(64, "channels after the first convolution"),
        Key("width", "int", 32, "channels after the second", minimum=1),
        Key("sizes", "ints", (9, 5, 5), "sides of the three kernels; odd", minimum=1),
        scale_key(2),
        ENLARGED,
        CHANNELS,
        COLOR,
    )

    exports = True

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        channels = options["channels"]
        net = NetworkBuilder(channels=channels, range=1, color=options["color"])
        x = enlarged_picture(net, options)
        first, second, third = options["sizes"]
        x = net.conv("conv1", x, options["filters"], first, "relu")
        x = net.conv("conv2", x, options["width"], second, "relu")
        net.conv("conv3", x, channels, third)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        kernels = [state.kernel(f"conv{number}") for number in (1, 2, 3)]
        return {
            "filters": kernels[0][0],
            "width": kernels[1][0],
            "sizes": tuple(kernel[2] for kernel in kernels),
            "channels": kernels[0][1],
        }


SRCNN.namings = (
    Naming("SRCNN-pytorch", assume=assume_enlarged),
    Naming(
        "SRCNN-PyTorch of Lornatang",
        (
            ("features.0", "conv1"),
            ("map.0", "conv2"),
            ("reconstruction", "conv3"),
        ),
        assume=assume_enlarged,
    ),
)
