"""A network and pictures small enough to train in a second; not a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.images import Image, write
from zoo.resize import imresize

NET = """\
[net]
channels=3
{keys}

[convolutional]
filters=6
size=3
pad=1
activation=relu

{middle}

[convolutional]
filters={last}
size=3
pad=1
activation=linear

[shuffler]
scale={scale}
"""

BATCHNORM = "[batchnorm]\n\n[dropout]\nprobability=0.1\n"


def tiny_cfg(folder: Path, *, keys: str = "", middle: str = "", scale: int = 2) -> Path:
    """Write the cfg of a network of two convolutions."""
    text = NET.format(keys=keys, middle=middle, last=3 * scale**2, scale=scale)
    path = folder / "tiny.cfg"
    path.write_text(text)
    return path


def pictures(folder: Path, count: int = 3, side: int = 40) -> Path:
    """Write smooth random pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for number in range(count):
        noise = rng.integers(256, size=(side // 4, side // 4 + number, 3))
        pixels = imresize(noise.astype(np.uint8), 4)
        write(folder / f"p{number}.png", Image(pixels))
    return folder
