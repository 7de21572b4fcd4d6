"""Image files: what comes in decides what goes out.

PNG, JPEG, WebP, TIFF and BMP; 8 and 16 bits and floats; gray, colour, alpha;
EXIF, ICC profile, XMP and resolution. Pixels are coded by OpenCV, except for
TIFF that it would change; a file per format reads its headers and metadata.
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
