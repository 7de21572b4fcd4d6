"""PNG files as chains of chunks (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images import codec, exif
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size

__all__ = ["PNG", "chunks"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CARRIED = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tEXt", b"zTXt"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_XMP = b"XML:com.adobe.xmp\0"
_MAX_PROFILE = 1 << 26
_METERS_PER_INCH = 0.0254
# Deflate shrinks by at most 1032:1 (RFC 1951: 258 bytes by two bits).
_MAX_RATIO = 1040
_LEVEL = 4


class Header(NamedTuple):
    """What IHDR says, and the key of tRNS for gray pictures."""

    width: int
    height: int
    depth: int
    color: int
    gray_key: int | None


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of every chunk up to IEND.

    Damaged chunks that a picture can do without are left out.

    Raises
    ------
    ImageError
        If the file ends early, or a checksum of a needed chunk is wrong.
    """
    position = len(_SIGNATURE)
    while True:
        if position + 12 > len(data):
            raise ImageError("is truncated")
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        end = position + 8 + length
        if end + 4 > len(data):
            raise ImageError("is truncated")
        body = data[position + 8 : end]
        (stated,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[position + 4 : end]) == stated:
            yield kind, body
        elif not kind[:1].islower():  # upper case: critical
            raise ImageError(f"is damaged: wrong checksum at byte {position}")
        if kind == b"IEND":
            return
        position = end + 4


def read_header(data: bytes) -> Header:
    """Read the header, and check that the whole file is there.

    Raises
    ------
    ImageError
        If it is truncated, damaged, animated, or claims more pixels than its
        bytes can hold.
    """
    header: tuple[int, int, int, int] | None = None
    key = None
    for kind, body in chunks(data):
        if header is None:
            if kind != b"IHDR" or len(body) != 13 or body[9] not in _CHANNELS:
                raise ImageError("is damaged: it does not begin with a PNG header")
            header = struct.unpack(">IIBB", body[:10])
        elif kind == b"acTL":
            raise ImageError("is animated; extract its frames first")
        elif kind == b"tRNS" and header[3] == 0 and len(body) == 2:
            (key,) = struct.unpack(">H", body)
    assert header is not None
    width, height, depth, color = header
    if width * height * depth * _CHANNELS[color] // 8 > _MAX_RATIO * len(data):
        raise ImageError(
            f"claims {width}x{height} pixels, more than its {len(data)} bytes can hold"
        )
    return Header(width, height, depth, color, key)


def metadata(data: bytes) -> Metadata:
    """What the chunks beside the pixels say."""
    exif = icc = xmp = b""
    dpi = None
    carried = []
    for kind, body in chunks(data):
        if kind == b"eXIf":
            exif = body.removeprefix(b"Exif\0\0")
        elif kind == b"iCCP":
            icc = _inflate(body.partition(b"\0")[2][1:])
        elif kind == b"pHYs" and len(body) == 9 and body[8] == 1:
            x, y = struct.unpack(">II", body[:8])
            dpi = (x * _METERS_PER_INCH, y * _METERS_PER_INCH)
        elif kind == b"iTXt" and body.startswith(_XMP + b"\0"):
            xmp = body[len(_XMP) + 2 :].partition(b"\0")[2].partition(b"\0")[2]
        elif kind in _CARRIED or kind == b"iTXt":
            carried.append((kind, body))
    return Metadata(exif, icc, xmp, dpi, tuple(carried))


def embed(data: bytes, meta: Metadata) -> bytes:
    """Put metadata into a PNG file that has none."""
    added = [item for item in meta.png if not (meta.icc and item[0] == b"sRGB")]
    if meta.icc:
        added.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(meta.icc)))
    if meta.dpi:
        x, y = (round(value / _METERS_PER_INCH) for value in meta.dpi)
        if 0 < x < 2**31 and 0 < y < 2**31:
            added.append((b"pHYs", struct.pack(">IIB", x, y, 1)))
    if meta.exif:
        added.append((b"eXIf", meta.exif))
    if meta.xmp:
        added.append((b"iTXt", _XMP + b"\0\0\0\0" + meta.xmp))
    after_header = len(_SIGNATURE) + 25
    body = b"".join(_chunk(kind, content) for kind, content in added)
    if not body:
        return data
    whole = memoryview(data)
    return b"".join((whole[:after_header], body, whole[after_header:]))


