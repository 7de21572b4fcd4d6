"""Resizing along one axis, as ONNX's Resize defines it: weights of input pixels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.errors import Untranslatable

__all__ = ["Rule", "Taps", "nearest", "taps"]


class Rule(NamedTuple):
    """How Resize finds and weighs input pixels.

    Attributes
    ----------
    mode : str
        nearest, linear, cubic
    place : str
        coordinate_transformation_mode
    rounding : str
        nearest_mode
    a : float
        cubic_coeff_a
    antialias : bool
    exclude_outside : bool
    """

    mode: str = "nearest"
    place: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    a: float = -0.75
    antialias: bool = False
    exclude_outside: bool = False


class Taps(NamedTuple):
    """For every output pixel the input pixels it is made of.

    Attributes
    ----------
    places : ndarray of int, L' x T
        Clamped to the picture.
    weights : ndarray of float64, L' x T
    """

    places: NDArray[np.int64]
    weights: NDArray[np.float64]


def _coordinates(
    rule: Rule, before: int, after: int, scale: float
) -> NDArray[np.float64]:
    """Where output pixels lie in the input."""
    x = np.arange(after, dtype=np.float64)
    match rule.place:
        case "half_pixel":
            return (x + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (x + 0.5) / scale - 0.5 if after > 1 else x * 0
        case "asymmetric":
            return x / scale
        case "align_corners":
            return x * (before - 1) / (after - 1) if after > 1 else x * 0
        case "tf_half_pixel_for_nn":
            return (x + 0.5) / scale
        case "half_pixel_symmetric":
            adjustment = after / (scale * before)
            centre = before / 2
            return centre * (1 - adjustment) + (x + 0.5) / scale - 0.5
    raise Untranslatable(f"Resize with {rule.place[:30]}")


def nearest(rule: Rule, before: int, after: int, scale: float) -> NDArray[np.int64]:
    """The input pixel that each output pixel repeats."""
    x = _coordinates(rule, before, after, scale)
    match rule.rounding:
        case "floor":
            found = np.floor(x)
        case "ceil":
            found = np.ceil(x)
        case "round_prefer_ceil":
            found = np.floor(x + 0.5)
        case _:
            found = np.ceil(x - 0.5)
    return np.clip(found, 0, before - 1).astype(np.int64)


def _cubic(t: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def taps(rule: Rule, before: int, after: int, scale: float) -> Taps:
    """Input pixels and weights of linear and cubic resizing."""
    x = _coordinates(rule, before, after, scale)
    stretch = 1 / scale if rule.antialias and scale < 1 else 1.0
    reach = (1 if rule.mode == "linear" else 2) * stretch
    if rule.antialias and stretch > 1:
        count = 2 * math.ceil(reach) + 1
        first = np.floor(x).astype(np.int64) - math.ceil(reach)
    else:
        count = 2 * int(reach)
        first = np.floor(x).astype(np.int64) - int(reach) + 1
    places = first[:, None] + np.arange(count)
    distance = (x[:, None] - places) / stretch
    if rule.mode == "linear":
        weights = np.maximum(1 - np.abs(distance), 0)
    else:
        weights = _cubic(distance, rule.a)
    if rule.exclude_outside or (rule.antialias and stretch > 1):
        weights = np.where((places < 0) | (places >= before), 0.0, weights)
    if rule.exclude_outside or rule.antialias:
        weights = weights / weights.sum(axis=1, keepdims=True)
    return Taps(np.clip(places, 0, before - 1), weights)
