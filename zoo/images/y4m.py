"""YUV4MPEG2, the stream of raw video that ffmpeg and others pipe.

A line of parameters, then for every frame a line and the planes Y, Cb, Cr. Values
are of BT.601, or of BT.709 above 576 rows, in the narrow range unless the header
says that it is full; what goes out is stored as what came in, so that a player or an
encoder behind it sees the same colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.formats import Source
from zoo.images.frames import Clip, Frame, FrameFormat, FrameWriter
from zoo.images.image import Image
from zoo.images.picture import check_size

__all__ = ["Y4M"]

_MAGIC = b"YUV4MPEG2"
_LONGEST_LINE = 4096
_PIECE = 1 << 22
_RATE = Fraction(25)
_KIND = re.compile(
    r"(420jpeg|420mpeg2|420paldv|420|422|444alpha|444|411|mono)(?:p?(9|10|12|14|16))?"
)
# Horizontal and vertical steps between samples of colour.
_STEPS = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "411": (4, 1)}


@dataclass(frozen=True)
class _PixelFormat:
    """How colour is stored.

    Attributes
    ----------
    name : str
        Of the header: "420jpeg", "444p10".
    steps : tuple of int or None
        Horizontal and vertical; None for gray.
    is_centred : bool
        Whether a sample of colour lies in the middle of its pixels, not above the
        left ones.
    bits : int
    is_full : bool
        Values from 0 to 2^bits - 1, not from 16 to 235 times 2^(bits - 8).
    red, blue : float
        What they give to the luma.
    """

    name: str
    steps: tuple[int, int] | None
    is_centred: bool
    bits: int
    is_full: bool
    red: float
    blue: float

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return np.dtype("u1" if self.bits == 8 else "<u2")

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of the planes."""
        planes = [(height, width)]
        if self.steps is not None:
            across, down = self.steps
            planes += [(-(-height // down), -(-width // across))] * 2
        return planes

    def bytes_of(self, height: int, width: int) -> int:
        """Of a frame."""
        samples = sum(rows * columns for rows, columns in self.sizes(height, width))
        return samples * self.dtype.itemsize


def _pixel_format(name: str, is_full: bool, height: int) -> _PixelFormat:
    match = _KIND.fullmatch(name)
    if match is None:
        raise ImageError(f"stores colour as {name[:20]!r}, which zoo does not read")
    kind, bits = match[1], int(match[2] or 8)
    if kind == "444alpha":
        raise ImageError("has transparency, which zoo does not read in Y4M")
    red, blue = (0.2126, 0.0722) if height > 576 else (0.299, 0.114)
    steps = None if kind == "mono" else _STEPS[kind[:3]]
    centred = kind in ("420", "420jpeg")
    return _PixelFormat(name, steps, centred, bits, is_full, red, blue)


class Y4M(FrameFormat):
    """YUV4MPEG2 video: planar, progressive, 8 to 16 bits."""

    name = "y4m"
    label = "Y4M"
    kind = "video"
    suffixes = (".y4m",)
    can_seek_only = False

    def recognise(self, head: bytes) -> bool:
        """Whether it begins with the magic word."""
        return head.startswith(_MAGIC)

    def read(self, source: Source, *, damaged: bool = False) -> Any:
        """Not done: a video is read frame by frame."""
        raise ImageError("is a video; it is read frame by frame")

    def write(self, file: IO[bytes], item: Any, *, quality: int | None = None) -> None:
        """Not done: a video is written frame by frame."""
        raise ImageError("y4m holds video; give a format of pictures")

    def misfit(self, item: Any, size: tuple[int, ...]) -> str:
        """See :class:`zoo.formats.Format`; alpha has no place in it."""
        if not isinstance(item, Image):
            return "a volume"
        if item.alpha is not None:
            return "transparency"
        return ""

    def clip(self, source: Source, *, damaged: bool = False) -> Clip:
        """See :class:`zoo.images.frames.FrameFormat`."""
        line = source.file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise ImageError("is damaged: its header does not end")
        values: dict[str, str] = {}
        extra: list[str] = []
        for word in line.decode("latin-1").split()[1:]:
            if word[0] == "X":
                extra.append(word[1:])
            else:
                values.setdefault(word[0], word[1:])
        width, height = (_number(values.get(key, "")) for key in "WH")
        rate = _ratio(values.get("F", "")) or _RATE
        if values.get("I", "p") not in ("p", "?"):
            raise ImageError("is interlaced; deinterlace it first (ffmpeg -vf yadif)")
        is_full = any(word.upper() == "COLORRANGE=FULL" for word in extra)
        format = _pixel_format(values.get("C", "420"), is_full, height)
        frame = format.bytes_of(height, width)
        # One frame of the file must be there before so much is believed.
        check_size(width, height, source.size or 2**62, 1)
        count = None
        if source.size is not None:
            # Parameters of frames are as good as never used.
            count = max(0, source.size - len(line)) // (frame + len(b"FRAME\n"))
        facts = {
            "pixel_format": format,
            "aspect": values.get("A", "1:1"),
            "extra": extra,
        }
        frames = _frames(source.file, format, height, width, 1 / rate, damaged)
        return Clip(width, height, count, frames, 0, rate, facts)

    def frame_writer(
        self, file: IO[bytes], clip: Clip, *, quality: int | None = None
    ) -> FrameWriter:
        """See :class:`zoo.images.frames.FrameFormat`."""
        return _Writer(file, clip)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ImageError("is damaged: its header states no size")
    return int(text)


def _ratio(text: str) -> Fraction | None:
    match = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", text)
    if match is None or int(match[1]) == 0 or int(match[2]) == 0:
        return None
    return Fraction(int(match[1]), int(match[2]))


def _frames(
    file: IO[bytes],
    format: _PixelFormat,
    height: int,
    width: int,
    duration: Fraction,
    damaged: bool,
) -> Iterator[Frame]:
    size = format.bytes_of(height, width)
    while line := file.readline(_LONGEST_LINE):
        if not line.startswith(b"FRAME") or not line.endswith(b"\n"):
            raise DamagedError("is damaged: a frame does not begin with FRAME")
        data = _read(file, size)
        if len(data) < size:
            if damaged:
                return
            raise DamagedError("is truncated in the middle of a frame")
        yield Frame(_picture(data, format, height, width), duration)


def _read(file: IO[bytes], size: int) -> bytes:
    """So many bytes, or what there is; no more memory than that takes."""
    parts, left = [], size
    while left:
        part = file.read(min(left, _PIECE))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _picture(data: bytes, format: _PixelFormat, height: int, width: int) -> Image:
    """A frame as R, G, B floats of white 1, neither rounded nor clipped."""
    planes, start = [], 0
    for rows, columns in format.sizes(height, width):
        count = rows * columns
        values = np.frombuffer(data, format.dtype, count, start)
        start += count * format.dtype.itemsize
        planes.append(values.reshape(rows, columns).astype(np.float32))
    unit = np.float32(2.0 ** (format.bits - 8))
    offset, luma_range, chroma_range = _ranges(format)
    luma = (planes[0] - offset) / luma_range
    if format.steps is None:
        return Image(luma[..., None], None, "y4m")
    middle = np.float32(128) * unit
    blue, red = (
        _enlarged((plane - middle) / chroma_range, height, width, format)
        for plane in planes[1:]
    )
    # Y = Kr R + Kg G + Kb B, Cb = (B - Y) / (2 - 2 Kb), Cr = (R - Y) / (2 - 2 Kr).
    r = luma + np.float32(2 - 2 * format.red) * red
    b = luma + np.float32(2 - 2 * format.blue) * blue
    green = 1 - format.red - format.blue
    g = (luma - np.float32(format.red) * r - np.float32(format.blue) * b) / np.float32(
        green
    )
    return Image(np.dstack([r, g, b]), None, "y4m")


def _ranges(format: _PixelFormat) -> tuple[np.float32, np.float32, np.float32]:
    """Black, and the lengths of the ranges of luma and of chroma."""
    if format.is_full:
        whole = np.float32(2**format.bits - 1)
        return np.float32(0), whole, whole
    unit = 2.0 ** (format.bits - 8)
    return np.float32(16 * unit), np.float32(219 * unit), np.float32(224 * unit)


def _enlarged(
    plane: NDArray[np.float32], height: int, width: int, format: _PixelFormat
) -> NDArray[np.float32]:
    """Colour at every pixel, bicubic, from where its samples lie."""
    assert format.steps is not None
    across, down = format.steps
    if (across, down) == (1, 1):
        return plane
    left = (1 / across - 1) / 2 if format.is_centred else 0.0
    above = (1 / down - 1) / 2
    matrix = np.array([[1 / across, 0, left], [0, 1 / down, above]], np.float64)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(
            plane, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        ),
        np.float32,
    )


def _reduced(plane: NDArray[np.float32], format: _PixelFormat) -> NDArray[np.float32]:
    """Means of the pixels around the places where samples of colour lie."""
    assert format.steps is not None
    across, down = format.steps
    height, width = plane.shape
    high, wide = -(-height // down) * down, -(-width // across) * across
    plane = np.pad(plane, ((0, high - height), (0, wide - width)), "edge")
    plane = plane.reshape(high // down, down, wide).mean(axis=1)
    if across == 1:
        return plane
    if format.is_centred:
        return np.asarray(plane.reshape(len(plane), -1, across).mean(axis=2))
    # Above the left pixel: a triangle as wide as the step, on both sides.
    wide_plane = np.pad(plane, ((0, 0), (across - 1, across - 1)), "edge")
    weights = across - np.abs(np.arange(1 - across, across))
    count = plane.shape[1] // across
    total = sum(
        np.float32(weight) * wide_plane[:, k : k + (count - 1) * across + 1 : across]
        for k, weight in enumerate(weights)
    )
    return np.asarray(total / np.float32(across**2), np.float32)


class _Writer(FrameWriter):
    """Writes frames as the clip that they come from stores them."""

    def __init__(self, file: IO[bytes], clip: Clip) -> None:
        self._file = file
        self._clip = clip
        self._format: _PixelFormat | None = clip.facts.get("pixel_format")
        self._has_begun = False

    def add(self, frame: Frame) -> None:
        image = frame.image
        format = self._format
        if format is None:  # an animation: nothing is lost of its colours
            format = _pixel_format(
                "mono" if image.is_gray else "444", False, image.height
            )
            self._format = format
        if not self._has_begun:
            self._has_begun = True
            self._file.write(self._header(frame, format))
        self._file.write(b"FRAME\n" + _planes(image, format))
        self._file.flush()

    def _header(self, frame: Frame, format: _PixelFormat) -> bytes:
        rate = self._clip.rate or 1 / max(frame.duration, Fraction(1, 1000))
        extra = [word for word in self._clip.facts.get("extra", ())]
        words = [
            _MAGIC.decode(),
            f"W{frame.image.width}",
            f"H{frame.image.height}",
            f"F{rate.numerator}:{rate.denominator}",
            "Ip",
            f"A{self._clip.facts.get('aspect', '1:1')}",
            f"C{format.name}",
            *(f"X{word}" for word in extra),
        ]
        return " ".join(words).encode("latin-1") + b"\n"


def _planes(image: Image, format: _PixelFormat) -> bytes:
    """The bytes of a frame."""
    color = image.pixels.astype(np.float32) / np.float32(image.white)
    offset, luma_range, chroma_range = _ranges(format)
    if color.shape[2] == 1:
        luma, differences = color[..., 0], []
        if format.steps is not None:
            differences = [np.zeros_like(luma)] * 2
    else:
        r, g, b = np.moveaxis(color, 2, 0)
        green = np.float32(1 - format.red - format.blue)
        luma = np.float32(format.red) * r + green * g + np.float32(format.blue) * b
        differences = [
            (b - luma) / np.float32(2 - 2 * format.blue),
            (r - luma) / np.float32(2 - 2 * format.red),
        ]
        if format.steps is None:
            differences = []
    middle = np.float32(128 * 2.0 ** (format.bits - 8))
    planes = [luma * luma_range + offset]
    planes += [_reduced(plane, format) * chroma_range + middle for plane in differences]
    most = 2**format.bits - 1
    return b"".join(
        np.clip(np.rint(plane), 0, most).astype(format.dtype).tobytes()
        for plane in planes
    )
