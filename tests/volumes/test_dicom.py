"""DICOM series become the volumes that they are, checked against nibabel's."""

from __future__ import annotations

import io
import json
import re
import time

import numpy as np
import pytest
from dicom_files import enhanced, place, plain_header, write_series

from zoo.cli import main
from zoo.errors import ImageError
from zoo.formats import HEAD, Source, named, recognise
from zoo.run.inputs import find_inputs, open_input
from zoo.testing.damage import damaged_copies

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")

NETWORK = "edsr_r8f32_x2"


def affine(spacing=(0.9, 1.1, 3.0), seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = rotation @ np.diag(spacing)
    if np.linalg.det(matrix) < 0:  # slices ascend along rows x columns
        matrix[:3, 2] *= -1
    matrix[:3, 3] = rng.uniform(-50, 50, 3)
    return matrix


def values(dtype="int16", shape=(14, 12, 7), seed=1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low = -300 if np.dtype(dtype).kind == "i" and dtype != "int8" else 0
    return rng.integers(low, 100, shape).astype(dtype)


def saved(head) -> bytes:
    file = io.BytesIO()
    head.save_as(file, enforce_file_format=True)
    return file.getvalue()


def read(data: bytes, size: int | None = -1):
    known = len(data) if size == -1 else size
    source = Source("a test", None, io.BytesIO(data), data[:HEAD], known)
    found = recognise(data[:HEAD])
    assert found is not None and found.name == "dicom"
    return found.read(source)


def from_folder(folder):
    with open_input(folder) as source:
        return named("dicom").read(source)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_a_series_is_the_volume(tmp_path, dtype):
    """Voxel for voxel and in the world, as a NIfTI file of the same grid."""
    wanted, where = values(dtype), affine()
    write_series(tmp_path / "t1", wanted, where, RescaleSlope=0.5, RescaleIntercept=-9)
    volume = from_folder(tmp_path / "t1")
    np.testing.assert_array_equal(volume.data, wanted)
    np.testing.assert_allclose(volume.affine, where, atol=1e-6)
    assert (volume.slope, volume.intercept) == (0.5, -9)
    truth = nibabel.Nifti1Image(wanted, where)
    truth.header.set_slope_inter(0.5, -9)
    header = volume.header.enlarged(volume).header
    np.testing.assert_allclose(header.get_best_affine(), truth.affine, atol=1e-4)
    np.testing.assert_allclose(header.get_zooms(), truth.header.get_zooms(), atol=1e-6)


def test_slopes_of_slices_apart(tmp_path):
    wanted = values("uint16")
    slopes = [float(n + 1) for n in range(wanted.shape[2])]
    write_series(tmp_path, wanted, affine(), RescaleSlope=slopes, RescaleIntercept=1)
    volume = from_folder(tmp_path)
    assert volume.data.dtype == np.float32
    np.testing.assert_allclose(volume.data, wanted * np.array(slopes) + 1)


def test_frames_of_one_file():
    wanted, where = values("uint16"), affine()
    for size in (-1, None):
        volume = read(saved(enhanced(wanted, where)), size)
        np.testing.assert_array_equal(volume.data, wanted)
        np.testing.assert_allclose(volume.affine, where, atol=1e-6)
        assert (volume.slope, volume.intercept) == (2, -5)


def test_compressed_and_packed():
    """RLE, which pydicom decodes itself; 12 bits of 16 with an overlay above them."""
    from pydicom.uid import MPEG2MPML, JPEG2000Lossless, RLELossless

    wanted, where = values("uint16"), affine()
    head = enhanced(wanted, where)
    head.compress(RLELossless)
    np.testing.assert_array_equal(read(saved(head)).data, wanted)
    head = enhanced(wanted | 0xF000, where)
    head.BitsStored, head.HighBit = 12, 11
    np.testing.assert_array_equal(read(saved(head)).data, wanted & 0xFFF)
    head = plain_header((8, 8), "uint16", MPEG2MPML)
    head.PixelData = pydicom.encaps.encapsulate([bytes(64)])
    head["PixelData"].is_undefined_length = True
    with pytest.raises(ImageError, match="MPEG2 Main Profile"):
        read(saved(head))
    from pydicom.pixels import get_decoder

    if not get_decoder(JPEG2000Lossless).is_available:
        head.file_meta.TransferSyntaxUID = JPEG2000Lossless
        with pytest.raises(ImageError, match=r"JPEG 2000.*pylibjpeg"):
            read(saved(head))


def test_syntaxes_without_a_decoder_are_named(monkeypatch):
    from pydicom.pixels.decoders import base
    from pydicom.uid import JPEGLSLossless

    head = plain_header((8, 8), "uint16", JPEGLSLossless)
    head.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(62)])
    head["PixelData"].is_undefined_length = True
    monkeypatch.setattr(base.Decoder, "is_available", property(lambda self: False))
    with pytest.raises(ImageError, match="compressed as JPEG-LS Lossless"):
        read(saved(head))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda files: inner(files).unlink(), "has 1 missing"),
        (lambda files: twice(files), "more than one slice at the same place 1 times"),
        (lambda files: turned(files), "several orientations"),
        (lambda files: larger(files), "unlike slices .Rows"),
        (lambda files: nowhere(files), "do not say where they lie"),
        (lambda files: beside(files), "do not lie along one line"),
        (lambda files: cut(files), "damaged|truncated"),
    ],
)
def test_what_is_no_grid_is_refused(tmp_path, change, words, capfd):
    folder = tmp_path / "t1"
    files = write_series(folder, values(), affine())
    change(files)
    with pytest.raises(ImageError, match=words):
        from_folder(folder)
    assert main(["run", NETWORK, str(folder)]) == 1
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 2 and "1 failed" in said[1]
    assert sorted(tmp_path.iterdir()) == [folder]


