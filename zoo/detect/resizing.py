"""A picture to the size of a network, and boxes back to the picture."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.images.image import Image
from zoo.net_section import PixelFormat
from zoo.pixels import prepare

__all__ = ["RESIZES", "Fit", "Resize", "fitted", "resize_of"]

Resize = Literal["opencv", "darknet", "letterbox"]
"""Ways to resize.

opencv: bilinear on whole numbers, pixels being areas, sides stretched as needed.
darknet: bilinear on floats, corner pixels onto corner pixels, stretched as well.
letterbox: as darknet with the sides in proportion, and gray (one half) around.
"""

RESIZES: tuple[Resize, ...] = get_args(Resize)

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_GRAY = 0.5


class Fit(NamedTuple):
    """Where the picture stands in the network's input, in parts of its sides."""

    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0

    def back(self, boxes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Boxes x, y, w, h in parts of the input to parts of the picture."""
        x, y, w, h = boxes.astype(np.float64).T
        return np.stack(
            [
                (x - self.left) / self.width,
                (y - self.top) / self.height,
                w / self.width,
                h / self.height,
            ],
            axis=1,
        )


def resize_of(settings: dict[str, Any]) -> Resize:
    """What [net] asks for: letterbox with letter_box=1 or pjreddie's dialect."""
    if settings["letter_box"] or settings["dialect"] == "pjreddie":
        return "letterbox"
    return "opencv"


def fitted(
    image: Image, pixels: PixelFormat, size: tuple[int, int], resize: Resize
) -> tuple[NDArray[np.float32], Fit]:
    """What a network takes of a picture.

    Parameters
    ----------
    image : Image
        Colour becomes gray for a network of one channel, gray becomes colour for one
        of three; alpha is left aside.
    pixels : PixelFormat
    size : tuple of int
        Height and width of the network's input.
    resize : Resize

    Returns
    -------
    x : ndarray, float32, 1 x H x W x C
    fit : Fit

    Raises
    ------
    ShapeError
        If the network takes neither one channel nor three.
    """
    if pixels.channels not in (1, 3):
        raise ShapeError(
            f"the network takes {pixels.channels} channels; a picture has 1 or 3"
        )
    values = _channels(image.pixels, pixels.channels)
    fit = Fit()
    if resize == "opencv":
        resized = cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR)
    elif resize == "darknet":
        resized = stretched(values.astype(np.float32), *size)
    else:
        resized, fit = _letterboxed(values.astype(np.float32), size, image.white)
    x, _ = prepare(resized.reshape(*size, pixels.channels), pixels, float(image.white))
    return x, fit


def _channels(values: NDArray[Any], count: int) -> NDArray[Any]:
    """H x W x 1 or 3 of a type that OpenCV resizes."""
    if values.dtype not in (np.uint8, np.uint16, np.float32):
        values = values.astype(np.float32)
    if values.shape[2] == count:
        return values
    if count == 3:
        return np.repeat(values, 3, axis=2)
    gray = values.astype(np.float32) @ _LUMA
    if values.dtype.kind == "u":
        gray = np.rint(gray)
    return gray.astype(values.dtype)[..., None]


def stretched(values: NDArray[np.float32], height: int, width: int) -> NDArray[Any]:
    """Darknet's ``resize_image``: bilinear, corners onto corners; H x W x C."""
    for axis, length in ((1, width), (0, height)):
        old = values.shape[axis]
        places = np.zeros(length, np.float32)
        if old > 1 and length > 1:
            step = np.float32(old - 1) / np.float32(length - 1)
            places = np.arange(length, dtype=np.float32) * step
        first = np.minimum(places.astype(np.int64), old - 1)
        share = (places - first).astype(np.float32)
        if length:
            first[-1], share[-1] = old - 1, 0
        shape = [1, 1, 1]
        shape[axis] = length
        weight = share.reshape(shape)
        second = np.minimum(first + 1, old - 1)
        values = (1 - weight) * values.take(first, axis) + weight * values.take(
            second, axis
        )
    return values


def _letterboxed(
    values: NDArray[np.float32], size: tuple[int, int], white: float
) -> tuple[NDArray[np.float32], Fit]:
    """Darknet's ``letterbox_image``."""
    height, width = size
    rows, columns = values.shape[:2]
    if width / columns < height / rows:
        new_width, new_height = width, max(1, rows * width // columns)
    else:
        new_width, new_height = max(1, columns * height // rows), height
    top, left = (height - new_height) // 2, (width - new_width) // 2
    full = np.full((height, width, values.shape[2]), _GRAY * white, np.float32)
    full[top : top + new_height, left : left + new_width] = stretched(
        values, new_height, new_width
    )
    # As correct_yolo_boxes has it: half of the border, though it is a whole pixel.
    fit = Fit(
        (width - new_width) / 2 / width,
        (height - new_height) / 2 / height,
        new_width / width,
        new_height / height,
    )
    return full, fit
