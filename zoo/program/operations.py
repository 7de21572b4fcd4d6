"""What a compiled plan is made of: a network as operations on arrays.

Layers say which operation stands for them (:meth:`zoo.layers.Layer.lower`);
``zoo.engine`` joins these to a :class:`Program`, fuses them, and works out which
rows are computed when. A back end that can, turns the result into one call
(:meth:`zoo.plugins.Kernels.compile`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from numpy.typing import NDArray

from zoo.program.axes import ALL, SAME, Axis, resized_axis, window_axis
from zoo.program.geometry import (
    ConvGeometry,
    Padding,
    PadMode,
    PoolGeometry,
    ShuffleOrder,
    Taps,
    Window,
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
    "Cache",
    "Compiled",
    "CompiledPart",
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
    "PixelMap",
    "Place",
    "PlannedStep",
    "Pool",
    "Program",
    "Repeat",
    "Resize",
    "Scale",
    "Shuffle",
    "Step",
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


@dataclass(frozen=True)
class Step:
    """One operation, the values it reads and makes, and the layers it stands for.

    It does not begin before the value ``after`` is there as a whole, if there is one.
    """

    operation: Operation
    inputs: tuple[int, ...]
    output: int
    layers: tuple[int, ...]
    after: int | None = None


Cache = dict[Any, Any]
"""Where a back end keeps what it made of a network's weights."""


class Place(NamedTuple):
    """Channels of ``base``, from ``channel`` on, are another value."""

    base: int
    channel: int


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


@dataclass
class Program:
    """Operations in order.

    Attributes
    ----------
    shapes : list of Shape
        Of the values; value 0 is the input.
    steps : list of Step
        In an order in which every value is made before it is read.
    output : int
        The value that is the network's output.
    places : dict of int to Place
        Of values that stand among the channels of another one (:mod:`zoo.program.join`).
    parts : dict of int to tuple of int
        Of values that no step makes: those that are joined in them.
    """

    shapes: list[Shape]
    steps: list[Step] = field(default_factory=list)
    output: int = 0
    places: dict[int, Place] = field(default_factory=dict)
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def made_of(self, value: int) -> tuple[int, ...]:
        """The values that steps make, of which a value is joined; else itself."""
        return self.parts.get(value, (value,))

    def place(self, value: int) -> Place:
        """Where a value stands: in itself, if nowhere else."""
        return self.places.get(value, Place(value, 0))

    def joined(self) -> dict[int, list[int]]:
        """For every value that holds others among its channels, these and itself."""
        found: dict[int, list[int]] = {}
        for value, place in self.places.items():
            found.setdefault(place.base, []).append(value)
        return found

    def consumers(self) -> dict[int, list[int]]:
        """For every value, the positions of the steps that read it."""
        found: dict[int, list[int]] = {}
        for position, step in enumerate(self.steps):
            for value in step.inputs:
                found.setdefault(value, []).append(position)
        return found
