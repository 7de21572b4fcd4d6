"""From a picture to a file's bytes."""

from __future__ import annotations

import sys
from pathlib import Path

from zoo.errors import ImageError
from zoo.files import atomic_write
from zoo.formats import STREAM, Format, by_suffix, formats, named
from zoo.images.image import Image
from zoo.images.picture import PictureFormat

__all__ = ["check_fits", "encode", "write"]

_MOST_NAMED = 4


def write(
    path: str | Path,
    image: Image,
    *,
    format: str | None = None,
    quality: int | None = None,
) -> None:
    """Write a picture; the file appears whole or not at all.

    Parameters
    ----------
    path : str or Path
        Replaced if it exists; ``-`` is standard output.
    image : Image
    format : str, optional
        By default what the ending of ``path`` says, else ``image.format``.
    quality : int, optional
        See :func:`encode`.

    Raises
    ------
    ImageError
        If the format cannot hold the picture.
    ZooError
        If the file cannot be written.
    """
    named_so = by_suffix(path)
    name = format or (named_so.name if named_so is not None else image.format)
    data = encode(image, name, quality=quality)
    if str(path) == STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with atomic_write(path) as file:
        file.write(data)


def encode(image: Image, format: str, *, quality: int | None = None) -> bytes:
    """Make the bytes of a file.

    Parameters
    ----------
    image : Image
    format : str
        Name of a format of pictures: "png", "jpg", "webp", "tiff", "bmp", ...
    quality : int, 1 to 100, optional
        Of lossy formats. By default 95, and WebP without loss for a picture
        that came from a file without loss.

    Raises
    ------
    ImageError
        If the format cannot hold the picture: type of pixels, transparency, size.
    """
    chosen = named(format)
    check_fits(image, chosen, image.height, image.width)
    assert isinstance(chosen, PictureFormat)
    return chosen.encode(image, quality=quality)


def check_fits(image: Image, format: Format | str, height: int, width: int) -> None:
    """Refuse a format that cannot hold a picture of this kind and size.

    Parameters
    ----------
    image : Image
        Its type and alpha count, not its size.
    format : Format or str
        The format to be written, or its name.
    height, width : int
        Of the picture to be written.

    Raises
    ------
    ImageError
        With the formats that can hold it.
    """
    target = named(format) if isinstance(format, str) else format
    size = (height, width)
    reason = f"a picture, only a {target.kind}"
    if target.kind == "picture":
        reason = target.misfit(image, size)
    if target.missing():
        raise ImageError(f"{target.name} is a format which {target.missing()}")
    if not reason:
        return
    able = [
        item.name
        for item in formats("picture").values()
        if not item.misfit(image, size) and not item.missing()
    ]
    raise ImageError(
        f"{target.name} cannot hold {reason}; choose "
        f"{' or '.join(able[:_MOST_NAMED])} (-f, or the ending of -o)"
    )
