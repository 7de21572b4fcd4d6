"""JPEG files as chains of segments (ITU-T T.81, JFIF 1.02, EXIF 2.32, ICC.1)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import cv2
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.images import codec
from zoo.images import exif as exif_file
from zoo.images.image import Image, Metadata
from zoo.images.picture import DEFAULT_QUALITY, PictureFormat, check_size, damage_note

__all__ = ["JPEG"]

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_MAX_BODY = 65533
_FULL_CHROMA_QUALITY = 90
_PHOTOSHOP = b"Photoshop 3.0\0"
_APP0, _APP1, _APP2, _APP13, _COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xFE
_IPTC = 0x0404  # the number of Photoshop's record
_MAX_COMMENTS = 100
_MARKER = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
_MOST_MARKERS = 60
# At least one bit for the first and one for the other coefficients of 64 pixels,
# where nothing is subsampled; sixteen for a flat one of 4 x 4 blocks.
_RATIO = 1024
# More than 16 bytes a pixel nothing takes; what is appended is none of our business.
_MOST_PER_PIXEL = 16
_SLACK = 1 << 26
_MOST_SCANS = 500
_ARITHMETIC_RATIO = 1 << 16
_START_OF_SCAN = 0xDA
# Frames SOF0 to SOF15; 0xC4, 0xC8 and 0xCC are something else.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = 0xC9
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


class Header(NamedTuple):
    """What the frame header says, and whether the end marker is there."""

    width: int
    height: int
    components: int
    is_arithmetic: bool
    is_whole: bool


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, body and end of every segment before the first scan.

    Raises
    ------
    ImageError
        If the file ends before its scan.
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
            return
        yield marker, data[position + 4 : end], end
        position = end
    raise ImageError("is truncated")


def _first_scan(data: bytes) -> int:
    """Where the last segment before the first scan ends."""
    end = 2
    for _, _, end in _segments(data):
        pass
    return end


def read_header(data: bytes) -> Header:
    """Size and number of components.

    Raises
    ------
    ImageError
        If the file ends before its pixels, or is damaged, CMYK or of 12 bits.
    """
    found = None
    frame = scan = 0
    for marker, body, end in _segments(data):
        scan = end
        if marker in _FRAMES and len(body) >= 6:
            found, frame = struct.unpack(">BHHB", body[:6]), marker
    if found is None:
        raise ImageError("is damaged: it has no JPEG frame header")
    depth, height, width, components = found
    if components == 4:
        raise ImageError("is CMYK; convert it to RGB by its colour profile first")
    if depth != 8:
        raise ImageError(f"has {depth} bits a sample; convert it to PNG or TIFF first")
    if components not in (1, 3):
        raise ImageError(f"has {components} components; zoo takes gray or colour")
    is_whole = _end_of(data, scan, width * height) is not None
    return Header(width, height, components, frame >= _ARITHMETIC, is_whole)


def _end_of(data: bytes, scan: int, pixels: int) -> int | None:
    """Where the end marker ends; None if there is none where it may be.

    In a scan 0xFF is followed by 0 or a restart marker: D9 can only be the end.
    """
    found = data.find(b"\xff\xd9", scan, scan + _SLACK + _MOST_PER_PIXEL * pixels)
    return None if found < 0 else found + 2


def _check_scans(data: bytes, scan: int, end: int) -> None:
    """Refuse scans over scans, each of which passes over the whole picture."""
    for _ in range(_MOST_SCANS):
        scan = data.find(b"\xff\xda", scan, end) + 2
        if scan < 2:
            return
    raise ImageError(f"has more than {_MOST_SCANS} scans, which no picture needs")


def metadata(data: bytes) -> Metadata:
    """What the segments beside the pixels say."""
    exif = xmp = b""
    dpi = None
    profile: dict[int, bytes] = {}
    comments: list[bytes] = []
    iptc = b""
    for marker, body, _ in _segments(data):
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
        elif marker == _APP13 and body.startswith(_PHOTOSHOP):
            iptc = iptc or _iptc_in(body[len(_PHOTOSHOP) :])
        elif marker == _COMMENT and len(comments) < _MAX_COMMENTS:
            comments.append(body)
    icc = b"".join(profile[number] for number in sorted(profile))
    if dpi is None:
        dpi = exif_file.resolution(exif)
    return Metadata(exif, icc, xmp, dpi, iptc=iptc, comments=tuple(comments))


def _iptc_in(records: bytes) -> bytes:
    """The record of IPTC among Photoshop's."""
    position = 0
    while records[position : position + 4] == b"8BIM":
        if position + 7 > len(records):
            break
        (number,) = struct.unpack_from(">H", records, position + 4)
        name = records[position + 6]
        start = position + 6 + (1 + name + 1) // 2 * 2
        if start + 4 > len(records):
            break
        (size,) = struct.unpack_from(">I", records, start)
        if number == _IPTC:
            return records[start + 4 : start + 4 + size]
        position = start + 4 + size + size % 2
    return b""


