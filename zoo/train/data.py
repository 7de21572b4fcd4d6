"""Training pictures: pairs of low- and high-resolution patches.

Low resolution is made from high resolution by MATLAB's bicubic, as in the
published recipes (EDSR, section 4.1), once per picture; patches are cut at
random, flipped and turned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ImageError, UsageError
from zoo.evaluate.pairs import Pair, Pixels, cropped, low_and_high
from zoo.images import pictures_in

__all__ = ["PatchSampler", "load_pairs", "picture_files"]


def picture_files(folders: Sequence[str | Path]) -> list[Path]:
    """All pictures in folders and what is below them, sorted.

    Raises
    ------
    UsageError
        If a folder does not exist, or none holds a picture.
    """
    files: list[Path] = []
    for folder in map(Path, folders):
        if folder.is_file():
            files.append(folder)
        elif folder.is_dir():
            files += pictures_in(folder, recursive=True)
        else:
            raise UsageError(f"there is no folder {str(folder)!r} of pictures")
    if not files:
        raise UsageError(f"there is no picture in {', '.join(map(str, folders))}")
    return files


def load_pairs(
    files: Sequence[Path],
    scale: int,
    read: Callable[[Path], Pixels],
    patch: int = 1,
    report: Callable[[str], None] | None = None,
) -> list[Pair]:
    """Read pictures, crop them to multiples of the scale, and make them small.

    Parameters
    ----------
    files : sequence of Path
    scale : int
    read : callable
        Gives a file's pixels, H x W x 3 uint8 RGB.
    patch : int
        Side of the low-resolution patches; smaller pictures are left out.
    report : callable, optional
        Told of pictures that are left out, in one sentence each: those that cannot
        be read, and those that are smaller than a patch.

    Raises
    ------
    UsageError
        If no picture is left.
    """
    say = report or (lambda text: None)
    pairs, unread = [], 0
    for path in files:
        try:
            high = cropped(read(path), scale)
        except ImageError as error:
            say(f"{error}; left out")
            unread += 1
            continue
        if min(high.shape[:2]) < patch * scale:
            say(f"{path}: smaller than a patch of {patch * scale}; left out")
            continue
        pairs.append(Pair(path.name, *low_and_high(high, scale)))
    if not pairs and unread:
        raise UsageError(
            f"no picture is left: {unread} of {len(files)} cannot be read, and the "
            f"others are smaller than a patch of {patch * scale}"
        )
    if not pairs:
        raise UsageError(
            f"every picture is smaller than a patch of {patch * scale} x "
            f"{patch * scale}; choose a smaller one"
        )
    return pairs


class PatchSampler:
    """Draws batches of patches; exactly repeatable from its state.

    Each picture is drawn in proportion to its number of pixels, so that every
    patch of the collection is about equally likely.

    Parameters
    ----------
    pairs : sequence of Pair
    scale : int
    patch : int
        Side of a low-resolution patch, in pixels.
    batch : int
        Patches drawn at a time.
    seed : int
    augment : bool
        Flip and turn by multiples of 90 degrees.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        scale: int,
        patch: int,
        batch: int,
        seed: int = 0,
        augment: bool = True,
    ) -> None:
        self.pairs = list(pairs)
        self.scale, self.patch, self.batch = scale, patch, batch
        self.augment = augment
        self.rng = np.random.default_rng(seed)
        pixels = np.array([pair.low.size for pair in self.pairs], dtype=np.float64)
        self._bounds = np.cumsum(pixels) / pixels.sum()

    @property
    def state(self) -> dict[str, Any]:
        """State of the random numbers, plain values for JSON."""
        return dict(self.rng.bit_generator.state)

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        self.rng.bit_generator.state = value

    def draw(self) -> tuple[Pixels, Pixels]:
        """Return low- and high-resolution patches, N x P x P x 3 and N x rP x rP x 3."""
        side, large = self.patch, self.patch * self.scale
        low = np.empty((self.batch, side, side, 3), np.uint8)
        high = np.empty((self.batch, large, large, 3), np.uint8)
        for n in range(self.batch):
            which = np.searchsorted(self._bounds, self.rng.random(), side="right")
            pair = self.pairs[min(int(which), len(self.pairs) - 1)]
            y = int(self.rng.integers(pair.low.shape[0] - side + 1))
            x = int(self.rng.integers(pair.low.shape[1] - side + 1))
            turn = int(self.rng.integers(8)) if self.augment else 0
            top, left = y * self.scale, x * self.scale
            low[n] = _turned(pair.low[y : y + side, x : x + side], turn)
            high[n] = _turned(pair.high[top : top + large, left : left + large], turn)
        return low, high


def _turned(image: Pixels, turn: int) -> Pixels:
    """One of the eight symmetries of the square."""
    if turn & 4:
        image = image.transpose(1, 0, 2)
    if turn & 2:
        image = image[::-1]
    return image[:, ::-1] if turn & 1 else image