def inner(files):
    """A file of a slice with neighbours on both sides."""
    heights = [
        np.array(pydicom.dcmread(path).ImagePositionPatient, float)
        @ np.diag([-1, -1, 1])
        @ affine()[:3, 2]
        for path in files
    ]
    return files[int(np.argsort(heights)[3])]


def edited(path, change) -> None:
    head = pydicom.dcmread(path)
    change(head)
    head.save_as(path)


def twice(files) -> None:
    files[0].with_name("again").write_bytes(files[0].read_bytes())


def turned(files) -> None:
    edited(files[2], lambda head: place(head, affine(seed=5), 0))


def larger(files) -> None:
    def change(head) -> None:
        head.Rows += 1
        head.PixelData += bytes(2 * head.Columns)

    edited(files[2], change)


def nowhere(files) -> None:
    for path in files:
        edited(path, lambda head: delattr(head, "ImagePositionPatient"))


def beside(files) -> None:
    def change(head) -> None:
        across = np.array(head.ImageOrientationPatient[:3], float)
        moved = np.array(head.ImagePositionPatient, float) + across
        head.ImagePositionPatient = list(moved)

    edited(files[2], change)


def cut(files) -> None:
    files[2].write_bytes(files[2].read_bytes()[:-40])


def test_run_a_folder(tmp_path, capfd):
    """One result, as NIfTI, voxel for voxel that of the NIfTI file of the same grid."""
    wanted, where = values("int16", (20, 16, 4)), affine()
    folder = tmp_path / "study" / "t1"
    write_series(folder, wanted, where)
    (folder / "DICOMDIR").write_bytes(saved(directory()))
    nibabel.save(nibabel.Nifti1Image(wanted, where), tmp_path / "same.nii.gz")
    assert main(["run", NETWORK, str(folder)]) == 0
    out, err = capfd.readouterr()
    made = tmp_path / "study" / "t1_x2.nii.gz"
    assert out == f"{made}\n"
    assert "writes the result as NIfTI" in err
    assert "1 file without slices" in err
    assert main(["run", NETWORK, str(tmp_path / "same.nii.gz")]) == 0
    capfd.readouterr()
    image, truth = nibabel.load(made), nibabel.load(tmp_path / "same_x2.nii.gz")
    np.testing.assert_array_equal(image.get_fdata(), truth.get_fdata())
    np.testing.assert_allclose(image.affine, truth.affine, atol=1e-4)
    assert bytes(image.header["descrip"].item()).startswith(b"t1 for a test")
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    # A folder above it is mirrored; a second series in the same folder has its own.
    write_series(folder / "more", wanted, where, SeriesInstanceUID="1.2.4")
    for path in (folder / "more").iterdir():
        path.rename(folder / f"b{path.name}")
    (folder / "more").rmdir()
    call = ["run", NETWORK, str(tmp_path / "study"), "-o", str(tmp_path / "out")]
    made.unlink()
    assert main([*call, "--json"]) == 0
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [record["output_shape"] for record in records] == [[40, 32, 4]] * 2
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["t1-1.nii.gz", "t1-2.nii.gz"]
    with pytest.raises(ImageError, match="holds 2 series"), open_input(folder):
        pass
    # One file alone is one slice.
    one = next(folder.glob("IM*"))
    assert main(["run", NETWORK, str(one), "-o", str(tmp_path / "one.nii.gz")]) == 0
    assert nibabel.load(tmp_path / "one.nii.gz").shape == (40, 32, 1)
    assert main(["run", NETWORK, str(one), "-o", str(tmp_path / "one.dcm")]) == 1
    assert "dicom cannot hold results, for it is read only" in capfd.readouterr().err


def directory():
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

    head = Dataset()
    head.file_meta = FileMetaDataset()
    head.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    head.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    head.file_meta.MediaStorageSOPInstanceUID = "1.2.5"
    head.FileSetID = "TEST"
    return head


