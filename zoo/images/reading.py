"""From a file's bytes to a picture."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.errors import DamagedError, ImageError
from zoo.formats import HEAD, Format, Source, formats, open_source, recognise
from zoo.images.image import Image

__all__ = ["decode", "format_in", "read"]


def read(path: str | os.PathLike[str], *, damaged: bool = False) -> Image:
    """Read a picture.

    Parameters
    ----------
    path : str or Path
        A file, or ``-`` for standard input.
    damaged : bool
        Take what can be read of a damaged file; what is wrong with it is then in
        the picture's notes.

    Returns
    -------
    Image
        Upright: an orientation that the file states has been applied once, and
        is 1 in the metadata.

    Raises
    ------
    ImageError
        In one sentence, whatever is wrong with the file.
    """
    with open_source(path) as source:
        return _read(source, damaged)


def decode(data: bytes, name: str = "the picture", *, damaged: bool = False) -> Image:
    """Make a picture of the bytes of a file, of any format of pictures.

    Palettes become RGB, or RGB with alpha; single bits become 8-bit gray;
    float64 and float16 become float32; colour that was multiplied by alpha is
    divided by it.

    Parameters
    ----------
    data : bytes
    name : str
        For messages.
    damaged : bool
        See :func:`read`.

    Raises
    ------
    ImageError
        If they are truncated, damaged, animated, in several pages, CMYK, or not
        a picture at all.
    """
    return _read(
        Source(name, None, io.BytesIO(data), data[:HEAD], len(data), data), damaged
    )


def format_in(source: Source) -> Format:
    """The format of an open file, by its content.

    Raises
    ------
    ImageError
        If it is empty, of no known format, or of one that cannot be used here.
    """
    if not source.head:
        raise ImageError(f"{source.name} is empty")
    found = recognise(source.head, source.path)
    if found is None:
        labels = ", ".join(sorted({item.label for item in formats().values()}))
        raise ImageError(f"{source.name} is of no format that zoo reads ({labels})")
    missing = found.missing()
    if missing:
        raise ImageError(f"{source.name} is a {found.label} file, which {missing}")
    return found


@contextmanager
def about(name: str) -> Iterator[None]:
    """Put the name of the file before what is wrong with it."""
    try:
        yield
    except DamagedError as error:
        raise DamagedError(f"{name} {error}") from None
    except ImageError as error:
        raise ImageError(f"{name} {error}") from None


def _read(source: Source, damaged: bool) -> Image:
    found = format_in(source)
    with about(source.name):
        if found.kind != "picture":
            raise ImageError(f"is a {found.kind} ({found.label}), not a picture")
        image = found.read(source, damaged=damaged)
    assert isinstance(image, Image)
    return image
