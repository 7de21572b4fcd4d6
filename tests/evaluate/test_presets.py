"""Protocols by name, volumes as sets, pictures of any type."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from zoo.cli import main
from zoo.errors import ShapeError, UsageError
from zoo.evaluate.datasets import find_set
from zoo.evaluate.entrants import Bicubic
from zoo.evaluate.planes import Gathered
from zoo.evaluate.presets import PROTOCOLS, protocol_named
from zoo.evaluate.protocol import cases_in, evaluate
from zoo.images import Image, write
from zoo.metrics.errors import mae, nrmse

rng = np.random.default_rng(0)


def test_div2k_is_rgb_with_a_wider_border():
    """Against the formula of EDSR-PyTorch's utility.calc_psnr, written down again."""
    truth = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    result = np.clip(truth + rng.normal(0, 9, truth.shape), -20, 300)
    how = protocol_named("div2k")
    a, b = how.planes(result, truth, 255, 2)
    shave = 2 + 6
    valid = (np.clip(np.rint(result), 0, 255) - truth)[shave:-shave, shave:-shave]
    assert np.mean((a - b) ** 2) == pytest.approx(np.mean(valid**2))
    assert how.describe(2) == "RGB, border 8, 8 bits, peak 255"
    with pytest.raises(ShapeError, match="leaves nothing"):
        how.planes(result[:16, :16], truth[:16, :16], 255, 2)


def test_mri_rounds_and_cuts_nothing():
    truth = rng.random((9, 8, 3)).astype(np.float32)
    truth[..., 1:] = truth[..., :1]
    a, b = PROTOCOLS["mri"].planes(truth * 1.1, truth, 1.0, 2)
    np.testing.assert_allclose(a, 1.1 * b, rtol=1e-6)
    np.testing.assert_allclose(b, truth[..., 0] * 255, rtol=1e-6)
    with pytest.raises(UsageError, match="did you mean 'benchmark'"):
        protocol_named("benchmrak")


def test_types_of_pixels_score_alike(tmp_path):
    """The same picture in 8 bits, 16 bits and floats."""
    base = np.kron(rng.integers(0, 256, (10, 12, 3)), np.ones((4, 4, 1)))
    found = []
    for name, pixels in (
        ("a.png", base.astype(np.uint8)),
        ("b.png", (base * 257).astype(np.uint16)),
        ("c.tiff", (base / 255).astype(np.float32)),
    ):
        folder = tmp_path / name[0]
        folder.mkdir()
        write(folder / name, Image(pixels))
        pictures = find_set(folder, 2)
        found.append(evaluate(Bicubic(), cases_in(pictures, 2), 2).psnr)
    assert max(found) - min(found) < 0.05


def test_errors_of_values():
    metrics = pytest.importorskip("skimage.metrics")
    a, b = rng.random((5, 6)), rng.random((5, 6))
    assert mae(a, b) == pytest.approx(np.abs(a - b).mean())
    assert nrmse(a, b) == pytest.approx(metrics.normalized_root_mse(b, a))
    assert nrmse(b * 0, b * 0) == 0
    assert np.isnan(nrmse(a, b * 0))


