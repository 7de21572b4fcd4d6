"""Pictures one after the other: animations and video, frame by frame.

A format that holds them is a :class:`FrameFormat` beside what else it is. Only one
frame is in memory at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zoo.formats import Format, Source
from zoo.images.image import Image

__all__ = ["Canvas", "Clip", "Frame", "FrameFormat", "FrameWriter"]


@dataclass(frozen=True)
class Frame:
    """One picture, and for how many seconds it is shown."""

    image: Image
    duration: Fraction


@dataclass
class Clip:
    """What a file of frames says before them.

    Attributes
    ----------
    width, height : int
        Of all frames.
    count : int or None
        How many frames there are; None where only reading them can tell.
    loops : int
        How often they are shown; 0 for ever.
    rate : Fraction or None
        Frames per second, where it is the same for all.
    frames : iterator of Frame
        Reads one at a time. Raises ImageError.
    facts : dict
        What only the same format understands: how a Y4M file stores colour.
    notes : list of str
        What is left out, for people.
    """

    width: int
    height: int
    count: int | None
    frames: Iterator[Frame]
    loops: int = 0
    rate: Fraction | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class FrameWriter(ABC):
    """Writes frames to an open file."""

    @abstractmethod
    def add(self, frame: Frame) -> None:
        """Write the next frame; all have the size and kind of the first."""

    def close(self) -> None:
        """Complete the file."""
        return


class FrameFormat(Format):
    """A format that can hold more than one picture.

    Attributes
    ----------
    can_seek_only : bool
        Whether the file must be gone back to when it is complete.
    """

    can_seek_only: bool = True

    @abstractmethod
    def clip(self, source: Source, *, damaged: bool = False) -> Clip | None:
        """Open a file; None if it holds one picture, to be read as such.

        Raises
        ------
        ImageError
            The rest of a sentence that begins with the name of the file.
        """

    @abstractmethod
    def frame_writer(
        self, file: IO[bytes], clip: Clip, *, quality: int | None = None
    ) -> FrameWriter:
        """Begin a file.

        Parameters
        ----------
        file : binary file
        clip : Clip
            What was read; its frames are not touched.
        quality : int, optional
            Of lossy formats.
        """


class Canvas:
    """The picture that frames of an animation are painted on, in 8 or 16 bits.

    Parameters
    ----------
    height, width : int
    channels : int
        1 or 3, alpha not counted.
    dtype : dtype
    """

    def __init__(
        self, height: int, width: int, channels: int, dtype: np.dtype[Any]
    ) -> None:
        self.pixels: NDArray[Any] = np.zeros((height, width, channels), dtype)
        self.alpha: NDArray[Any] = np.zeros((height, width), dtype)

    def paint(self, image: Image, top: int, left: int, *, over: bool) -> None:
        """Lay a picture on the canvas: over what is there, or in place of it."""
        rows = slice(top, top + image.height)
        columns = slice(left, left + image.width)
        white = image.white
        color = image.pixels
        if color.shape[2] != self.pixels.shape[2]:
            color = np.repeat(color, self.pixels.shape[2], axis=2)
        alpha = image.alpha
        if alpha is None:
            alpha = np.full(color.shape[:2], white, color.dtype)
        below = self.alpha[rows, columns]
        if over and image.alpha is None:
            over = False
        if over and not ((alpha > 0) & (alpha < white)).any():
            seen = alpha > 0  # as in every GIF: no arithmetic, little memory
            self.pixels[rows, columns][seen] = color[seen]
            below[seen] = alpha[seen]
            return
        if over:
            color, alpha = _over(color, alpha, self.pixels[rows, columns], below)
        self.pixels[rows, columns] = color
        self.alpha[rows, columns] = alpha

    def clear(self, top: int, left: int, height: int, width: int) -> None:
        """Make a part transparent."""
        self.pixels[top : top + height, left : left + width] = 0
        self.alpha[top : top + height, left : left + width] = 0

    def copy(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The state, for :meth:`restore`."""
        return self.pixels.copy(), self.alpha.copy()

    def restore(self, state: tuple[NDArray[Any], NDArray[Any]]) -> None:
        """Go back to a state."""
        self.pixels, self.alpha = state[0].copy(), state[1].copy()

    def image(self, format: str, *, has_alpha: bool) -> Image:
        """What is seen now."""
        alpha = self.alpha.copy() if has_alpha else None
        return Image(self.pixels.copy(), alpha, format)


def _over(
    color: NDArray[Any],
    alpha: NDArray[Any],
    below: NDArray[Any],
    below_alpha: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The operator "over" of Porter and Duff (1984), colour not multiplied by alpha."""
    white = np.float32(np.iinfo(color.dtype).max)
    top = alpha.astype(np.float32) / white
    rest = below_alpha.astype(np.float32) / white * (1 - top)
    total = top + rest
    share = np.divide(top, total, out=np.zeros_like(total), where=total > 0)[..., None]
    mixed = share * color + (1 - share) * below
    # What is opaque stays exactly as it is.
    opaque = (alpha == white)[..., None]
    result = np.where(opaque, color, np.rint(mixed).astype(color.dtype))
    return result, np.rint(total * white).astype(color.dtype)
