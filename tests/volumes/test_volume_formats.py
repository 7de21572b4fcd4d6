"""NIfTI and MGH: read as nibabel does, written so that nibabel agrees, bounded."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest

from zoo.errors import ImageError
from zoo.formats import HEAD, Source, named, recognise
from zoo.testing.damage import damaged_copies
from zoo.volumes.geometry import enlarged_affine, plane_of

nibabel = pytest.importorskip("nibabel")

TYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"]


def source(data: bytes, size: int | None = -1) -> Source:
    known = len(data) if size == -1 else size
    return Source("a test", None, io.BytesIO(data), data[:HEAD], known)


def affine(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = rotation @ np.diag([1.0, 1.5, 3.0])
    matrix[:3, 3] = rng.uniform(-50, 50, 3)
    return matrix


def saved(image: object, suffix: str, tmp_path) -> bytes:
    path = tmp_path / f"x{suffix}"
    nibabel.save(image, path)
    return path.read_bytes()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_is_what_nibabel_reads(tmp_path, dtype, order, version, suffix):
    rng = np.random.default_rng(1)
    values = (rng.random((5, 6, 4)) * 100).astype(dtype)
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    header = (kind.header_class)(endianness=order)
    header.set_data_dtype(dtype)
    image = kind(values, affine(), header)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"a comment"))
    image.header["descrip"] = b"made for a test"
    image.set_sform(affine(), 2)
    image.set_qform(affine(), 1)
    data = saved(image, suffix, tmp_path)
    found = recognise(data[:HEAD])
    assert found is not None and found.name == suffix[1:]
    for size in (-1, None):
        volume = found.read(source(data, size))
        np.testing.assert_array_equal(volume.data, values)
        np.testing.assert_allclose(volume.affine, affine(), atol=1e-5)
    large = np.repeat(values, 2, axis=0)
    new = enlarged_affine(volume.affine, (2, 1, 1))
    file = io.BytesIO()
    found.write(file, volume.with_data(np.asfortranarray(large), new))
    path = tmp_path / f"y{suffix}"
    path.write_bytes(file.getvalue())
    again = nibabel.load(path)
    np.testing.assert_array_equal(np.asanyarray(again.dataobj), large)
    np.testing.assert_allclose(again.affine, new, atol=1e-4)
    np.testing.assert_allclose(again.header.get_qform(), new, atol=1e-3)
    assert again.header["descrip"].item() == b"made for a test"
    assert again.header.extensions[0].get_content() == b"a comment"
    assert again.header.endianness == order
    assert type(again) is kind


@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_mgh_is_what_nibabel_reads(tmp_path, suffix, dtype):
    values = (np.random.default_rng(2).random((5, 6, 4)) * 100).astype(dtype)
    data = saved(nibabel.MGHImage(values, affine(3)), suffix, tmp_path)
    found = recognise(data[:HEAD])
    assert found is not None and found.name == suffix[1:]
    volume = found.read(source(data))
    np.testing.assert_array_equal(volume.data, values)
    np.testing.assert_allclose(volume.affine, affine(3), atol=1e-4)
    large = np.asfortranarray(np.repeat(values, 3, axis=1).astype(np.float32))
    new = enlarged_affine(volume.affine, (1, 3, 1))
    file = io.BytesIO()
    found.write(file, volume.with_data(large, new))
    path = tmp_path / f"y{suffix}"
    path.write_bytes(file.getvalue())
    again = nibabel.load(path)
    np.testing.assert_array_equal(np.asanyarray(again.dataobj), large)
    np.testing.assert_allclose(again.affine, new, atol=1e-4)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mgh", ".mgz"])
def test_damage_is_one_error(tmp_path, suffix):
    kind = nibabel.Nifti1Image if "nii" in suffix else nibabel.MGHImage
    values = (np.random.default_rng(2).random((9, 8, 7)) * 100).astype(np.int16)
    data = saved(kind(values, affine()), suffix, tmp_path)
    found = named(suffix[1:])
    refused = 0
    for what, damaged in damaged_copies(data, 400, 0):
        try:
            found.read(source(damaged))
        except ImageError as error:
            assert str(error), what
            refused += 1
    # Cut, or with bits flipped under gzip's checksum, nothing comes through.
    assert refused >= (300 if suffix in (".nii.gz", ".mgz") else 100)


def test_headers_that_promise_too_much():
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header["dim"][:4] = 3, 30000, 30000, 30000
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    plain = header.binaryblock + bytes(4 + 1000)
    with pytest.raises(ImageError, match="promises 54000000000352 bytes"):
        named("nii").read(source(plain))
    with pytest.raises(ImageError, match="promises 54000000000352 bytes"):
        named("nii.gz").read(source(gzip.compress(plain)))
    header["dim"][:8] = 7, 3, 3, 3, 3, 3, 3, 3
    with pytest.raises(ImageError, match="has 7 axes"):
        named("nii").read(source(header.binaryblock + bytes(4 + 2 * 3**7)))
    for code, words in ((32, "complex64"), (2304, "RGBA32"), (999, "data type 999")):
        header["datatype"] = code
        with pytest.raises(ImageError, match=words):
            named("nii").read(source(header.binaryblock + bytes(2000)))


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASL", "SRP", "IPR"])
def test_planes_whatever_the_order(codes):
    values = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    plain = nibabel.Nifti1Image(values, np.diag([1, 1, 3, 1]))
    to = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(plain.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    stored = plain.as_reoriented(to)
    file = io.BytesIO(stored.to_bytes())
    volume = named("nii").read(source(file.getvalue()))
    for wanted in ("auto", "axial"):
        plane = plane_of(volume, wanted)
        assert (plane.name, plane.codes) == ("axial", codes)
        slices = np.asarray(plane.slices(volume.data))
        if codes[plane.through] == "I":
            slices = slices[::-1]
        np.testing.assert_array_equal(slices, np.moveaxis(values, 2, 0))


def test_the_box_stays():
    old = affine()
    for factors in ((2, 2, 1), (1, 3, 4)):
        new = enlarged_affine(old, factors)
        for corner in np.ndindex(2, 2, 2):
            size = np.array([7, 8, 9])
            before = np.append(np.array(corner) * size - 0.5, 1)
            after = np.append(np.array(corner) * size * factors - 0.5, 1)
            np.testing.assert_allclose(old @ before, new @ after, atol=1e-9)
