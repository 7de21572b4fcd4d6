"""The way in from Python: :func:`load` and the :class:`Model` it returns."""

from __future__ import annotations

import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zoo.catalog import find_weights
from zoo.checkpoints.files import load_weights
from zoo.checkpoints.passing import find_network
from zoo.engine import Plan, Progress
from zoo.errors import NotFiniteError, ShapeError, UsageError
from zoo.layers.base import Layer
from zoo.machine.memory import default_limit, parse_size
from zoo.network import Network, only
from zoo.pixels import (
    NonFinite,
    Picture,
    as_batch,
    beyond_white,
    finite,
    prepare,
    restore,
    unbatched,
)
from zoo.plugins import Kernels, Precision, select
from zoo.program.compiled import Cache
from zoo.program.geometry import Window

if TYPE_CHECKING:
    from zoo.summary import Summary

__all__ = ["Channels", "Model", "load"]

Channels = Literal["color", "each"]
"""What the last axis of a picture is: its colours, or gray pictures of their own."""

_KEPT_PLANS = 2
_SAMPLED_ROWS = 16  # enough to see that a channel is one value from end to end


class Model:
    """A network with a back end: call it with pictures.

    It may be used by several threads at once, which take turns where they have a plan
    in common, and can be pickled and copied, without its plans.

    Parameters
    ----------
    network : Network
    kernels : Kernels
    memory : int, optional
        Bytes that a run may take beside the weights; by default
        :func:`zoo.machine.memory.default_limit`. It decides how the work is cut up,
        never the result.
    precision : {"f32", "bf16"}
        How exact the result must be. "bf16" permits what loses less than 0.02 dB
        of PSNR and is faster where the processor has AMX; see docs/precision.md.

    Examples
    --------
    >>> net = zoo.load("edsr_x2.cfg", weights="EDSR_x2.safetensors")
    >>> large = net(image)  # H x W x 3, uint8 -> 2H x 2W x 3, uint8
    >>> net[1].weights.shape
    (3, 3, 3, 64)
    """

    def __init__(
        self,
        network: Network,
        kernels: Kernels,
        *,
        memory: int | None = None,
        precision: Precision = "f32",
    ) -> None:
        if precision not in get_args(Precision):
            raise UsageError(
                f"the precision is {precision!r}; give one of "
                f"{', '.join(get_args(Precision))}"
            )
        self.network = network
        self.kernels = kernels
        self.memory = memory
        self.precision: Precision = precision
        self._forget_plans()

    def _forget_plans(self) -> None:
        self._plans: dict[tuple[int, int, Window | None], Plan] = {}
        self._cache: Cache = {}
        self._weights = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """All but plans, which hold memory that C knows and are soon made again."""
        state = dict(vars(self))
        for name in ("_plans", "_cache", "_weights", "_lock"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget_plans()

    def __call__(
        self,
        image: NDArray[Any],
        *,
        white: float | None = None,
        channels: Channels = "color",
        nan: NonFinite = "refuse",
        as_float: bool = False,
        progress: Progress | None = None,
    ) -> Any:
        """Run the network on a picture or a batch of pictures.

        Parameters
        ----------
        image : ndarray, H x W, H x W x C or N x H x W x C
            RGB or gray; unsigned integers or floats, of any byte order and layout in
            memory. Gray pictures go through a colour network as three equal channels
            and come back as their mean.
        white : float, optional
            The pixel value of white; the largest of an unsigned type and 1.0 of
            floats by default, with a warning where floats lie far above it. Signed
            integers need it.
        channels : {"color", "each"}
            With "each" every channel is a gray picture of its own, such as three
            neighbouring slices of a volume, which no network could tell from colour.
        nan : {"refuse", "keep"}
            What becomes of pixels that are NaN or infinite: an error, or NaN in their
            enlarged pixels and nowhere else.
        as_float : bool
            Return float32 in the units of the pixels, not rounded or clipped.
        progress : callable, optional
            Called with the part of the work done, from 0 to 1.

        Returns
        -------
        ndarray
            Of the input's type and number of axes. Integers are rounded and
            clipped; floats are neither. Of a network with several outputs, a tuple
            of them.

        Raises
        ------
        ShapeError
            If the array is no picture, or one that the network cannot take.
        WeightsError
            If the network has no weights.
        """
        if channels not in get_args(Channels) or nan not in get_args(NonFinite):
            raise UsageError(
                f"channels={channels!r}, nan={nan!r}: channels is one of "
                f"{', '.join(get_args(Channels))}, nan of "
                f"{', '.join(get_args(NonFinite))}"
            )
        if len(self.network.outputs) > 1 and (channels == "each" or nan == "keep"):
            raise UsageError(
                f"{self.network.source} has several outputs; channels='each' and "
                f"nan='keep' are for networks with one"
            )
        if channels == "each":
            return self._each_channel(image, white, nan, as_float, progress)
        batch, picture = as_batch(image, self.network.pixels, white)
        if white is None:
            _warn_beyond_white(batch, 3)
        batch, bad = finite(batch, nan)
        if bad is not None and picture.dtype.kind == "f":
            return self._around(batch, bad, picture, as_float, progress)
        plan = self.plan(batch.shape[1], batch.shape[2])
        result = plan.run_pixels(batch, picture, as_float=as_float, progress=progress)
        if result is None:
            x, _ = prepare(batch, self.network.pixels, picture.white)
            y = plan(x, progress)
            if len(self.network.outputs) > 1:
                # Two outputs may be one array, and restore writes to its argument.
                return only(
                    [
                        restore(
                            output.copy(),
                            self.network.pixels,
                            picture,
                            as_float=as_float,
                        )
                        for output in y
                    ]
                )
            kept = picture._replace(ndim=4)
            result = restore(y, self.network.pixels, kept, as_float=as_float)
        elif not as_float:
            result = result.astype(picture.dtype, copy=False)
        self._require_finite(result, batch, picture, plan)
        return unbatched(result, picture)

    def _require_finite(
        self,
        result: NDArray[Any],
        batch: NDArray[Any],
        picture: Picture,
        plan: Plan,
    ) -> None:
        """Refuse a result of NaN or infinity: weights that are of no use.

        In whole numbers it shows as a channel of black and white alone; only then it is
        computed again, in floats.
        """
        is_bad = False
        if result.dtype.kind == "f":
            is_bad = not np.isfinite(result).all()
        else:
            some = result[:, :: max(1, result.shape[1] // _SAMPLED_ROWS)]
            is_end = (some == 0) | (some == np.iinfo(result.dtype).max)
            if is_end.all(axis=(0, 1, 2)).any():
                x, _ = prepare(batch[:1], self.network.pixels, picture.white)
                is_bad = not np.isfinite(plan(x)).all()
        if is_bad:
            raise NotFiniteError(
                f"{self.network.source} gives NaN or infinity for this picture; the "
                f"weights are of no use, or not those of this cfg"
            )

    def _around(
        self,
        batch: NDArray[Any],
        bad: NDArray[np.bool_],
        picture: Picture,
        as_float: bool,
        progress: Progress | None,
    ) -> NDArray[Any]:
        """Run on pixels some of which were replaced; these become NaN, enlarged."""
        result = self(batch, white=picture.white, as_float=as_float, progress=progress)
        # The pixel that a point of the result lies in, for any ratio of sizes.
        rows, columns = (
            np.arange(result.shape[axis]) * bad.shape[axis] // result.shape[axis]
            for axis in (1, 2)
        )
        result[bad[:, rows[:, None], columns]] = np.nan
        if not as_float:
            result = result.astype(picture.dtype, copy=False)
        return unbatched(result, picture)

    def _each_channel(
        self,
        image: NDArray[Any],
        white: float | None,
        nan: NonFinite,
        as_float: bool,
        progress: Progress | None,
    ) -> NDArray[Any]:
        """Run on every channel of H x W x C or N x H x W x C as a gray picture."""
        image = np.asanyarray(image)
        if image.ndim not in (3, 4) or image.size == 0:
            raise ShapeError(
                f"channels='each' wants H x W x C or N x H x W x C, not an array of "
                f"shape {image.shape}"
            )
        if white is None and image.dtype.kind == "f":
            _warn_beyond_white(image, 4)
            white = 1.0
        count = image.shape[-1]
        results = []
        for index in range(count):

            def report(part: float, index: int = index) -> None:
                assert progress is not None
                progress((index + part) / count)

            one = self(
                image[..., index : index + 1],
                white=white,
                nan=nan,
                as_float=as_float,
                progress=report if progress else None,
            )
            if one.shape[-1] != 1:
                raise ShapeError(
                    f"{self.network.source} makes {one.shape[-1]} channels of a gray "
                    f"picture; channels='each' needs one"
                )
            results.append(one)
        return np.concatenate(results, axis=-1)

    def reads(self, height: int, width: int, window: Window) -> Window:
        """The part of a picture that a part of its result is made of.

        Parameters
        ----------
        height, width : int
            Of the whole picture.
        window : zoo.program.geometry.Window
            Rows and columns of the whole result.
        """
        return self.plan(height, width, window).reads

    def part(
        self,
        pixels: NDArray[Any],
        height: int,
        width: int,
        window: Window,
        *,
        white: float | None = None,
        as_float: bool = False,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """Run the network for a part of a result, from a part of a picture.

        To the bit what :meth:`__call__` gives there for the whole picture: how each
        pixel is computed is decided for the whole, and what else it depends on is in
        ``pixels``. A crop with some overlap gives other values.

        Parameters
        ----------
        pixels : ndarray, H x W or H x W x C
            The part of the picture that :meth:`reads` names.
        height, width : int
            Of the whole picture.
        window : zoo.program.geometry.Window
            Rows and columns of the whole result.
        white, as_float, progress
            See :meth:`__call__`.

        Raises
        ------
        ShapeError
            If the network or the back end needs whole pictures, or ``pixels`` are
            of another size.
        """
        plan = self.plan(height, width, window)
        batch, picture = as_batch(pixels, self.network.pixels, white)
        if batch.shape[1:3] != plan.reads.size:
            raise ShapeError(
                f"the part {window} is made of {plan.reads.size} pixels, not of "
                f"{batch.shape[1:3]}"
            )
        batch, _ = finite(batch, "refuse")
        result = plan.run_pixels(batch, picture, as_float=as_float, progress=progress)
        if result is None:
            raise ShapeError(
                f"{self.network.source} runs on whole pictures alone where they are "
                f"{picture.dtype}"
            )
        if not as_float:
            result = result.astype(picture.dtype, copy=False)
        self._require_finite(result, batch, picture, plan)
        return np.asarray(unbatched(result, picture))

    def values(
        self,
        image: NDArray[Any],
        *,
        white: float | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """What the network gives for a picture, as it is: not brought back to pixels.

        Parameters
        ----------
        image, white, progress
            See :meth:`__call__`.

        Returns
        -------
        ndarray, float32, N x H' x W' x C'
            Of a network with several outputs, a tuple of them.
        """
        x, _ = prepare(image, self.network.pixels, white)
        return self.plan(x.shape[1], x.shape[2])(x, progress)

    def plan(self, height: int, width: int, window: Window | None = None) -> Plan:
        """The plan for pictures of one size; the last few are kept.

        Plans hold weights in the order in which kernels read them; they are made
        again when a weight has changed. With a window it is the plan for a part of
        the result.
        """
        with self._lock:
            return self._plan(height, width, window)

    def _plan(self, height: int, width: int, window: Window | None) -> Plan:
        weights = _digest(self.network)
        if weights != self._weights:
            self._plans, self._cache, self._weights = {}, {}, weights
        plan = self._plans.pop((height, width, window), None)
        if plan is None:
            memory = default_limit() if self.memory is None else self.memory
            plan = Plan(
                self.network,
                height,
                width,
                self.kernels,
                memory=memory,
                cache=self._cache,
                precision=self.precision,
                window=window,
            )
        self._plans[height, width, window] = plan
        if len(self._plans) > _KEPT_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    def summary(self, height: int | None = None, width: int | None = None) -> Summary:
        """Table of the layers; print it. Sizes default to [net]'s."""
        from zoo.summary import summarize

        nominal_height, nominal_width = self.network.nominal_size
        return summarize(
            self.network,
            nominal_height if height is None else height,
            nominal_width if width is None else width,
        )

    @property
    def scale(self) -> float:
        """Output rows per input row; 2.0 for an x2 network."""
        return self.network.scale

    def __repr__(self) -> str:
        return (
            f"<Model {self.network.source}: {self.network.pixels.channels} channels, "
            f"x{self.scale:g}, {self.network.parameter_count:,} parameters, "
            f"{self.kernels.name}>"
        )

    def __len__(self) -> int:
        return len(self.network)

    def __getitem__(self, index: int) -> Layer:
        return self.network[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.network)


def _warn_beyond_white(pixels: NDArray[Any], level: int) -> None:
    """Warn of floats that are hardly a picture whose white is 1.0."""
    most = beyond_white(pixels)
    if most is not None:
        warnings.warn(
            f"the picture's values reach {most:.4g}, and white is 1.0 where they are "
            f"floats; if it is another value here, say so (white=255)",
            UserWarning,
            stacklevel=level,
        )


def _digest(network: Network) -> int:
    """A number that changes when a weight does, or its place."""
    digest = 0
    for tensor in network.tensors.values():
        digest = zlib.crc32(np.ascontiguousarray(tensor).data, digest)
    return digest


def load(
    cfg: str | Path,
    weights: str | Path | None = None,
    *,
    backend: str | None = None,
    threads: int | None = None,
    memory: int | str | None = None,
    precision: Precision = "f32",
    lenient: bool = False,
    header: int | None = None,
) -> Model:
    """Load a network.

    Parameters
    ----------
    cfg : str or Path
        A cfg file, the name of a network that ships (``zoo list``), or a published
        checkpoint, which is converted in passing
        (:mod:`zoo.checkpoints.passing`).
    weights : str or Path, optional
        A .safetensors or Darknet .weights file; by default the one beside the
        cfg that has its stem, or the weights that ship. Without any the network
        can be looked at and trained, not run.
    backend : str, optional
        "native", "numpy" or another that is installed; see
        :func:`zoo.plugins.select`.
    threads : int, optional
        See :class:`zoo.plugins.Kernels`.
    memory : int or str, optional
        Bytes, or a text like "500M"; see :class:`Model`.
    precision : {"f32", "bf16"}
        How exact the result must be; see :class:`Model`.
    lenient : bool
        Read the cfg as Darknet does.
    header : {16, 20}, optional
        Bytes of the header of a .weights file, where its version does not tell.

    Raises
    ------
    CfgError, WeightsError, ReaderError, PluginError
        Each with one sentence that says what is wrong and where.
    """
    path = find_network(cfg)
    network = Network.read(path, lenient=lenient)
    found = Path(weights) if weights is not None else find_weights(path)
    if found is not None:
        load_weights(network, found, header=header)
    limit = None if memory is None else parse_size(memory)
    kernels = select(backend, threads)
    return Model(network, kernels, memory=limit, precision=precision)
