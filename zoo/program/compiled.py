"""What a back end makes of a program, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from zoo.program.geometry import Window
from zoo.shapes import Array

__all__ = ["Cache", "Compiled", "CompiledPart", "PixelMap", "PlannedStep"]


Cache = dict[Any, Any]
"""Where a back end keeps what it made of a network's weights."""


class PixelMap(NamedTuple):
    """How pixels and values of a network belong together, per channel.

    value = (pixel scale - mean) / std; of a result, pixel = (value std + mean)
    scale. ``reverse`` says that pixels have the opposite order of channels. A
    picture of one channel is replicated, and a result of one is the mean.
    """

    scale: float = 1.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    reverse: bool = False


class PlannedStep(NamedTuple):
    """One line of ``zoo show --plan``."""

    layers: tuple[int, ...]
    operation: str
    algorithm: str
    rows_at_a_time: int
    buffer: int
    """Bytes kept of the output."""
    packed: int
    """Bytes of prepared weights."""
    operations: int
    """Floating-point operations for one picture, a multiply-add counting two."""


class Compiled(Protocol):
    """A program made ready by a back end for one picture size."""

    memory: int
    """Bytes that a run takes, beside the picture, the result and the weights."""

    @property
    def cutting(self) -> str:
        """How the picture is cut up, in a few words for people."""

    def __call__(
        self, x: Array, progress: Callable[[float], None] | None = None
    ) -> Array:
        """Run on N x H x W x C pictures; ``progress`` hears the part that is done."""

    def run_pixels(
        self,
        images: NDArray[Any],
        load: PixelMap,
        store: PixelMap,
        result: NDArray[Any],
        progress: Callable[[float], None] | None = None,
    ) -> bool:
        """Run from pixels to pixels, so that no picture of floats is needed.

        Parameters
        ----------
        images : ndarray, N x H x W x C or N x H x W x 1
            uint8, uint16 or float32.
        load, store : PixelMap
        result : ndarray, N x H' x W' x C' or N x H' x W' x 1
            Of the same types; written to. Integers are rounded and clipped.

        Returns
        -------
        bool
            False where the back end cannot, and nothing was done.
        """

    def steps(self) -> list[PlannedStep]:
        """What is executed, for people."""


class CompiledPart(Compiled, Protocol):
    """A program made ready for a part of its output; it runs on a part of a picture."""

    reads: Window
    """Which that is."""
