"""FreeSurfer's MGH and MGZ (surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat)."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from zoo.errors import ImageError
from zoo.formats import Source
from zoo.volumes.base import VolumeFormat
from zoo.volumes.spool import GZIP, array_of, head_of, unpacked
from zoo.volumes.volume import Volume, check_shape

__all__ = ["Mgh", "Mgz"]

_OFFSET = 284
_TYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}


@dataclass(frozen=True)
class MghHead:
    """A header of nibabel's, and what follows the voxels: times, angles, tags."""

    header: Any
    tail: bytes

    def enlarged(self, volume: Volume) -> MghHead:
        """The header of a volume with other voxels."""
        new = self.header.copy()
        new.set_data_shape(volume.shape)
        new.set_data_dtype(volume.data.dtype)
        lengths = np.asarray(volume.spacing)
        new["goodRASFlag"] = 1
        new["delta"] = lengths
        new["Mdc"] = (volume.affine[:3, :3] / lengths).T
        # The centre of MGH is voxel n / 2, counted from 0.
        half = np.append(np.asarray(volume.shape[:3]) / 2, 1)
        new["Pxyz_c"] = (volume.affine @ half)[:3]
        return MghHead(new, self.tail)


class Mgh(VolumeFormat):
    """Plain MGH."""

    name: ClassVar[str] = "mgh"
    label: ClassVar[str] = "MGH"
    suffixes: ClassVar[tuple[str, ...]] = (".mgh",)

    def recognise(self, head: bytes) -> bool:
        """By version 1, four sizes and a known type of voxels, big-endian."""
        if head.startswith(GZIP) != self.is_gzip:
            return False
        begin = head_of(head, _OFFSET)
        if len(begin) < 28:
            return False
        version, *sizes, kind = struct.unpack_from(">6i", begin)
        return version == 1 and kind in _TYPES and all(0 < n < 1 << 20 for n in sizes)

    def read(self, source: Source, *, damaged: bool = False) -> Volume:
        """Read a volume; its voxels lie in a temporary file."""
        self.require()
        import nibabel

        blocks = unpacked(source.file, self.is_gzip)
        head = b""
        while len(head) < _OFFSET:
            block = next(blocks, b"")
            if not block:
                raise ImageError("is truncated within its header")
            head += block
        sizes = struct.unpack_from(">4i", head, 4)
        kind = int.from_bytes(head[20:24], "big", signed=True)
        if kind not in _TYPES:
            raise ImageError(f"is of data type {kind}, which MGH does not know")
        shape = sizes if sizes[3] != 1 else sizes[:3]
        check_shape(shape)
        data, keep, tail = array_of(
            chain([head], blocks),
            _OFFSET,
            shape,
            np.dtype(_TYPES[kind]),
            source.size,
            self.is_gzip,
        )
        try:
            header = nibabel.freesurfer.mghformat.MGHHeader.from_fileobj(
                io.BytesIO(head[:_OFFSET] + bytes(20)), check=False
            )
            affine = np.asarray(header.get_affine(), np.float64)
        except Exception as error:  # noqa: BLE001 - whatever nibabel raises
            raise ImageError(
                f"is damaged: its header cannot be read ({error})"
            ) from None
        if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-30:
            raise ImageError("is damaged: its place in space is no map of space")
        return Volume(
            data, affine, header=MghHead(header, tail), format=self.name, keep=keep
        )

    def write_plain(self, file: Any, item: Volume) -> None:
        """Write a volume, before any gzip."""
        head: MghHead = item.header
        file.write(head.header.binaryblock[:_OFFSET].ljust(_OFFSET, b"\0"))
        for index in range(item.data.shape[-1]):
            part = item.data[..., index]
            big = part.astype(part.dtype.newbyteorder(">"))
            file.write(big.tobytes(order="F"))
        file.write(head.tail)

    def misfit(self, item: Volume, size: tuple[int, ...]) -> str:
        """What of a volume MGH cannot hold."""
        if not isinstance(item, Volume):
            return "a picture"
        if not isinstance(item.header, MghHead):
            return "the header of another format"
        if item.data.dtype.newbyteorder(">").str not in _TYPES.values():
            return f"voxels of type {item.data.dtype}"
        return ""


class Mgz(Mgh):
    """Gzipped MGH."""

    name = "mgz"
    label = "MGH (gzipped)"
    suffixes = (".mgz", ".mgh.gz")
    is_gzip = True
