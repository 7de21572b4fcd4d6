"""What each layer does to a picture, forward and backward, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images import read
from zoo.network import Network
from zoo.page.document import Document
from zoo.pixels import white_of
from zoo.plugins.numpy import NumpyKernels

__all__ = ["EXHIBITS", "Exhibit", "write_gallery"]

Floats = NDArray[np.float32]
_SIDE = 240


@dataclass(frozen=True)
class Exhibit:
    """One layer, or a few, as cfg sections.

    Attributes
    ----------
    title : str
    text : str
        What to look at.
    sections : str
        Of a cfg, without [net].
    channels : int
        Of the input: 3, or a multiple of it that repeats the picture.
    edges : bool
        The weights of the first convolution find edges; else as initialised.
    """

    title: str
    text: str
    sections: str
    channels: int = 3
    edges: bool = False


def _activation(name: str, text: str) -> Exhibit:
    return Exhibit(f"[activation] {name}", text, f"[activation]\nactivation={name}\n")


EXHIBITS: tuple[Exhibit, ...] = (
    Exhibit(
        "[convolutional], a kernel that finds edges",
        "Backward: the correlation with the kernel turned by 180 degrees.",
        "[convolutional]\nfilters=3\nsize=3\npad=1\ngroups=3\nactivation=linear\n",
        edges=True,
    ),
    Exhibit(
        "[avgpool] 3 x 3",
        "Every pixel is the mean of its neighbourhood; the gradient is spread evenly.",
        "[local_avgpool]\nsize=3\nstride=1\n",
    ),
    Exhibit(
        "[avgpool] 30 x 30",
        "The same over 30 pixels.",
        "[local_avgpool]\nsize=30\nstride=1\n",
    ),
    Exhibit(
        "[maxpool] 30 x 30, stride 20",
        "Backward: the gradient goes to where the maximum was, and to nothing else.",
        "[maxpool]\nsize=30\nstride=20\npadding=0\n",
    ),
    Exhibit(
        "[shortcut]",
        "alpha x + beta y: here of the picture and of its mean over 9 x 9 pixels, with "
        "alpha 1 and beta 1; the gradient goes to both.",
        "[local_avgpool]\nsize=9\nstride=1\n[shortcut]\nfrom=-2\nalpha=0.5\nbeta=0.5\n"
        "activation=linear\n",
    ),
    Exhibit(
        "[deconvolutional] 3 x 3, stride 2",
        "The transpose of a convolution: every pixel draws its kernel.",
        "[deconvolutional]\nfilters=3\nsize=3\nstride=2\npad=0\nactivation=linear\n",
    ),
    Exhibit(
        "[shuffler] 2",
        "Four channels of each colour become 2 x 2 pixels; backward is the inverse.",
        "[shuffler]\nscale=2\n",
        channels=12,
    ),
    Exhibit(
        "[batchnorm]",
        "Mean 0 and variance 1 of every channel.",
        "[batchnorm]\n",
    ),
    Exhibit(
        "[upsample] nearest", "Every pixel becomes four.", "[upsample]\nstride=2\n"
    ),
    Exhibit(
        "[pad] symmetric",
        "The picture mirrored around.",
        "[pad]\nsize=24\nmode=symmetric\n",
    ),
    _activation("elu", "Negative values, of the picture less its mean, bend to -1."),
    _activation("relu", "Negative values become 0; so does their gradient."),
    _activation(
        "logistic", "All values between 0 and 1; the gradient fades at both ends."
    ),
    _activation("leaky", "Negative values keep a tenth."),
    _activation("tanh", "All values between -1 and 1."),
)
"""What is shown: the thesis's figures 2.3 to 2.9, and what else is instructive."""


def write_gallery(picture: Path, target: Path) -> int:
    """Write the page; returns how many exhibits it has.

    Raises
    ------
    ImageError
        If the picture cannot be read.
    ZooError
        If the page cannot be written.
    """
    image = _picture(picture)
    page = Document(
        "What layers do to a picture",
        "Left the picture, in the middle what the layer makes of it, right what comes "
        "back to it when the gradient of the result is the result itself (gray is 0).",
    )
    page.picture(_shown(image, plain=True), f"{picture.name}, as the layers see it.")
    for exhibit in EXHIBITS:
        output, back = _run(exhibit, image)
        page.heading(exhibit.title)
        page.text(exhibit.text)
        page.code(exhibit.sections.strip())
        page.picture(
            _row([_shown(image, plain=True), _shown(output), _shown(back)]),
            f"{_size(image)} to {_size(output)}; gradient {_size(back)}.",
        )
    page.write(target)
    return len(EXHIBITS)


def _size(image: Floats) -> str:
    return " x ".join(map(str, image.shape))


def _picture(path: Path) -> Floats:
    pixels = read(path).pixels
    if min(pixels.shape[:2]) < 40:
        raise ImageError(f"{path} is smaller than 40 x 40 pixels; take a larger one")
    values = pixels.astype(np.float32) / np.float32(white_of(pixels.dtype))
    if values.shape[2] == 1:
        values = values.repeat(3, axis=2)
    step = max(1, -(-max(values.shape[:2]) // _SIDE))
    small = values[::step, ::step]
    rows, columns = (side - side % 4 for side in small.shape[:2])
    return np.ascontiguousarray(small[:rows, :columns])


def _run(exhibit: Exhibit, image: Floats) -> tuple[Floats, Floats]:
    """The result, and the gradient that comes back."""
    height, width = image.shape[:2]
    text = (
        f"[net]\nchannels={exhibit.channels}\nheight={height}\nwidth={width}\n"
        f"{exhibit.sections}"
    )
    network = Network.parse(text, exhibit.title).initialize(0)
    if exhibit.edges:
        network[0].weights[...] = _edge_kernel()
    elif "deconvolutional" in exhibit.sections:
        weights = network[0].weights
        weights[...] = 0
        for channel in range(3):
            weights[:, :, channel, channel] = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])
    x = image - image.mean() if "activation]" in exhibit.sections else image
    x = x.repeat(exhibit.channels // 3, axis=2)[None]
    kernels = NumpyKernels()
    output = network.forward(x, kernels=kernels, training=True)
    back = network.backward(np.asarray(output, np.float32), kernels=kernels)
    made = np.asarray(output[0], np.float32)
    return made, np.asarray(back[0], np.float32)[..., :: exhibit.channels // 3]


def _edge_kernel() -> NDArray[np.float32]:
    edge = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)
    return np.repeat(edge[:, :, None, None], 3, axis=3)


def _shown(values: Floats, plain: bool = False) -> NDArray[np.uint8]:
    """Values as a picture; those of a result by their own range, 0 in the middle."""
    if not plain:
        top = float(np.abs(values).max()) or 1.0
        low = float(values.min())
        values = values / top if low >= 0 else values / (2 * top) + 0.5
    return np.clip(np.rint(values[..., :3] * 255), 0, 255).astype(np.uint8)


def _row(pictures: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """Side by side, small ones enlarged to about the same height."""
    tallest = max(picture.shape[0] for picture in pictures)
    parts = []
    for picture in pictures:
        times = max(1, tallest // picture.shape[0])
        large = picture.repeat(times, axis=0).repeat(times, axis=1)
        canvas = np.full((tallest, large.shape[1] + 6, 3), 255, np.uint8)
        canvas[: large.shape[0], : large.shape[1]] = large
        parts.append(canvas)
    return np.concatenate(parts, axis=1)
