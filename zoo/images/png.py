"""PNG files as chains of chunks (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.formats import Source
from zoo.images import apng, codec, exif
from zoo.images.broken import inflated
from zoo.images.frames import Clip, FrameFormat, FrameWriter
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size, damage_note

__all__ = ["PNG", "chunks"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CARRIED = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tEXt", b"zTXt"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_XMP = b"XML:com.adobe.xmp\0"
_MAX_PROFILE = 1 << 24
# Offset, scales, stereo layout: they are of the size that the picture had.
_OF_SIZE = (b"oFFs", b"sCAL", b"pCAL", b"sTER")
_RAW_PROFILES = tuple(
    b"Raw profile type " + name for name in (b"exif", b"APP1", b"xmp")
)
_PIXELS = (b"IDAT", b"fdAT")
_MAX_BODY = 1 << 26  # of chunks that are no pixels
_METERS_PER_INCH = 0.0254
# Deflate shrinks by at most 1032:1 (RFC 1951: 258 bytes by two bits).
_MAX_RATIO = 1040
# Left, top and steps of the passes of an interlaced picture.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_RATIO = 8 * _MAX_RATIO  # pixels of one bit
_LEVEL = 4


class Header(NamedTuple):
    """What IHDR says, and the key of tRNS for gray pictures."""

    width: int
    height: int
    depth: int
    color: int
    gray_key: int | None


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of every chunk up to IEND; pixels as views of the file.

    Damaged chunks that a picture can do without are left out.

    Raises
    ------
    DamagedError
        If the file ends early, or a checksum of a needed chunk is wrong.
    """
    for position, kind, body, is_right in _all_chunks(data):
        if is_right:
            yield kind, body
        elif not kind[:1].islower():  # upper case: critical
            raise DamagedError(f"is damaged: wrong checksum at byte {position}")
        if kind == b"IEND":
            return
    raise DamagedError("is truncated")


def _all_chunks(data: bytes) -> Iterator[tuple[int, bytes, bytes, bool]]:
    """Place, type, data of every whole chunk, and whether its checksum is right."""
    position = len(_SIGNATURE)
    view = memoryview(data)
    most = _longest(data)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        kind = data[position + 4 : position + 8]
        if end + 4 > len(data) or not kind.isalpha():
            return
        if length > most and kind in _PIXELS:
            raise DamagedError("is damaged: a chunk is longer than its picture")
        (stated,) = struct.unpack_from(">I", data, end)
        right = zlib.crc32(view[position + 4 : end]) == stated
        body: Any = view[position + 8 : end]
        if kind not in _PIXELS:
            body = bytes(body) if right and length <= _MAX_BODY else b""
        yield position, kind, body, right
        position = end + 4


