"""Writing TIFF files: 8-bit, 16-bit and float, gray or RGB, with alpha.

OpenCV's files do not say that the fourth channel is alpha, hold no gray with
alpha and no metadata. These have strips of about a megabyte, deflated, with the
horizontal predictor for integers; above 4 GB they are BigTIFF.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images.ifd import Directory, Entry, TiffHeader, read_directory, read_header
from zoo.images.image import Metadata

__all__ = [
    "CLASSIC_LIMIT",
    "Fields",
    "build_exif",
    "converted",
    "deflated",
    "directories_of",
    "encode",
    "fields_of",
    "head_of",
]

_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 2, 3, 4, 5, 7
_LONG8 = 16
_EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x8769, 0x8825, 0xA005
_ORIENTATION = 0x0112
# Description, maker, model, software, date, artist, host, rating, rating in percent,
# copyright, and Windows' title, comment, author, keywords, subject.
_DESCRIPTIVE: tuple[int, ...] = (270, 271, 272, 305, 306, 315, 316, 18246, 18249)
_DESCRIPTIVE += (33432, 40091, 40092, 40093, 40094, 40095)
_STRIP = 1 << 20
_LEVEL = 4
CLASSIC_LIMIT = 2**32 - 2**24
"""Bytes of pixels above which a file must be a BigTIFF."""

# Tag -> (type, count, bytes in the writer's order).
Fields = dict[int, tuple[int, int, bytes]]


def encode(pixels: NDArray[Any], has_alpha: bool, meta: Metadata) -> bytes:
    """Make a TIFF file.

    Parameters
    ----------
    pixels : ndarray, H x W x (1 to 4), uint8, uint16 or float32
        The last channel is alpha if ``has_alpha``.
    has_alpha : bool
    meta : Metadata
    """
    height, width, samples = pixels.shape
    rows = max(1, min(height, _STRIP // (width * samples * pixels.dtype.itemsize)))
    strips = [deflated(pixels[top : top + rows]) for top in range(0, height, rows)]
    is_big = sum(map(len, strips)) > CLASSIC_LIMIT
    word, word_type = ("Q", _LONG8) if is_big else ("I", _LONG)
    offsets, position = [], len(head_of(0, is_big))
    for strip in strips:
        offsets.append(position)
        position += len(strip) + len(strip) % 2
    fields = fields_of((height, width), pixels, has_alpha, meta)
    fields[278] = (_LONG, 1, struct.pack("<I", rows))
    for tag, numbers in ((273, offsets), (279, list(map(len, strips)))):
        data = struct.pack(f"<{len(strips)}{word}", *numbers)
        fields[tag] = (word_type, len(strips), data)
    parts = [strip + b"\0" * (len(strip) % 2) for strip in strips]
    directories, position = directories_of(fields, meta, position, is_big)
    return head_of(position, is_big) + b"".join(parts) + directories


def head_of(position: int, is_big: bool) -> bytes:
    """The first bytes of a file whose directory stands at a position."""
    if is_big:
        return struct.pack("<2sHHHQ", b"II", 43, 8, 0, position)
    return struct.pack("<2sHI", b"II", 42, position)


def directories_of(
    fields: Fields, meta: Metadata, position: int, is_big: bool
) -> tuple[bytes, int]:
    """All directories, which begin at ``position``, and where the main one is."""
    word, word_type = ("Q", _LONG8) if is_big else ("I", _LONG)
    parts = b""
    for tag, inner in zip(
        (_EXIF_IFD, _GPS_IFD), _exif_fields(meta.exif, {}), strict=True
    ):
        if inner:
            block = _directory(inner, position, is_big)
            fields[tag] = (word_type, 1, struct.pack(f"<{word}", position))
            parts += block
            position += len(block)
    return parts + _directory(fields, position, is_big), position


def fields_of(
    size: tuple[int, int], sample: NDArray[Any], has_alpha: bool, meta: Metadata
) -> Fields:
    """All fields of the main directory but those of strips or tiles.

    Parameters
    ----------
    size : tuple of int
        Height and width.
    sample : ndarray, H x W x (1 to 4)
        Any pixels: their type and channels count.
    has_alpha : bool
    meta : Metadata
    """
    (height, width), samples, dtype = size, sample.shape[2], sample.dtype
    is_float = dtype.kind == "f"
    fields: Fields = {}
    _exif_fields(meta.exif, fields)
    for tag, side in ((256, width), (257, height)):
        fields[tag] = (_LONG, 1, struct.pack("<I", side))
    shorts = {
        258: [8 * dtype.itemsize] * samples,
        259: [8],
        262: [2 if samples - has_alpha == 3 else 1],
        277: [samples],
        284: [1],
        339: [3 if is_float else 1] * samples,
    }
    if not is_float:
        shorts[317] = [2]
    if has_alpha:
        shorts[338] = [2]  # not multiplied into the colour
    density = meta.dpi or meta.density
    if density:
        shorts[296] = [2 if meta.dpi else 1]
        for tag, value in zip((282, 283), density, strict=True):
            fields[tag] = (_RATIONAL, 1, _ratio(value))
    if meta.imagej:
        text = meta.imagej + b"\0"
        fields[270] = (_ASCII, len(text), text)
    if meta.iptc:
        fields[33723] = (_UNDEFINED, len(meta.iptc), meta.iptc)
    for entry in meta.geo:
        fields[entry.number] = (entry.type, entry.length, entry.data)
    for tag, values in shorts.items():
        fields[tag] = (_SHORT, len(values), struct.pack(f"<{len(values)}H", *values))
    if meta.icc:
        fields[34675] = (_UNDEFINED, len(meta.icc), meta.icc)
    if meta.xmp:
        fields[700] = (1, len(meta.xmp), meta.xmp)
    return fields


def _ratio(value: float) -> bytes:
    """A positive number as a fraction, as exact as 32 bits allow."""
    for below in (1_000_000, 1000, 1):
        if value * below < 2**32 - 1:
            break
    return struct.pack("<II", min(round(value * below), 2**32 - 1), below)


def build_exif(data: bytes, entries: Directory, header: TiffHeader) -> bytes:
    """Make an EXIF structure of the tags of a TIFF file, or nothing if it has none."""
    fields = {
        tag: converted(entries[tag], header) for tag in _DESCRIPTIVE if tag in entries
    }
    inner = {
        tag: _inner_fields(data, entries, tag, header) for tag in (_EXIF_IFD, _GPS_IFD)
    }
    if not fields and not any(inner.values()):
        return b""
    fields[_ORIENTATION] = (_SHORT, 1, struct.pack("<H", 1))
    position, blocks = 8, b""
    for tag, group in inner.items():
        if group:
            block = _directory(group, position, False)
            fields[tag] = (_LONG, 1, struct.pack("<I", position))
            blocks += block
            position += len(block)
    head = struct.pack("<2sHI", b"II", 42, position)
    return head + blocks + _directory(fields, position, False)


def _exif_fields(exif: bytes, fields: Fields) -> tuple[Fields, Fields]:
    """Add descriptive tags of an EXIF structure; return its EXIF and GPS parts."""
    try:
        header, offset = read_header(exif)
        entries, _ = read_directory(exif, offset, header)
    except ImageError:
        return {}, {}
    for tag in _DESCRIPTIVE:
        if tag in entries:
            fields[tag] = converted(entries[tag], header)
    return (
        _inner_fields(exif, entries, _EXIF_IFD, header),
        _inner_fields(exif, entries, _GPS_IFD, header),
    )


def _inner_fields(
    data: bytes, entries: Directory, tag: int, header: TiffHeader
) -> Fields:
    """The fields of the directory that a tag points to."""
    pointer = entries.get(tag)
    if pointer is None or pointer.count != 1 or pointer.type not in (4, 13, 16, 18):
        return {}
    try:
        inner, _ = read_directory(data, pointer.values(header)[0], header)
    except ImageError:
        return {}
    # Pointers to further directories would lead nowhere.
    return {
        tag: converted(entry, header)
        for tag, entry in inner.items()
        if tag != _INTEROP_IFD and entry.type <= 12
    }


def converted(entry: Entry, header: TiffHeader) -> tuple[int, int, bytes]:
    """A field with its numbers in little-endian order."""
    if header.order == "<" or entry.type in (1, _ASCII, 6, _UNDEFINED):
        return entry.type, entry.count, entry.data
    size = {3: 2, 8: 2, 12: 8}.get(entry.type, 4)  # a rational is two of four bytes
    return (
        entry.type,
        entry.count,
        np.frombuffer(entry.data, f">u{size}").astype(f"<u{size}").tobytes(),
    )


def _directory(fields: Fields, position: int, is_big: bool) -> bytes:
    """The bytes of a directory that stands at ``position``, long values behind it."""
    word, inline, step = ("Q", 8, 20) if is_big else ("I", 4, 12)
    count = struct.pack("<Q" if is_big else "<H", len(fields))
    behind = position + len(count) + step * len(fields) + inline
    result, tail, length = [count], list[bytes](), 0
    for tag, (kind, number, data) in sorted(fields.items()):
        if len(data) > inline:
            value = struct.pack(f"<{word}", behind + length)
            tail += (data, b"\0" * (len(data) % 2))
            length += len(data) + len(data) % 2
        else:
            value = data.ljust(inline, b"\0")
        result.append(struct.pack(f"<HH{word}", tag, kind, number) + value)
    block = b"".join((*result, b"\0" * inline, *tail))
    return block + b"\0" * (len(block) % 2)


def deflated(rows: NDArray[Any]) -> bytes:
    """Deflate rows, integers as differences along the row."""
    stored = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
    if rows.dtype.kind != "f":
        stored = stored.copy()
        stored[:, 1:] -= rows[:, :-1]
    return zlib.compress(stored.tobytes(), _LEVEL)
