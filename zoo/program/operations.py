"""What a compiled plan is made of: operations on arrays.

Layers say which operation stands for them (:meth:`zoo.layers.Layer.lower`);
``zoo.engine`` joins these to a :class:`zoo.program.program.Program`, fuses them, and
works out which rows are computed when. A back end that can, turns the result into one
call (:meth:`zoo.plugins.Kernels.compile`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from zoo.program.axes import ALL, SAME, Axis, resized_axis, window_axis
from zoo.program.geometry import (
    ConvGeometry,
    Padding,
    PadMode,
    PoolGeometry,
    ShuffleOrder,
    Taps,
)
from zoo.program.resampling import Resampling
from zoo.shapes import Array, Shape

__all__ = [
    "Activate",
    "Add",
    "Affine",
    "Attend",
    "Axis",
    "BlockMoments",
    "Concat",
    "Conv",
    "Epilogue",
    "Identity",
    "Load",
    "Multiply",
    "Normalize",
    "NormalizeGroups",
    "Opaque",
    "Operation",
    "Pad",
    "Pool",
    "Repeat",
    "Resize",
    "Scale",
    "Shuffle",
    "Store",
    "Unshuffle",
]


class Operation:
    """One operation of a program."""

    kind: ClassVar[str]
    streams: ClassVar[bool] = True
    """Whether output rows can be made from some of the input's rows."""
    reads: ClassVar[int | None] = None
    """How many of a step's inputs it reads, where others only say a size."""

    def axes(self, index: int) -> tuple[Axis, Axis]:
        """Which rows and columns of input number ``index`` an output needs."""
        return SAME, SAME

    def operations(self, output: Shape) -> int:
        """Floating-point operations for an output, a multiply-add counting two."""
        return 0


@dataclass(frozen=True)
class Identity(Operation):
    """Output equals input; fusion removes it."""

    kind = "identity"


@dataclass(frozen=True)
class Epilogue:
    """What happens to each value between the sum and the store.

    v = activation(v); then, with a residual r (the operation's second input),
    v = last(alpha v + beta r), or last(v r) with ``product``.
    """

    activation: str = "linear"
    slopes: Array | None = None
    residual: bool = False
    alpha: float = 1.0
    beta: float = 1.0
    last: str = "linear"
    product: bool = False


@dataclass(frozen=True)
class Conv(Operation):
    """Cross-correlation, bias, epilogue; then perhaps a pixel shuffle.

    ``weights`` are kh x kw x (C / groups) x K, ``biases`` K or None.
    """

    kind = "conv"
    weights: Array
    biases: Array | None
    geometry: ConvGeometry
    epilogue: Epilogue = Epilogue()
    shuffle: int = 1
    order: ShuffleOrder = "crd"

    def axes(self, index: int) -> tuple[Axis, Axis]:
        if index > 0:  # the residual
            return SAME, SAME
        pads = (self.geometry.padding.top, self.geometry.padding.left)
        rows, columns = (
            Axis(
                size=self.weights.shape[axis],
                stride=self.geometry.stride[axis],
                before=pads[axis],
                dilation=self.geometry.dilation[axis],
                scale=self.shuffle,
                mode=self.geometry.pad_mode,
            )
            for axis in (0, 1)
        )
        return rows, columns

    def operations(self, output: Shape) -> int:
        """As a direct convolution has them; what follows the sum is not counted."""
        return 2 * output.size * math.prod(self.weights.shape[:3])


@dataclass(frozen=True)
class Pool(Operation):
    """Largest value or mean in each window.

    ``deviation``: the population's standard deviation; the window is the whole image.
    """

    kind = "pool"
    mode: Literal["max", "average", "deviation"]
    geometry: PoolGeometry

    def axes(self, index: int) -> tuple[Axis, Axis]:
        pads = (self.geometry.padding.top, self.geometry.padding.left)
        rows, columns = (
            Axis(self.geometry.size[axis], self.geometry.stride[axis], pads[axis])
            for axis in (0, 1)
        )
        return rows, columns


@dataclass(frozen=True)
class BlockMoments(Operation):
    """Mean of each block of ``size`` pixels, C channels; the last ones may be smaller.

    With ``variance`` their biased variances too, 2 C channels: what a mean or a
    deviation of the whole image is made of, while rows come and go.
    """

    kind = "moments"
    size: tuple[int, int]
    variance: bool = False

    def axes(self, index: int) -> tuple[Axis, Axis]:
        rows, columns = (Axis(size=size, stride=size) for size in self.size)
        return rows, columns

    def operations(self, output: Shape) -> int:
        return output.size * math.prod(self.size)


@dataclass(frozen=True)
class Shuffle(Operation):
    """Depth to space."""

    kind = "shuffle"
    scale: int
    order: ShuffleOrder

    def axes(self, index: int) -> tuple[Axis, Axis]:
        return Axis(scale=self.scale), Axis(scale=self.scale)


@dataclass(frozen=True)
class Unshuffle(Operation):
    """Space to depth."""

    kind = "unshuffle"
    scale: int
    order: ShuffleOrder

    def axes(self, index: int) -> tuple[Axis, Axis]:
        axis = Axis(size=self.scale, stride=self.scale)
        return axis, axis


@dataclass(frozen=True)
class Repeat(Operation):
    """Nearest-neighbour enlargement; values are multiplied by ``factor``."""

    kind = "repeat"
    scale: int
    factor: float = 1.0

    def axes(self, index: int) -> tuple[Axis, Axis]:
        return Axis(scale=self.scale), Axis(scale=self.scale)


