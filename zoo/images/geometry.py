"""Metadata that depend on the size of the picture, after the size has changed.

A picture shows the same thing in more pixels: what is said in pixels per inch, or
per micrometre, or in metres per pixel, must change with them.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from zoo.images import exif, xmp
from zoo.images.image import Metadata, Tag

__all__ = ["scaled"]

_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _KEYS = 33550, 33922, 34264, 34735
_RASTER_TYPE, _PIXEL_IS_POINT = 1025, 2


def scaled(meta: Metadata, old: tuple[int, int], new: tuple[int, int]) -> Metadata:
    """Metadata of a picture that was resized.

    Parameters
    ----------
    meta : Metadata
    old, new : tuple of int
        Height and width before and after.
    """
    down, across = new[0] / old[0], new[1] / old[1]
    if (down, across) == (1, 1):
        return meta
    return replace(
        meta,
        exif=exif.scale(meta.exif, down, across),
        xmp=xmp.scale(meta.xmp, down, across),
        dpi=_times(meta.dpi, down, across),
        density=_times(meta.density, down, across),
        geo=_placed(meta.geo, down, across),
    )


def _times(
    pair: tuple[float, float] | None, down: float, across: float
) -> tuple[float, float] | None:
    return None if pair is None else (pair[0] * across, pair[1] * down)


def _placed(tags: tuple[Tag, ...], down: float, across: float) -> tuple[Tag, ...]:
    """A georeference (GeoTIFF 1.1, section 7) for smaller pixels.

    Raster coordinates of tie points are multiplied, metres per pixel divided, the
    columns of a transformation divided. Where coordinates mean the middle of a
    pixel they move by the half pixel that it is smaller.
    """
    if not tags:
        return tags
    keys = next((tag.data for tag in tags if tag.number == _KEYS), b"")
    numbers = struct.unpack(f"<{len(keys) // 2}H", keys[: len(keys) // 2 * 2])
    is_point = any(
        numbers[i] == _RASTER_TYPE and numbers[i + 3] == _PIXEL_IS_POINT
        for i in range(4, len(numbers) - 3, 4)
    )
    half = 0.5 if is_point else 0.0
    result = []
    for tag in tags:
        if tag.number in (_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION):
            count = len(tag.data) // 8
            values = list(struct.unpack(f"<{count}d", tag.data[: 8 * count]))
            if tag.number == _PIXEL_SCALE and count >= 2:
                values[0] /= across
                values[1] /= down
            elif tag.number == _TIE_POINTS:
                for i in range(0, count - 5, 6):
                    values[i] = (values[i] + half) * across - half
                    values[i + 1] = (values[i + 1] + half) * down - half
            elif tag.number == _TRANSFORMATION and count == 16:
                for row in range(0, 16, 4):
                    # x' = a (u + h) / f - a h + d: the middle stays where it is.
                    a, b = values[row] / across, values[row + 1] / down
                    values[row + 3] += half * (a - values[row] + b - values[row + 1])
                    values[row], values[row + 1] = a, b
            tag = tag._replace(data=struct.pack(f"<{count}d", *values))
        result.append(tag)
    return tuple(result)
