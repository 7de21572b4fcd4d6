"""PBM, PGM and PPM, plain and raw, and PAM (Netpbm); PFM, their kind with floats.

A header of a few words, then the samples. Read and written here: OpenCV knows
neither PAM nor every largest value.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size, damage_note, widened

__all__ = ["PFM", "PNM"]

_BLANK = rb"(?:[ \t\r\n\v\f]|#[^\n\r]*[\n\r])+"
_WORD = re.compile(_BLANK + rb"([0-9]{1,10})")
_PFM_HEAD = re.compile(
    rb"P([Ff])\s+([0-9]{1,10})\s+([0-9]{1,10})\s+([-+0-9.eE]{1,30})\s"
)
_PAM_LINE = re.compile(rb"[ \t]*(?:#[^\n]*|([A-Z]+)[ \t]+([^\n]*?)[ \t]*|)\n")
_LONGEST_HEAD = 1 << 16


class _Header(NamedTuple):
    """What the header says; ``start`` is where the samples begin."""

    kind: int
    width: int
    height: int
    depth: int
    most: int
    start: int
    has_alpha: bool = False

    @property
    def bits(self) -> bool:
        """Whether samples are bits, black 1."""
        return self.kind in (1, 4)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples in the file."""
        return np.dtype(">u2" if self.most > 255 else "u1")

    @property
    def size(self) -> int:
        """Bytes of raw samples."""
        if self.kind == 4:
            return -(-self.width // 8) * self.height
        return self.width * self.height * self.depth * self.dtype.itemsize


def _header(data: bytes) -> _Header:
    """Read the header of any of them."""
    if data[:2] == b"P7":
        return _pam_header(data)
    if not re.match(rb"P[1-6]", data):
        raise ImageError("is damaged: its Netpbm header makes no sense")
    kind = data[1] - ord("0")
    numbers, position = [], 2
    for _ in range(2 if kind in (1, 4) else 3):
        match = _WORD.match(data, position, _LONGEST_HEAD)
        if match is None:
            raise ImageError("is damaged: its Netpbm header makes no sense")
        numbers.append(int(match[1]))
        position = match.end()
    most = numbers[2] if len(numbers) == 3 else 1
    depth = 3 if kind in (3, 6) else 1
    return _checked(_Header(kind, numbers[0], numbers[1], depth, most, position + 1))


def _pam_header(data: bytes) -> _Header:
    position, values = 3, dict[bytes, bytes]()
    while True:
        if data[position : position + 7] == b"ENDHDR\n":
            break
        match = _PAM_LINE.match(data, position, _LONGEST_HEAD)
        if match is None:
            raise ImageError("is damaged: its PAM header makes no sense")
        if match[1]:
            values[match[1]] = match[2]
        position = match.end()
    numbers = []
    for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"):
        text = values.get(name, b"")
        if not re.fullmatch(rb"[0-9]{1,10}", text):
            raise ImageError("is damaged: its PAM header makes no sense")
        numbers.append(int(text))
    width, height, depth, most = numbers
    kind = values.get(b"TUPLTYPE", b"").decode("latin-1").upper()
    known = {
        "": depth in (1, 3),
        "BLACKANDWHITE": depth == 1,
        "GRAYSCALE": depth == 1,
        "RGB": depth == 3,
        "BLACKANDWHITE_ALPHA": depth == 2,
        "GRAYSCALE_ALPHA": depth == 2,
        "RGB_ALPHA": depth == 4,
    }
    if not known.get(kind):
        raise ImageError(f"has {depth} channels of a kind that zoo does not read")
    alpha = kind.endswith("_ALPHA")
    return _checked(_Header(7, width, height, depth, most, position + 7, alpha))


def _checked(header: _Header) -> _Header:
    if not 1 <= header.most <= 65535:
        raise ImageError("is damaged: its largest value is not from 1 to 65535")
    return header


class PNM(PictureFormat):
    """PBM, PGM, PPM and PAM; written as PGM or PPM."""

    name = "pnm"
    label = "PPM/PGM/PBM/PAM"
    suffixes = (".ppm", ".pgm", ".pbm", ".pnm", ".pam")
    dtypes = ("uint8", "uint16")
    has_alpha = False

    def recognise(self, head: bytes) -> bool:
        """P and a digit, then a blank."""
        if head[:3] == b"P7\n":
            return True
        return (
            head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n#"
        ) and len(head) > 2

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        """See :class:`zoo.images.picture.PictureFormat`."""
        header = _header(data)
        # A bit takes an eighth of a byte, or a character where it is plain.
        check_size(header.width, header.height, len(data), 8)
        samples, note = _samples(data, header, damaged)
        shape = (header.height, header.width, header.depth)
        values = _widened(samples.reshape(shape), header)
        notes = [note]
        if header.most not in (1, 255, 65535):
            white = np.iinfo(values.dtype).max
            notes.append(f"its largest value {header.most} becomes {white}")
        alpha = None
        if header.has_alpha:
            alpha = np.ascontiguousarray(values[..., -1])
            values = np.ascontiguousarray(values[..., :-1])
        return Image(values, alpha).noted(*notes), 1

    def end(self, data: bytes) -> int | None:
        """See :class:`zoo.images.picture.PictureFormat`."""
        header = _header(data)
        return header.start + header.size if header.kind > 3 else None

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        """See :class:`zoo.images.picture.PictureFormat`."""
        kind = 5 if image.is_gray else 6
        most = np.iinfo(image.dtype).max
        head = f"P{kind}\n{image.width} {image.height}\n{most}\n".encode()
        return head + image.pixels.astype(image.dtype.newbyteorder(">")).tobytes()


def _samples(data: bytes, header: _Header, damaged: bool) -> tuple[NDArray[Any], str]:
    """Samples as they are stored, in one row; and a note on what is missing."""
    if header.kind > 3:
        raw = data[header.start : header.start + header.size]
        missing = header.size - len(raw)
        raw = raw.ljust(header.size, b"\0")
        if header.kind == 4:
            rows = np.frombuffer(raw, np.uint8).reshape(header.height, -1)
            samples = np.unpackbits(rows, axis=1)[:, : header.width].ravel()
        else:
            samples = np.frombuffer(raw, header.dtype)
    else:
        count = header.width * header.height * header.depth
        # Five digits and a blank take a sample; comments are rare.
        text = data[header.start : header.start + 8 * count + _LONGEST_HEAD]
        text = re.sub(rb"#[^\n\r]*", b"", text)
        if header.kind == 1:  # digits need no blanks between them
            words = np.frombuffer(text, np.uint8)
            numbers = words[(words == 48) | (words == 49)].astype(np.int64) - 48
        else:
            parts = text.split(None, count)[:count]
            if any(not part.isdigit() or len(part) > 5 for part in parts):
                raise ImageError("is damaged: its samples are no numbers")
            numbers = np.array(parts, np.int64) if parts else np.zeros(0, np.int64)
        missing = max(0, count - len(numbers))
        samples = np.zeros(count, np.int32)
        samples[: count - missing] = numbers[:count]
    if missing and not damaged:
        raise DamagedError("is truncated")
    if samples.size and samples.max() > header.most:
        raise (
            DamagedError("is damaged: a value is above its largest")
            if (not damaged)
            else ImageError("is damaged: a value is above its largest")
        )
    return samples, damage_note("is truncated") if missing else ""


def _widened(samples: NDArray[Any], header: _Header) -> NDArray[Any]:
    """Samples over the whole range of 8 or 16 bits, black 0."""
    if header.bits:
        return (1 - samples.astype(np.uint8)) * np.uint8(255)
    dtype = np.uint8 if header.most <= 255 else np.uint16
    return widened(samples.astype(dtype), header.most)


class PFM(PictureFormat):
    """Portable float maps: gray or RGB, rows from the bottom."""

    name = "pfm"
    label = "PFM"
    suffixes = (".pfm",)
    dtypes = ("float32",)
    has_alpha = False

    def recognise(self, head: bytes) -> bool:
        """P and an F, then a blank."""
        return head[:2] in (b"PF", b"Pf") and head[2:3] in (b"\n", b"\r", b" ", b"\t")

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        """See :class:`zoo.images.picture.PictureFormat`."""
        match = _PFM_HEAD.match(data)
        if match is None:
            raise ImageError("is damaged: its PFM header makes no sense")
        width, height = int(match[2]), int(match[3])
        channels = 3 if match[1] == b"F" else 1
        try:
            scale = float(match[4])
        except ValueError:
            scale = 0.0
        if scale == 0:
            raise ImageError("is damaged: its PFM header makes no sense")
        check_size(width, height, len(data), 1)
        size = 4 * width * height * channels
        raw = data[match.end() : match.end() + size]
        note = ""
        if len(raw) < size:
            if not damaged:
                raise DamagedError("is truncated")
            note = damage_note("is truncated")
            raw = raw.ljust(size, b"\0")
        values = np.frombuffer(raw, "<f4" if scale < 0 else ">f4")
        pixels = values.reshape(height, width, channels)[::-1].astype(np.float32)
        return Image(np.ascontiguousarray(pixels)).noted(note), 1

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        """See :class:`zoo.images.picture.PictureFormat`."""
        head = f"P{'f' if image.is_gray else 'F'}\n{image.width} {image.height}\n-1.0\n"
        return head.encode() + image.pixels[::-1].astype("<f4").tobytes()