def _longest(data: bytes) -> int:
    """Bytes of pixels that even deflate which does not shrink them stays below."""
    if len(data) < 33 or data[12:16] != b"IHDR" or data[25] not in _CHANNELS:
        return _MAX_BODY
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    return _MAX_BODY + 2 * height * (1 + width * _CHANNELS[color] * depth // 8)


def _is_animated(data: bytes) -> bool:
    """Whether there is a chunk acTL before the pixels."""
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        kind = data[position + 4 : position + 8]
        if kind in (b"IDAT", b"acTL"):
            return kind == b"acTL"
        (length,) = struct.unpack_from(">I", data, position)
        position += 12 + length
    return False


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
        raise DamagedError(
            f"claims {width}x{height} pixels, more than its {len(data)} bytes can hold"
        )
    return Header(width, height, depth, color, key)


def repaired(data: bytes) -> bytes:
    """A whole file with what can be read of a damaged one, black where nothing can.

    Raises
    ------
    ImageError
        If not even its header can be read.
    """
    found = list(_all_chunks(data))
    if not found or found[0][1] != b"IHDR" or len(found[0][2]) != 13:
        raise ImageError("is damaged: it does not begin with a PNG header")
    head = found[0][2]
    stream = [body for _, kind, body, _ in found if kind == b"IDAT"]
    last = found[-1]
    (length,) = struct.unpack_from(">I", data, last[0])
    tail = last[0] + 12 + length
    if data[tail + 4 : tail + 8] == b"IDAT":  # cut in the middle of it
        stream.append(data[tail + 8 :])
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    if color not in _CHANNELS:
        raise ImageError("is damaged: it does not begin with a PNG header")
    if width * height * depth * _CHANNELS[color] // 8 > _MAX_RATIO * len(data):
        raise ImageError(f"claims {width}x{height} pixels, more than it can hold")
    rows = list(_row_lengths(width, height, depth * _CHANNELS[color], interlaced))
    raw = bytearray(inflated(b"".join(stream), sum(rows)).ljust(sum(rows), b"\0"))
    position = 0
    for length in rows:
        if raw[position] > 4:  # no filter has this number
            raw[position : position + length] = bytes(length)
        position += length
    parts = [(b"IHDR", head)]
    parts += [
        (kind, body)
        for _, kind, body, is_right in found[1:]
        if is_right and kind not in (b"IHDR", b"IDAT", b"IEND", b"acTL")
    ]
    parts += [(b"IDAT", zlib.compress(raw, 1)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, body) for kind, body in parts)


def _row_lengths(width: int, height: int, bits: int, interlaced: int) -> Iterator[int]:
    """Bytes of every row as it is deflated, its filter's number included."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    for left, top, across, down in passes:
        columns = -(-(width - left) // across)
        if columns > 0:
            for _ in range(top, height, down):
                yield 1 + -(-columns * bits // 8)


def metadata(data: bytes) -> Metadata:
    """What the chunks beside the pixels say."""
    exif = icc = xmp = b""
    dpi = None
    carried = []
    for kind, body in chunks(data):
        if kind == b"eXIf":
            exif = body.removeprefix(b"Exif\0\0")
        elif kind == b"iCCP" and not icc:
            icc = _inflate(body.partition(b"\0")[2][1:])
        elif kind == b"pHYs" and len(body) == 9 and body[8] == 1:
            x, y = struct.unpack(">II", body[:8])
            dpi = (x * _METERS_PER_INCH, y * _METERS_PER_INCH)
        elif kind == b"iTXt" and body.startswith(_XMP + b"\0"):
            xmp = body[len(_XMP) + 2 :].partition(b"\0")[2].partition(b"\0")[2]
        elif (kind in _CARRIED or kind == b"iTXt") and not _is_raw_profile(kind, body):
            carried.append((kind, body))
    return Metadata(exif, icc, xmp, dpi, tuple(carried))


def embed(data: bytes, meta: Metadata) -> bytes:
    """Put metadata into a PNG file that has none."""
    added = [item for item in meta.png if not (meta.icc and item[0] == b"sRGB")]
    # tEXt is Latin-1 and has no end of text in it.
    added += [
        (b"tEXt", b"Comment\0" + text.replace(b"\0", b" ")) for text in meta.comments
    ]
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


class PNG(PictureFormat, FrameFormat):
    """PNG files, of 8 and 16 bits; animations too."""

    name = "png"
    rank = 0
    label = "PNG"
    suffixes = (".png",)
    dtypes = ("uint8", "uint16")
    keeps = ("exif", "icc", "xmp", "dpi", "png", "comments")

    def recognise(self, head: bytes) -> bool:
        return head.startswith(_SIGNATURE)

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        note = ""
        try:
            header = read_header(data)
        except DamagedError as error:
            if not damaged:
                raise
            note = damage_note(str(error))
            data = repaired(data)
            header = read_header(data)
        check_size(header.width, header.height, len(data), _RATIO)
        try:
            pixels, _ = codec.decode(data)
        except ImageError as error:
            if not damaged:
                raise DamagedError(str(error)) from None
            note = note or damage_note(str(error))
            pixels, _ = codec.decode(repaired(data), damaged=True)
        pixels = codec.checked(pixels, header.width, header.height)
        if header.gray_key is not None and pixels.ndim == 2:
            # OpenCV does not see this kind of transparency.
            alpha = gray_alpha(pixels, header.gray_key, header.depth)
            pixels = np.dstack([pixels, alpha])
        image = codec.from_opencv(pixels, is_gray=header.color in (0, 4))
        meta = metadata(data)
        image = replace(image, metadata=meta).noted(note, _dropped(data))
        return image, exif.orientation(meta.exif)

    def end(self, data: bytes) -> int:
        """See :class:`zoo.images.picture.PictureFormat`."""
        for position, kind, body, _ in _all_chunks(data):
            if kind == b"IEND":
                return position + 12 + len(body)
        return len(data)

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        return embed(_encode(image), meta)

    def clip(self, source: Source, *, damaged: bool = False) -> Clip | None:
        """See :class:`zoo.images.frames.FrameFormat`."""
        data = source.content()
        if not _is_animated(data):
            return None
        clip = apng.clip_of(chunks(data), self.decode)
        if clip is not None and _has_metadata(metadata(data)):
            clip.notes.append("the metadata of the animation are left out")
        return clip

    def frame_writer(
        self, file: IO[bytes], clip: Clip, *, quality: int | None = None
    ) -> FrameWriter:
        """See :class:`zoo.images.frames.FrameFormat`."""
        return apng.Writer(file, clip, _encode, chunks)


def _is_raw_profile(kind: bytes, body: bytes) -> bool:
    """Whether a text is a profile that would say how the picture stood before."""
    return kind in (b"tEXt", b"zTXt") and body.startswith(_RAW_PROFILES)


def _dropped(data: bytes) -> str:
    """A line on the chunks that depend on the size of the picture, if there are any."""
    found = set()
    for kind, body in chunks(data):
        if kind in _OF_SIZE:
            found.add(kind.decode())
        elif _is_raw_profile(kind, body):
            found.add("a raw profile")
    if not found:
        return ""
    return f"{', '.join(sorted(found))}: left out, for it is of the picture as it was"


def _has_metadata(meta: Metadata) -> bool:
    return bool(meta.exif or meta.icc or meta.xmp or meta.png)


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
