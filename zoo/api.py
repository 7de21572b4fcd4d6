"""The way in from Python: :func:`load` and the :class:`Model` it returns."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from zoo.catalog import find_cfg, find_weights
from zoo.checkpoints.files import load_weights
from zoo.engine import Plan, Progress
from zoo.errors import UsageError
from zoo.layers.base import Layer
from zoo.machine.memory import default_limit, parse_size
from zoo.network import Network
from zoo.pixels import as_batch, prepare, restore, unbatched
from zoo.plugins import Kernels, Precision, select
from zoo.program.operations import Cache

if TYPE_CHECKING:
    from zoo.summary import Summary

__all__ = ["Model", "load"]

_KEPT_PLANS = 2


class Model:
    """A network with a back end: call it with pictures.

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
        self._plans: dict[tuple[int, int], Plan] = {}
        self._cache: Cache = {}
        self._weights = 0

    def __call__(
        self,
        image: NDArray[Any],
        *,
        white: float | None = None,
        as_float: bool = False,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """Run the network on a picture or a batch of pictures.

        Parameters
        ----------
        image : ndarray, H x W, H x W x C or N x H x W x C
            RGB or gray; uint8, uint16 or floats. Gray pictures go through a
            colour network as three equal channels and come back as their mean.
        white : float, optional
            The pixel value of white; 255, 65535 and 1.0 by default for the
            three kinds of pixels.
        as_float : bool
            Return float32 in the units of the pixels, not rounded or clipped.
        progress : callable, optional
            Called with the part of the work done, from 0 to 1.

        Returns
        -------
        ndarray
            Of the input's type and number of axes. Integers are rounded and
            clipped; floats are neither.

        Raises
        ------
        ShapeError
            If the array is no picture, or one that the network cannot take.
        WeightsError
            If the network has no weights.
        """
        batch, picture = as_batch(image, self.network.pixels, white)
        plan = self.plan(batch.shape[1], batch.shape[2])
        result = plan.run_pixels(batch, picture, as_float=as_float, progress=progress)
        if result is not None:
            return unbatched(result, picture)
        x, _ = prepare(image, self.network.pixels, white)
        y = plan(x, progress)
        return restore(y, self.network.pixels, picture, as_float=as_float)

    def plan(self, height: int, width: int) -> Plan:
        """The plan for pictures of one size; the last few are kept.

        Plans hold weights in the order in which kernels read them; they are made
        again when a weight has changed.
        """
        weights = _digest(self.network)
        if weights != self._weights:
            self._plans, self._cache, self._weights = {}, {}, weights
        plan = self._plans.pop((height, width), None)
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
            )
        self._plans[height, width] = plan
        if len(self._plans) > _KEPT_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    def summary(self, height: int | None = None, width: int | None = None) -> Summary:
        """Table of the layers; print it. Sizes default to [net]'s."""
        from zoo.summary import summarize

        nominal_height, nominal_width = self.network.nominal_size
        return summarize(self.network, height or nominal_height, width or nominal_width)

    @property
    def scale(self) -> float:
        """Output rows per input row; 2.0 for an x2 network."""
        return self.network.scale

    def __len__(self) -> int:
        return len(self.network)

    def __getitem__(self, index: int) -> Layer:
        return self.network[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.network)


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
) -> Model:
    """Load a network.

    Parameters
    ----------
    cfg : str or Path
        A cfg file, or the name of a network that ships (``zoo list``).
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

    Raises
    ------
    CfgError, WeightsError, ReaderError, PluginError
        Each with one sentence that says what is wrong and where.
    """
    path = find_cfg(cfg)
    network = Network.read(path, lenient=lenient)
    found = Path(weights) if weights is not None else find_weights(path)
    if found is not None:
        load_weights(network, found)
    limit = None if memory is None else parse_size(memory)
    kernels = select(backend, threads)
    return Model(network, kernels, memory=limit, precision=precision)
