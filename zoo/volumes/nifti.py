"""NIfTI-1 and NIfTI-2 in one file, plain or gzipped (nifti.nimh.nih.gov).

nibabel reads and writes headers; voxels are read here, so that a file is decompressed
once, to its end, and no header is believed before its size is checked.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from zoo.errors import ImageError
from zoo.formats import Source
from zoo.volumes.base import VolumeFormat
from zoo.volumes.spool import GZIP, array_of, head_of, unpacked
from zoo.volumes.volume import Volume, check_shape

__all__ = ["Nifti", "NiftiGz", "new_head"]

_SIZES = {348: 1, 540: 2}
_UNITS = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": float("nan")}
_LABEL = 1002  # NIFTI_INTENT_LABEL
_RGB24 = 128
_REFUSED = {32: "complex64", 1792: "complex128", 2048: "complex256", 1536: "float128"}
_REFUSED |= {2304: "RGBA32", 1: "binary"}
_HEADER = {1: 348, 2: 540}
_LARGEST_EXTENSION = 1 << 28


class Nifti(VolumeFormat):
    """Plain NIfTI."""

    name: ClassVar[str] = "nii"
    label: ClassVar[str] = "NIfTI"
    suffixes: ClassVar[tuple[str, ...]] = (".nii",)

    def recognise(self, head: bytes) -> bool:
        """By the size of the header and the magic string."""
        if head.startswith(GZIP) != self.is_gzip:
            return False
        return _version(head_of(head, 348)) is not None

    def read(self, source: Source, *, damaged: bool = False) -> Volume:
        """Read a volume; its voxels lie in a temporary file."""
        self.require()
        blocks = unpacked(source.file, self.is_gzip)
        begin = bytearray()
        for block in blocks:
            begin += block
            if len(begin) >= 4096:
                break
        header, offset = _header(bytes(begin))
        while len(begin) < offset:
            block = next(blocks, b"")
            if not block:
                raise ImageError("is truncated within its header")
            begin += block
        head = bytes(begin)
        shape = tuple(int(side) for side in header.get_data_shape())
        shape += (1,) * (3 - len(shape))
        check_shape(shape)
        data, keep, _ = array_of(
            chain([head], blocks),
            offset,
            shape,
            header.get_data_dtype(),
            source.size,
            self.is_gzip,
        )
        return _volume(header, head[_HEADER[_version_of(header)] : offset], data, keep)

    def write_plain(self, file: Any, item: Volume) -> None:
        """Write a volume, in the version that it was read in."""
        _write(file, item.header.header, item.header.extensions, item.data)

    def misfit(self, item: Volume, size: tuple[int, ...]) -> str:
        """What of a volume NIfTI cannot hold."""
        if not isinstance(item, Volume):
            return "a picture"
        if not isinstance(item.header, NiftiHead):
            return "the header of another format"
        if _version_of(item.header.header) == 1 and max(size) > 32767:
            return f"{max(size)} voxels along an axis in version 1 (at most 32767)"
        return ""


class NiftiGz(Nifti):
    """Gzipped NIfTI."""

    name = "nii.gz"
    label = "NIfTI (gzipped)"
    suffixes = (".nii.gz",)
    is_gzip = True


def _version(head: bytes) -> int | None:
    """1 or 2, of a single file; None if it is none."""
    if len(head) < 348:
        return None
    for order in ("little", "big"):
        version = _SIZES.get(int.from_bytes(head[:4], order))
        if version == 1 and head[344:348] in (b"n+1\0", b"ni1\0"):
            return 1
        if version == 2 and head[4:7] in (b"n+2", b"ni2"):
            return 2
    return None


def _version_of(header: Any) -> int:
    return _SIZES[int(header["sizeof_hdr"])]


def _header(head: bytes) -> tuple[Any, int]:
    """nibabel's header, and where the voxels begin.

    Raises
    ------
    ImageError
        If something in it cannot be.
    """
    import logging

    import nibabel

    version = _version(head)
    if version is None:
        raise ImageError("is damaged: no NIfTI header")
    if (head[344:347] if version == 1 else head[4:7]).startswith(b"ni"):
        raise ImageError("is half of a pair (.hdr and .img); join them into one .nii")
    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    if len(head) < _HEADER[version]:
        raise ImageError("is truncated within its header")
    logging.getLogger("nibabel").setLevel(logging.CRITICAL)
    try:
        header = kind.from_fileobj(io.BytesIO(head[: _HEADER[version]]), check=False)
        code = int(header["datatype"])
        dims = int(header["dim"][0])
    except Exception as error:  # noqa: BLE001 - whatever nibabel raises
        raise ImageError(f"is damaged: its header cannot be read ({error})") from None
    if code in _REFUSED:
        raise ImageError(f"holds {_REFUSED[code]}, which a network cannot enlarge")
    try:
        header.get_data_dtype()
    except Exception:  # noqa: BLE001 - whatever nibabel raises
        raise ImageError(f"is of data type {code}, which NIfTI does not know") from None
    if not 1 <= dims <= 7:
        raise ImageError(f"is damaged: it has {dims} axes")
    offset = float(header["vox_offset"])
    least = _HEADER[version] + 4
    if not least <= offset <= _LARGEST_EXTENSION or offset != int(offset):
        if offset == 0:
            return header, least
        raise ImageError(f"is damaged: its voxels begin at byte {offset:g}")
    return header, int(offset)


def _volume(header: Any, extensions: bytes, data: Any, keep: Any) -> Volume:
    notes: list[str] = []
    slope, intercept = (float(header[key]) for key in ("scl_slope", "scl_inter"))
    if not np.isfinite(slope) or slope == 0:
        slope, intercept = 1.0, 0.0
    if not np.isfinite(intercept):
        intercept = 0.0
    affine = _affine(header, notes)
    unit = header.get_xyzt_units()[0] if _unit_known(header) else "odd"
    return Volume(
        data,
        affine,
        slope,
        intercept,
        header=NiftiHead(header, extensions),
        format="nii",
        notes=tuple(notes),
        is_label=int(header["intent_code"]) == _LABEL,
        millimetres=1.0 if unit == "unknown" else _UNITS.get(unit, float("nan")),
        keep=keep,
    )


def _unit_known(header: Any) -> bool:
    try:
        header.get_xyzt_units()
    except KeyError:
        return False
    return True


def _affine(header: Any, notes: list[str]) -> Any:
    """The affine that counts: sform, else qform, else sizes alone."""
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    try:
        by_sform = header.get_sform() if sform > 0 else None
        by_qform = header.get_qform() if qform > 0 else None
    except Exception as error:  # noqa: BLE001 - whatever nibabel raises
        raise ImageError(f"is damaged: its place in space ({error})") from None
    for name, found in (("sform", by_sform), ("qform", by_qform)):
        if found is not None and not _is_sound(found):
            raise ImageError(f"is damaged: its {name} is no map of space")
    if by_sform is None and by_qform is None:
        notes.append(
            "its header does not say where it lies (both form codes are 0): left and "
            "right are unknown, sizes of voxels are kept"
        )
        base = header.get_base_affine()
        if not _is_sound(base):
            raise ImageError("is damaged: the sizes of its voxels are not above 0")
        return base
    if by_sform is not None and by_qform is not None:
        reach = np.asarray(header.get_data_shape()[:3]).max(initial=1)
        spacing = np.abs(by_sform[:3, :3]).max()
        if np.abs(by_sform - by_qform).max() * min(reach, 1) > 0.01 * spacing:
            notes.append(
                f"its sform ({_codes(by_sform)}) and its qform ({_codes(by_qform)}) "
                f"disagree; the sform counts, and both are written from it"
            )
    return by_sform if by_sform is not None else by_qform


def _is_sound(affine: Any) -> bool:
    return bool(
        np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-30
    )


def _codes(affine: Any) -> str:
    import nibabel

    return "".join(nibabel.aff2axcodes(affine))


@dataclass(frozen=True)
class NiftiHead:
    """A header of nibabel's, and what stands between it and the voxels."""

    header: Any
    extensions: bytes

    def enlarged(self, volume: Volume) -> NiftiHead:
        """The header of a volume with other voxels; codes, units and texts stay."""
        new, old, affine = self.header.copy(), self.header, volume.affine
        new.set_data_shape(volume.shape)
        if volume.is_color:
            new["datatype"], new["bitpix"] = _RGB24, 24
        else:
            new.set_data_dtype(volume.data.dtype)
        new["scl_slope"], new["scl_inter"] = volume.slope, volume.intercept
        if int(old["sform_code"]) > 0:
            new.set_sform(affine, int(old["sform_code"]))
        if int(old["qform_code"]) > 0:
            new.set_qform(affine, int(old["qform_code"]), strip_shears=True)
        new["pixdim"][1:4] = volume.spacing
        new["cal_min"] = new["cal_max"] = 0  # a window that was meant for other values
        return NiftiHead(new, self.extensions)


def new_head(affine: Any, description: str = "") -> NiftiHead:
    """A header of version 1 for a volume that came from another format, in mm."""
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_xyzt_units("mm")
    header.set_sform(affine, 1)
    header.set_qform(affine, 1, strip_shears=True)
    header["descrip"] = description.encode("ascii", "replace")[:79]
    return NiftiHead(header, b"")


def _write(file: Any, header: Any, extensions: bytes, data: Any) -> None:
    new = header.copy()
    size = _HEADER[_version_of(header)]
    block = extensions if len(extensions) >= 4 else b"\0\0\0\0"
    new["vox_offset"] = size + len(block)
    file.write(new.binaryblock)
    file.write(block)
    order = new.endianness
    step = max(1, (1 << 24) // max(1, data[..., 0].nbytes))
    for start in range(0, data.shape[-1], step):
        part = data[..., start : start + step]
        file.write(part.astype(data.dtype.newbyteorder(order)).tobytes(order="F"))
