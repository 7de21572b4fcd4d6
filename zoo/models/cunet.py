"""Real-CUGAN, and waifu2x's cunet which it grew out of: two U-shaped networks.

::

    x = the picture with a reflected border, of even (scale 3: fourfold) size
    z = first network of x, which enlarges
    picture = z without 20 pixels at each side + second network of z

Nothing is padded inside: each convolution of 3 x 3 takes a pixel off at each side,
and what goes past others is cut to fit. At scale 4 both networks end in 64 channels;
a convolution and a shuffle follow, and the picture, enlarged, is added. Files with a
tensor ``pro`` want pictures from 0.15 to 0.85.

Factors per channel (squeeze and excitation) look at the whole picture, so a picture
cut in tiles, as the programs run them, comes out a little different.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.attention import channel_attention
from zoo.models.base import NotRecognized
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import CHANNELS, COLOR, assume_color
from zoo.models.naming import Naming
from zoo.models.network_family import Constants, NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["CUNet"]

_LEAKY: dict[str, Any] = {"activation": "leaky", "slope": 0.1}
_INSIDE = 64  # channels between the two networks at scale 4
_BORDER = {1: 28, 2: 18, 3: 14, 4: 19}
_FAST = (4, 38)  # multiple and border, in pixels that are not cells yet
_MULTIPLE = {1: 4, 2: 2, 3: 4, 4: 2}
# Kernel, stride and padding of the transposed convolution that enlarges.
_ENLARGE = {2: (4, 2, 3), 3: (5, 3, 2), 4: (4, 2, 3)}
_MARGIN = 0.15  # of black and white in the files that are called pro


class CUNet(NetworkFamily):
    """Two U-shaped networks, the second of which corrects the first."""

    name = "cunet"
    summary = "cascaded U-Nets of waifu2x and Real-CUGAN"
    paper = "nagadomi, waifu2x, 2018; bilibili, Real-CUGAN, 2022"
    options: ClassVar[tuple[Key, ...]] = (
        Key("scale", "int", 2, "output rows per input row", minimum=1, maximum=4),
        Key("pro", "bool", False, "1: pictures from 0.15 to 0.85"),
        Key("fast", "bool", False, "1: at scale 2, of cells of 2 x 2 pixels"),
        CHANNELS,
        COLOR,
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        scale, channels = options["scale"], options["channels"]
        keys: dict[str, Any] = {"channels": channels, "range": 1}
        keys["color"] = options["color"]
        if options["pro"]:
            span = 1 - 2 * _MARGIN
            mean = (round(-_MARGIN / span, 9),)
            keys |= {"mean": mean, "std": (round(1 / span, 9),), "denormalize": True}
        fast = options["fast"]
        if fast and scale != 2:
            raise UsageError(f"fast is for scale 2, not {scale}")
        net = NetworkBuilder(**keys)
        picture = net.input()
        is_wide = fast or scale == 4
        inside = _INSIDE if is_wide else channels
        multiple, border = _MULTIPLE[scale], _BORDER[scale]
        if fast:
            multiple, border = _FAST
        x = net.to_multiple(picture, multiple, border)
        if fast:
            x = net.add("reorg3d", x, stride=2, order="crd")
        z = cls._first(net, x, inside, scale)
        y = cls._second(net, z, inside)
        z = net.sum(y, net.trim(z, 20))
        if is_wide:
            z = net.conv("conv_final", z, 4 * channels, 3, pad=False)
            z = net.shuffle(net.trim(z, 1), 2)
        z = net.like_picture(z, picture, multiple, scale)
        if is_wide:
            net.sum(net.upsample(picture, scale), z)
        return net

    @staticmethod
    def _pair(
        net: NetworkBuilder, name: str, x: int, widths: tuple[int, int], attend: bool
    ) -> int:
        """Two convolutions, and a factor per channel."""
        for place, width in zip((0, 2), widths, strict=True):
            x = net.conv(f"{name}.conv.{place}", x, width, 3, pad=False, **_LEAKY)
        if not attend:
            return x
        squeeze, excite = (f"{name}.seblock.conv{number}" for number in (1, 2))
        return channel_attention(net, squeeze, excite, x, widths[1] // 8)

    @staticmethod
    def _down(net: NetworkBuilder, name: str, x: int) -> int:
        width = net.channels(x)
        return net.conv(name, x, width, 2, stride=2, pad=False, **_LEAKY)

    @staticmethod
    def _up(net: NetworkBuilder, name: str, x: int) -> int:
        return net.deconv(name, x, net.channels(x), 2, 2, **_LEAKY)

    @classmethod
    def _first(cls, net: NetworkBuilder, x: int, outputs: int, scale: int) -> int:
        a = cls._pair(net, "unet1.conv1", x, (32, 64), False)
        b = cls._down(net, "unet1.conv1_down", a)
        b = cls._pair(net, "unet1.conv2", b, (128, 64), True)
        b = cls._up(net, "unet1.conv2_up", b)
        x = net.sum(b, net.trim(a, 4))
        x = net.conv("unet1.conv3", x, 64, 3, pad=False, **_LEAKY)
        if scale == 1:
            return net.conv("unet1.conv_bottom", x, outputs, 3, pad=False)
        size, stride, padding = _ENLARGE[scale]
        return net.deconv(
            "unet1.conv_bottom", x, outputs, size, stride, padding=padding
        )

    @classmethod
    def _second(cls, net: NetworkBuilder, x: int, outputs: int) -> int:
        a = cls._pair(net, "unet2.conv1", x, (32, 64), False)
        b = cls._down(net, "unet2.conv1_down", a)
        b = cls._pair(net, "unet2.conv2", b, (64, 128), True)
        c = cls._down(net, "unet2.conv2_down", b)
        c = cls._pair(net, "unet2.conv3", c, (256, 128), True)
        c = cls._up(net, "unet2.conv3_up", c)
        b = net.sum(c, net.trim(b, 4))
        b = cls._pair(net, "unet2.conv4", b, (64, 64), True)
        b = cls._up(net, "unet2.conv4_up", b)
        x = net.sum(b, net.trim(a, 16))
        x = net.conv("unet2.conv5", x, 64, 3, pad=False, **_LEAKY)
        return net.conv("unet2.conv_bottom", x, outputs, 3, pad=False)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        inputs = channels = state.kernel("unet1.conv1.conv.0")[1]
        size = state.kernel("unet1.conv_bottom")[2]
        if state.has("conv_final"):
            channels = state.filters("conv_final") // 4
            scale = 4 if inputs == channels else 2
        elif size in (3, 4, 5):
            scale = {3: 1, 4: 2, 5: 3}[size]
        else:
            raise NotRecognized(f"its unet1.conv_bottom has kernels of {size}")
        fast = inputs == 4 * channels
        return {"scale": scale, "channels": channels, "fast": fast}

    @classmethod
    def constants(cls, state: StateDict) -> Constants:
        if "pro" not in state:
            return Constants({"pro": False})
        return Constants({"pro": True}, {"pro": ("stated", "pro=1")})


CUNet.namings = (Naming("Real-CUGAN", assume=assume_color),)
