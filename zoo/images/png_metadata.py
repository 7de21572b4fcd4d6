"""What the chunks of PNG files say beside the pixels."""

from __future__ import annotations

import struct
import zlib

from zoo.images.image import Metadata
from zoo.images.png_chunks import SIGNATURE, chunk, chunks

__all__ = ["dropped", "embed", "has_metadata", "metadata"]

_CARRIED = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tEXt", b"zTXt"}
_XMP = b"XML:com.adobe.xmp\0"
_MAX_PROFILE = 1 << 24
_METERS_PER_INCH = 0.0254
# Offset, scales, stereo layout: they are of the size that the picture had.
_OF_SIZE = (b"oFFs", b"sCAL", b"pCAL", b"sTER")
_RAW_PROFILES = tuple(
    b"Raw profile type " + name for name in (b"exif", b"APP1", b"xmp")
)


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
    after_header = len(SIGNATURE) + 25
    body = b"".join(chunk(kind, content) for kind, content in added)
    if not body:
        return data
    whole = memoryview(data)
    return b"".join((whole[:after_header], body, whole[after_header:]))


def dropped(data: bytes) -> str:
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


def has_metadata(meta: Metadata) -> bool:
    return bool(meta.exif or meta.icc or meta.xmp or meta.png)


def _is_raw_profile(kind: bytes, body: bytes) -> bool:
    """Whether a text is a profile that would say how the picture stood before."""
    return kind in (b"tEXt", b"zTXt") and body.startswith(_RAW_PROFILES)


def _inflate(data: bytes) -> bytes:
    """Decompress a profile; nothing if it is damaged or huge."""
    stream = zlib.decompressobj()
    try:
        result = stream.decompress(data, _MAX_PROFILE)
    except zlib.error:
        return b""
    return result if stream.eof else b""
