"""Weights in the order in which an algorithm reads them."""

from __future__ import annotations

import threading

import numpy as np

from zoo.plugins.base import Array
from zoo.plugins.native import codes
from zoo.plugins.native._binding import _native
from zoo.plugins.native.arena import aligned
from zoo.plugins.native.target import Target
from zoo.program.operations import Conv

__all__ = ["PackedConvolution"]


class PackedConvolution:
    """How one convolution is done, and its weights, packed when they are first used.

    A plan needs to know only how large they are: to plan is quick, and the memory
    is touched by a run alone.

    Parameters
    ----------
    conv : Conv
    x_shape : tuple of int
        N x H x W x C of its input.
    target : Target
    code : int
        Of its algorithm, an index of ``codes.CODE_NAMES``.

    Attributes
    ----------
    code : int
    algorithm : str
    weights, packed : ndarray, float32
        As the layer has them, and as the algorithm reads them.
    """

    def __init__(
        self, conv: Conv, x_shape: tuple[int, ...], target: Target, code: int
    ) -> None:
        self.code = code
        self.algorithm = codes.CODE_NAMES[code]
        self.weights: Array = np.require(conv.weights, np.float32, ("C", "A"))
        self._call = x_shape, codes.geometry_codes(conv.geometry)
        self._target = target
        shape, geometry = self._call
        count = _native.conv_packed(
            target.level, shape, self.weights.shape, *geometry, code
        )
        self.packed: Array = aligned(count)
        self._lock = threading.Lock()
        self._is_ready = False

    def pack(self) -> None:
        """Fill ``packed``, once."""
        with self._lock:
            if self._is_ready:
                return
            shape, geometry = self._call
            _native.conv_pack(
                *(self._target.level, self._target.threads, shape, self.weights),
                *(*geometry, self.code, self.packed),
            )
            self._is_ready = True
