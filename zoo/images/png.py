"""PNG files, of one picture or animated."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.formats import Source
from zoo.images import apng, exif, png_rows
from zoo.images.frames import Clip, FrameFormat, FrameWriter
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size, damage_note, written_metadata
from zoo.images.png_chunks import (
    MAX_RATIO,
    SIGNATURE,
    Header,
    all_chunks,
    chunks,
    is_animated,
    read_header,
)
from zoo.images.png_metadata import dropped, has_metadata, metadata
from zoo.images.png_repair import repaired

__all__ = ["PNG"]

_RATIO = 8 * MAX_RATIO  # pixels of one bit


class PNG(PictureFormat, FrameFormat):
    """PNG files, of 8 and 16 bits; animations too."""

    name = "png"
    rank = 0
    label = "PNG"
    suffixes = (".png",)
    dtypes = ("uint8", "uint16")
    keeps = ("exif", "icc", "xmp", "dpi", "png", "comments")

    def recognise(self, head: bytes) -> bool:
        return head.startswith(SIGNATURE)

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
        image = None if note else png_rows.decoded(data, header)
        if image is None:
            image, fault = _by_opencv(data, header, damaged=damaged)
            note = note or fault
        meta = metadata(data)
        image = replace(image, metadata=meta).noted(note, dropped(data))
        return image, exif.orientation(meta.exif)

    def end(self, data: bytes) -> int:
        """See :class:`zoo.images.picture.PictureFormat`."""
        for position, kind, body, _ in all_chunks(data):
            if kind == b"IEND":
                return position + 12 + len(body)
        return len(data)

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        return _encoded(image, meta)

    def write(self, file: IO[bytes], item: Any, *, quality: int | None = None) -> None:
        """See :class:`zoo.formats.Format`; the file is never whole in memory."""
        size = item.height, item.width
        self.require_fit(item, size)
        png_rows.write(file, item, written_metadata(item, size))

    def clip(self, source: Source, *, damaged: bool = False) -> Clip | None:
        """See :class:`zoo.images.frames.FrameFormat`."""
        data = source.content()
        if not is_animated(data):
            return None
        clip = apng.clip_of(chunks(data), self.decode)
        if clip is not None and has_metadata(metadata(data)):
            clip.notes.append("the metadata of the animation are left out")
        return clip

    def frame_writer(
        self, file: IO[bytes], clip: Clip, *, quality: int | None = None
    ) -> FrameWriter:
        """See :class:`zoo.images.frames.FrameFormat`."""
        return apng.Writer(file, clip, _encoded, chunks)


def _encoded(image: Image, meta: Metadata | None = None) -> bytes:
    file = io.BytesIO()
    png_rows.write(file, image, meta or Metadata())
    return file.getvalue()


def _by_opencv(data: bytes, header: Header, *, damaged: bool) -> tuple[Image, str]:
    """Palettes, single bits, interlaced and damaged pictures; what is wrong with it."""
    from zoo.images import codec

    note = ""
    try:
        pixels, _ = codec.decode(data)
    except ImageError as error:
        if not damaged:
            raise DamagedError(str(error)) from None
        note = damage_note(str(error))
        pixels, _ = codec.decode(repaired(data), damaged=True)
    pixels = codec.checked(pixels, header.width, header.height)
    if header.gray_key is not None and pixels.ndim == 2:
        # OpenCV does not see this kind of transparency.
        alpha = gray_alpha(pixels, header.gray_key, header.depth)
        pixels = np.dstack([pixels, alpha])
    return codec.from_opencv(pixels, is_gray=header.color in (0, 4)), note


def gray_alpha(pixels: NDArray[Any], key: int, depth: int) -> NDArray[Any]:
    """Alpha of gray pixels (H x W, widened to 8 bits if fewer) from a tRNS key."""
    if depth < 8:
        key *= 255 // (2**depth - 1)
    white = np.iinfo(pixels.dtype).max
    return np.where(pixels == key, 0, white).astype(pixels.dtype)
