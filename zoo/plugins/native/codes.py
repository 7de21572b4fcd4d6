"""Names of activations, paddings, algorithms and levels as numbers of C."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args

from zoo.activations import activation
from zoo.plugins.base import ConvGeometry
from zoo.plugins.native._binding import _native

__all__ = [
    "ACTIVATIONS",
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

_NAMES: dict[str, tuple[str, ...]] = _native.code_names()
"""By number, as codes.h lists them."""

ACTIVATIONS = _NAMES["activations"]
CODE_NAMES = _NAMES["algorithms"]
ALGORITHM_CODES: dict[str, int] = {name: CODE_NAMES.index(name) for name in ALGORITHMS}
AUTO_CODES = {
    "f32": CODE_NAMES.index("auto"),
    "bf16": CODE_NAMES.index("auto_bf16"),
}
"""What "auto" is in the two precisions."""
_TILES = {
    name: tiles
    for code, name in enumerate(CODE_NAMES)
    if (tiles := _native.algorithm_tiles(code)) is not None
}
TILE_ROWS = {name: rows for name, (rows, _) in _TILES.items()}
"""Output rows that an algorithm computes together."""
TILED = tuple(name for name, (_, planes) in _TILES.items() if planes)
"""Algorithms that need AMX."""

LEVELS = _NAMES["levels"]
"""Names of instruction sets, by number; each one includes those before it."""

PAD_CODES = {name: code for code, name in enumerate(_NAMES["pads"])}

# What C calls otherwise, and the slope of relie; that of leaky is a number of the
# function itself.
_SAME = {
    "leaky": ("slope", 0.0),
    "revleaky": ("slope", 0.0),
    "relie": ("slope", 0.01),
    "prelu": ("slope", 0.0),
    "symmelliot": ("softsign", 0.0),
    "silu": ("swish", 0.0),
}
_ACTIVATION_CODES = {name: (code, 0.0) for code, name in enumerate(ACTIVATIONS)} | {
    name: (ACTIVATIONS.index(other), slope) for name, (other, slope) in _SAME.items()
}


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
        return (
            (ACTIVATIONS.index("at_least"), low),
            (ACTIVATIONS.index("at_most"), high),
        )
    code = activation_code(name)
    return () if code is None else (code,)


PIXEL_CODES = {name: code for code, name in enumerate(_NAMES["pixels"])}
"""By the name of the array's type."""


def geometry_codes(geometry: ConvGeometry) -> tuple[Any, ...]:
    """Stride, dilation, padding, way of padding and groups, for the binding."""
    return (
        tuple(map(int, geometry.stride)),
        tuple(map(int, geometry.dilation)),
        tuple(map(int, geometry.padding)),
        PAD_CODES[geometry.pad_mode],
        int(geometry.groups),
    )
