"""Headers of DICOM files: what they promise, checked, and where their slices lie."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.volumes.stacks import Slice
from zoo.volumes.volume import check_shape

__all__ = ["Part", "head_of", "part_of", "quiet"]

_DEFLATED = "1.2.840.10008.1.2.1.99"
_RLE = "1.2.840.10008.1.2.5"
# How many bytes of pixels a byte of a file can hold: PackBits makes 128 of 2; of the
# JPEGs, a slice of one value is the extreme.
_RATIOS = {_RLE: 64, "other": 2000}
_TAGS = [
    "SOPClassUID SeriesInstanceUID SeriesNumber SeriesDescription InstanceNumber Rows",
    "Columns BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel",
    "PhotometricInterpretation NumberOfFrames PixelSpacing ImagePositionPatient",
    "ImageOrientationPatient RescaleSlope RescaleIntercept SpacingBetweenSlices",
    "SliceThickness SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence",
]


@dataclass(frozen=True)
class Part:
    """One file: its header, what decodes it, its slices."""

    file: Any
    head: Any
    slices: tuple[Slice, ...]
    dtype: np.dtype[Any]


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings of pydicom's; what it raises is one sentence."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (ImageError, MemoryError):
            raise
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror or error}") from None
        except Exception as error:  # noqa: BLE001 - whatever pydicom raises
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ImageError(f"is damaged: {reason}") from None


def head_of(file: Any) -> Any:
    """The elements that count."""
    import pydicom

    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    meta = _meta(file)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if not syntax:
        raise ImageError("is damaged: it names no transfer syntax")
    if syntax == _DEFLATED:
        raise ImageError(
            "is stored as Deflated Explicit VR Little Endian, which could hold any "
            "number of bytes; decompress it (dcmconv +te)"
        )
    tags = " ".join(_TAGS).split()
    return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)


def _meta(file: Any) -> Any:
    """The group of elements at the beginning, which is never compressed."""
    from pydicom.filereader import read_file_meta_info, read_preamble

    if isinstance(file, Path):
        return read_file_meta_info(file)
    from pydicom.filereader import _read_file_meta_info  # for open files

    file.seek(0)
    read_preamble(file, False)
    meta = _read_file_meta_info(file)
    file.seek(0)
    return meta


def part_of(file: Any, size: int) -> Part:
    """Read a header, and refuse what it cannot be before anything is allocated."""
    head = head_of(file)
    if "Rows" not in head:
        raise ImageError(f"holds no slices ({head.get('SOPClassUID', 'unknown')})")
    samples = int(head.get("SamplesPerPixel", 1))
    if samples != 1:
        kind = head.get("PhotometricInterpretation", "colour")
        raise ImageError(f"holds colours ({kind}); series of gray slices are read")
    rows, columns = int(head.Rows), int(head.Columns)
    frames = int(head.get("NumberOfFrames") or 1)
    check_shape((columns, rows, frames))
    bits = int(head.BitsAllocated)
    if bits not in (8, 16, 32):
        raise ImageError(f"has pixels of {bits} bits; 8, 16 and 32 are read")
    sign = "i" if int(head.PixelRepresentation) else "u"
    uid = head.file_meta.TransferSyntaxUID
    ratio = _RATIOS.get(str(uid), _RATIOS["other"]) if uid.is_compressed else 1
    wanted = rows * columns * frames * (bits // 8)
    if wanted > size * ratio:
        raise ImageError(
            f"is truncated or damaged: its header promises {wanted} bytes of pixels, "
            f"and {size} bytes are there"
        )
    _require_decoder(uid)
    return Part(file, head, _slices(head, frames), np.dtype(f"{sign}{bits // 8}"))


def _require_decoder(uid: Any) -> None:
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        raise ImageError(
            f"is stored as {uid.name} ({uid}), which is no way to store slices that "
            f"pydicom knows"
        ) from None
    if not decoder.is_available:
        lacking = "; or ".join(decoder.missing_dependencies)
        raise ImageError(
            f"is compressed as {uid.name}, which pydicom cannot decode here: {lacking}; "
            f"or decompress it (gdcmconv --raw)"
        )


def _slices(head: Any, frames: int) -> tuple[Slice, ...]:
    """Place and scaling of every frame."""
    if frames == 1 and "PerFrameFunctionalGroupsSequence" not in head:
        return (_slice(head, [head]),)
    own = head.get("PerFrameFunctionalGroupsSequence")
    if own is None:
        raise ImageError(
            f"has {frames} frames that do not say where they lie; split it, or convert "
            f"it (dcm2niix)"
        )
    if len(own) != frames:
        raise ImageError(
            f"is damaged: it has {frames} frames and places for {len(own)}"
        )
    shared = head.get("SharedFunctionalGroupsSequence") or []
    return tuple(_slice(head, [group, *shared]) for group in own)


_GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}
"""Where an enhanced file has what others have at their top."""


def _slice(head: Any, groups: Sequence[Any]) -> Slice:
    def numbers(name: str, count: int) -> NDArray[np.float64] | None:
        for group in [*groups, head]:
            items = group.get(_GROUPS[name]) or [group]
            value = items[0].get(name)
            if value is not None:
                found = np.asarray(value, np.float64).reshape(-1)
                if found.size != count or not np.isfinite(found).all():
                    raise ImageError(f"is damaged: its {name} is {value}")
                return found
        return None

    def number(name: str, default: float) -> float:
        found = numbers(name, 1)
        return default if found is None else float(found[0])

    thickness = number("SpacingBetweenSlices", 0.0) or number("SliceThickness", 0.0)
    slope = number("RescaleSlope", 1.0)
    return Slice(
        position=numbers("ImagePositionPatient", 3),
        orientation=numbers("ImageOrientationPatient", 6),
        spacing=numbers("PixelSpacing", 2),
        thickness=abs(thickness),
        slope=slope or 1.0,
        intercept=number("RescaleIntercept", 0.0),
    )