def retype(data: bytes, depth: int, color: int) -> bytes:
    """Change what a file says its pixels are; their bytes must mean that already.

    OpenCV writes no gray with alpha. To PNG's filters and to deflate a pixel is
    a number of bytes: 8-bit gray with alpha is stored exactly as 16-bit gray is,
    and 16-bit gray with alpha as 8-bit RGBA.
    """
    head = bytearray(data[len(_SIGNATURE) + 4 : len(_SIGNATURE) + 21])
    head[12:14] = bytes((depth, color))
    start = len(_SIGNATURE)
    return data[:start] + _chunk(head[:4], head[4:]) + data[start + 25 :]


def gray_alpha(pixels: NDArray[Any], key: int, depth: int) -> NDArray[Any]:
    """Alpha of gray pixels (H x W, widened to 8 bits if fewer) from a tRNS key."""
    if depth < 8:
        key *= 255 // (2**depth - 1)
    white = np.iinfo(pixels.dtype).max
    return np.where(pixels == key, 0, white).astype(pixels.dtype)


def _chunk(kind: bytes | bytearray, body: bytes | bytearray) -> bytes:
    content = bytes(kind) + bytes(body)
    return (
        struct.pack(">I", len(body)) + content + struct.pack(">I", zlib.crc32(content))
    )


def _inflate(data: bytes) -> bytes:
    """Decompress a profile; nothing if it is damaged or huge."""
    stream = zlib.decompressobj()
    try:
        result = stream.decompress(data, _MAX_PROFILE)
    except zlib.error:
        return b""
    return result if stream.eof else b""


class PNG(PictureFormat):
    """PNG files, of 8 and 16 bits."""

    name = "png"
    rank = 0
    label = "PNG"
    suffixes = (".png",)
    dtypes = ("uint8", "uint16")
    keeps = ("exif", "icc", "xmp", "dpi", "png")

    def recognise(self, head: bytes) -> bool:
        return head.startswith(_SIGNATURE)

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        header = read_header(data)
        check_size(header.width, header.height)
        pixels = codec.checked(codec.decode(data), header.width, header.height)
        if header.gray_key is not None and pixels.ndim == 2:
            # OpenCV does not see this kind of transparency.
            alpha = gray_alpha(pixels, header.gray_key, header.depth)
            pixels = np.dstack([pixels, alpha])
        image = codec.from_opencv(pixels, is_gray=header.color in (0, 4))
        meta = metadata(data)
        return replace(image, metadata=meta), exif.orientation(meta.exif)

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        return embed(_encode(image), meta)


def _encode(image: Image) -> bytes:
    options = [cv2.IMWRITE_PNG_COMPRESSION, _LEVEL]
    if image.alpha is None or not image.is_gray:
        return codec.encode(".png", codec.for_opencv(image), options)
    pair = np.dstack([image.pixels, image.alpha]).astype(
        image.dtype.newbyteorder(">"), copy=False
    )
    height, width = image.height, image.width
    # Bytes in the order of the file; see retype.
    if image.dtype == np.uint8:
        words = pair.reshape(height, width * 2).view(">u2")
        data = codec.encode(".png", words.astype(np.uint16), options)
        return retype(data, 8, 4)
    quads = np.ascontiguousarray(pair).view(np.uint8).reshape(height, width, 4)
    stored = np.ascontiguousarray(quads[..., [2, 1, 0, 3]])
    return retype(codec.encode(".png", stored, options), 16, 4)
