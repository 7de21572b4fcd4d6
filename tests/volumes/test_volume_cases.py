"""Volumes that strangers' reports describe: each comes out right, or in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from zoo.cli import main

nibabel = pytest.importorskip("nibabel")

NETWORK = "edsr_r8f32_x2"


@pytest.fixture(scope="session")
def cases(shared):
    folder = shared / "data" / "cases" / "volumes"
    if not folder.is_dir():
        pytest.skip("there is no ../shared with cases of volumes")
    return folder


@pytest.fixture(scope="session")
def expected(cases):
    return json.loads((cases / "expected.json").read_text())


@pytest.fixture(scope="session")
def made(cases, tmp_path_factory):
    """All of them run at once, as a folder."""
    folder = tmp_path_factory.mktemp("made")
    assert main(["run", NETWORK, str(cases), "-o", str(folder)]) == 1
    return folder


def test_geometry_is_right(made, expected):
    for name, wanted in expected.items():
        path = made / name
        if "refused" in wanted:
            assert not path.exists(), name
            continue
        image = nibabel.load(path)
        assert list(image.shape) == wanted["shape"], name
        np.testing.assert_allclose(image.affine, wanted["affine"], atol=2e-5)
        header = image.header
        np.testing.assert_allclose(header.get_zooms()[:3], wanted["zooms"], rtol=1e-5)
        assert "".join(nibabel.aff2axcodes(image.affine)) == wanted["axcodes"], name
        codes = [int(header["qform_code"]), int(header["sform_code"])]
        assert codes == wanted["codes"], name
        assert list(header.get_xyzt_units()) == wanted["units"], name
        if all(codes):  # both are the one that counted
            np.testing.assert_allclose(
                header.get_qform(), header.get_sform(), atol=1e-4
            )


def data(folder: Path, name: str) -> np.ndarray:
    return np.asanyarray(nibabel.load(folder / name).dataobj)


def test_the_same_anatomy_comes_out_the_same(made):
    """However it is stored: LPS, LAS, another axis first."""
    plain = data(made, "01_ras_aniso.nii.gz")
    np.testing.assert_array_equal(data(made, "02_lps.nii.gz")[::-1, ::-1], plain)
    np.testing.assert_array_equal(data(made, "03_las.nii.gz")[::-1], plain)
    np.testing.assert_array_equal(data(made, "08_oblique17.nii.gz"), plain)
    sagittal = data(made, "21_sagittal_thick.nii.gz")
    np.testing.assert_array_equal(np.moveaxis(sagittal, 0, 2), plain)
    for name in (
        "05_q_s_flip",
        "07_qform_only",
        "19_metres",
        "28_nifti2",
    ):
        np.testing.assert_array_equal(data(made, f"{name}.nii.gz"), plain)


def test_the_bright_voxel_keeps_its_place(cases, made):
    for name in ("01_ras_aniso.nii.gz", "02_lps.nii.gz", "08_oblique17.nii.gz"):
        small, large = nibabel.load(cases / name), nibabel.load(made / name)
        places = []
        for image in (small, large):
            values = np.asarray(image.dataobj, np.float64)
            weight = np.where(values > 0.9 * values.max(), values, 0)
            index = [
                float((weight * axis).sum() / weight.sum())
                for axis in np.indices(values.shape)
            ]
            places.append(nibabel.affines.apply_affine(image.affine, index))
        assert np.abs(places[0] - places[1]).max() < 0.15, name  # of 1 mm voxels


def test_values(cases, made):
    slope = data(made, "10_slope.nii.gz")
    stored = nibabel.load(made / "10_slope.nii.gz").dataobj
    assert (stored.slope, stored.inter) == (1, 0)
    stored = nibabel.load(made / "10_slope.nii.gz").dataobj
    assert (stored.slope, stored.inter) == (1, 0)
    assert slope.mean() == pytest.approx(data(cases, "10_slope.nii.gz").mean(), abs=1)
    edge = data(made, "11_int16_edge.nii.gz")
    assert edge.max() > 32767 and edge.min() < -32768  # exceeds freely
    assert not data(made, "18_all_zero.nii.gz").any()
    negative = data(made, "25_negative.nii.gz")
    background = data(cases, "25_negative.nii.gz")[0, 0, 0]
    span = negative.max() - negative.min()
    assert abs(negative[0, 0, 0] - background) < 0.01 * span
    outlier = data(made, "26_outlier.nii.gz")
    assert outlier.max() > 15000
    plain = data(made, "01_ras_aniso.nii.gz")
    far = np.abs(data(cases, "26_outlier.nii.gz") - data(cases, "01_ras_aniso.nii.gz"))
    untouched = far.max(axis=(0, 1)) == 0
    np.testing.assert_allclose(
        outlier[..., untouched], plain[..., untouched], atol=0.01 * 800
    )


def test_nan_stays_in_its_voxels(cases, made):
    before, after = data(cases, "12_nan_inf.nii.gz"), data(made, "12_nan_inf.nii.gz")
    bad = ~np.isfinite(before)
    np.testing.assert_array_equal(np.isnan(after), bad.repeat(2, 0).repeat(2, 1))


def test_a_series_is_its_volumes(cases, made, tmp_path):
    series = nibabel.load(cases / "13_4d.nii.gz")
    whole = nibabel.load(made / "13_4d.nii.gz")
    assert whole.header.get_zooms()[3] == series.header.get_zooms()[3]
    for index in range(3):
        one = nibabel.Nifti1Image(
            np.asarray(series.dataobj)[..., index], series.affine, dtype=np.int16
        )
        nibabel.save(one, tmp_path / "one.nii.gz")
        assert main(["run", NETWORK, str(tmp_path / "one.nii.gz"), "--force"]) == 0
        np.testing.assert_array_equal(
            np.asarray(nibabel.load(tmp_path / "one_x2.nii.gz").dataobj),
            np.asarray(whole.dataobj)[..., index],
        )
    assert not np.asarray(whole.dataobj)[..., 2].any()


def test_colour_stays_colour(made):
    image = nibabel.load(made / "16_rgb24.nii.gz")
    assert image.header.get_data_dtype().names == ("R", "G", "B")


def test_what_is_said(cases, tmp_path, capfd):
    main(["run", NETWORK, str(cases), "-o", str(tmp_path)])
    err = capfd.readouterr().err
    for name, words in (
        ("05_q_s_flip", "sform (RAS) and its qform (LAS) disagree"),
        ("06_no_codes", "left and right are unknown"),
        ("08_oblique17", "17 degrees"),
        ("12_nan_inf", "NaN or infinite"),
        ("22_inplane_aniso", "0.5 x 2 within a slice"),
        ("30_labels", "segmentation"),
        ("31_truncated", "truncated"),
        ("33_bad_crc", "damaged"),
        ("34_bad_datatype", "data type 999"),
        ("35_huge_dims", "promises 54000000000352 bytes"),
        ("21_sagittal_thick", "sagittal slices, across axis 0 of RAS"),
    ):
        lines = [line for line in err.splitlines() if name in line and words in line]
        assert len(lines) == 1, name
    assert "4 failed" in err
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


def test_options(cases, tmp_path, capfd):
    def run(name: str, *options: str) -> tuple[int, str]:
        shutil.copy(cases / name, tmp_path / "in.nii.gz")
        call = ["run", NETWORK, str(tmp_path / "in.nii.gz"), "--force", *options]
        code = main([*call, "-o", str(tmp_path / "out.nii.gz")])
        return code, capfd.readouterr().err

    code, err = run("11_int16_edge.nii.gz", "--dtype", "same")
    assert code == 0
    made = data(tmp_path, "out.nii.gz")
    assert made.dtype == np.int16
    assert made.max() == 32767 and made.min() == -32768
    assert "lie beyond the type and are cut off" in err
    code, err = run("10_slope.nii.gz", "--dtype", "same")
    stored = nibabel.load(tmp_path / "out.nii.gz").dataobj
    assert (stored.slope, stored.inter) == (0.25, -1024)
    code, err = run("15_single_slice.nii.gz", "--plane", "sagittal")
    assert code == 1
    assert err.count("\n") == 1
    assert "24 x 1 pixels, which is no picture" in err
    code, _ = run("12_nan_inf.nii.gz", "--nan", "zero")
    made = data(tmp_path, "out.nii.gz")
    assert np.isfinite(made).all()
    code, _ = run("01_ras_aniso.nii.gz", "--channels", "each")
    each = data(tmp_path, "out.nii.gz")
    code, _ = run("01_ras_aniso.nii.gz", "--channels", "luma")
    luma = data(tmp_path, "out.nii.gz")
    code, _ = run("01_ras_aniso.nii.gz")
    mean = data(tmp_path, "out.nii.gz")
    assert each.shape == (40, 48, 16, 3)
    np.testing.assert_allclose(each.mean(axis=3), mean, atol=0.01)
    np.testing.assert_allclose(each @ [0.299, 0.587, 0.114], luma, atol=0.01)
    code, err = run("01_ras_aniso.nii.gz", "--through")
    through = nibabel.load(tmp_path / "out.nii.gz")
    assert code == 0
    assert through.shape == (20, 24, 32)
    np.testing.assert_allclose(through.header.get_zooms(), (1, 1.2, 1.5), rtol=1e-5)
    assert "two passes" in err
    values = np.asarray(through.dataobj)
    before = data(cases, "01_ras_aniso.nii.gz")
    pairs = values.reshape(20, 24, 16, 2).mean(axis=3)
    assert np.corrcoef(pairs.ravel(), before.ravel())[0, 1] > 0.98
    code, _ = run("01_ras_aniso.nii.gz", "--plane", "coronal")
    assert nibabel.load(tmp_path / "out.nii.gz").shape == (40, 24, 32)


def test_values_at_the_ends_of_floats(tmp_path, capfd):
    """Nothing becomes infinite in silence."""
    rng = np.random.default_rng(0)
    values = (rng.random((16, 18, 3)) * 900).astype(np.int16)
    wide = values.astype(np.float64)
    wide[2], wide[3] = 1e308, -1e308
    nibabel.save(nibabel.Nifti1Image(wide, np.eye(4)), tmp_path / "wide.nii")
    steep = nibabel.Nifti1Image(values, np.eye(4))
    steep.header.set_slope_inter(3e38, 0)
    nibabel.save(steep, tmp_path / "steep.nii")
    for name, words in (
        ("wide", "further apart than can be computed with"),
        ("steep", "which no float32 holds"),
    ):
        assert main(["run", NETWORK, str(tmp_path / f"{name}.nii")]) == 1
        err = capfd.readouterr().err
        assert words in err
        assert err.count("zoo:") == 1
        assert not (tmp_path / f"{name}_x2.nii").exists()
    assert main(["run", NETWORK, str(tmp_path / "steep.nii"), "--dtype", "same"]) == 0
    stored = nibabel.load(tmp_path / "steep_x2.nii").dataobj
    assert stored.slope == pytest.approx(3e38)