@pytest.fixture
def volume(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    values = np.zeros((33, 37, 8), np.int16)
    smooth = np.kron(rng.integers(100, 900, (8, 9, 6)), np.ones((4, 4, 1)))
    values[1:33, 1:37, 1:7] = smooth
    path = tmp_path / "brain.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 1, 3, 1])), path)
    mask = np.zeros_like(values)
    mask[10:20, 10:20] = 1
    nibabel.save(
        nibabel.Nifti1Image(mask, np.diag([1, 1, 3, 1])), tmp_path / "m.nii.gz"
    )
    return path


def test_slices_of_volumes_are_measured(volume, tmp_path, capfd):
    call = ["eval", "bicubic", str(volume), "--scale", "2", "--json"]
    assert main(call) == 0
    plain = json.loads(capfd.readouterr().out)
    assert len(plain["pictures"]) == 6  # two of eight are empty
    assert plain["pictures"][0]["name"] == "brain.nii.gz axial 1"
    assert "99.9th percentile" in plain["protocol"]
    assert main([*call, "--mask", str(tmp_path / "m.nii.gz")]) == 0
    masked = json.loads(capfd.readouterr().out)
    assert masked["psnr"] == plain["psnr"]
    assert masked["psnr_in_mask"] != plain["psnr"]
    assert main([*call, "--plane", "sagittal", "--metric", "psnr"]) == 0
    sagittal = json.loads(capfd.readouterr().out)
    assert "sagittal" in sagittal["pictures"][0]["name"]
    pair = next(cases_in(find_set(volume, 2), 2))
    assert pair.high.shape == (32, 36, 3)  # 33 x 37, cropped


def test_whole_volumes_masks_and_empty_slices(volume, tmp_path, capfd):
    """Checked against scikit-image on stacks made here, and against plain arithmetic."""
    metrics = pytest.importorskip("skimage.metrics")
    call = ["eval", "bicubic", str(volume), "--scale", "2", "--plane", "sagittal"]
    call += ["--metric", "psnr", "--metric", "ssim_3d", "--metric", "psnr_3d"]
    # The mask below is on the grid of the volume; moved by a voxel it is refused.
    assert main([*call, "--mask", str(tmp_path / "m.nii.gz"), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    pairs = list(cases_in(replace(find_set(volume, 2), plane="sagittal"), 2))
    made = np.stack([Bicubic()(pair)[..., 0] * 255 for pair in pairs])
    truth = np.stack([pair.high[..., 0] * 255 for pair in pairs])
    assert found["empty_slices"] == {"brain.nii.gz": 33 - len(pairs)}
    assert f"{33 - len(pairs)} empty slices left out" in found["protocol"]
    (whole,) = found["volumes"]
    wanted = metrics.structural_similarity(
        made.astype(float), truth.astype(float), data_range=255
    )
    assert whole["name"] == "brain.nii.gz"
    assert whole["ssim_3d"] == found["ssim_3d"] == pytest.approx(wanted, abs=1e-4)
    mse = np.square(made - truth).mean()
    assert found["psnr_3d"] == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-3)
    inside = next(s for s in found["pictures"] if "psnr_in_mask" in s)
    gap = inside["psnr_zeros_outside"] - inside["psnr_in_mask"]
    assert gap == pytest.approx(10 * np.log10(36 * 8 / (10 * 8)), abs=1e-6)
    nibabel = pytest.importorskip("nibabel")
    moved = nibabel.load(tmp_path / "m.nii.gz")
    moved = nibabel.Nifti1Image(np.asarray(moved.dataobj), np.diag([1, 1, 2.5, 1]))
    nibabel.save(moved, tmp_path / "moved.nii.gz")
    assert main([*call, "--mask", str(tmp_path / "moved.nii.gz")]) == 1
    assert "on another grid" in capfd.readouterr().err
    for form in ("--csv", "--markdown", "--latex"):
        assert main([*call, form]) == 0
        assert "ssim" in capfd.readouterr().out.lower()
    # Axial there are six slices, fewer than the cube has.
    assert main([*call[:5], "--metric", "ssim", "--metric", "ssim_3d"]) == 1
    err = capfd.readouterr().err
    assert "at least 7 voxels along three axes" in err
    write(tmp_path / "p.png", Image(rng.integers(0, 256, (40, 40, 3), np.uint8)))
    assert main(["eval", "bicubic", str(tmp_path), "--scale", "2", *call[-2:]]) == 2
    assert "psnr_3d compares volumes, and p is a picture" in capfd.readouterr().err


def test_slices_of_one_value_are_left_out(tmp_path, capfd):
    """Bicubic makes them exactly, and one infinite PSNR would be the mean."""
    nibabel = pytest.importorskip("nibabel")
    values = rng.integers(1, 900, (32, 32, 4)).astype(np.int16)
    values[..., 1], values[..., 2] = 500, 0
    path = tmp_path / "flat.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 1, 3, 1])), path)
    assert main(["eval", "bicubic", str(path), "--scale", "2", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert len(found["pictures"]) == 2 and found["empty_slices"] == {"flat.nii": 2}
    assert np.isfinite(found["psnr"])
    for folder in ("one", "two"):  # subjects whose files have one name
        (tmp_path / "set" / folder).mkdir(parents=True)
        (tmp_path / "set" / folder / "t1.nii").write_bytes(path.read_bytes())
    call = ["eval", "bicubic", str(tmp_path / "set"), "--scale", "2", "--json"]
    assert main([*call, "--metric", "psnr_3d"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [volume["name"] for volume in found["volumes"]] == ["one/t1", "two/t1"]


def test_a_network_learns_from_volumes(volume, tmp_path, capfd):
    from tiny_training import tiny_cfg

    run = tmp_path / "run"
    call = ["train", str(tiny_cfg(tmp_path)), "--data", str(volume), "-o", str(run)]
    call += ["--updates", "3", "--batch", "2", "--patch", "8", "--backend", "numpy"]
    assert main(call) == 0
    err = capfd.readouterr().err
    assert "learns from 4 pictures" in err
    assert re.search(r"measured on 2 other pictures \(brain\.nii\.gz axial", err)
    assert "gray in floats" in err


def test_a_report_is_one_page(volume, tmp_path, capfd):
    page = tmp_path / "page.html"
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in "ab":
        write(
            folder / f"{name}.png", Image(rng.integers(0, 256, (40, 40, 3), np.uint8))
        )
    call = ["eval", "bicubic", str(folder), "--scale", "2", "--report", str(page)]
    assert main(call) == 0
    text = page.read_text()
    for heading in (
        "Scores",
        "Where it is worst",
        "Differences",
        "To measure it again",
    ):
        assert f">{heading}</h2>" in text
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "<script" not in text
    assert main(["eval", "bicubic", str(volume), *call[3:], "--force"]) == 0
    text = page.read_text()
    assert text.count('<figure class="slices">') == 3
    for words in (
        "axial slices, 6 of 8",
        "coronal slices, 24 of 36",
        "sagittal slices",
    ):
        assert words in text
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    # Other scales crop 33 x 37 to other sizes: they are shown apart.
    call = ["eval", "edsr_r8f32_x2", "wdsr_x4", str(volume), "--force", "--report"]
    call.append(str(page))
    assert main(call) == 0
    text = page.read_text()
    assert text.count('<figure class="slices">') == 6
    for words in ("brain.nii.gz, x2, measured", "brain.nii.gz, x4, measured"):
        assert words in text


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SAR"])
@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_three_planes_are_upright(tmp_path, codes, plane):
    """Right to the right, front and top up, however the volume is stored and cut."""
    nibabel = pytest.importorskip("nibabel")
    values = rng.integers(100, 200, (40, 44, 48)).astype(np.int16)
    values[0, 0, 0] = 0
    image = nibabel.Nifti1Image(values, np.diag([1, 1, 2, 1]))
    to = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    nibabel.save(image.as_reoriented(to), tmp_path / "x.nii.gz")
    gathered = Gathered()
    shown: list[dict] = []

    class Page:
        def text(self, text: str) -> None:
            assert "x.nii.gz, x2, measured in" in text

        def slices(self, stacks, caption, **more) -> None:
            shown.append({"stacks": dict(stacks), "caption": caption, **more})

    pictures = replace(find_set(tmp_path / "x.nii.gz", 2), plane=plane)
    for pair in cases_in(pictures, 2):
        gathered.add("same", pair, pair.high)
    gathered.show(Page())
    names = ["axial", "coronal", "sagittal"]
    order = [plane, *(name for name in names if name != plane)]
    assert [figure["caption"].split()[0] for figure in shown] == order
    white = np.percentile(values, 99.9)
    for figure in shown:
        name = figure["caption"].split()[0]
        axis = {"sagittal": 0, "coronal": 1, "axial": 2}[name]
        assert figure["aspect"] == (1 if name == "axial" else 0.5)
        stacks = figure["stacks"]
        assert list(stacks) == [
            *("small", "bicubic", "same", "original"),
            *("difference of bicubic", "difference of same"),
        ]
        assert not stacks["difference of same"].any()
        assert stacks["difference of bicubic"].any()
        for index, label in enumerate(figure["labels"]):
            part = np.moveaxis(values, axis, 0)[int(label.split()[1])]
            wanted = np.rot90(np.clip(np.rint(part / white * 200), 0, 255))
            np.testing.assert_allclose(stacks["original"][index], wanted, atol=1)
