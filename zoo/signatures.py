"""How files of zoo's own formats are told apart before a format is imported.

What stands here stands in the formats too; ``tests/test_signatures.py`` holds them
together. A format of a third party is not here, and is imported to be asked.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["SIGNATURES", "Kind", "Signature"]

Kind = Literal["picture", "volume", "video"]


class Signature(NamedTuple):
    """What is known of a format without importing it.

    Attributes
    ----------
    suffixes : tuple of str
        See :class:`zoo.formats.Format`, as for ``kind`` and ``rank``.
    begins : tuple of (int, bytes)
        Places and bytes, one of which every file of the format has.
    """

    suffixes: tuple[str, ...]
    begins: tuple[tuple[int, bytes], ...]
    kind: Kind = "picture"
    rank: int = 9

    def may_be(self, head: bytes) -> bool:
        """Whether a file that begins so may be of the format."""
        return any(head.startswith(mark, place) for place, mark in self.begins)


def _first(*marks: bytes) -> tuple[tuple[int, bytes], ...]:
    return tuple((0, mark) for mark in marks)


_GZIP = _first(b"\x1f\x8b")
# The size of the header, 348 or 540, in both orders of bytes.
_NIFTI = _first(b"\x5c\1\0\0", b"\0\0\1\x5c", b"\x1c\2\0\0", b"\0\0\2\x1c")

SIGNATURES: dict[str, Signature] = {
    "zoo.images.avif:AVIF": Signature((".avif",), ((4, b"ftyp"),)),
    "zoo.images.bmp:BMP": Signature((".bmp", ".dib"), _first(b"BM"), rank=4),
    "zoo.images.openexr:OpenEXR": Signature((".exr",), _first(b"v/1\1")),
    "zoo.images.gif:GIF": Signature((".gif",), _first(b"GIF8")),
    "zoo.images.jpeg2000:JPEG2000": Signature(
        (".jp2", ".j2k", ".jpf", ".jpx", ".j2c"),
        _first(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    ),
    "zoo.images.jpeg:JPEG": Signature(
        (".jpg", ".jpeg", ".jpe", ".jfif"), _first(b"\xff\xd8\xff"), rank=2
    ),
    "zoo.images.pnm:PFM": Signature((".pfm",), _first(b"PF", b"Pf")),
    "zoo.images.png:PNG": Signature((".png",), _first(b"\x89PNG"), rank=0),
    "zoo.images.pnm:PNM": Signature(
        (".ppm", ".pgm", ".pbm", ".pnm", ".pam"),
        _first(*(b"P%d" % kind for kind in range(1, 8))),
    ),
    "zoo.images.tiff:TIFF": Signature((".tiff", ".tif"), _first(b"II", b"MM"), rank=1),
    "zoo.images.webp:WebP": Signature((".webp",), _first(b"RIFF"), rank=3),
    "zoo.volumes.nifti:Nifti": Signature((".nii",), _NIFTI, "volume"),
    "zoo.volumes.nifti:NiftiGz": Signature((".nii.gz",), _GZIP, "volume"),
    "zoo.volumes.dicom:Dicom": Signature(
        (".dcm", ".dicom", ".ima"), ((128, b"DICM"),), "volume"
    ),
    "zoo.volumes.mgh:Mgh": Signature((".mgh",), _first(b"\0\0\0\1"), "volume"),
    "zoo.volumes.mgh:Mgz": Signature((".mgz", ".mgh.gz"), _GZIP, "volume"),
    "zoo.images.y4m:Y4M": Signature((".y4m",), _first(b"YUV4MPEG2"), "video"),
}
"""By the value of the entry point."""
