"""Which directory of a TIFF file is the picture, and whether it can be read.

What is read is a closed list: kinds of colour, depths, compressions, predictors and
extra samples that were tried. Whatever else a file states is refused by its name,
for a reader that guesses makes a wrong picture of it. TIFF 6.0; its supplements;
the tags that DNG and GeoTIFF add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zoo.errors import ImageError
from zoo.images.exif import orientation_of
from zoo.images.ifd import Directory, TiffHeader, read_directory, read_header

__all__ = ["COMPRESSIONS", "PREDICTED", "Page", "read_page"]

_SUBFILE, _OLD_SUBFILE, _WIDTH, _LENGTH, _BITS = 254, 255, 256, 257, 258
_COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR = 259, 262, 277, 284
_PREDICTOR, _SUB_IFDS, _EXTRA, _FORMAT = 317, 330, 338, 339
_DNG_VERSION = 50706
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_UINT, _INT, _FLOAT = 1, 2, 3
_UNSPECIFIED, _ASSOCIATED = 0, 1
_JPEG = 7
_FAX = (2, 3, 4)
_MAX_PAGES = 4096
# Bits of NewSubfileType: a smaller version; a mask. Neither is a picture of its own.
_REDUCED, _MASK = 1, 4

COMPRESSIONS = {
    1: "none",
    2: "Modified Huffman",
    3: "Group 3 fax",
    4: "Group 4 fax",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
}
"""The compressions that are read."""

PREDICTED = (5, 8, 32946)
"""Those that a predictor applies to; with others readers ignore it."""

_OTHER_COMPRESSIONS = {
    6: "old-style JPEG",
    9: "JBIG",
    10: "JBIG",
    32766: "NeXT 2-bit",
    32771: "CCITT RLE/W",
    32809: "ThunderScan",
    32908: "PIXAR film",
    32909: "PIXAR log",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGI log",
    34677: "SGI log",
    34712: "JPEG 2000",
    34713: "Nikon NEF",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34925: "LZMA",
    34926: "Zstandard",
    34927: "WebP",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    50013: "PIXTIFF",
    52546: "JPEG XL",
}
_OTHER_COLORS = {
    4: "a mask",
    5: "CMYK",
    8: "CIE L*a*b*",
    9: "ICC L*a*b*",
    10: "ITU L*a*b*",
    32844: "CIE log luminance",
    32845: "CIE log luminance",
}
_RAW = (32803, 34892)


@dataclass(frozen=True)
class Page:
    """A directory of a TIFF file, and the numbers most needed."""

    data: bytes
    header: TiffHeader
    entries: Directory
    width: int = 0
    height: int = 0

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a tag."""
        values = self.numbers(tag)
        return values[0] if values else default

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All values of a tag, which are whole numbers from 0.

        Raises
        ------
        ImageError
            If they are not.
        """
        values = self.values(tag)
        if any(not isinstance(value, int) or value < 0 for value in values):
            raise ImageError(f"is damaged: TIFF tag {tag} makes no sense")
        return values

    def values(self, tag: int) -> tuple[Any, ...]:
        """All values of a tag, of whatever type; none if there is no such tag."""
        entry = self.entries.get(tag)
        return entry.values(self.header) if entry is not None else ()

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag."""
        entry = self.entries.get(tag)
        return entry.data if entry is not None else b""

    @property
    def compression(self) -> int:
        """The tag Compression."""
        return self.number(_COMPRESSION, 1)

    @property
    def photometric(self) -> int:
        """The tag PhotometricInterpretation; gray where a fax leaves it out."""
        fallback = _WHITE_IS_ZERO if self.compression in _FAX else _BLACK_IS_ZERO
        return self.number(_PHOTOMETRIC, fallback)

    @property
    def bits(self) -> int:
        """Bits of a sample; the same for all."""
        return self.number(_BITS, 1)

    @property
    def kind(self) -> int:
        """The tag SampleFormat: 1 unsigned, 2 signed, 3 floating-point."""
        return self.number(_FORMAT, _UINT)

    @property
    def predictor(self) -> int:
        """1 none, 2 differences, 3 floating-point; 1 where none applies."""
        if self.compression not in PREDICTED:
            return 1
        return self.number(_PREDICTOR, 1)

    @property
    def samples(self) -> int:
        """Values per pixel, alpha included."""
        return self.number(_SAMPLES, 1)

    @property
    def planes(self) -> int:
        """In how many planes samples are stored apart."""
        return self.samples if self.number(_PLANAR, 1) == 2 else 1

    @property
    def orientation(self) -> int:
        """As in EXIF."""
        return orientation_of(self.entries, self.header)

    @property
    def colors(self) -> int:
        """Samples that are colour; a further one is alpha."""
        return 3 if self.photometric in (_RGB, _YCBCR) else 1

    @property
    def has_alpha(self) -> bool:
        """Whether there is a sample that is no colour."""
        return self.samples > self.colors

    @property
    def is_alpha_assumed(self) -> bool:
        """Whether nothing says that the sample which is no colour is alpha."""
        return self.has_alpha and _EXTRA not in self.entries

    @property
    def is_multiplied(self) -> bool:
        """Whether colour is stored multiplied by alpha."""
        return self.has_alpha and self.number(_EXTRA) == _ASSOCIATED

    @property
    def is_part(self) -> bool:
        """Whether this is a preview or a mask of another picture."""
        kind = self.number(_SUBFILE)
        return bool(kind & (_REDUCED | _MASK)) or self.number(_OLD_SUBFILE) == 2


