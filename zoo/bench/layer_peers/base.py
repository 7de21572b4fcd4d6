"""What a peer returns for one layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Built"]


class Built(NamedTuple):
    """A layer, ready to run.

    Attributes
    ----------
    run : callable
        What is timed: forward, or the gradients of x, weights and biases.
    fetch : callable
        Turns its result into arrays N x H x W x C and kh x kw x C x K.
    settings : str
        For the report.
    """

    run: Callable[[], Any]
    fetch: Callable[[Any], list[NDArray[np.float32]]]
    settings: str
