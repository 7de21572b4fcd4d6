"""Protocols by name, volumes as sets, pictures of any type."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from zoo.cli import main
from zoo.errors import ShapeError, UsageError
from zoo.evaluate.datasets import find_set
from zoo.evaluate.entrants import Bicubic
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
