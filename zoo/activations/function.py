"""What an activation function is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zoo.shapes import Array

__all__ = ["ActivationFunction", "Kind"]

Kind = Literal["pointwise", "channels", "slopes"]


@dataclass(frozen=True)
class ActivationFunction:
    """One row of the table.

    Parameters
    ----------
    name : str
        As written in cfg files.
    formula : str
        f(x), for people.
    function : callable
        ``function(x)``; of kind "slopes", ``function(x, slopes)``.
    derivative : callable
        ``derivative(x, f)`` is f'(x), given f = f(x) as well. Of kind
        "slopes", ``derivative(x, f, slopes)``. Of kind "channels" there is no
        derivative per value: ``derivative(x, f, delta)`` is the gradient with
        respect to x of the sum of delta times f.
    kind : {"pointwise", "channels", "slopes"}
        Whether it maps single values, looks across the channels (last axis) of
        a pixel, or has a learned slope per channel.
    from_x : bool
        Whether the derivative reads x. Otherwise f is enough: x need not be kept
        for :meth:`backward`, and f may be given in its place.
    numbers : tuple of float
        Values of the formula's own parameters, as a cfg key gives them.
    """

    name: str
    formula: str
    function: Callable[..., Array]
    derivative: Callable[..., Array]
    kind: Kind = "pointwise"
    from_x: bool = False
    numbers: tuple[float, ...] = ()

    @property
    def needs_slopes(self) -> bool:
        """Whether it takes a slope per channel."""
        return self.kind == "slopes"

    @property
    def across_channels(self) -> bool:
        """Whether a value depends on the other channels of its pixel."""
        return self.kind == "channels"

    def __call__(self, x: Array, slopes: Array | None = None) -> Array:
        """f(x); may be x itself. ``slopes`` (C) only where they are needed."""
        # Infinity times zero is NaN by the formula; not worth a warning.
        with np.errstate(invalid="ignore"):
            if self.needs_slopes:
                return self.function(x, self._checked(slopes))
            return self.function(x)

    def backward(
        self, x: Array, f: Array, delta: Array, slopes: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Gradients of the sum of delta times f(x), by x and by the slopes.

        Parameters
        ----------
        x, f, delta : ndarray, ... x C
            Input, output, and gradient with respect to the output.
        slopes : ndarray, C, optional

        Returns
        -------
        tuple of ndarray and (ndarray or None)
            The second is None unless the function has slopes.
        """
        with np.errstate(invalid="ignore"):
            if self.across_channels:
                return self.derivative(x, f, delta), None
            if not self.needs_slopes:
                return delta * self.derivative(x, f), None
            slopes = self._checked(slopes)
            by_slope = delta * np.minimum(x, 0)
            return (
                delta * self.derivative(x, f, slopes),
                by_slope.reshape(-1, by_slope.shape[-1]).sum(axis=0),
            )

    def _checked(self, slopes: Array | None) -> Array:
        if slopes is None:
            raise TypeError(f"the activation {self.name} needs slopes")
        return slopes
