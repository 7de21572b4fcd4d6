"""What the tags of a TIFF page say beside the pixels."""

from __future__ import annotations

import re

from zoo.images.ifd import rational
from zoo.images.image import Metadata, Tag
from zoo.images.tiff_page import Page
from zoo.images.tiff_writer import build_exif, converted

__all__ = ["metadata"]

_DESCRIPTION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 270, 282, 283, 296
_XMP, _IPTC, _ICC = 700, 33723, 34675
# GeoTIFF: pixel scale, tie points, transformation, keys and their parameters.
_GEO = (33550, 33922, 34264, 34735, 34736, 34737)
# GDAL's own metadata and its value for missing data.
_GDAL = {42112: "GDAL's metadata", 42113: "the value for missing data"}
_PER_INCH = {2: 1.0, 3: 2.54}
_MAX_DENSITY = 1e9


def metadata(page: Page) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata of a page, and lines on what of them could not be kept."""
    notes = [
        f"{words} is left out, for it is not of enlarged pixels"
        for tag, words in _GDAL.items()
        if tag in page.entries
    ]
    entries = dict(page.entries)
    description = page.raw(_DESCRIPTION)
    imagej = b""
    if description.startswith(b"ImageJ="):
        imagej = description.rstrip(b"\0")
        del entries[_DESCRIPTION]
    elif _is_of_size(description):
        notes.append("its description is left out, for it states sizes in pixels")
        del entries[_DESCRIPTION]
    density = _resolution(page)
    factor = _PER_INCH.get(page.number(_UNIT, 2))
    dpi = None
    if density is not None and factor is not None:
        dpi = (density[0] * factor, density[1] * factor)
        if imagej and not re.search(rb"\nunit=(?!inch)", imagej):
            density = None
    if not imagej and (dpi or density == (1, 1)):
        density = None  # one pixel per nothing is what writers state by default
    geo = tuple(
        Tag(tag, *converted(page.entries[tag], page.header))
        for tag in _GEO
        if tag in page.entries
    )
    if geo and page.orientation != 1:
        notes.append("its georeference is left out, for the picture was turned")
        geo = ()
    return Metadata(
        exif=build_exif(page.data, entries, page.header),
        icc=page.raw(_ICC),
        xmp=page.raw(_XMP),
        dpi=dpi if density is None else None,
        iptc=page.raw(_IPTC),
        density=density,
        imagej=imagej,
        geo=geo,
    ), tuple(notes)


def _resolution(page: Page) -> tuple[float, float] | None:
    """Pixels per unit, whatever the unit is."""
    x, y = page.values(_X_RESOLUTION), page.values(_Y_RESOLUTION)
    if not (x and y and isinstance(x[0], tuple) and isinstance(y[0], tuple)):
        return None
    pair = (rational(x[0]), rational(y[0]))
    return pair if 0 < min(pair) and max(pair) < _MAX_DENSITY else None


def _is_of_size(description: bytes) -> bool:
    """Whether a program wrote the size of the picture into the description."""
    start = description[:4096].lstrip(b"\xef\xbb\xbf \r\n")
    if start.startswith((b"<?xml", b"<OME")):
        return b"<OME" in start
    return start.startswith((b'{"shape":', b"shape="))
