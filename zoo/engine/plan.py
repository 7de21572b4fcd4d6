"""The plan: what is really executed for one network, input size and back end."""

from __future__ import annotations

from collections.abc import Callable

from zoo.layers.base import Array
from zoo.network import INPUT, Network
from zoo.plugins import Kernels

__all__ = ["Plan", "Progress"]

Progress = Callable[[float], None]
"""Called with the part of the work that is done, from 0 to 1."""


class Plan:
    """A network made ready for pictures of one size.

    Parameters
    ----------
    network : Network
        With weights.
    height, width : int
        Of the pictures, in pixels.
    kernels : Kernels
        The back end.

    Raises
    ------
    ShapeError
        If the network cannot take pictures of this size.
    WeightsError
        If it has no weights.
    """

    def __init__(
        self, network: Network, height: int, width: int, kernels: Kernels
    ) -> None:
        network.require_weights()
        self.network = network
        self.height = height
        self.width = width
        self.kernels = kernels
        self._flow = network.flow(height, width)
        # One operation more for each, so that layers without work count too.
        self._operations = [
            layer.operations(*inputs) + 1
            for layer, (inputs, _) in zip(network.layers, self._flow, strict=True)
        ]

    @property
    def operations(self) -> int:
        """Floating-point operations for one picture."""
        return sum(self._operations) - len(self._operations)

    @property
    def memory(self) -> int:
        """Bytes of activations alive at the same time, at most, for one picture."""
        last_use = self.network.last_uses()
        sizes = {INPUT: self.height * self.width * self.network.pixels.channels}
        peak = 0
        for index, (_, output) in enumerate(self._flow):
            sizes[index] = output.size
            peak = max(peak, sum(sizes.values()))
            for source in set(self.network.sources[index]):
                if last_use[source] == index:
                    del sizes[source]
        return 4 * peak

    def __call__(self, x: Array, progress: Progress | None = None) -> Array:
        """Run.

        Parameters
        ----------
        x : ndarray, float32, N x H x W x C
            What :func:`zoo.pixels.prepare` makes.
        progress : callable, optional
            Called after each layer with the part of the work done so far.

        Returns
        -------
        ndarray, float32, N x H' x W' x C'
        """
        after_layer = None
        if progress is not None:
            total = sum(self._operations)
            done = 0

            def after_layer(index: int) -> None:
                nonlocal done
                done += self._operations[index]
                progress(done / total)

        return self.network.forward(x, kernels=self.kernels, after_layer=after_layer)
