"""XMP: what a packet says of the size and the turning of its picture.

Only the values of known properties are replaced, as attributes or as elements; the
rest of the XML stays as it is. ISO 16684-1; the properties are those of the
namespaces tiff, exif and GPano under their usual prefixes.
"""

from __future__ import annotations

import re

from zoo.images.ifd import rational

__all__ = ["scale", "update"]

_WIDTHS = ("tiff:ImageWidth", "exif:PixelXDimension")
_HEIGHTS = ("tiff:ImageLength", "exif:PixelYDimension")
_ORIENTATION = "tiff:Orientation"
_ACROSS = ("tiff:XResolution", "exif:FocalPlaneXResolution")
_DOWN = ("tiff:YResolution", "exif:FocalPlaneYResolution")
_PANORAMA_ACROSS = tuple(
    f"GPano:{name}"
    for name in (
        "CroppedAreaImageWidthPixels",
        "FullPanoWidthPixels",
        "CroppedAreaLeftPixels",
    )
)
_PANORAMA_DOWN = tuple(
    f"GPano:{name}"
    for name in (
        "CroppedAreaImageHeightPixels",
        "FullPanoHeightPixels",
        "CroppedAreaTopPixels",
    )
)


def update(packet: bytes, height: int, width: int, *, upright: bool) -> bytes:
    """State the size of the picture and, if ``upright``, that it is not turned."""
    for names, value in ((_WIDTHS, width), (_HEIGHTS, height)):
        for name in names:
            packet = _replace(packet, name, lambda _, value=value: str(value))
    if upright:
        packet = _replace(packet, _ORIENTATION, lambda _: "1")
    return packet


def scale(packet: bytes, down: float, across: float) -> bytes:
    """Multiply resolutions, and pixels of a panorama, by the factors of both axes."""
    for names, factor in (
        (_ACROSS + _PANORAMA_ACROSS, across),
        (_DOWN + _PANORAMA_DOWN, down),
    ):
        for name in names:
            packet = _replace(
                packet, name, lambda text, factor=factor: _scaled(text, factor)
            )
    return packet


def _scaled(text: str, factor: float) -> str:
    """A whole number or a fraction, multiplied."""
    above, bar, below = text.partition("/")
    if not above.strip().isdecimal() or (bar and not below.strip().isdecimal()):
        return text
    if not bar:
        return str(round(int(above) * factor))
    return f"{round(rational((int(above), int(below))) * factor * 1000)}/1000"


def _replace(packet: bytes, name: str, function) -> bytes:  # type: ignore[no-untyped-def]
    """Replace the value of a property wherever it stands."""
    key = re.escape(name.encode())
    if name.encode() not in packet:
        return packet

    def change(match: re.Match[bytes]) -> bytes:
        text = match[2].decode("latin-1")
        return match[1] + function(text.strip()).encode("latin-1") + match[3]

    packet = re.sub(rb"(\b%s\s*=\s*[\"'])([^\"'<>]{0,99})([\"'])" % key, change, packet)
    return re.sub(rb"(<%s\s*>)([^<>]{0,99})(</%s\s*>)" % (key, key), change, packet)
