"""DICOM files for tests, written by pydicom from a volume on a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def plain_header(shape: tuple[int, int], dtype: Any, syntax: str = "") -> Any:
    """A dataset of one slice, H x W, without pixels or place."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    kind = np.dtype(dtype)
    head = Dataset()
    head.file_meta = FileMetaDataset()
    head.file_meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    head.file_meta.MediaStorageSOPClassUID = head.SOPClassUID = MRImageStorage
    head.SOPInstanceUID = generate_uid()
    head.file_meta.MediaStorageSOPInstanceUID = head.SOPInstanceUID
    head.SeriesInstanceUID, head.SeriesNumber = "1.2.3", 4
    head.SeriesDescription = "t1 for a test"
    head.Rows, head.Columns = shape
    head.SamplesPerPixel, head.PhotometricInterpretation = 1, "MONOCHROME2"
    head.BitsAllocated = head.BitsStored = 8 * kind.itemsize
    head.HighBit = head.BitsStored - 1
    head.PixelRepresentation = int(kind.kind == "i")
    return head


def place(head: Any, affine: np.ndarray, index: int) -> None:
    """Position, orientation and spacing of a slice of a grid in RAS."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    across, down = lps[:3, 0], lps[:3, 1]
    sizes = np.linalg.norm(across), np.linalg.norm(down)
    head.ImageOrientationPatient = [*(across / sizes[0]), *(down / sizes[1])]
    head.ImagePositionPatient = list((lps @ [0, 0, index, 1])[:3])
    head.PixelSpacing = [sizes[1], sizes[0]]


def write_series(
    folder: Path, values: np.ndarray, affine: np.ndarray, **more: Any
) -> list[Path]:
    """A file for each slice of X x Y x Z, in an order that tells nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    count = values.shape[2]
    for name, index in enumerate(np.random.default_rng(0).permutation(count)):
        head = plain_header(values.shape[1::-1], values.dtype)
        place(head, affine, int(index))
        head.PixelData = np.ascontiguousarray(values[..., index].T).tobytes()
        for key, value in more.items():
            setattr(head, key, value[index] if isinstance(value, list) else value)
        files.append(folder / f"IM{name:04}")
        head.save_as(files[-1], enforce_file_format=True)
    return files


def enhanced(values: np.ndarray, affine: np.ndarray) -> Any:
    """One dataset with every slice as a frame, in descending order."""
    from pydicom.dataset import Dataset
    from pydicom.uid import EnhancedMRImageStorage

    head = plain_header(values.shape[1::-1], values.dtype)
    head.SOPClassUID = EnhancedMRImageStorage
    head.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    head.NumberOfFrames = values.shape[2]
    plain = Dataset()
    place(plain, affine, 0)
    shared, measures, turned, scaled = (Dataset() for _ in range(4))
    measures.PixelSpacing = plain.PixelSpacing
    turned.ImageOrientationPatient = plain.ImageOrientationPatient
    scaled.RescaleSlope, scaled.RescaleIntercept = 2, -5
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [turned]
    shared.PixelValueTransformationSequence = [scaled]
    head.SharedFunctionalGroupsSequence = [shared]
    groups, pixels = [], []
    for index in reversed(range(values.shape[2])):
        group, position = Dataset(), Dataset()
        place(plain, affine, index)
        position.ImagePositionPatient = plain.ImagePositionPatient
        group.PlanePositionSequence = [position]
        groups.append(group)
        pixels.append(np.ascontiguousarray(values[..., index].T))
    head.PerFrameFunctionalGroupsSequence = groups
    head.PixelData = np.stack(pixels).tobytes()
    return head
