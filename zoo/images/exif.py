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
from zoo.images.ifd import Directory, TiffHeader, rational, read_directory, read_header

__all__ = [
    "orient",
    "orientation",
    "resolution",
    "scale",
    "states_orientation",
    "update",
]

_ORIENTATION = 0x0112
_WIDTH, _HEIGHT = 0x0100, 0x0101
_EXIF_IFD = 0x8769
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_X_RESOLUTION, _Y_RESOLUTION = 0x011A, 0x011B
_UNIT = 0x0128
_FOCAL_X, _FOCAL_Y = 0xA20E, 0xA20F


def orientation(exif: bytes) -> int:
    """Orientation from 1 (upright) to 8; 1 where none or nonsense is said."""
    try:
        header, offset = read_header(exif)
        entries, _ = read_directory(exif, offset, header)
    except ImageError:
        return 1
    return orientation_of(entries, header)


def orientation_of(entries: Directory, header: TiffHeader) -> int:
    """Orientation that a directory states, 1 by default."""
    entry = entries.get(_ORIENTATION)
    if entry is None or entry.type not in (_SHORT, _LONG) or entry.count != 1:
        return 1
    value = int(entry.values(header)[0])
    return value if 1 <= value <= 8 else 1


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Pixels per inch, horizontal and vertical; None where it is not stated."""
    try:
        header, offset = read_header(exif)
        entries, _ = read_directory(exif, offset, header)
    except ImageError:
        return None
    pair = []
    for tag in (_X_RESOLUTION, _Y_RESOLUTION):
        entry = entries.get(tag)
        if entry is None or entry.type != _RATIONAL or entry.count != 1:
            return None
        pair.append(rational(entry.values(header)[0]))
    unit = entries.get(_UNIT)
    number = 2
    if unit is not None and unit.type == _SHORT and unit.count == 1:
        number = int(unit.values(header)[0])
    factor = {2: 1.0, 3: 2.54}.get(number)
    if factor is None or not 0 < min(pair) <= max(pair) < 1e7:
        return None
    return pair[0] * factor, pair[1] * factor


def states_orientation(exif: bytes) -> bool:
    """Whether there is a tag of orientation at all."""
    try:
        header, offset = read_header(exif)
        return _ORIENTATION in read_directory(exif, offset, header)[0]
    except ImageError:
        return False


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
        header, offset = read_header(exif)
        entries, _ = read_directory(exif, offset, header)
    except ImageError:
        return b""
    if header.is_big:
        return b""
    result = bytearray(exif)
    _set(result, header, entries, _ORIENTATION, 1)
    _set(result, header, entries, _WIDTH, width)
    _set(result, header, entries, _HEIGHT, height)
    (count,) = struct.unpack_from(f"{header.order}H", exif, offset)
    struct.pack_into(f"{header.order}I", result, offset + 2 + 12 * count, 0)
    pointer = entries.get(_EXIF_IFD)
    if pointer is not None and pointer.type == _LONG and pointer.count == 1:
        try:
            inner, _ = read_directory(exif, pointer.values(header)[0], header)
        except ImageError:
            return bytes(result)
        _set(result, header, inner, _PIXEL_WIDTH, width)
        _set(result, header, inner, _PIXEL_HEIGHT, height)
    return bytes(result)


def scale(exif: bytes, down: float, across: float) -> bytes:
    """Multiply resolutions by the factors of both axes.

    Returns
    -------
    bytes
        Of the same length; empty if the structure is damaged.
    """
    try:
        header, offset = read_header(exif)
        entries, _ = read_directory(exif, offset, header)
    except ImageError:
        return b""
    result = bytearray(exif)
    _multiply(result, header, entries, _X_RESOLUTION, across)
    _multiply(result, header, entries, _Y_RESOLUTION, down)
    pointer = entries.get(_EXIF_IFD)
    if pointer is not None and pointer.type == _LONG and pointer.count == 1:
        try:
            inner, _ = read_directory(exif, pointer.values(header)[0], header)
        except ImageError:
            return bytes(result)
        _multiply(result, header, inner, _FOCAL_X, across)
        _multiply(result, header, inner, _FOCAL_Y, down)
    return bytes(result)


def _multiply(
    data: bytearray, header: TiffHeader, entries: Directory, tag: int, factor: float
) -> None:
    """Multiply a fraction where the tag exists; 0/0, which means unknown, if it must."""
    entry = entries.get(tag)
    if entry is None or entry.type != _RATIONAL or entry.count != 1:
        return
    above, below = entry.values(header)[0]
    if not below:
        return
    value = above / below * factor
    unit = 1
    for power in (1000, 100, 10, 1):
        if value * power < 2**32:
            unit = power
            break
    above = round(value * unit)
    pair = (above, unit) if above < 2**32 else (0, 0)
    struct.pack_into(f"{header.order}II", data, entry.start, *pair)


def _set(
    data: bytearray, header: TiffHeader, entries: Directory, tag: int, value: int
) -> None:
    """Overwrite a number where the tag exists; a SHORT becomes LONG if it must."""
    entry = entries.get(tag)
    if entry is None or entry.type not in (_SHORT, _LONG) or entry.count != 1:
        return
    order, at = header.order, entry.position
    if value < 65536 and entry.type == _SHORT:
        struct.pack_into(f"{order}HH", data, at + 8, value, 0)
    else:
        struct.pack_into(f"{order}HII", data, at + 2, _LONG, 1, value)