def test_hostile_sizes_are_refused_before_anything_is_allocated():
    head = plain_header((8, 8), "uint16")
    head.PixelData = bytes(128)
    head.Rows = head.Columns = 65535
    with pytest.raises(ImageError, match="promises 8589672450 bytes"):
        read(saved(head))
    head = enhanced(values(), affine())
    head.NumberOfFrames = 2_000_000_000
    with pytest.raises(ImageError, match="promises"):
        read(saved(head))
    head = plain_header((8, 8), "uint16", "1.2.840.10008.1.2.1.99")
    head.PixelData = bytes(1 << 20)
    start = time.perf_counter()
    with pytest.raises(ImageError, match="Deflated"):
        read(saved(head))
    assert time.perf_counter() - start < 5
    head = plain_header((8, 8), "uint16")
    head.SamplesPerPixel, head.PhotometricInterpretation = 3, "RGB"
    head.PixelData = bytes(384)
    with pytest.raises(ImageError, match=r"colours \(RGB\)"):
        read(saved(head))


def test_damage_is_one_error():
    data = saved(enhanced(values("uint16", (6, 5, 3)), affine()))
    refused = 0
    for what, damaged in damaged_copies(data, 300, 0):
        if damaged[128:132] != b"DICM":
            continue
        try:
            read(damaged)
        except ImageError as error:
            assert str(error), what
            refused += 1
    assert refused > 60


def test_nothing_is_found_where_nothing_is(tmp_path):
    (tmp_path / "README").write_text("no slices")
    (tmp_path / "a.png").write_bytes(b"")
    sources = find_inputs([str(tmp_path)], None)
    assert [item.relative.name for item in sources.items] == ["a.png"]
    with pytest.raises(ImageError, match="holds no series"), open_input(tmp_path):
        pass


def test_a_format_of_another_kind(tmp_path, capfd):
    """A volume is no picture and a picture no volume; a name without an ending is."""
    from zoo.images import Image, write

    volume, picture = tmp_path / "brain", tmp_path / "p.png"
    plain = nibabel.Nifti1Image(values("int16", (20, 16, 4)), affine())
    nibabel.save(plain, tmp_path / "brain.nii.gz")
    (tmp_path / "brain.nii.gz").rename(volume)
    write(picture, Image(np.zeros((16, 16, 3), np.uint8)))
    for path, name, words in (
        (volume, "a.png", "png cannot hold a volume; choose nii or nii.gz"),
        (picture, "a.nii", "nii cannot hold a picture; choose png"),
        (picture, "a.mgz", "mgz cannot hold a picture; choose png"),
        (picture, "a.dcm", "dicom cannot hold results, for it is read only"),
    ):
        assert main(["run", NETWORK, str(path), "-o", str(tmp_path / name)]) == 1
        assert words in capfd.readouterr().err
    assert main(["run", NETWORK, str(volume)]) == 0
    assert (tmp_path / "brain_x2.nii.gz").exists()
    capfd.readouterr()
    assert main(["run", NETWORK, str(volume), "-o", f"{tmp_path}/out/"]) == 0
    assert (tmp_path / "out" / "brain.nii.gz").exists()
    assert "written instead" not in capfd.readouterr().err


def test_series_are_measured_and_learned_from(tmp_path, capfd):
    """A folder of DICOM is a volume for zoo eval and zoo study, as its NIfTI file is."""
    from zoo.evaluate.datasets import find_set
    from zoo.evaluate.protocol import cases_in
    from zoo.study.slices import load_stack

    wanted, where = np.abs(values("int16", (34, 32, 5))) + 1, affine()
    for name in "ab":
        write_series(tmp_path / "sets" / name, wanted, where)
    nibabel.save(nibabel.Nifti1Image(wanted, where), tmp_path / "same.nii.gz")
    pictures = find_set(tmp_path / "sets", 2)
    assert pictures.names == ("a", "b") and pictures.has_volumes
    series = list(cases_in(find_set(tmp_path / "sets" / "a", 2), 2))
    plain = list(cases_in(find_set(tmp_path / "same.nii.gz", 2), 2))
    assert len(series) == len(plain) == 5
    for one, other in zip(series, plain, strict=True):
        np.testing.assert_allclose(one.high, other.high, atol=1e-6)
    stacks = [load_stack(tmp_path / name) for name in ("sets/a", "same.nii.gz")]
    np.testing.assert_array_equal(stacks[0].slices, stacks[1].slices)
    folder = str(tmp_path / "sets" / "a")
    assert main(["eval", "bicubic", folder, "--scale", "2"]) == 0
    assert re.search(
        r"^a (axial|coronal|sagittal) 4 ", capfd.readouterr().out, re.MULTILINE
    )


def test_without_pydicom(tmp_path, monkeypatch, capfd):
    write_series(tmp_path / "t1", values(), affine())
    monkeypatch.setattr("zoo.volumes.dicom.find_spec", lambda name: None)
    assert main(["run", NETWORK, str(tmp_path / "t1")]) == 1
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 2
    assert (
        "is a DICOM file, which needs pydicom; pip install pydicom nibabel" in said[0]
    )
