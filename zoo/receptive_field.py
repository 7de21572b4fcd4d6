"""What one output pixel of each layer sees of the picture, at most.

Going back from n neighbouring outputs, a layer with window k, stride s and scale r
needs at most ceil((n - 1) s / r) + k neighbours of its input, whatever the phase. With
m = n - 1 that is a function m -> ceil((m s + a) / r), and what a layer needs of the
picture is the largest of such functions one after the other, over all paths. They are
built up from the picture to the last layer: most join to one, so that the work grows
with the depth of the network, not with its square.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from zoo.layers.base import INPUT, Window
from zoo.network import Network

__all__ = ["Field", "receptive_field", "receptive_fields"]

Field = tuple[int | None, int | None]
"""Rows and columns of the picture; None where a pixel depends on all of them."""

_MOST = 16  # paths to remember; what more would need is bounded from above


class _Piece(NamedTuple):
    """m -> ceil((m stride + offset) / scale)."""

    stride: int
    offset: int
    scale: int

    def then(self, other: _Piece) -> _Piece | None:
        """Both in one, the other applied last, where that is exact."""
        if self.scale == 1:
            stride, scale = other.stride * self.stride, other.scale
            offset = other.stride * self.offset + other.offset
        elif other.stride == 1:
            stride, scale = self.stride, self.scale * other.scale
            offset = self.offset + other.offset * self.scale
        else:
            return None
        common = math.gcd(stride, scale)
        return _Piece(stride // common, -(-offset // common), scale // common)


@dataclass(frozen=True)
class _Path:
    """Pieces that cannot be joined, in the order in which they apply."""

    pieces: tuple[_Piece, ...] = ()

    def __call__(self, m: int) -> int:
        for piece in self.pieces:
            m = -(-(m * piece.stride + piece.offset) // piece.scale)
        return m

    def after(self, piece: _Piece) -> _Path:
        """This path with a piece before all others."""
        rest = self.pieces
        while rest and (joint := piece.then(rest[0])) is not None:
            piece, rest = joint, rest[1:]
        return _Path((piece, *rest))

    @cached_property
    def bounds(self) -> tuple[Fraction, Fraction, Fraction]:
        """Slope, and the intercepts of a line below and a line above."""
        slope, low, high = Fraction(1), Fraction(0), Fraction(0)
        for s, a, r in self.pieces:
            slope, low = slope * s / r, (low * s + a) / r
            high = (high * s + a + r - 1) / r
        return slope, low, high

    def covers(self, other: _Path) -> bool:
        """Whether this needs no less than the other, whatever m is."""
        mine, theirs = self.pieces, other.pieces
        if len(mine) == len(theirs) and all(
            (a.stride, a.scale) == (b.stride, b.scale) and a.offset >= b.offset
            for a, b in zip(mine, theirs, strict=True)
        ):
            return True
        slope, low, _ = self.bounds
        other_slope, _, high = other.bounds
        return slope >= other_slope and low >= high


def receptive_fields(network: Network) -> list[Field]:
    """What one output pixel of every layer depends on; see :func:`receptive_field`."""
    windows = [layer.window() for layer in network.layers]
    rows, columns = (
        _extents(network, [window[axis] for window in windows]) for axis in (0, 1)
    )
    return list(zip(rows, columns, strict=True))


def receptive_field(network: Network, index: int | None = None) -> Field:
    """Rows and columns of the picture that one output pixel depends on, at most.

    Parameters
    ----------
    network : Network
    index : int, optional
        Of the layer; the last one by default.

    Returns
    -------
    tuple of int or None
        Rows and columns; None where a pixel depends on the whole picture.
    """
    return receptive_fields(network)[-1 if index is None else index]


def _extents(network: Network, windows: list[Window]) -> list[int | None]:
    """The fields of all layers along one axis."""
    paths: dict[int, list[_Path] | None] = {INPUT: [_Path()]}
    for index, window in enumerate(windows):
        sources = [paths[source] for source in network.sources[index]]
        if math.isinf(window.size) or None in sources:
            paths[index] = None
            continue
        offset = (math.ceil(window.size) - 1) * window.scale
        piece = _Piece(window.stride, offset, window.scale)
        paths[index] = _largest(
            path.after(piece) for known in sources for path in known or ()
        )
    return [_extent(paths[index]) for index in range(len(windows))]


def _extent(paths: list[_Path] | None) -> int | None:
    return None if paths is None else 1 + max((path(0) for path in paths), default=-1)


def _largest(paths: Iterable[_Path]) -> list[_Path]:
    """The paths that none of the others covers, or fewer that cover them all."""
    kept: list[_Path] = []
    for path in paths:
        if not any(other.covers(path) for other in kept):
            kept = [other for other in kept if not path.covers(other)]
            kept.append(path)
    if len(kept) <= _MOST:
        return kept
    slope = max(path.bounds[0] for path in kept)
    high = max(path.bounds[2] for path in kept)
    scale = math.lcm(slope.denominator, high.denominator)
    piece = _Piece(int(slope * scale), int(high * scale), scale)
    return [_Path((piece,))]
