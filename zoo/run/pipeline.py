"""From a picture through a network to a picture.

The network sees colour as its [net] says; what it cannot see goes beside it:
alpha, and the chroma for networks of luma, are enlarged by bicubic as OpenCV has it
(:mod:`zoo.run.resampled`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError, ShapeError
from zoo.images.geometry import scaled
from zoo.images.image import Image
from zoo.net_section import PixelFormat
from zoo.pixels import quantize
from zoo.program.geometry import Window
from zoo.run.alpha import bleed
from zoo.run.resampled import bicubic, from_ycrcb, to_ycrcb

if TYPE_CHECKING:
    from zoo.api import Model
    from zoo.engine import Progress

__all__ = [
    "Runner",
    "color_handling",
    "ensemble",
    "super_resolve",
    "super_resolve_part",
    "turned",
]

Floats = NDArray[np.float32]
_Run = Callable[[int, "Progress | None"], NDArray[Any]]


def super_resolve(
    model: Model,
    image: Image,
    *,
    use_ensemble: bool = False,
    white: float | None = None,
    progress: Progress | None = None,
) -> Image:
    """Run a network on a picture.

    Parameters
    ----------
    model : Model
        From :func:`zoo.load`, with weights.
    image : Image
    use_ensemble : bool
        Mean over the eight symmetries of the square (see :func:`ensemble`).
    white : float, optional
        The value of white in a float picture, by default 1.0. Integer pixels
        have their own.
    progress : callable, optional
        Called with the part of the work done, from 0 to 1.

    Returns
    -------
    Image
        Made by the network's last output. Of the same type of pixels: integers are
        rounded (halves to even) and clipped, floats are neither. Gray stays gray.
        The metadata are made true of the new size.

    Raises
    ------
    ImageError
        If float pixels are NaN or infinite.
    ShapeError
        If the network cannot take such a picture.
    WeightsError
        If it has no weights.
    """
    whole = Window((0, image.height), (0, image.width))
    pixels, alpha = super_resolve_part(
        _Whole(model),
        image,
        whole,
        use_ensemble=use_ensemble,
        white=white,
        progress=progress,
    )
    meta = scaled(image.metadata, whole.size, pixels.shape[:2])
    return replace(image, pixels=pixels, alpha=alpha, metadata=meta, notes=())


class Runner(Protocol):
    """A network on whole pictures, or for one part of a result.

    Attributes
    ----------
    model : Model
    """

    @property
    def model(self) -> Model: ...

    @property
    def size(self) -> tuple[int, int] | None:
        """Of the whole picture; None if what comes is whole."""

    @property
    def want(self) -> Window | None:
        """The part of the result."""

    def __call__(
        self,
        part: NDArray[Any],
        have: Window,
        turn: int,
        white: float,
        as_float: bool,
        progress: Progress | None,
    ) -> NDArray[Any]:
        """The result, H x W x C, of a picture that was turned (:func:`ensemble`)."""


class _Whole:
    """A network on whole pictures."""

    size = None
    want = None

    def __init__(self, model: Model) -> None:
        self.model = model

    def __call__(
        self,
        part: NDArray[Any],
        have: Window,
        turn: int,
        white: float,
        as_float: bool,
        progress: Progress | None,
    ) -> NDArray[Any]:
        part = np.ascontiguousarray(turned(part, turn))
        return _picture(
            self.model(part, white=white, as_float=as_float, progress=progress)
        )


def super_resolve_part(
    run: Runner,
    image: Image,
    have: Window,
    *,
    use_ensemble: bool = False,
    white: float | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Pixels and alpha of a result, or of the part of it that a runner makes.

    Parameters
    ----------
    run : Runner
    image : Image
        What it is made of.
    have : Window
        Which part of the picture that is.
    use_ensemble, white, progress
        See :func:`super_resolve`, which says what is raised.
    """
    way = _way(run.model.network.pixels, image)
    _require_finite(image)
    given = image.white
    if white is not None and image.dtype.kind == "f":
        given = white
    color = image.pixels if image.alpha is None else bleed(image.pixels, image.alpha)
    beside = _Beside(run, have)

    def forward(part: NDArray[Any], as_float: bool) -> NDArray[Any]:
        def one(turn: int, report: Progress | None) -> NDArray[Any]:
            made = run(part, have, turn, given, as_float, report)
            return made if made.ndim == 3 else made[..., None]

        return ensemble(one, progress) if use_ensemble else one(0, progress)

    if way == "luma":
        ycrcb = to_ycrcb(color, given)
        luma = forward(
            np.ascontiguousarray(ycrcb[..., :1]) * np.float32(given), as_float=True
        )
        chroma = beside.enlarged(ycrcb[..., 1:], luma.shape[:2])
        large = from_ycrcb(luma[..., 0] / np.float32(given), chroma, given)
    else:
        large = forward(color, as_float=use_ensemble)
    if large.shape[2] not in (1, 3):
        raise ShapeError(
            f"{run.model.network.source} makes {large.shape[2]} channels, which is no "
            f"picture; it must make 1 or 3"
        )
    alpha = None
    if image.alpha is not None:
        # Clipped after each axis: two undershoots, multiplied, would make something
        # out of what is fully transparent.
        limits = (0, image.white)
        alpha = quantize(
            beside.enlarged(image.alpha, large.shape[:2], limits), image.dtype
        )
    if large.dtype != image.dtype:
        large = quantize(large, image.dtype)
    return large, alpha