@dataclass(frozen=True)
class Resize(Operation):
    """To another size by a fixed filter; values are multiplied by ``factor``.

    ``length`` and ``size`` are height and width of the whole input and of the whole
    output, ``origin`` the first column of the input and of the output that a strip has.
    """

    kind = "resize"
    reads = 1
    method: Resampling
    length: tuple[int, int]
    size: tuple[int, int]
    factor: float = 1.0
    origin: tuple[int, int] = (0, 0)

    def axes(self, index: int) -> tuple[Axis, Axis]:
        rows, columns = (
            resized_axis(self.method, self.length[axis], self.size[axis])
            for axis in (0, 1)
        )
        return rows, columns

    def column_taps(self, count: int) -> Taps:
        """Taps of ``count`` output columns, places counted from the strip's first."""
        first, start = self.origin
        taps = self.method.taps(self.length[1], self.size[1])[start : start + count]
        return [[(place - first, weight) for place, weight in some] for some in taps]

    def operations(self, output: Shape) -> int:
        taps = {"nearest": 1, "bilinear": 2, "bicubic": 4}[self.method.mode]
        return 4 * taps * output.size


@dataclass(frozen=True)
class Pad(Operation):
    """Rows and columns added around the image, or cut off where numbers are negative.

    That only with the mode ``zero``.
    """

    kind = "pad"
    padding: Padding
    mode: PadMode

    def axes(self, index: int) -> tuple[Axis, Axis]:
        return (
            Axis(before=self.padding.top, mode=self.mode),
            Axis(before=self.padding.left, mode=self.mode),
        )


@dataclass(frozen=True)
class Activate(Operation):
    """An activation on its own; ``slopes`` (C) for prelu."""

    kind = "activate"
    name: str
    slopes: Array | None = None


@dataclass(frozen=True)
class Add(Operation):
    """activation(alpha a + beta b) of two inputs of one shape."""

    kind = "add"
    alpha: float = 1.0
    beta: float = 1.0
    activation: str = "linear"


@dataclass(frozen=True)
class Multiply(Operation):
    """activation(a b) of two inputs of one size.

    They have as many channels, or one of them has a single channel, for all.
    """

    kind = "multiply"
    activation: str = "linear"


@dataclass(frozen=True)
class Scale(Operation):
    """activation(a x): the first input is 1 x 1 x C, a factor for each channel of x."""

    kind = "scale"
    activation: str = "linear"

    def axes(self, index: int) -> tuple[Axis, Axis]:
        return (ALL, ALL) if index == 0 else (SAME, SAME)


@dataclass(frozen=True)
class Normalize(Operation):
    """(x - m) / sqrt(v + epsilon) times scales plus biases, channels C.

    m and v are the mean and the biased variance of a pixel's channels.
    """

    kind = "normalize"
    scales: Array
    biases: Array
    epsilon: float

    def operations(self, output: Shape) -> int:
        return 8 * output.size


@dataclass(frozen=True)
class NormalizeGroups(Operation):
    """(x - m) / sqrt(v + epsilon) times scales plus biases, channels C.

    m and v are the mean and the biased variance of a group of channels over the whole
    picture, where there are ``groups`` of them.
    """

    kind = "groupnorm"
    streams = False
    groups: int
    scales: Array
    biases: Array
    epsilon: float

    def operations(self, output: Shape) -> int:
        return 8 * output.size


@dataclass(frozen=True)
class Affine(Operation):
    """(x - m) f + b: the first input is 1 x 1 x 3 C, m, f and b for the channels of x."""

    kind = "affine"

    def axes(self, index: int) -> tuple[Axis, Axis]:
        return (ALL, ALL) if index == 0 else (SAME, SAME)

    def operations(self, output: Shape) -> int:
        return 3 * output.size


@dataclass(frozen=True)
class Concat(Operation):
    """Channels of all inputs, one after the other.

    ``slices`` holds first and last + 1 channel of each input.
    """

    kind = "concat"
    slices: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Load(Operation):
    """From the pixels of a picture to what a network takes (:class:`PixelMap`)."""

    kind = "load"


@dataclass(frozen=True)
class Store(Operation):
    """From what a network gives to the pixels of the result."""

    kind = "store"


@dataclass(frozen=True)
class Attend(Operation):
    """softmax(q k^T / sqrt(d) + B) v over the pixels of windows, head by head.

    The input's channels are q, k and v, each of them ``heads`` parts. Windows of
    ``extent`` rows and columns; the first begins ``before`` rows and columns outside of
    the picture, which has nothing there. ``biases`` (B) are heads x keys x queries, or
    None; ``origin`` is as in :class:`Resize`. ``forward`` is the layer's own.
    """

    kind = "attend"
    heads: int
    extent: tuple[int, int]
    before: tuple[int, int]
    biases: Array | None
    forward: Callable[..., Array]
    origin: tuple[int, int] = (0, 0)

    def axes(self, index: int) -> tuple[Axis, Axis]:
        rows, columns = map(window_axis, self.extent, self.before)
        return rows, columns

    def operations(self, output: Shape) -> int:
        return 4 * output.size * math.prod(self.extent)


@dataclass(frozen=True)
class Opaque(Operation):
    """A layer that only its own forward can compute, on whole arrays."""

    kind = "opaque"
    streams = False
    forward: Callable[..., Array]
    name: str = "opaque"
    """What the layer is called, for people."""
