"""PSNR of a set of weights on pictures kept for that."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.api import Model
from zoo.errors import NotFiniteError, ShapeError, UsageError, ZooError
from zoo.evaluate.datasets import find_set
from zoo.evaluate.pairs import Pair
from zoo.evaluate.presets import PROTOCOLS, Protocol
from zoo.evaluate.protocol import cases_in, evaluate
from zoo.images import Image
from zoo.layers.base import Array
from zoo.network import Network
from zoo.plugins import Kernels
from zoo.run.pipeline import super_resolve

__all__ = ["Validator", "load_cases", "protocol_for"]


def load_cases(
    folder: str, network: Network, scale: int, say: Callable[[str], None]
) -> list[Pair]:
    """The pictures of a folder that the network can be measured on.

    Parameters
    ----------
    folder : str
        As for :func:`zoo.evaluate.datasets.find_set`.
    network : Network
    scale : int
    say : callable
        Told, in a sentence each, of pictures that are left out.

    Raises
    ------
    UsageError
        If none is left.
    """

    def leave_out(name: str, error: ZooError) -> None:
        say(f"validation: {error}; left out")

    cases = []
    for case in cases_in(find_set(folder, scale), scale, leave_out):
        try:
            _require_fit(case, network, scale)
        except ShapeError as error:
            leave_out(case.name, ShapeError(f"picture {case.name!r}: {error}"))
        else:
            cases.append(case)
    if not cases:
        raise UsageError(f"no picture in {folder!r} can be validated on")
    return cases


def _require_fit(case: Pair, network: Network, scale: int) -> None:
    """Raise ShapeError if a picture is too small for the protocol or the network."""
    height, width = case.high.shape[:2]
    if min(height, width) <= 2 * scale:
        raise ShapeError(
            f"{width} x {height} pixels are too few, for {scale} are cut off at each "
            f"side"
        )
    made = network.shapes(*case.low.shape[:2])[-1]
    if made[:2] != (height, width):
        raise ShapeError(
            f"the network makes {made[1]} x {made[0]} pixels of it, not "
            f"{width} x {height}"
        )


def protocol_for(cases: Sequence[Pair]) -> Protocol:
    """How validation pictures are measured: slices of volumes not in 8 bits."""
    is_volume = any(case.floor is not None for case in cases)
    return PROTOCOLS["mri" if is_volume else "benchmark"]


class Validator:
    """PSNR of a set of weights on the validation pictures.

    Parameters
    ----------
    network : Network
        Of its own: the weights are written into it.
    kernels : Kernels
    cases : sequence of Pair
    scale : int
    """

    def __init__(
        self, network: Network, kernels: Kernels, cases: list[Pair], scale: int
    ) -> None:
        self.network = network
        self.network.trained = True
        self.kernels = kernels
        self.cases = cases
        self.scale = scale
        self.how = protocol_for(cases)

    def __call__(self, weights: dict[str, Array]) -> float:
        """PSNR in dB; NaN if the weights are not finite, or what they give."""
        for name, array in self.network.tensors.items():
            array[...] = weights[name]
        if not all(np.isfinite(a).all() for a in self.network.tensors.values()):
            return math.nan
        # A new model each time: plans may keep packed copies of the weights.
        model = Model(self.network, self.kernels)
        broken = False

        def enlarge(pair: Pair) -> NDArray[np.float32]:
            # In floats, for an integer would hide that the network gives NaN.
            nonlocal broken
            image = Image(pair.low.astype(np.float32))
            large = super_resolve(model, image, white=pair.white).pixels
            broken = broken or not np.isfinite(large).all()
            return np.nan_to_num(large)

        try:
            scores = evaluate(
                enlarge, self.cases, self.scale, metrics=("psnr",), how=self.how
            )
        except NotFiniteError:
            return math.nan
        return math.nan if broken else scores.psnr