def read_page(data: bytes) -> Page:
    """Read the directory of the only picture in a file.

    Raises
    ------
    ImageError
        If it is damaged, has several pages, or is of a kind that is not read.
    """
    header, offset = read_header(data)
    pages = list(_pages(data, offset, header))
    first = pages[0]
    whole = [page for page in pages if not page.is_part]
    if not whole:
        whole = [page for page in _below(first) if not page.is_part]
    if any(page.photometric in _RAW for page in (first, *whole)):
        raise ImageError("is a camera raw file; develop it to TIFF or PNG first")
    if not whole:
        raise ImageError("holds only a reduced-size preview of a picture")
    if len(whole) > 1:
        raise ImageError(f"has {len(whole)} pages; split it into a file for each")
    page = whole[0]
    _check_kind(page)
    return page


def _pages(data: bytes, offset: int, header: TiffHeader) -> Iterator[Page]:
    """The directories that follow each other; the first one must be whole."""
    seen: set[int] = set()
    budget = len(data) + (1 << 16)  # directories that do not overlap are no longer
    while offset and offset not in seen and len(seen) < _MAX_PAGES:
        try:
            entries, following = read_directory(data, offset, header, strict=not seen)
        except ImageError:
            if not seen:
                raise
            return
        budget -= 12 * len(entries)
        if budget < 0:
            raise ImageError("is damaged: its TIFF directories overlap")
        seen.add(offset)
        yield _page(data, header, entries)
        offset = following
    if not seen:
        raise ImageError("is damaged: it has no TIFF directory")


def _below(page: Page) -> Iterator[Page]:
    """The directories that a preview points to: the pictures it is a preview of."""
    for offset in page.numbers(_SUB_IFDS)[:16]:
        try:
            entries, _ = read_directory(page.data, offset, page.header, strict=True)
        except ImageError:
            continue
        yield _page(page.data, page.header, entries)


def _page(data: bytes, header: TiffHeader, entries: Directory) -> Page:
    page = Page(data, header, entries)
    return Page(data, header, entries, page.number(_WIDTH), page.number(_LENGTH))


def _check_kind(page: Page) -> None:
    """Refuse what is not on the lists, by its name."""
    color = page.photometric
    if color in _OTHER_COLORS:
        raise ImageError(
            f"is {_OTHER_COLORS[color]}; convert it to RGB"
            + (" by its colour profile" if color == 5 else "")
            + " first"
        )
    if color not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR):
        raise ImageError(f"has colour of an unknown kind (Photometric {color})")
    compression = page.compression
    if compression not in COMPRESSIONS:
        name = _OTHER_COMPRESSIONS.get(compression)
        name = f"{name} ({compression})" if name else f"number {compression}"
        raise ImageError(
            f"is compressed by {name}, which zoo does not read in TIFF; "
            f"save it with LZW, deflate or as PNG"
        )
    if color == _YCBCR and compression != _JPEG:
        raise ImageError("is YCbCr without JPEG; convert it to RGB first")
    _check_samples(page)
    _check_depth(page)


def _check_samples(page: Page) -> None:
    samples, colors = page.samples, page.colors
    if page.number(_PLANAR, 1) not in (1, 2) or samples < colors:
        raise ImageError("is damaged: its TIFF tags contradict each other")
    if samples > colors + 1:
        raise ImageError(
            f"has {samples} channels; zoo takes gray or RGB, with or without alpha"
        )
    if samples == colors:
        return
    # OpenCV's own files with four channels do not say what the fourth is.
    if not (page.is_alpha_assumed and colors == 3) and page.number(
        _EXTRA, _UNSPECIFIED
    ) not in (1, 2):
        raise ImageError(
            f"has {samples} channels and does not say what the last one means; "
            f"remove it, or save it as transparency"
        )
    if page.photometric == _PALETTE:
        raise ImageError("has a palette with a further channel, which zoo cannot read")


def _check_depth(page: Page) -> None:
    kinds = set(page.numbers(_FORMAT)) or {_UINT}
    bits = set(page.numbers(_BITS)) or {1}
    if len(kinds) > 1 or len(bits) > 1:
        raise ImageError("has channels of different types; convert it first")
    if page.kind == _INT:
        raise ImageError("holds signed integers; convert it to uint16 or float32")
    if page.kind == _UINT and page.bits > 16:
        raise ImageError("holds 32-bit integers; convert it to uint16 or float32")
    allowed = {_UINT: (8, 16), _FLOAT: (16, 32, 64)}.get(page.kind, ())
    if page.kind == _UINT and page.samples == 1:
        allowed = (1, 2, 4, 8, 16)
    if page.photometric == _PALETTE:
        allowed = (1, 2, 4, 8) if page.kind == _UINT else ()
    if page.compression == _JPEG:
        allowed = (8,) if page.kind == _UINT else ()
    if page.compression in _FAX:
        allowed = (1,) if page.kind == _UINT and page.samples == 1 else ()
    if page.bits not in allowed:
        kind = {_UINT: "bits", _FLOAT: "floating-point bits"}.get(page.kind)
        what = f"{page.bits} {kind}" if kind else f"of kind {page.kind}"
        raise ImageError(
            f"holds samples of {what}, which zoo does not read; convert them to 8 or "
            f"16 bits"
        )
    predictor = page.predictor
    if predictor not in (1, 2, 3) or (
        (predictor == 2 and page.bits < 8) or (predictor == 3 and page.kind != _FLOAT)
    ):
        raise ImageError(f"has predictor {predictor}, which does not fit its samples")
