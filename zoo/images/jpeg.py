"""JPEG files as chains of segments (ITU-T T.81, JFIF 1.02, EXIF 2.32, ICC.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import cv2

from zoo.errors import ImageError
from zoo.images import codec, exif
from zoo.images.image import Image, Metadata
from zoo.images.picture import DEFAULT_QUALITY, PictureFormat, check_size

__all__ = ["JPEG"]

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_MAX_BODY = 65533
_FULL_CHROMA_QUALITY = 90
_APP0, _APP1, _APP2 = 0xE0, 0xE1, 0xE2
_START_OF_SCAN = 0xDA
# Frames SOF0 to SOF15; 0xC4, 0xC8 and 0xCC are something else.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


class Header(NamedTuple):
    """What the frame header says."""

    width: int
    height: int
    components: int


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body of every segment before the first scan.

    Raises
    ------
    ImageError
        If the file ends before its scan, or after it without an end marker.
    """
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise ImageError(f"is damaged: no JPEG marker at byte {position}")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _STANDALONE:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if length < 2 or end > len(data):
            break
        if marker == _START_OF_SCAN:
            # In a scan 0xFF is followed by 0 or a restart marker, so that D9
            # can only be the end.
            if data.find(b"\xff\xd9", end) < 0:
                break
            return
        yield marker, data[position + 4 : end]
        position = end
    raise ImageError("is truncated")


def read_header(data: bytes) -> Header:
    """Size and number of components.

    Raises
    ------
    ImageError
        If the file is truncated, damaged or CMYK.
    """
    found = None
    for marker, body in segments(data):
        if marker in _FRAMES and len(body) >= 6:
            height, width, components = struct.unpack(">HHB", body[1:6])
            found = Header(width, height, components)
    if found is None:
        raise ImageError("is damaged: it has no JPEG frame header")
    if found.components == 4:
        raise ImageError("is CMYK; convert it to RGB by its colour profile first")
    return found


def metadata(data: bytes) -> Metadata:
    """What the segments beside the pixels say."""
    exif = xmp = b""
    dpi = None
    profile: dict[int, bytes] = {}
    for marker, body in segments(data):
        if marker == _APP0 and body.startswith(b"JFIF\0") and len(body) >= 12:
            unit, x, y = struct.unpack(">BHH", body[7:12])
            if unit in (1, 2) and x and y:
                factor = 1.0 if unit == 1 else 2.54
                dpi = (x * factor, y * factor)
        elif marker == _APP1 and body.startswith(_EXIF) and not exif:
            exif = body[len(_EXIF) :]
        elif marker == _APP1 and body.startswith(_XMP) and not xmp:
            xmp = body[len(_XMP) :]
        elif marker == _APP2 and body.startswith(_ICC) and len(body) > 14:
            profile[body[12]] = body[14:]
    icc = b"".join(profile[number] for number in sorted(profile))
    return Metadata(exif, icc, xmp, dpi)


def embed(data: bytes, meta: Metadata) -> bytes:
    """Put metadata into a JPEG file that has none but a JFIF header.

    EXIF and XMP that are longer than a segment can be are left out.
    """
    position = 2
    if data[2:4] == b"\xff\xe0":
        (length,) = struct.unpack_from(">H", data, 4)
        head = bytearray(data[2 : 4 + length])
        if meta.dpi and head[4:9] == b"JFIF\0":
            x, y = (min(max(round(value), 1), 65535) for value in meta.dpi)
            struct.pack_into(">BHH", head, 11, 1, x, y)
        data = data[:2] + bytes(head) + data[4 + length :]
        position = 4 + length
    added = []
    if meta.exif and len(_EXIF) + len(meta.exif) <= _MAX_BODY:
        added.append((_APP1, _EXIF + meta.exif))
    if meta.xmp and len(_XMP) + len(meta.xmp) <= _MAX_BODY:
        added.append((_APP1, _XMP + meta.xmp))
    step = _MAX_BODY - 14
    parts = [meta.icc[i : i + step] for i in range(0, len(meta.icc), step)]
    if len(parts) < 256:
        for number, part in enumerate(parts, 1):
            added.append((_APP2, _ICC + bytes((number, len(parts))) + part))
    body = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
        for marker, content in added
    )
    return data[:position] + body + data[position:]


class JPEG(PictureFormat):
    """JPEG files."""

    name = "jpg"
    rank = 2
    label = "JPEG"
    suffixes = (".jpg", ".jpeg", ".jpe", ".jfif")
    has_alpha = False
    max_side = 65500
    keeps = ("exif", "icc", "xmp", "dpi")

    def recognise(self, head: bytes) -> bool:
        return head.startswith(b"\xff\xd8\xff")

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        header = read_header(data)
        check_size(header.width, header.height)
        pixels = codec.checked(codec.decode(data), header.width, header.height)
        meta = metadata(data)
        image = replace(codec.from_opencv(pixels), is_lossless=False, metadata=meta)
        return image, exif.orientation(meta.exif)

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        quality = quality or DEFAULT_QUALITY
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        if quality >= _FULL_CHROMA_QUALITY:
            options += [
                cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
            ]
        return embed(codec.encode(".jpg", codec.for_opencv(image), options), meta)
