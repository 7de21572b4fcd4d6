"""Training pictures: pairs of low- and high-resolution patches.

Low resolution is made from high resolution by MATLAB's bicubic, as in the
published recipes (EDSR, section 4.1), once per picture; patches are cut at
random, flipped and turned, and made worse as the recipe says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from zoo.degradation.degradation import Box, Degradation
from zoo.errors import ImageError, ShapeError, UsageError
from zoo.evaluate.datasets import PictureSet
from zoo.evaluate.pairs import Pair, Pixels, read_pair
from zoo.evaluate.volumes import is_volume, slice_pairs
from zoo.pixels import quantize, white_of

__all__ = ["PatchSampler", "hold_out", "load_pairs"]

_HELD_OUT = 8
_LEAST_ROWS = 2  # beside the border that the protocol cuts off
# A patch of a volume shows something if a quarter of it is no background.
_FOREGROUND, _TRIES = 0.25, 20
_NOTHING = Degradation()
_AROUND = 64  # pixels around a patch that its degradation may look at; units of JPEG
_ALPHA = 1.2


def load_pairs(
    sets: Sequence[PictureSet],
    scale: int,
    read: Callable[[Path], Pixels],
    patch: int = 1,
    report: Callable[[str], None] | None = None,
) -> list[Pair]:
    """Read pictures, crop them to multiples of the scale, and make them small.

    Parameters
    ----------
    sets : sequence of PictureSet
        Small pictures that they bring are taken as they are.
    scale : int
    read : callable
        Gives a file's pixels, H x W x 3, RGB. Volumes are cut into slices.
    patch : int
        Side of the low-resolution patches; smaller pictures are left out.
    report : callable, optional
        Told of pictures that are left out, in one sentence each: those that cannot
        be read, those whose small picture does not fit, and those that are smaller
        than a patch.

    Raises
    ------
    UsageError
        If no picture is left.
    """
    say = report or (lambda text: None)
    pairs, unread, count = [], 0, 0
    for pictures in sets:
        if pictures.note:
            say(pictures.note)
        count += len(pictures)
        for path, small, name in zip(
            pictures.high, pictures.low, pictures.names, strict=True
        ):
            try:
                if is_volume(path):
                    found = list(slice_pairs(path, scale, least=patch))
                    pairs += found
                    if not found:
                        say(f"{path}: no slice shows enough; left out")
                    continue
                pair = read_pair(name, path, small, scale, read)
            except ImageError as error:
                say(f"{error}; left out")
                unread += 1
                continue
            except ShapeError:
                pair = None
            if pair is None or min(pair.low.shape[:2]) < patch:
                say(f"{path}: smaller than a patch of {patch * scale}; left out")
                continue
            pairs.append(pair)
    if not pairs and unread:
        raise UsageError(
            f"no picture is left: {unread} of {count} cannot be read, and the "
            f"others are smaller than a patch of {patch * scale}"
        )
    if not pairs:
        raise UsageError(
            f"every picture is smaller than a patch of {patch * scale} x "
            f"{patch * scale}; choose a smaller one"
        )
    return pairs


def _digest(name: str) -> bytes:
    """A hash of a name, which may be no UTF-8."""
    return sha256(name.encode("utf-8", "surrogateescape")).digest()


def hold_out(
    pairs: Sequence[Pair], scale: int, patch: int
) -> tuple[list[Pair], list[Pair]]:
    """Pictures to learn from, and a few that are kept to be measured on.

    A tenth of the pictures, at most eight, chosen by a hash of their names, so that
    the same ones are kept when the run goes on; of slices of volumes a block of a
    tenth; of a single picture its last quarter.

    Raises
    ------
    UsageError
        If a single picture is too small for both.
    """
    if len(pairs) > 2 and all(pair.floor is not None for pair in pairs):
        # Neighbouring slices are alike: a block of them is kept.
        first, last = 6 * len(pairs) // 10, 7 * len(pairs) // 10 + 1
        return [*pairs[:first], *pairs[last:]], list(pairs[first:last])
    if len(pairs) > 1:
        count = min(_HELD_OUT, max(1, len(pairs) // 10))
        order = sorted(pairs, key=lambda pair: _digest(pair.name))
        kept = order[:count]
        return [pair for pair in pairs if pair not in kept], kept
    (pair,) = pairs
    rows = pair.low.shape[0] - pair.low.shape[0] // 4
    below = pair.low.shape[0] - rows
    if rows < patch or below * scale <= 2 * scale + _LEAST_ROWS:
        raise UsageError(
            f"the one picture {pair.name} is too small to learn from and to be "
            f"measured on; give others with --validate FOLDER"
        )
    top = Pair(pair.name, pair.low[:rows], pair.high[: rows * scale])
    rest = Pair(
        f"the last quarter of {pair.name}",
        pair.low[rows:],
        pair.high[rows * scale :],
    )
    return [top], [rest]


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
    degradation : Degradation
        What happens to the small patches.
    permute_share : float
        Share of the patches whose colours change places, before the degradation.
    blend_share : float
        Share of the patches that become l p + (1 - l) q, small and large alike, q
        being the one before it in the batch and l from Beta(1.2, 1.2): mixup as in
        Yoo et al., Rethinking Data Augmentation for Image Super-resolution, 2020.
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
        degradation: Degradation = _NOTHING,
        permute_share: float = 0.0,
        blend_share: float = 0.0,
    ) -> None:
        self.degradation = degradation
        self.permute_share, self.blend_share = permute_share, blend_share
        self.pairs = list(pairs)
        self.scale, self.patch, self.batch = scale, patch, batch
        self.augment = augment
        self.rng = np.random.default_rng(seed)
        pixels = np.array([pair.low.size for pair in self.pairs], dtype=np.float64)
        self._bounds = np.cumsum(pixels) / pixels.sum()
        kinds = {pair.low.dtype for pair in self.pairs}
        # Pictures of several types meet as floats, whose white is 1.
        self._dtype = kinds.pop() if len(kinds) == 1 else np.dtype(np.float32)

    @property
    def state(self) -> dict[str, Any]:
        """State of the random numbers, plain values for JSON."""
        return dict(self.rng.bit_generator.state)

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        self.rng.bit_generator.state = value

    def draw(self) -> tuple[Pixels, Pixels]:
        """Return low- and high-resolution patches, N x P x P x 3 and N x rP x rP x 3.

        In the type of the pictures; floats from 0 to 1 if they have several.
        """
        side, large = self.patch, self.patch * self.scale
        low = np.empty((self.batch, side, side, 3), self._dtype)
        high = np.empty((self.batch, large, large, 3), self._dtype)
        for n in range(self.batch):
            which = np.searchsorted(self._bounds, self.rng.random(), side="right")
            pair = self.pairs[min(int(which), len(self.pairs) - 1)]
            y, x = self._place(pair)
            turn = int(self.rng.integers(8)) if self.augment else 0
            box = _turned_box(Box(y, x, side, side), pair.low, turn)
            small, big = _turned(pair.low, turn), _turned(pair.high, turn)
            if self.permute_share and self.rng.random() < self.permute_share:
                around = box.grown(_AROUND, _AROUND, small)
                order = self.rng.permutation(3)
                big = around.times(self.scale).of(big)[..., order]
                small = around.of(small)[..., order]
                box = box.within(around)
            part = box.of(small)
            if self.degradation:
                part = self.degradation.apply(small, big, box, self.rng)
            low[n] = self._in_common(part)
            high[n] = self._in_common(box.times(self.scale).of(big))
        if self.blend_share:
            self._blend(low, high)
        return low, high

    def _blend(self, low: Pixels, high: Pixels) -> None:
        """Mix a share of the patches with the one before, in place."""
        plain = low.copy(), high.copy()
        for n in range(self.batch):
            if self.rng.random() < self.blend_share:
                part = self.rng.beta(_ALPHA, _ALPHA)
                for patches, before in zip((low, high), plain, strict=True):
                    mixed = part * before[n] + (1 - part) * before[n - 1]
                    patches[n] = quantize(mixed.astype(np.float32), self._dtype)

    def _place(self, pair: Pair) -> tuple[int, int]:
        """Where a patch begins; of a slice of a volume where something is to see."""
        for _ in range(1 if pair.floor is None else _TRIES):
            y = int(self.rng.integers(pair.low.shape[0] - self.patch + 1))
            x = int(self.rng.integers(pair.low.shape[1] - self.patch + 1))
            part = pair.low[y : y + self.patch, x : x + self.patch]
            if pair.floor is None or np.mean(part > pair.floor) >= _FOREGROUND:
                break
        return y, x

    def _in_common(self, part: Pixels) -> Pixels:
        """Pixels in the type that all patches have."""
        if part.dtype == self._dtype:
            return part
        return (part / white_of(part.dtype)).astype(np.float32)


def _turned(image: Pixels, turn: int) -> Pixels:
    """One of the eight symmetries of the square."""
    if turn & 4:
        image = image.transpose(1, 0, 2)
    if turn & 2:
        image = image[::-1]
    return image[:, ::-1] if turn & 1 else image


def _turned_box(box: Box, picture: Pixels, turn: int) -> Box:
    """Where a part of a picture lies when the picture is turned."""
    height, width = picture.shape[:2]
    if turn & 4:
        box = Box(box.left, box.top, box.width, box.height)
        height, width = width, height
    if turn & 2:
        box = replace(box, top=height - box.top - box.height)
    return replace(box, left=width - box.left - box.width) if turn & 1 else box
