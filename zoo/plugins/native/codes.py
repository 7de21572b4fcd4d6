"""Names of activations, paddings, algorithms and levels as numbers of C."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args

from zoo.activations import activation
from zoo.plugins.base import ConvGeometry

__all__ = [
    "ALGORITHMS",
    "ALGORITHM_CODES",
    "AUTO_CODES",
    "CODE_NAMES",
    "LEVELS",
    "PAD_CODES",
    "PIXEL_CODES",
    "TILED",
    "TILE_ROWS",
    "Algorithm",
    "activation_code",
    "activation_steps",
    "geometry_codes",
]

Algorithm = Literal[
    "auto", "direct", "winograd2", "winograd4", "winograd6", "amx3", "amx1"
]

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
"""Ways to convolve; Winograd's are for 3x3 windows, stride 1, one group.

Those of AMX multiply tiles of bfloat16: "amx3" three times, which keeps nearly all
that float32 has, "amx1" once (see docs/precision.md).
"""

TILED = ("amx3", "amx1")
"""Algorithms that need AMX."""

ALGORITHM_CODES = {
    "auto": 0,
    "direct": 1,
    "winograd2": 4,
    "winograd4": 5,
    "winograd6": 6,
    "amx3": 7,
    "amx1": 8,
}
AUTO_CODES = {"f32": 0, "bf16": 9}
"""What "auto" is in the two precisions."""
CODE_NAMES = ("auto", "direct", "dot", "depthwise", *ALGORITHMS[2:])
TILE_ROWS = {"winograd2": 2, "winograd4": 4, "winograd6": 6}
"""Output rows that an algorithm computes together, where not 1."""

LEVELS = ("portable", "avx2", "avx512", "amx")
"""Names of instruction sets, by number; each one includes those before it."""

PAD_CODES = {"zero": 0, "symmetric": 1, "edge": 2, "reflect": 3}

# Numbers of enum zoo_activation, and the slope of relie; that of leaky is a number of
# the function itself.
_ACTIVATION_CODES: dict[str, tuple[int, float]] = {
    "linear": (0, 0.0),
    "relu": (1, 0.0),
    "leaky": (2, 0.0),
    "revleaky": (2, 0.0),
    "relie": (2, 0.01),
    "prelu": (2, 0.0),
    "logistic": (3, 0.0),
    "loggy": (4, 0.0),
    "relu6": (5, 0.0),
    "elu": (6, 0.0),
    "ramp": (7, 0.0),
    "tanh": (8, 0.0),
    "plse": (9, 0.0),
    "stair": (10, 0.0),
    "hardtan": (11, 0.0),
    "lhtan": (12, 0.0),
    "selu": (13, 0.0),
    "softplus": (14, 0.0),
    "softsign": (15, 0.0),
    "symmelliot": (15, 0.0),
    "elliot": (16, 0.0),
    "swish": (17, 0.0),
    "silu": (17, 0.0),
    "mish": (18, 0.0),
    "gelu": (19, 0.0),
    "hard_mish": (20, 0.0),
    "gelu_erf": (21, 0.0),
}
_AT_LEAST, _AT_MOST = 22, 23  # max(x, slope) and min(x, slope)


@cache
def activation_code(name: str) -> tuple[int, float] | None:
    """Number of a function of ``zoo.activations`` and its slope.

    None if C has it not, or not in one step: see :func:`activation_steps`.
    """
    function = activation(name)
    code = _ACTIVATION_CODES.get(function.name)
    if code is None or not function.numbers:
        return code
    return code[0], function.numbers[0]


def activation_steps(name: str) -> tuple[tuple[int, float], ...]:
    """Numbers and slopes of what C does one after the other; none if it cannot."""
    function = activation(name)
    if function.name == "clip":
        low, high = function.numbers
        return (_AT_LEAST, low), (_AT_MOST, high)
    code = activation_code(name)
    return () if code is None else (code,)


PIXEL_CODES = {"uint8": 0, "uint16": 1, "float32": 2}
"""Numbers of enum zoo_pixel_type in engine.h."""


def geometry_codes(geometry: ConvGeometry) -> tuple[Any, ...]:
    """Stride, dilation, padding, way of padding and groups, for the binding."""
    return (
        tuple(map(int, geometry.stride)),
        tuple(map(int, geometry.dilation)),
        tuple(map(int, geometry.padding)),
        PAD_CODES[geometry.pad_mode],
        int(geometry.groups),
    )
