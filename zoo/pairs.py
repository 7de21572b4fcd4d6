"""Pictures in two sizes: what networks learn from and are measured on."""

from __future__ import annotations

from zoo.errors import UsageError
from zoo.network import Network

__all__ = ["whole_scale"]


def whole_scale(network: Network) -> int:
    """How many times a network enlarges pictures.

    Raises
    ------
    UsageError
        If that is no whole number, so that no pair of pictures fits.
    """
    scale = network.scale
    if scale < 1 or scale != int(scale):
        raise UsageError(
            f"{network.source} enlarges {scale:g} times; pairs of pictures need a "
            f"whole number"
        )
    return int(scale)
