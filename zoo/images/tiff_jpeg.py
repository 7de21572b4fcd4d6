"""JPEG inside TIFF: every strip or tile is a JPEG file without its tables.

TIFF Technical Note 2. The tables stand once in the tag JPEGTables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images import codec, jpeg
from zoo.images.broken import Broken

__all__ = ["decode"]

_START = b"\xff\xd8"
_END = b"\xff\xd9"
# Adobe's marker is what decoders believe of the colour: 0 as it is, 1 YCbCr.
_ADOBE = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0"


def decode(
    data: bytes, tables: bytes, *, is_ycbcr: bool, shape: tuple[int, int, int]
) -> NDArray[Any]:
    """Decode a strip or tile.

    Parameters
    ----------
    data : bytes
    tables : bytes
        The tag JPEGTables, or empty.
    is_ycbcr : bool
        Whether three components are YCbCr, not RGB.
    shape : tuple of int
        Rows, columns and channels that are wanted; what is stored may be larger.

    Returns
    -------
    ndarray, uint8, rows x columns x channels
        In the order R, G, B.

    Raises
    ------
    Broken
        With the pixels as far as they could be decoded.
    """
    rows, columns, depth = shape
    whole = _START
    if depth == 3:
        whole += _ADOBE + bytes((int(is_ycbcr),))
    whole += tables.removeprefix(_START).removesuffix(_END)
    whole += data.removeprefix(_START)
    if not whole.endswith(_END):
        whole += _END
    try:
        header = jpeg.read_header(whole)
        fits = (header.height, header.width) >= (rows, columns)
        if not fits or header.components != depth or header.width < columns:
            raise Broken(b"", "a strip or tile of JPEG has another size than is said")
        if header.width * header.height > 4 * max(rows * columns, 1 << 16):
            raise Broken(b"", "a strip or tile of JPEG is larger than is said")
        pixels, complaint = codec.examine(whole)
    except ImageError as error:
        raise Broken(b"", str(error).removeprefix("is damaged: ")) from None
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[:2] != (header.height, header.width) or pixels.shape[2] != depth:
        raise Broken(b"", "a strip or tile of JPEG makes no sense")
    block = np.ascontiguousarray(pixels[:rows, :columns, ::-1])
    if complaint:
        raise Broken(block.tobytes(), complaint)
    return block
