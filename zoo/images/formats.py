"""The file formats: their endings, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from zoo.errors import ImageError
from zoo.images.image import Image

__all__ = ["FORMATS", "SUFFIXES", "Format", "check_fits", "format_of", "sniff"]


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes
    ----------
    name : str
        As given to ``--format``.
    suffixes : tuple of str
        Endings of file names, the usual one first.
    dtypes : tuple of str
        Types of pixels that it holds.
    has_alpha : bool
    max_side : int
        Largest width and height that a file can have.
    max_bytes : int
        Most bytes of pixels, not compressed.
    """

    name: str
    suffixes: tuple[str, ...]
    dtypes: tuple[str, ...]
    has_alpha: bool
    max_side: int
    max_bytes: int = 2**63 - 1


FORMATS: dict[str, Format] = {
    item.name: item
    for item in (
        Format("png", (".png",), ("uint8", "uint16"), True, 2**31 - 1),
        Format("jpg", (".jpg", ".jpeg", ".jpe", ".jfif"), ("uint8",), False, 65500),
        Format("webp", (".webp",), ("uint8",), True, 16383),
        Format(
            "tiff", (".tiff", ".tif"), ("uint8", "uint16", "float32"), True, 2**31 - 1
        ),
        # The header holds the length of the file; OpenCV counts in 31 bits.
        Format("bmp", (".bmp", ".dib"), ("uint8",), True, 2**31 - 1, 2**31 - 2**16),
    )
}
"""Every format that is read and written, by name."""

SUFFIXES: dict[str, str] = {
    suffix: item.name for item in FORMATS.values() for suffix in item.suffixes
}
"""Format of every ending of a file name, in lower case."""


def format_of(path: str | PurePath) -> str | None:
    """Format that a file's name stands for, or None."""
    return SUFFIXES.get(PurePath(path).suffix.lower())


def sniff(data: bytes) -> str | None:
    """Format of a file by its first bytes, or None if it is no known picture."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if data.startswith(b"BM"):
        return "bmp"
    return None


def check_fits(image: Image, name: str, height: int, width: int) -> None:
    """Refuse a format that cannot hold a picture of this kind and size.

    Parameters
    ----------
    image : Image
        Its type and alpha count, not its size.
    name : str
        The format to be written.
    height, width : int
        Of the picture to be written.

    Raises
    ------
    ImageError
        With the formats that can hold it.
    """
    reasons = {item: _misfit(image, FORMATS[item], height, width) for item in FORMATS}
    if reasons[name]:
        able = [item for item, reason in reasons.items() if not reason]
        raise ImageError(
            f"{name} cannot hold {reasons[name]}; choose "
            f"{' or '.join(able)} (-f, or the ending of -o)"
        )


def _misfit(image: Image, target: Format, height: int, width: int) -> str:
    """What of a picture a format cannot hold, or an empty text."""
    if image.dtype.name not in target.dtypes:
        return {"uint16": "16-bit pixels", "float32": "floating-point pixels"}[
            image.dtype.name
        ]
    if image.alpha is not None and not target.has_alpha:
        return "transparency"
    if max(height, width) > target.max_side:
        return f"{width}x{height} pixels (at most {target.max_side} a side)"
    samples = 4 if image.alpha is not None else 1 if image.is_gray else 3
    if height * width * samples * image.dtype.itemsize > target.max_bytes:
        return f"{width}x{height} pixels (at most {target.max_bytes / 1e9:.1f} GB)"
    return ""
