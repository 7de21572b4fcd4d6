"""DICOM (PS3.3 and PS3.5 of the standard): series of slices, and files of many frames.

pydicom reads and decodes; order, spacing and place come from the positions of the
slices (:mod:`zoo.volumes.stacks`). Nothing is written: a result is no acquisition.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.extras import how_to_install
from zoo.formats import Format, Source
from zoo.volumes.dicom_heads import Part, head_of, part_of, quiet
from zoo.volumes.nifti import new_head
from zoo.volumes.spool import new_array
from zoo.volumes.stacks import stacked
from zoo.volumes.volume import Volume

__all__ = ["Dicom"]


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
                head = head_of(path)
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
        with quiet():
            parts = [part_of(file, size)]
            parts += [part_of(path, os.stat(path).st_size) for path in source.others]
            return _volume(parts)


def _volume(parts: Sequence[Part]) -> Volume:
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


def _pixels(part: Part) -> Iterator[NDArray[Any]]:
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
