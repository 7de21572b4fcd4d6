"""What a back end is: the operations that cost time, on plain arrays.

A back end is a subclass of :class:`Kernels`, registered under ``zoo.kernels``.
It knows arrays and nothing of layers or networks. ``numpy`` implements every
operation and is the truth; others inherit from it, override what they do
faster, and agree with it to float32 rounding for every thread count.

All images are N x H x W x C and C-contiguous, float32 unless said (the NumPy
back end also takes float64, which the gradient checks use). Results are new
arrays; inputs are never written to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from zoo.machine.threads import thread_count
from zoo.program.compiled import Cache, Compiled, CompiledPart
from zoo.program.geometry import (
    ConvGeometry,
    Padding,
    PadMode,
    PoolGeometry,
    ShuffleOrder,
    Taps,
    Window,
)
from zoo.program.program import Program
from zoo.shapes import Array

__all__ = [
    "Array",
    "ConvGeometry",
    "Kernels",
    "PadMode",
    "Padding",
    "PoolGeometry",
    "Precision",
    "ShuffleOrder",
    "Taps",
    "group_factors",
]

Precision = Literal["f32", "bf16"]
"""How exact a whole network must be, whatever types it is computed in.

f32: the largest error against float64 is below 3e-5 of the range of the output.
bf16: below 0.02 dB of PSNR are lost in super-resolution. See docs/precision.md.
"""


class Kernels(ABC):
    """Operations of one back end.

    Parameters
    ----------
    threads : int, optional
        How many threads to use; None means what ``ZOO_NUM_THREADS``,
        ``OMP_NUM_THREADS``, the affinity mask and the cgroup allow.
    """

    name: ClassVar[str]
    """As registered."""
    has_devices: ClassVar[bool] = False
    """Whether the constructor takes ``device`` as well, a str."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = thread_count(threads)

    @property
    def instruction_set(self) -> str:
        """What the kernels run on, in words, as "NumPy (OpenBLAS)" or "AVX2+FMA"."""
        return "unknown"

    @property
    def unused_instruction_sets(self) -> dict[str, str]:
        """What the processor has and the kernels do not use, and why not."""
        return {}

    # -- forward -----------------------------------------------------------

    @abstractmethod
    def conv2d(
        self,
        x: Array,
        weights: Array,
        biases: Array | None,
        geometry: ConvGeometry,
        activation: str = "linear",
    ) -> Array:
        """Cross-correlate.

        Parameters
        ----------
        x : ndarray, N x H x W x C
        weights : ndarray, kh x kw x (C / groups) x K
        biases : ndarray, K, or None
        geometry : ConvGeometry
        activation : str
            Applied to the result; any parameter-free name of ``zoo.activations``.

        Returns
        -------
        ndarray, N x H' x W' x K
            H' = floor((H + top + bottom - dilation (kh - 1) - 1) / stride) + 1.
        """

    @abstractmethod
    def conv2d_transpose(
        self,
        x: Array,
        weights: Array,
        geometry: ConvGeometry,
        size: tuple[int, int],
    ) -> Array:
        """The transpose of :meth:`conv2d`: its gradient with respect to its input.

        Parameters
        ----------
        x : ndarray, N x H x W x C
            Of the shape that the convolution would give.
        weights : ndarray, kh x kw x (K / groups) x C
        geometry : ConvGeometry
            Of the convolution, from K channels to C.
        size : tuple of int
            Height and width of the convolution's input.

        Returns
        -------
        ndarray, N x size x K
        """

    @abstractmethod
    def dense(
        self,
        x: Array,
        weights: Array,
        biases: Array | None,
        activation: str = "linear",
    ) -> Array:
        """Multiply: N x inputs by (outputs x inputs) transposed, plus biases."""

    @abstractmethod
    def max_pool(self, x: Array, geometry: PoolGeometry) -> Array:
        """Largest value in each window, over cells inside the image.

        N x H x W x C to N x H' x W' x C, sizes as in :meth:`conv2d` with dilation 1.
        A window that holds a NaN gives NaN, one outside the image -infinity.
        """

    def max_pool_places(
        self, x: Array, geometry: PoolGeometry
    ) -> tuple[Array, NDArray[np.int32] | None]:
        """:meth:`max_pool`, and where in its image each maximum stands.

        Returns
        -------
        y : ndarray, N x H' x W' x C
        places : ndarray of int32 in the shape of y, or None
            row * W + column, of the first in row-major order on a tie and of a NaN
            before all others; -1 for a window outside the image. None of a back end
            that looks for them on the way back.
        """
        return self.max_pool(x, geometry), None

    @abstractmethod
    def average_pool(self, x: Array, geometry: PoolGeometry) -> Array:
        """Mean of each window, over cells inside the image only.

        N x H x W x C to N x H' x W' x C, sizes as in :meth:`conv2d` with dilation 1.
        A window outside the image gives NaN.
        """

    @abstractmethod
    def depth_to_space(self, x: Array, scale: int, order: ShuffleOrder) -> Array:
        """Pixel shuffle: N x H x W x (C r^2) to N x rH x rW x C.

        ``crd`` reads channel c r^2 + i r + j (PyTorch), ``dcr`` (i r + j) C + c
        (TensorFlow), for row i and column j of the r x r cell.
        """

    @abstractmethod
    def space_to_depth(self, x: Array, scale: int, order: ShuffleOrder) -> Array:
        """Undo :meth:`depth_to_space`: N x rH x rW x C to N x H x W x (C r^2)."""

    @abstractmethod
    def activate(self, x: Array, name: str, slopes: Array | None = None) -> Array:
        """Apply an activation of ``zoo.activations`` to ... x C; ``slopes`` (C): prelu's."""

    @abstractmethod
    def add(
        self,
        a: Array,
        b: Array,
        alpha: float = 1.0,
        beta: float = 1.0,
        activation: str = "linear",
    ) -> Array:
        """activation(alpha a + beta b) for arrays of one shape."""

    def multiply(self, a: Array, b: Array, activation: str = "linear") -> Array:
        """activation(a b), sizes and channels of 1 repeated as often as needed."""
        out = np.multiply(a, b)
        return out if activation == "linear" else self.activate(out, activation)

    def deviation(self, x: Array) -> Array:
        """Standard deviation of each channel over the picture.

        N x H x W x C to N x 1 x 1 x C.

        That of the population: the root of the mean squared distance from the mean.
        """
        # Sums in float64: a channel may have millions of values.
        mean = x.mean((1, 2), dtype=np.float64, keepdims=True)
        centered = x - mean.astype(x.dtype)
        variance = np.square(centered).mean((1, 2), dtype=np.float64, keepdims=True)
        return np.sqrt(variance).astype(x.dtype)

    def normalize_pixels(
        self, x: Array, scales: Array, biases: Array, epsilon: float
    ) -> Array:
        """Every pixel's channels to mean 0 and variance 1, times scales plus biases.

        The variance is the biased one, plus epsilon; ``scales`` and ``biases`` are C.
        """
        mean = x.mean(-1, keepdims=True)
        centered = x - mean
        variance = np.square(centered).mean(-1, keepdims=True)
        centered /= np.sqrt(variance + x.dtype.type(epsilon))
        return centered * scales + biases

    def normalize_groups(
        self, x: Array, groups: int, scales: Array, biases: Array, epsilon: float
    ) -> Array:
        """Groups of channels to mean 0 and variance 1 over each picture.

        Then times scales plus biases, C each. The variance is the biased one, plus
        epsilon.
        """
        y = np.empty_like(x)
        for image, result in zip(x, y, strict=True):
            mean, factor = group_factors(
                *self.channel_moments(image), groups, scales, epsilon
            )
            result[...] = self.normalize(image, mean, factor, biases)
        return y

    # -- backward ----------------------------------------------------------

    @abstractmethod
    def conv2d_backward(
        self, x: Array, weights: Array, delta: Array, geometry: ConvGeometry
    ) -> tuple[Array, Array, Array]:
        """Gradients of :meth:`conv2d` without activation.

        Parameters
        ----------
        x, weights
            As given to :meth:`conv2d`.
        delta : ndarray, N x H' x W' x K
            Gradient with respect to its result, before the activation.
        geometry
            As given to :meth:`conv2d`.

        Returns
        -------
        tuple of ndarray
            Gradients with respect to x, weights and biases, in their shapes.
            Cells that ``pad_mode`` repeats at the border collect the gradient of
            all their copies.
        """

    @abstractmethod
    def dense_backward(
        self, x: Array, weights: Array, delta: Array
    ) -> tuple[Array, Array, Array]:
        """Gradients of :meth:`dense` without activation, by x, weights and biases.

        ``delta`` is N x outputs.
        """

    @abstractmethod
    def max_pool_backward(
        self, x: Array, delta: Array, geometry: PoolGeometry
    ) -> Array:
        """Gradient of :meth:`max_pool` with respect to x.

        The gradient of a window goes to its largest cell, on a tie to the first
        in row-major order; a NaN counts as largest. Gradients add up where windows
        overlap. ``delta`` has the shape of the result.
        """

    def max_pool_backward_at(
        self,
        places: NDArray[np.int32],
        shape: tuple[int, ...],
        delta: Array,
        geometry: PoolGeometry,
    ) -> Array:
        """:meth:`max_pool_backward` where :meth:`max_pool_places` found the maxima.

        ``shape`` is that of x.
        """
        count, height, width, channels = shape
        cells = places * channels + np.arange(channels)
        out = np.empty(shape, delta.dtype)
        for image in range(count):
            inside = places[image] >= 0
            found, values = cells[image][inside], delta[image][inside]
            sums = np.bincount(found, values, height * width * channels)
            out[image] = sums.reshape(shape[1:])
        return out

    @abstractmethod
    def average_pool_backward(
        self, shape: tuple[int, ...], delta: Array, geometry: PoolGeometry
    ) -> Array:
        """Gradient of :meth:`average_pool` with respect to an x of this shape.

        ``shape`` is (N, H, W, C); ``delta`` has the shape of the result.
        """

    @abstractmethod
    def activation_backward(
        self,
        x: Array,
        y: Array,
        delta: Array,
        name: str,
        slopes: Array | None = None,
    ) -> tuple[Array, Array | None]:
        """Gradients of :meth:`activate` with respect to x and to the slopes.

        Parameters
        ----------
        x, y, delta : ndarray, ... x C
            Its argument, its result, and the gradient with respect to that.
        name : str
            As registered in ``zoo.activations``.
        slopes : ndarray, C, optional
            Only for prelu; without them the second result is None.
        """

    def conv2d_backward_weights(
        self, x: Array, weights: Array, delta: Array, geometry: ConvGeometry
    ) -> tuple[Array, Array]:
        """What :meth:`conv2d_backward` gives for weights and biases alone."""
        _, by_weights, by_biases = self.conv2d_backward(x, weights, delta, geometry)
        return by_weights, by_biases

    def accumulate(self, total: Array, more: Array) -> None:
        """total += more, arrays of one shape and type. The only one to write to one."""
        total += more

    # -- moving values -----------------------------------------------------

    def copy_channels(
        self, x: Array, first: int, out: Array, to_first: int, width: int
    ) -> None:
        """Copy channels [first, first + width) of x to those from to_first on of out.

        Arrays of one shape but for the channels (last axis); ``out`` is written to.
        """
        out[..., to_first : to_first + width] = x[..., first : first + width]

    def resample(self, x: Array, axis: int, taps: Taps) -> Array:
        """Sums of weighted neighbors along one axis.

        Parameters
        ----------
        x : ndarray
        axis : int
            Which is replaced by as many places as ``taps`` has entries.
        taps : sequence of sequence of (int, float)
            For every result the places it is made of, and their weights.
        """
        moved = np.moveaxis(x, axis, 0)
        most = max((len(some) for some in taps), default=0)
        y = np.zeros((len(taps), *moved.shape[1:]), x.dtype)
        for number in range(most):
            has = [place for place, some in enumerate(taps) if number < len(some)]
            places = [taps[place][number][0] for place in has]
            weights = np.array([taps[place][number][1] for place in has], x.dtype)
            part = moved[places] * weights.reshape(-1, *[1] * (moved.ndim - 1))
            if len(has) == len(taps):
                y += part
            else:
                y[has] += part
        return np.ascontiguousarray(np.moveaxis(y, 0, axis))

    # -- batch normalization -----------------------------------------------

    def channel_sums(self, x: Array) -> Array:
        """Sum of every channel (last axis), in float64 on the way; C values."""
        axes = tuple(range(x.ndim - 1))
        return np.asarray(x.sum(axes, dtype=np.float64)).astype(x.dtype)

    def channel_moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and biased variance of every channel (last axis); twice C values."""
        axes = tuple(range(x.ndim - 1))
        # Sums in float64: a channel may have millions of values.
        mean = x.mean(axes, dtype=np.float64).astype(x.dtype)
        variance = np.square(x - mean).mean(axes, dtype=np.float64)
        return mean, variance.astype(x.dtype)

    def channel_products(
        self, delta: Array, x: Array, mean: Array
    ) -> tuple[Array, Array]:
        """Sums of delta and of delta (x - mean) of every channel; twice C values."""
        axes = tuple(range(x.ndim - 1))
        products = (delta * (x - mean)).sum(axes, dtype=np.float64)
        return self.channel_sums(delta), np.asarray(products).astype(x.dtype)

    def normalize(
        self,
        x: Array,
        mean: Array,
        factor: Array,
        offset: Array,
        delta: Array | None = None,
        share: Array | None = None,
    ) -> Array:
        """(x - mean) factor + offset, and + delta share if they are given.

        ``x`` and ``delta`` are ... x C, the others C.
        """
        y = (x - mean) * factor
        y += offset
        if delta is not None and share is not None:
            y += delta * share
        return y

    # -- updates -----------------------------------------------------------

    def adam(
        self,
        parameter: Array,
        gradient: Array,
        m: Array,
        v: Array,
        rate: float,
        betas: tuple[float, float],
        epsilon: float,
        updates: int,
    ) -> bool:
        """One update by Adam, in place, if this back end has its own way.

        Parameters
        ----------
        parameter, gradient, m, v : ndarray, one shape
        rate, betas, epsilon
            As in :class:`zoo.train.optimizers.Adam`.
        updates : int
            Number of this update, from 1.

        Returns
        -------
        bool
            False if nothing was done, and the optimizer's formulas are to be used.
        """
        return False

    # -- compiled plans ----------------------------------------------------

    def compile(
        self,
        program: Program,
        memory: int | None = None,
        cache: Cache | None = None,
        precision: Precision = "f32",
    ) -> Compiled | None:
        """Turn a whole network into one call, or None to run it layer by layer.

        Parameters
        ----------
        program : Program
            What to compute (:mod:`zoo.program.operations`).
        memory : int, optional
            Bytes that the result may take for values between its steps.
        cache : dict, optional
            Kept with the network; a back end may put weights there in the order
            in which it reads them, for the next picture size.
        precision : {"f32", "bf16"}
            How exact the result must be, not how it is computed: a back end may
            ignore "bf16", which only permits more. See :data:`Precision`.

        Raises
        ------
        MemoryLimitError
            If it cannot be done in so little memory.
        """
        return None

    def compile_part(
        self,
        program: Program,
        window: Window,
        memory: int | None = None,
        cache: Cache | None = None,
        precision: Precision = "f32",
    ) -> CompiledPart | None:
        """The same for a part of the output, to the bit; None where that cannot be.

        Parameters
        ----------
        program : Program
            Of whole pictures.
        window : Window
            The part of the output that is wanted.
        memory, cache, precision
            See :meth:`compile`.

        Raises
        ------
        MemoryLimitError
            If it cannot be done in so little memory.
        ShapeError
            If an operation needs whole pictures.
        """
        return None

    # -- training ----------------------------------------------------------

    def learner(self, network: Any, recipe: Any) -> Any | None:
        """What trains a network on this back end, or None for the layers' own way.

        Parameters
        ----------
        network : zoo.network.Network
        recipe : zoo.train.recipe.Recipe

        Returns
        -------
        zoo.train.learner.Learner or None
        """
        return None


def group_factors(
    mean: Array, variance: Array, groups: int, scales: Array, epsilon: float
) -> tuple[Array, Array]:
    """Of each channel the mean of its group, and scale / sqrt(v + epsilon).

    ``mean`` and ``variance`` are those of the channels.
    """
    means = mean.reshape(groups, -1)
    middle = means.mean(1, keepdims=True, dtype=np.float64)
    spread = variance.reshape(means.shape) + (means - middle) ** 2
    divisor = np.sqrt(spread.mean(1, keepdims=True, dtype=np.float64) + epsilon)
    m, d = (
        np.broadcast_to(each, means.shape).reshape(-1).astype(scales.dtype)
        for each in (middle, divisor)
    )
    return m, scales / d
