"""Attention of convolutional networks: factors per channel or per pixel."""

from __future__ import annotations

from collections.abc import Callable

from zoo.models.builder import NetworkBuilder

__all__ = ["channel_attention", "enhanced_spatial_attention"]


def channel_attention(
    net: NetworkBuilder,
    squeeze: str,
    excite: str,
    x: int,
    hidden: int,
    *,
    contrast: bool = False,
) -> int:
    """x times sigmoid(conv(relu(conv(mean of x)))), a factor per channel.

    Hu et al., "Squeeze-and-excitation networks", 2018; with ``contrast`` the standard
    deviation is added to the mean (Hui et al., IMDN, 2019).
    """
    y = net.add("avgpool", x)
    if contrast:
        y = net.sum(net.add("avgpool", x, deviation=True), y)
    y = net.conv(squeeze, y, hidden, 1, "relu")
    y = net.conv(excite, y, net.channels(x), 1, "logistic")
    return net.scaled(x, y)


Convolve = Callable[..., int]
"""Name, layer, filters and activation of a 3 x 3 convolution, whatever it is made of."""


def enhanced_spatial_attention(
    net: NetworkBuilder,
    name: str,
    x: int,
    hidden: int,
    *,
    deep: bool,
    mixed: bool = True,
    activation: str = "relu",
    convolve: Convolve | None = None,
) -> int:
    """x times a factor per value, from a small picture of x (Liu et al., RFANet, 2020).

    ``deep`` has three convolutions of the small picture, as in RFDN; otherwise one,
    as in RLFN. They are made by ``convolve``, if given. Beside the small picture, one
    of full size counts, convolved 1 x 1 if ``mixed``.
    """

    def conv(part: str, x: int, function: str = "linear") -> int:
        if convolve is not None:
            return convolve(f"{name}.{part}", x, hidden, function)
        return net.conv(f"{name}.{part}", x, hidden, 3, function)

    first = net.conv(f"{name}.conv1", x, hidden, 1)
    small = net.conv(f"{name}.conv2", first, hidden, 3, stride=2, pad=False)
    y = net.add("maxpool", small, size=7, stride=3, padding=0)
    if deep:
        y = conv("conv_max", y, activation)
        y = conv("conv3_", conv("conv3", y, activation))
    else:
        y = conv("conv3", y)
    y = net.resize_like(y, first)
    large = net.conv(f"{name}.conv_f", first, hidden, 1) if mixed else first
    y = net.sum(large, y)
    y = net.conv(f"{name}.conv4", y, net.channels(x), 1, "logistic")
    return net.product(x, y)
