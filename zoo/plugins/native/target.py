"""What kernels are chosen for: an instruction set, an algorithm, so many threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.plugins.base import ConvGeometry, Precision
from zoo.plugins.native._binding import _native
from zoo.plugins.native.codes import (
    ALGORITHM_CODES,
    AUTO_CODES,
    LEVELS,
    Algorithm,
    geometry_codes,
)

__all__ = ["Target"]

_EXACT = max(level for level, name in enumerate(LEVELS) if name != "amx")


@dataclass(frozen=True)
class Target:
    """What convolutions are compiled for.

    Attributes
    ----------
    level : int
        Number of the instruction set, an index of ``codes.LEVELS``.
    algorithm : str
        Forced for every convolution that it can do; "auto" forces none.
    threads : int
    """

    level: int
    algorithm: Algorithm
    threads: int

    def algorithm_code(
        self,
        x_shape: Sequence[int],
        weights_shape: Sequence[int],
        geometry: ConvGeometry,
        *,
        packed: bool = False,
        precision: Precision = "f32",
        careful: bool = False,
    ) -> int:
        """Number of the algorithm for these shapes, an index of ``CODE_NAMES``.

        ``packed`` says that packed weights will be used many times, so that the
        time to pack them does not count. ``careful`` takes what loses nothing of
        float32, unless an algorithm is forced.
        """
        level = min(self.level, _EXACT) if careful else self.level
        auto = AUTO_CODES[precision]
        wanted = auto if self.algorithm == "auto" else ALGORITHM_CODES[self.algorithm]
        shapes = tuple(x_shape), tuple(weights_shape), *geometry_codes(geometry)
        asked = level if self.algorithm == "auto" else self.level
        code = int(_native.conv_algorithm(asked, *shapes, wanted, packed))
        if code < 0:  # the one asked for cannot do this
            code = int(_native.conv_algorithm(level, *shapes, auto, packed))
        return code
