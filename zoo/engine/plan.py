"""The plan: what is really executed for one network, picture size and back end."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.engine.lowering import lower, packed, unpacked
from zoo.errors import MemoryLimitError, ShapeError
from zoo.layers.base import INPUT, Array
from zoo.machine.memory import amount
from zoo.machine.spill import release, roomy
from zoo.network import Network, only
from zoo.pixels import Picture
from zoo.plugins import Kernels, Precision
from zoo.program.compiled import Cache, Compiled, PixelMap, PlannedStep
from zoo.program.fusion import fuse
from zoo.program.geometry import Window
from zoo.program.recompute import recompute

__all__ = ["Plan", "Progress"]

Progress = Callable[[float], None]
"""Called with the part of the work that is done, from 0 to 1."""


class Plan:
    """A network made ready for pictures of one size.

    A back end that can, compiles it whole (:meth:`zoo.plugins.Kernels.compile`);
    otherwise layers run one after the other.

    Parameters
    ----------
    network : Network
        With weights.
    height, width : int
        Of the pictures, in pixels.
    kernels : Kernels
        The back end.
    memory : int, optional
        Bytes that the run may take beside the weights, the picture and the
        result, which are held in full.
    cache : dict, optional
        Kept with the network: what the back end made of its weights.
    precision : {"f32", "bf16"}
        How exact the result must be; see :data:`zoo.plugins.base.Precision`.
    window : Window, optional
        The part of the result that is wanted. A run then takes the part ``reads`` of
        the picture and makes what the plan of the whole picture makes there, to the
        bit: algorithms are chosen for the whole, tiles stay where they are.

    Attributes
    ----------
    reads : Window
        The part of the picture that a run takes.

    Raises
    ------
    ShapeError
        If the network cannot take pictures of this size, or needs whole pictures and
        a window is wanted.
    WeightsError
        If it has no weights.
    MemoryLimitError
        If it cannot be done in so little memory.
    """

    def __init__(
        self,
        network: Network,
        height: int,
        width: int,
        kernels: Kernels,
        *,
        memory: int | None = None,
        cache: Cache | None = None,
        precision: Precision = "f32",
        window: Window | None = None,
    ) -> None:
        network.require_weights()
        self.network = network
        self.height = height
        self.width = width
        self.kernels = kernels
        self.precision: Precision = precision
        self._flow = network.flow(height, width)
        self.window = window
        self.reads = Window((0, height), (0, width))
        if window is not None:
            self._require_windows(window)
        self.compiled = self._compile(memory, cache)
        if window is not None and self.compiled is None:
            raise ShapeError(f"{network.source} has no layers to run on parts")
        if memory is not None and self.memory > memory:
            raise MemoryLimitError(
                f"{network.source} needs {amount(self.memory)} for a picture of "
                f"{width} x {height} and {amount(memory)} are allowed; allow more "
                f"memory or cut the picture"
            )

    def _compile(self, memory: int | None, cache: Cache | None) -> Compiled | None:
        if type(self.kernels).compile is Kernels.compile:
            return None  # spare the work: this back end never compiles
        if any(layer.mixes_batch for layer in self.network.layers):
            return None  # what is compiled takes one picture after the other
        program = lower(self.network, self.height, self.width, self.kernels)
        if len(self.network.outputs) > 1:
            # Value 0 is the input, and every layer makes the next one.
            program = packed(program, [index + 1 for index in self.network.outputs])
        program = recompute(fuse(program))
        if self.window is not None:
            part = self.kernels.compile_part(
                program, self.window, memory, cache, self.precision
            )
            if part is not None:
                self.reads = part.reads
            return part
        return self.kernels.compile(program, memory, cache, self.precision)

    def _require_windows(self, window: Window) -> None:
        """Refuse windows that are none, and of what knows no windows."""
        shape = self._flow[-1][1]
        sides = zip(window, (shape.height, shape.width), strict=True)
        if not all(0 <= first < last <= side for (first, last), side in sides):
            raise ShapeError(
                f"{window.rows} and {window.columns} are no rows and columns of "
                f"{shape.height} x {shape.width}"
            )
        whole = any(layer.mixes_batch for layer in self.network.layers)
        knows = type(self.kernels).compile_part is not Kernels.compile_part
        if not knows or whole or len(self.network.outputs) > 1:
            raise ShapeError(
                f"{self.network.source} on {self.kernels.name} runs on whole pictures "
                f"alone; the native back end takes parts, of networks with one output"
            )

    @cached_property
    def memory(self) -> int:
        """Bytes for values between picture and result, for one picture."""
        if self.compiled is not None:
            return self.compiled.memory
        last_use = self.network.last_uses()
        sizes = {INPUT: self.height * self.width * self.network.pixels.channels}
        peak = 0
        for index, (_, output) in enumerate(self._flow):
            sizes[index] = output.size
            peak = max(peak, sum(sizes.values()))
            for source in set(self.network.sources[index]):
                if last_use[source] == index and source not in self.network.outputs:
                    del sizes[source]
        return 4 * peak

    @property
    def cutting(self) -> str:
        """How the picture is cut up, in a few words for people."""
        return "layer by layer" if self.compiled is None else self.compiled.cutting

    def steps(self) -> list[PlannedStep]:
        """What is executed; one line for each layer where nothing was compiled."""
        if self.compiled is not None:
            return self.compiled.steps()
        return [
            PlannedStep(
                (index,),
                kind,
                self.kernels.name,
                output.height,
                4 * output.size,
                0,
                operations,
            )
            for index, (kind, (_, output), operations) in enumerate(
                zip(self.network.kinds, self._flow, self._operations(), strict=True)
            )
        ]

    def _operations(self) -> list[int]:
        return self.network.operations(self.height, self.width)

    def run_pixels(
        self,
        batch: NDArray[Any],
        picture: Picture,
        *,
        as_float: bool = False,
        progress: Progress | None = None,
    ) -> NDArray[Any] | None:
        """Run from pixels to pixels, where the back end can; else return None.

        What :func:`zoo.pixels.prepare`, the plan and :func:`zoo.pixels.restore` do
        one after the other, without pictures of floats in between.

        Parameters
        ----------
        batch : ndarray, N x H x W x C
        picture : Picture
            Both from :func:`zoo.pixels.as_batch`. The result is of the picture's type,
            in this machine's byte order.
        as_float : bool
            Give float32 in the units of the pixels.
        progress : callable, optional

        Returns
        -------
        ndarray, N x H' x W' x C', or None
        """
        pixels, shape = self.network.pixels, self._flow[-1][1]
        if (
            self.compiled is None
            or len(self.network.outputs) > 1
            or (pixels.denormalize and shape.channels != pixels.channels)
        ):
            return None
        channels = 1 if picture.is_gray else shape.channels
        dtype = np.dtype(np.float32) if as_float else picture.dtype.newbyteorder("=")
        size = (shape.height, shape.width) if self.window is None else self.window.size
        result = roomy((len(batch), *size, channels), dtype)
        reverse = pixels.color == "bgr"
        mean = pixels.mean if any(pixels.mean) else None
        std = pixels.std if any(value != 1 for value in pixels.std) else None
        load = PixelMap(
            pixels.range / picture.white, mean, std, reverse and not picture.is_gray
        )
        if not pixels.denormalize:
            mean = std = None
        store = PixelMap(
            picture.white / pixels.range, mean, std, reverse and shape.channels == 3
        )
        batch = np.require(batch, None, ("C", "A"))

        def report(part: float) -> None:
            release(result)
            if progress is not None:
                progress(part)

        done = self.compiled.run_pixels(batch, load, store, result, report)
        return result if done else None

    def __call__(self, x: Array, progress: Progress | None = None) -> Any:
        """Run.

        Parameters
        ----------
        x : ndarray, float32, N x H x W x C
            What :func:`zoo.pixels.prepare` makes.
        progress : callable, optional
            Called now and then with the part of the work done so far.

        Returns
        -------
        ndarray, float32, N x H' x W' x C'
            Of a network with several outputs, a tuple of them.
        """
        if self.compiled is not None:
            y = self.compiled(x, progress)
            outputs = self.network.outputs
            if len(outputs) == 1:
                return y
            return only(unpacked(y, [self._flow[index][1] for index in outputs]))
        after_layer = None
        if progress is not None:
            # One more for each, so that layers without operations count too.
            work = [operations + 1 for operations in self._operations()]
            total = sum(work)
            done = 0

            def after_layer(index: int) -> None:
                nonlocal done
                done += work[index]
                progress(done / total)

        return self.network.forward(x, kernels=self.kernels, after_layer=after_layer)
