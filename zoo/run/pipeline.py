"""From a picture through a network to a picture.

The network sees colour as its [net] says; what it cannot see goes beside it:
alpha, and the chroma for networks of luma, are enlarged by OpenCV's bicubic
(Keys, 1981, a = -0.75; pixels are areas, centres aligned).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError, ShapeError
from zoo.images.geometry import scaled
from zoo.images.image import Image
from zoo.net_section import PixelFormat
from zoo.pixels import quantize
from zoo.run.alpha import bleed

if TYPE_CHECKING:
    from zoo.api import Model
    from zoo.engine import Progress

__all__ = ["color_handling", "ensemble", "super_resolve"]

Floats = NDArray[np.float32]
_Run = Callable[[NDArray[Any], "Progress | None"], Floats]


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
    pixels = model.network.pixels
    way = _way(pixels, image)
    _require_finite(image)
    given = image.white
    if white is not None and image.dtype.kind == "f":
        given = white
    color = image.pixels if image.alpha is None else bleed(image.pixels, image.alpha)

    def run(part: NDArray[Any], report: Progress | None) -> Floats:
        result = _picture(model(part, white=given, as_float=True, progress=report))
        return result if result.ndim == 3 else result[..., None]

    def forward(part: NDArray[Any]) -> Floats:
        if use_ensemble:
            return ensemble(run, part, progress)
        return run(part, progress)

    if way != "luma" and not use_ensemble:
        large = _picture(model(color, white=given, progress=progress))
        large = large if large.ndim == 3 else large[..., None]
    else:
        large = _luma(forward, color, given) if way == "luma" else forward(color)
    if large.shape[2] not in (1, 3):
        raise ShapeError(
            f"{model.network.source} makes {large.shape[2]} channels, which is no "
            f"picture; it must make 1 or 3"
        )
    alpha = None
    if image.alpha is not None:
        alpha = quantize(_enlarge_alpha(image, *large.shape[:2]), image.dtype)
    if large.dtype != image.dtype:
        large = quantize(large, image.dtype)
    meta = scaled(image.metadata, (image.height, image.width), large.shape[:2])
    return replace(image, pixels=large, alpha=alpha, metadata=meta, notes=())


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


def ensemble(
    run: _Run, image: NDArray[Any], progress: Progress | None = None
) -> Floats:
    """Mean of a network's outputs over the eight turned and mirrored inputs.

    Each output is turned back before the mean, and nothing is rounded: the
    "self-ensemble" of Timofte et al., Seven ways to improve example-based single
    image super resolution (2016).

    Parameters
    ----------
    run : callable
        Of an image H x W x C and a progress report; gives floats.
    image : ndarray, H x W x C
    progress : callable, optional
    """
    total: Floats | None = None
    for index in range(8):

        def report(part: float, index: int = index) -> None:
            assert progress is not None
            progress((index + part) / 8)

        turned = np.rot90(image, index % 4)
        if index >= 4:
            turned = turned[:, ::-1]
        result = run(np.ascontiguousarray(turned), report if progress else None)
        if index >= 4:
            result = result[:, ::-1]
        result = np.rot90(result, -(index % 4))
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


def _luma(
    forward: Callable[[NDArray[Any]], Floats], color: NDArray[Any], white: float
) -> Floats:
    """Enlarge the luma by the network and the chroma by bicubic.

    OpenCV's YCrCb is BT.601 over the full range: Y = 0.299 R + 0.587 G + 0.114 B,
    Cr = 0.713 (R - Y) + 0.5, Cb = 0.564 (B - Y) + 0.5 for white 1.
    """
    ycrcb = cv2.cvtColor(color.astype(np.float32) / white, cv2.COLOR_RGB2YCrCb)
    luma = forward(np.ascontiguousarray(ycrcb[..., :1]) * np.float32(white))
    height, width = luma.shape[:2]
    chroma = _enlarge(np.ascontiguousarray(ycrcb[..., 1:]), height, width)
    large = np.dstack([luma[..., 0] / np.float32(white), chroma])
    return np.asarray(cv2.cvtColor(large, cv2.COLOR_YCrCb2RGB) * white, np.float32)


def _enlarge(values: NDArray[Any], height: int, width: int) -> Floats:
    """Bicubic resizing of H x W or H x W x C to floats, not clipped."""
    size = (width, height)
    floats = values.astype(np.float32)
    return np.asarray(cv2.resize(floats, size, interpolation=cv2.INTER_CUBIC))


def _enlarge_alpha(image: Image, height: int, width: int) -> Floats:
    """Bicubic resizing of alpha, within its range.

    One axis after the other, clipped after each: two undershoots, multiplied,
    would make something out of what is fully transparent.
    """
    assert image.alpha is not None
    rows = np.clip(_enlarge(image.alpha, image.height, width), 0, image.white)
    return np.clip(_enlarge(rows, height, width), 0, image.white)


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
