"""Whether a file format keeps what it says it can hold."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import ImageError
from zoo.formats import HEAD, Format, Source
from zoo.images.image import Image
from zoo.testing.damage import damaged_copies

__all__ = ["check_format"]


def check_format(
    format: Format,
    items: Sequence[Any] | None = None,
    *,
    tolerance: float = 0.0,
    damages: int = 100,
    seed: int = 0,
) -> None:
    """Check that a format knows, keeps and bears its files.

    What it can hold is the same after writing and reading, from a file and from a
    pipe; what it cannot, it refuses to write. It recognises its own files and nothing
    random. A damaged file becomes an item or an :class:`ImageError`.

    Parameters
    ----------
    format : Format
    items : sequence, optional
        Of what :meth:`zoo.formats.Format.read` returns; for pictures by default small
        ones, gray and colour, with and without alpha, of every type of pixels.
    tolerance : float
        Largest mean difference that is allowed, relative to white: 0 for formats
        that lose nothing.
    damages : int
        How many damaged copies of each file to try.
    seed : int
        Of the pixels and the damages.

    Raises
    ------
    AssertionError
        Which rule is broken.
    """
    name = format.name
    assert format.label and format.suffixes, f"{name}: it has no label or no suffix"
    for suffix in format.suffixes:
        assert suffix.startswith(".") and suffix == suffix.lower(), (
            f"{name}: {suffix!r} is no ending in lower case with its dot"
        )
    noise = np.random.default_rng(seed).bytes(HEAD)
    for head in (b"", noise):
        assert not format.recognise(head), f"{name}: it takes anything for its own"
    if format.missing() or not format.can_write:
        return
    if items is None:
        items = _pictures(seed) if format.kind == "picture" else ()
    held = 0
    for item in items:
        if format.misfit(item, _size(item)):
            _check_refusal(format, item)
        else:
            held += 1
            _check_item(format, item, tolerance, damages, seed)
    assert held or not items, f"{name}: it can hold none of the items"


def _pictures(seed: int) -> list[Image]:
    rng = np.random.default_rng(seed)
    pictures = []
    for dtype, white in (("uint8", 255), ("uint16", 65535), ("float32", 1)):
        for channels in (1, 3):
            for has_alpha in (False, True):
                # Smooth, as lossy formats expect.
                ramp = np.linspace(0, 1, 40)[:, None] * np.linspace(0.2, 1, 33)
                values = np.stack([ramp] * channels, axis=2) * rng.uniform(0.5, 1)
                alpha = (ramp * white).astype(dtype) if has_alpha else None
                pictures.append(Image((values * white).astype(dtype), alpha))
    return pictures


def _size(item: Any) -> tuple[int, ...]:
    if isinstance(item, Image):
        return item.height, item.width
    return tuple(np.shape(item))


def _check_refusal(format: Format, item: Any) -> None:
    try:
        format.write(io.BytesIO(), item)
    except ImageError as error:
        assert str(error), f"{format.name}: a refusal that says nothing"
        return
    raise AssertionError(
        f"{format.name}: it says that it cannot hold {format.misfit(item, _size(item))}, "
        f"and writes it"
    )


def _check_item(
    format: Format, item: Any, tolerance: float, damages: int, seed: int
) -> None:
    name = format.name
    file = io.BytesIO()
    format.write(file, item)
    data = file.getvalue()
    assert format.recognise(data[:HEAD]), f"{name}: it does not know what it wrote"
    for size in (len(data), None):
        found = format.read(_source(data, size))
        if isinstance(item, Image):
            _compare(name, found, item, tolerance)
    for what, damaged in damaged_copies(data, damages, seed):
        try:
            format.read(_source(damaged, len(damaged)))
        except ImageError as error:
            assert str(error), f"{name}: {what}: an error that says nothing"
        except Exception as error:
            raise AssertionError(
                f"{name}: {what}: {type(error).__name__} ({error}), and no ImageError"
            ) from error


def _source(data: bytes, size: int | None) -> Source:
    return Source("a test", None, io.BytesIO(data), data[:HEAD], size)


def _compare(name: str, found: Image, item: Image, tolerance: float) -> None:
    what = f"{name}: {item.description}"
    assert found.pixels.dtype == item.pixels.dtype, f"{what}: {found.pixels.dtype}"
    pixels = item.pixels
    if item.is_gray and not found.is_gray:  # a format of colour alone
        pixels = pixels.repeat(3, axis=2)
    assert found.pixels.shape == pixels.shape, f"{what}: {found.pixels.shape}"
    assert (found.alpha is None) == (item.alpha is None), f"{what}: alpha"
    for one, other in ((found.pixels, pixels), (found.alpha, item.alpha)):
        if one is None or other is None:
            continue
        gap = np.abs(one.astype(np.float64) - other.astype(np.float64)).mean()
        assert gap <= tolerance * item.white, (
            f"{what}: pixels differ by {gap:.3g} on average after writing and reading"
        )
