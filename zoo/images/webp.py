"""WebP files as RIFF chunks (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import IO, Any, NamedTuple

import cv2

from zoo.errors import ImageError
from zoo.formats import Source
from zoo.images import codec, exif, webp_animation
from zoo.images.frames import Clip, FrameFormat, FrameWriter
from zoo.images.image import Image, Metadata
from zoo.images.picture import DEFAULT_QUALITY, PictureFormat, check_size, damage_note

__all__ = ["WebP"]

_ALPHA, _ICC, _EXIF, _XMP, _ANIMATION = 0x10, 0x20, 0x08, 0x04, 0x02
_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
_MAX_BODY = 1 << 26  # of chunks that are no pixels
_RATIO = 4096  # a picture of one colour takes next to nothing
_LOSSLESS = 101  # OpenCV's way to ask for it


class Header(NamedTuple):
    """What the file says before its pixels."""

    width: int
    height: int
    has_alpha: bool
    is_lossless: bool


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of every chunk; pixels as views of the file.

    Raises
    ------
    ImageError
        If the file is shorter than it says.
    """
    if len(data) < 20:
        raise ImageError("is truncated")
    (size,) = struct.unpack_from("<I", data, 4)
    end = 8 + size
    if end > len(data):
        raise ImageError("is truncated")
    position, view = 12, memoryview(data)
    while position + 8 <= end:
        kind = data[position : position + 4]
        (length,) = struct.unpack_from("<I", data, position + 4)
        if position + 8 + length > end:
            raise ImageError("is truncated")
        body: Any = view[position + 8 : position + 8 + length]
        if kind not in _PIXELS:
            body = bytes(body) if length <= _MAX_BODY else b""
        yield kind, body
        position += 8 + length + length % 2


def read_header(data: bytes) -> Header:
    """Size, alpha and kind of compression.

    Raises
    ------
    ImageError
        If the file is truncated, damaged or animated.
    """
    for kind, body in chunks(data):
        if kind == b"VP8X" and len(body) >= 10 and body[0] & _ANIMATION:
            raise ImageError("is animated; extract its frames first")
        if kind == b"VP8L" and len(body) >= 5:
            (bits,) = struct.unpack_from("<I", body, 1)
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            return Header(width, height, bool(bits >> 28 & 1), True)
        if kind == b"VP8 " and len(body) >= 10:
            width, height = struct.unpack_from("<HH", body, 6)
            has_alpha = any(name == b"ALPH" for name, _ in chunks(data))
            return Header(width & 0x3FFF, height & 0x3FFF, has_alpha, False)
    raise ImageError("is damaged: it holds no picture")


def metadata(data: bytes) -> Metadata:
    """What the chunks beside the pixels say."""
    found = dict(reversed(list(chunks(data))))
    return Metadata(
        exif=found.get(b"EXIF", b"").removeprefix(b"Exif\0\0"),
        icc=found.get(b"ICCP", b""),
        xmp=found.get(b"XMP ", b""),
    )


def embed(data: bytes, meta: Metadata) -> bytes:
    """Put metadata into a WebP file that has none; dpi has no place in WebP."""
    if not (meta.exif or meta.icc or meta.xmp):
        return data
    header = read_header(data)
    body = [item for item in chunks(data) if item[0] not in (b"VP8X", b"ICCP")]
    flags = (
        _ALPHA * header.has_alpha
        | _ICC * bool(meta.icc)
        | _EXIF * bool(meta.exif)
        | _XMP * bool(meta.xmp)
    )
    size = [
        *(header.width - 1).to_bytes(3, "little"),
        *(header.height - 1).to_bytes(3, "little"),
    ]
    items = [(b"VP8X", bytes([flags, 0, 0, 0, *size]))]
    if meta.icc:
        items.append((b"ICCP", meta.icc))
    items += body
    if meta.exif:
        items.append((b"EXIF", meta.exif))
    if meta.xmp:
        items.append((b"XMP ", meta.xmp))
    content = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(part)) + bytes(part) + b"\0" * (len(part) % 2)
        for kind, part in items
    )
    return b"RIFF" + struct.pack("<I", len(content)) + content


class WebP(PictureFormat, FrameFormat):
    """WebP files, with or without loss; animations too."""

    name = "webp"
    rank = 3
    label = "WebP"
    suffixes = (".webp",)
    max_side = 16383
    keeps = ("exif", "icc", "xmp")

    def recognise(self, head: bytes) -> bool:
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        header = read_header(data)
        check_size(header.width, header.height, len(data), _RATIO)
        pixels, fault = codec.decode(data, damaged=damaged)
        meta = metadata(data)
        image = codec.from_opencv(codec.checked(pixels, header.width, header.height))
        image = replace(image, is_lossless=header.is_lossless, metadata=meta)
        note = damage_note(fault) if fault else ""
        return image.noted(note), exif.orientation(meta.exif)

    def end(self, data: bytes) -> int:
        """See :class:`zoo.images.picture.PictureFormat`."""
        (size,) = struct.unpack_from("<I", data, 4)
        return int(8 + size + size % 2)

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        lossless = image.is_lossless and quality is None
        chosen = _LOSSLESS if lossless else quality or DEFAULT_QUALITY
        options = [cv2.IMWRITE_WEBP_QUALITY, chosen]
        if lossless and hasattr(cv2, "IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR"):
            # Keeps the colour of what is transparent; only newer OpenCV can.
            options += [
                cv2.IMWRITE_WEBP_LOSSLESS_MODE,
                cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR,
            ]
        return embed(codec.encode(".webp", codec.for_opencv(image, 3), options), meta)

    def clip(self, source: Source, *, damaged: bool = False) -> Clip | None:
        """See :class:`zoo.images.frames.FrameFormat`."""
        data = source.content()
        clip = webp_animation.clip_of(data, chunks, self.decode)
        if clip is not None:
            meta = metadata(data)
            if meta.exif or meta.icc or meta.xmp:
                clip.notes.append("the metadata of the animation are left out")
        return clip

    def frame_writer(
        self, file: IO[bytes], clip: Clip, *, quality: int | None = None
    ) -> FrameWriter:
        """See :class:`zoo.images.frames.FrameFormat`."""
        encode = partial(self.bytes_of, meta=Metadata(), quality=quality)
        return webp_animation.Writer(file, clip, encode, chunks)
