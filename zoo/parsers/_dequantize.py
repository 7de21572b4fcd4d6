"""TensorFlow's three ways to turn small whole numbers into floats.

The formulas are those of the kernel of ``tf.quantization.dequantize``. In mode
MIN_FIRST the kernel does what the documentation leaves out: it rounds the
minimum to a multiple of the step, so that zero is exactly a level; OpenCV does
the same, and the tool that quantized the published graphs counted on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["dequantize"]


def dequantize(
    values: NDArray[np.integer],
    minimum: NDArray[np.float32],
    maximum: NDArray[np.float32],
    mode: str,
    narrow_range: bool = False,
    axis: int = -1,
) -> NDArray[np.float32]:
    """Dequantize.

    Parameters
    ----------
    values : ndarray of uint8, int8, uint16 or int16
    minimum, maximum : ndarray of float32
        One value, or as many as ``values`` has along ``axis``.
    mode : {"MIN_COMBINED", "MIN_FIRST", "SCALED"}
    narrow_range : bool
        SCALED only: the lowest level is not used.
    axis : int
        SCALED only: the axis that has ranges of its own, or -1.

    Returns
    -------
    ndarray of float32
        Shape of ``values``.

    Raises
    ------
    ValueError
        If mode, type or ranges are none of these.
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
        raise ValueError(f"{values.dtype} values are not dequantized")
    expected = 1
    if axis != -1:
        if mode != "SCALED" or not 0 <= axis < values.ndim:
            raise ValueError(f"axis {axis} has no ranges of its own in mode {mode}")
        expected = values.shape[axis]
    if minimum.size != expected or maximum.size != expected:
        raise ValueError(
            f"{expected} ranges are needed; there are {minimum.size} minima and "
            f"{maximum.size} maxima"
        )
    low: NDArray[np.float64] = minimum.reshape(-1).astype(np.float64)
    high: NDArray[np.float64] = maximum.reshape(-1).astype(np.float64)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError("a range is not finite or upside down")
    shape: tuple[int, ...] = tuple(
        expected if index == axis else 1 for index in range(values.ndim)
    )
    low = np.reshape(low, shape)
    high = np.reshape(high, shape)
    info = np.iinfo(values.dtype)
    lowest, highest = int(info.min), int(info.max)
    if mode == "SCALED":
        scale = high / highest
        if lowest < 0:
            scale = np.maximum(low / (lowest + int(narrow_range)), scale)
        return values.astype(np.float32) * scale.astype(np.float32)
    step = ((high - low) / (highest - lowest)).astype(np.float32)
    base = low.astype(np.float32)
    offset = np.float32(lowest)
    if mode == "MIN_FIRST":
        if step > 0:
            ratio = base / step
            # Half away from zero, as C's round.
            base = np.copysign(np.floor(np.abs(ratio) + 0.5), ratio) * step
    elif mode != "MIN_COMBINED":
        raise ValueError(f"mode {mode!r} is none of MIN_COMBINED, MIN_FIRST, SCALED")
    # Signed values are moved up by half the levels in both modes.
    return (values.astype(np.float32) - offset) * step + base
