"""DICOM (PS3.3 and PS3.5 of the standard): series of slices, and files of many frames.

pydicom reads and decodes; order, spacing and place come from the positions of the
slices (:mod:`zoo.volumes.stacks`). Nothing is written: a result is no acquisition.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.extras import how_to_install
from zoo.formats import Format, Source
from zoo.volumes.nifti import new_head
from zoo.volumes.spool import new_array
from zoo.volumes.stacks import Slice, stacked
from zoo.volumes.volume import Volume, check_shape

__all__ = ["Dicom"]

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


class Dicom(Format):
    """DICOM files, read."""

    name: ClassVar[str] = "dicom"
    label: ClassVar[str] = "DICOM"
    kind = "volume"
    suffixes: ClassVar[tuple[str, ...]] = (".dcm", ".dicom", ".ima")
    can_write: ClassVar[bool] = False
    written_as: ClassVar[str] = "nii.gz"
    has_series: ClassVar[bool] = True

    def recognise(self, head: bytes) -> bool:
        """By the four letters behind the preamble."""
        return head[128:132] == b"DICM"

    def missing(self) -> str:
        """pydicom or nibabel, if one is not installed."""
        lacking = [name for name in ("pydicom", "nibabel") if find_spec(name) is None]
        return f"needs {lacking[0]}; {how_to_install('dicom')}" if lacking else ""

    def misfit(self, item: Volume, size: tuple[int, ...]) -> str:
        """It is read only."""
        return "results, for it is read only"

    def write(self, file: IO[bytes], item: Any, *, quality: int | None = None) -> None:
        """Refuse."""
        raise ImageError("DICOM is read only; write NIfTI")

    def series(self, paths: Sequence[Path]) -> tuple[list[tuple[Path, ...]], int]:
        """Files by their SeriesInstanceUID, in the order of the series' numbers."""
        if self.missing():
            return [tuple(paths)], 0
        groups: dict[str, tuple[int, list[Path]]] = {}
        empty = 0
        for path in paths:
            key, number = str(path), 1 << 31
            with suppress(Exception):
                head = _head_of(path)
                if "Rows" not in head:  # a directory, a report
                    empty += 1
                    continue
                if int(head.get("NumberOfFrames") or 1) == 1:
                    key = str(head.get("SeriesInstanceUID") or path)
                number = int(head.get("SeriesNumber") or 0)
            groups.setdefault(key, (number, []))[1].append(path)
        ordered = sorted(groups.values(), key=lambda group: (group[0], group[1][0]))
        return [tuple(files) for _, files in ordered], empty

    def read(self, source: Source, *, damaged: bool = False) -> Volume:
        """Read a file, or the series whose first file it is."""
        reason = self.missing()
        if reason:
            raise ImageError(reason)
        file: Any = source.file
        size = source.size
        if size is None:  # a pipe, which cannot be read twice
            content = source.content()
            file, size = io.BytesIO(content), len(content)
        with _quiet():
            parts = [_part(file, size)]
            parts += [_part(path, os.stat(path).st_size) for path in source.others]
            return _volume(parts)


@dataclass(frozen=True)
class _Part:
    """One file: its header, what decodes it, its slices."""

    file: Any
    head: Any
    slices: tuple[Slice, ...]
    dtype: np.dtype[Any]


@contextmanager
def _quiet() -> Iterator[None]:
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


def _head_of(file: Any) -> Any:
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


def _part(file: Any, size: int) -> _Part:
    """Read a header, and refuse what it cannot be before anything is allocated."""
    head = _head_of(file)
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
    return _Part(file, head, _slices(head, frames), np.dtype(f"{sign}{bits // 8}"))


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


def _volume(parts: Sequence[_Part]) -> Volume:
    first = parts[0].head
    for part in parts[1:]:
        for name in ("Rows", "Columns", "BitsAllocated", "PixelRepresentation"):
            if part.head.get(name) != first.get(name):
                raise ImageError(
                    f"is a series of unlike slices ({name} {first.get(name)} and "
                    f"{part.head.get(name)}); give them apart"
                )
    every = [one for part in parts for one in part.slices]
    stack = stacked(every)
    dtype = parts[0].dtype
    slopes = {(one.slope, one.intercept) for one in every}
    apart = len(slopes) > 1  # as of PET: values, for no one pair stores them all
    notes = list(stack.notes)
    if first.get("PhotometricInterpretation") == "MONOCHROME1":
        notes.append("its least values are meant as white (MONOCHROME1); values stay")
    shape = (int(first.Columns), int(first.Rows), len(every))
    data, keep = new_array(shape, np.float32 if apart else dtype)
    places = np.argsort(stack.order)
    start = 0
    for part in parts:
        for index, pixels in enumerate(_pixels(part)):
            one = every[start + index]
            values = pixels.T
            if apart:
                values = values * one.slope + one.intercept
            data[..., places[start + index]] = values
        start += len(part.slices)
    slope, intercept = (1.0, 0.0) if apart else next(iter(slopes))
    return Volume(
        data,
        stack.affine,
        slope,
        intercept,
        header=new_head(stack.affine, str(first.get("SeriesDescription", ""))),
        format="dicom",
        notes=tuple(notes),
        keep=keep,
    )


def _pixels(part: _Part) -> Iterator[NDArray[Any]]:
    """The frames of a file, H x W, without bits that are not of the value."""
    from pydicom.pixels import iter_pixels

    head = part.head
    shape = (int(head.Rows), int(head.Columns))
    unused = int(head.BitsAllocated) - int(head.get("BitsStored", head.BitsAllocated))
    count = 0
    for pixels in iter_pixels(part.file, raw=True):
        if pixels.shape != shape:
            raise ImageError(f"is damaged: a frame decodes to {pixels.shape}")
        pixels = pixels.astype(part.dtype)
        if 0 < unused < 8 * part.dtype.itemsize:  # old files keep overlays there
            pixels = (pixels << unused) >> unused
        yield pixels
        count += 1
        if count == len(part.slices):
            return
    raise ImageError(f"is damaged: it has {count} frames of {len(part.slices)}")
