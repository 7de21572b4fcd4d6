"""EXIF: the orientation of a picture, and what must change with its pixels.

EXIF 2.32 keeps a TIFF structure. Most of it is carried as it is; camera makers
store offsets in it that only hold if nothing moves, so changes are made in place.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images.ifd import Directory, Layout, read_directory, read_header

__all__ = ["orient", "orientation", "update"]

_ORIENTATION = 0x0112
_WIDTH, _HEIGHT = 0x0100, 0x0101
_EXIF_IFD = 0x8769
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_SHORT, _LONG = 3, 4


def orientation(exif: bytes) -> int:
    """Orientation from 1 (upright) to 8; 1 where none or nonsense is said."""
    try:
        layout, offset = read_header(exif)
        entries, _ = read_directory(exif, offset, layout)
    except ImageError:
        return 1
    return orientation_of(entries, layout)


def orientation_of(entries: Directory, layout: Layout) -> int:
    """Orientation that a directory states, 1 by default."""
    entry = entries.get(_ORIENTATION)
    if entry is None or entry.type not in (_SHORT, _LONG) or entry.count != 1:
        return 1
    value = int(entry.values(layout)[0])
    return value if 1 <= value <= 8 else 1


def orient(pixels: NDArray[Any], value: int) -> NDArray[Any]:
    """Turn and mirror stored pixels (H x W ...) to what orientation ``value`` means."""
    if value in (5, 6, 7, 8):  # stored rows are columns of the picture
        pixels = pixels.swapaxes(0, 1)
    if value in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if value in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def update(exif: bytes, height: int, width: int) -> bytes:
    """State that the picture is upright and of this size.

    The thumbnail is unlinked, because it would show the picture as it was.

    Returns
    -------
    bytes
        Of the same length; empty if the structure is damaged.
    """
    try:
        layout, offset = read_header(exif)
        entries, _ = read_directory(exif, offset, layout)
    except ImageError:
        return b""
    if layout.is_big:
        return b""
    result = bytearray(exif)
    _set(result, layout, entries, _ORIENTATION, 1)
    _set(result, layout, entries, _WIDTH, width)
    _set(result, layout, entries, _HEIGHT, height)
    (count,) = struct.unpack_from(f"{layout.order}H", exif, offset)
    struct.pack_into(f"{layout.order}I", result, offset + 2 + 12 * count, 0)
    pointer = entries.get(_EXIF_IFD)
    if pointer is not None and pointer.type == _LONG and pointer.count == 1:
        try:
            inner, _ = read_directory(exif, pointer.values(layout)[0], layout)
        except ImageError:
            return bytes(result)
        _set(result, layout, inner, _PIXEL_WIDTH, width)
        _set(result, layout, inner, _PIXEL_HEIGHT, height)
    return bytes(result)


def _set(
    data: bytearray, layout: Layout, entries: Directory, tag: int, value: int
) -> None:
    """Overwrite a number where the tag exists; a SHORT becomes LONG if it must."""
    entry = entries.get(tag)
    if entry is None or entry.type not in (_SHORT, _LONG) or entry.count != 1:
        return
    order, at = layout.order, entry.position
    if value < 65536 and entry.type == _SHORT:
        struct.pack_into(f"{order}HH", data, at + 8, value, 0)
    else:
        struct.pack_into(f"{order}HII", data, at + 2, _LONG, 1, value)