class _Beside:
    """Enlarges what the network does not see, as far as the network enlarges."""

    def __init__(self, run: Runner, have: Window) -> None:
        self.run, self.have = run, have

    def enlarged(
        self,
        values: NDArray[Any],
        made: tuple[int, ...],
        limits: tuple[float, float] | None = None,
    ) -> Floats:
        """Bicubic, to the size that the network made."""
        size, want = self.run.size, self.run.want
        wanted = made[0], made[1]
        if size is None or want is None:
            size, want = self.have.size, Window((0, made[0]), (0, made[1]))
        else:
            shape = self.run.model.network.shapes(*size)[-1]
            wanted = shape.height, shape.width
        return bicubic(values, self.have, size, want, wanted, limits)


def _picture(result: Any) -> NDArray[Any]:
    """What is written of a network with several outputs: the last, the final one."""
    return result[-1] if isinstance(result, tuple) else result


def color_handling(pixels: PixelFormat, image: Image) -> str:
    """How a network of this kind treats this picture, for people.

    Raises
    ------
    ShapeError
        If it cannot take the picture.
    """
    text = {
        "luma": "the network enlarges the luma (Y of OpenCV's YCrCb), bicubic the "
        "chroma",
        "gray": "gray, replicated to three channels and averaged back",
        "direct": f"{'gray' if image.is_gray else pixels.color} as it is",
    }[_way(pixels, image)]
    if image.alpha is not None:
        text += "; alpha by bicubic, colour bled under what is transparent"
    return text


def _way(pixels: PixelFormat, image: Image) -> str:
    """One of "direct", "gray" and "luma"."""
    channels = image.pixels.shape[2]
    if pixels.color == "y" and channels == 3:
        return "luma"
    if channels == pixels.channels:
        return "direct"
    if channels == 1 and pixels.channels == 3:
        return "gray"
    hint = "; [net] color=y would give it the luma" if pixels.channels == 1 else ""
    raise ShapeError(
        f"the picture has {channels} channel{'s' * (channels > 1)} and the network "
        f"takes {pixels.channels}{hint}"
    )


def turned(image: NDArray[Any], turn: int) -> NDArray[Any]:
    """One of the eight symmetries: quarter turns, and from the fourth on a mirror."""
    image = np.rot90(image, turn % 4)
    return image[:, ::-1] if turn >= 4 else image


def _turned_back(result: NDArray[Any], turn: int) -> NDArray[Any]:
    if turn >= 4:
        result = result[:, ::-1]
    return np.rot90(result, -(turn % 4))


def ensemble(run: _Run, progress: Progress | None = None) -> Floats:
    """Mean of a network's outputs over the eight turned and mirrored inputs.

    Each output is turned back before the mean, and nothing is rounded: the
    "self-ensemble" of Timofte et al., Seven ways to improve example-based single
    image super resolution (2016).

    Parameters
    ----------
    run : callable
        Of the number of a symmetry (:func:`turned`) and a progress report; gives
        floats, still turned.
    progress : callable, optional
    """
    total: Floats | None = None
    for index in range(8):

        def report(part: float, index: int = index) -> None:
            assert progress is not None
            progress((index + part) / 8)

        result = _turned_back(run(index, report if progress else None), index)
        if total is None:
            total = np.array(result, np.float32)
        elif result.shape != total.shape:
            raise ShapeError(
                "the ensemble needs a network that enlarges rows and columns alike"
            )
        else:
            total += result
    assert total is not None
    return total / np.float32(8)


def _require_finite(image: Image) -> None:
    """Refuse NaN and infinity, which a network would spread over the picture."""
    if image.dtype.kind != "f":
        return
    planes = [image.pixels] if image.alpha is None else [image.pixels, image.alpha]
    bad = sum(int(np.count_nonzero(~np.isfinite(plane))) for plane in planes)
    if bad:
        raise ImageError(
            f"has {bad} values that are NaN or infinite; replace them first, for the "
            f"network would spread them"
        )