def _photoshop(iptc: bytes) -> bytes:
    """Photoshop's record of IPTC."""
    head = struct.pack(">4sHHI", b"8BIM", _IPTC, 0, len(iptc))
    return _PHOTOSHOP + head + iptc + b"\0" * (len(iptc) % 2)


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
    if meta.iptc and len(_photoshop(meta.iptc)) <= _MAX_BODY:
        added.append((_APP13, _photoshop(meta.iptc)))
    added += [(_COMMENT, text[:_MAX_BODY]) for text in meta.comments]
    body = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
        for marker, content in added
    )
    return data[:position] + body + data[position:]


def _first_scans(data: bytes) -> NDArray[Any]:
    """The pixels as far as the scans go that can be decoded.

    Raises
    ------
    ImageError
        If not even the first one can be.
    """
    end = _first_scan(data)
    # 0 is no marker, D0 to D7 stand inside of a scan.
    places = [
        match.start()
        for match in islice(_MARKER.finditer(data, end), _MOST_MARKERS)
        if 0xC0 <= data[match.start() + 1] <= 0xFE
    ]
    for place in reversed(places):
        try:
            return codec.examine(data[:place] + b"\xff\xd9")[0]
        except ImageError:
            continue
    raise ImageError("is damaged: none of its scans can be read")


class JPEG(PictureFormat):
    """JPEG files."""

    name = "jpg"
    rank = 2
    label = "JPEG"
    suffixes = (".jpg", ".jpeg", ".jpe", ".jfif")
    has_alpha = False
    max_side = 65500
    keeps = ("exif", "icc", "xmp", "dpi", "iptc", "comments")

    def recognise(self, head: bytes) -> bool:
        return head.startswith(b"\xff\xd8\xff")

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        header = read_header(data)
        ratio = _ARITHMETIC_RATIO if header.is_arithmetic else _RATIO
        check_size(header.width, header.height, len(data), ratio)
        scan = _first_scan(data)
        last = scan + _SLACK + _MOST_PER_PIXEL * header.width * header.height
        _check_scans(data, scan, last)
        fault = ""
        if not header.is_whole:
            fault = "is truncated"
            if not damaged:
                raise DamagedError(fault)
            data = data[:last] + b"\xff\xd9"
        try:
            pixels, complaint = codec.decode(data, damaged=damaged)
        except DamagedError:
            raise
        except ImageError as error:
            if not damaged:
                raise DamagedError(str(error)) from None
            pixels, complaint = _first_scans(data), "not all of its scans can be read"
        meta = metadata(data)
        image = codec.from_opencv(codec.checked(pixels, header.width, header.height))
        image = replace(image, is_lossless=False, metadata=meta)
        fault = fault or complaint
        note = damage_note(fault) if fault else ""
        return image.noted(note), exif_file.orientation(meta.exif)

    def end(self, data: bytes) -> int | None:
        """See :class:`zoo.images.picture.PictureFormat`."""
        header = read_header(data)
        return _end_of(data, _first_scan(data), header.width * header.height)

    def losses(self, item: Image) -> tuple[str, ...]:
        """What of the metadata the format has no place for."""
        meta = item.metadata
        long = [
            words
            for words, length in (
                ("EXIF", len(_EXIF) + len(meta.exif)),
                ("XMP", len(_XMP) + len(meta.xmp)),
                ("IPTC", len(_photoshop(meta.iptc))),
                ("comments", max(map(len, meta.comments), default=0)),
                ("a colour profile", len(meta.icc) // 255),
            )
            if length > _MAX_BODY
        ]
        return (*super().losses(item), *(f"{words} above 64 kB" for words in long))

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        quality = quality or DEFAULT_QUALITY
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        if quality >= _FULL_CHROMA_QUALITY:
            options += [
                cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
            ]
        return embed(codec.encode(".jpg", codec.for_opencv(image), options), meta)
