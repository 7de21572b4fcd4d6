"""Image files: what comes in decides what goes out.

8 and 16 bits and floats; gray, colour, alpha; metadata that are true of the picture.
A file per format holds one :class:`zoo.formats.Format`. Pixels are coded by OpenCV
where it does so exactly and says what is damaged; TIFF, GIF, Netpbm and Y4M here.
"""

from zoo.images.folders import pictures_in
from zoo.images.image import Image, Metadata
from zoo.images.reading import decode, read
from zoo.images.writing import check_fits, encode, write

__all__ = [
    "Image",
    "Metadata",
    "check_fits",
    "decode",
    "encode",
    "pictures_in",
    "read",
    "write",
]
