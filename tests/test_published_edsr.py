"""The published EDSR_x2.pb, converted, against OpenCV's own run of that file.

OpenCV's side needs ``cv2.dnn_superres``, which opencv-contrib-python-headless has
and the plain one lacks. It is taken from this interpreter, or from the one that
OPENCV_CONTRIB_PYTHON names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import zoo
from zoo.api import Model

_UPSAMPLE = """
import sys
import cv2
model, source, target = sys.argv[1:]
network = cv2.dnn_superres.DnnSuperResImpl_create()
network.readModel(model)
network.setModel("edsr", 2)
cv2.imwrite(target, network.upsample(cv2.imread(source)))
"""


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    path = shared / "data/weights/EDSR_x2.pb"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    return path


@pytest.fixture(scope="module")
def set5(shared: Path) -> list[Path]:
    folder = shared / "data/benchmarks/Set5/x2/hr"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def model(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    stem = tmp_path_factory.mktemp("published") / "EDSR_x2"
    zoo.convert(published, stem)
    return zoo.load(stem.with_suffix(".cfg"), backend="numpy")


@pytest.fixture(scope="module")
def opencv() -> str:
    """An interpreter whose OpenCV has dnn_superres."""
    interpreter = os.environ.get("OPENCV_CONTRIB_PYTHON", sys.executable)
    probe = "import cv2; cv2.dnn_superres.DnnSuperResImpl_create"
    done = subprocess.run([interpreter, "-c", probe], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("there is no cv2.dnn_superres (opencv-contrib-python-headless)")
    return interpreter


def shrink(path: Path, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    """A crop of even size and its half by OpenCV's bicubic, both BGR."""
    large = cv2.imread(str(path))[rows, columns]
    large = large[: large.shape[0] // 2 * 2, : large.shape[1] // 2 * 2]
    size = (large.shape[1] // 2, large.shape[0] // 2)
    return large, cv2.resize(large, size, interpolation=cv2.INTER_CUBIC)


def upsample(model: Model, small: np.ndarray) -> np.ndarray:
    return model(small[:, :, ::-1])[:, :, ::-1]


def luma_psnr(first: np.ndarray, second: np.ndarray, border: int = 2) -> float:
    """PSNR in dB of BT.601 luma (16..235), of BGR pictures, without the border."""
    weights = np.array([24.966, 128.553, 65.481]) / 255
    inner = slice(border, -border)
    difference = (first.astype(float) - second)[inner, inner] @ weights
    return float(20 * np.log10(255 / np.sqrt((difference**2).mean())))


def pixels_of_opencv(
    opencv: str, published: Path, small: np.ndarray, folder: Path
) -> np.ndarray:
    cv2.imwrite(str(folder / "small.png"), small)
    subprocess.run(
        [opencv, "-c", _UPSAMPLE, published, "small.png", "large.png"],
        cwd=folder,
        check=True,
    )
    return cv2.imread(str(folder / "large.png"))


def test_a_crop_is_opencvs(
    model: Model, opencv: str, published: Path, set5: list[Path], tmp_path: Path
) -> None:
    """Colours at every border too: the mean is subtracted before zero padding."""
    _, small = shrink(set5[2], slice(60, 100), slice(60, 108))
    theirs = pixels_of_opencv(opencv, published, small, tmp_path)
    difference = np.abs(upsample(model, small).astype(int) - theirs)
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.99


def test_a_crop_is_far_better_than_bicubic(model: Model, set5: list[Path]) -> None:
    large, small = shrink(set5[2], slice(60, 124), slice(60, 124))
    bicubic = cv2.resize(small, large.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    gain = luma_psnr(large, upsample(model, small)) - luma_psnr(large, bicubic)
    assert gain > 3


@pytest.fixture(scope="module")
def pictures(
    model: Model, set5: list[Path]
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each picture of Set5: itself, its half, and that through the model."""
    found = []
    for path in set5:
        large, small = shrink(path, slice(None), slice(None))
        found.append((large, small, upsample(model, small)))
    return found


@pytest.mark.slow
def test_set5(pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """37.11 dB on Set5 that OpenCV's bicubic made small; bicubic back is 34.45."""
    scores = []
    for large, small, ours in pictures:
        bicubic = cv2.resize(small, large.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        scores.append((luma_psnr(large, ours), luma_psnr(large, bicubic)))
    assert len(scores) == 5
    mean, bicubic_mean = np.mean(scores, axis=0)
    print(f"Set5, luma, border 2: {mean:.3f} dB, bicubic {bicubic_mean:.3f} dB")
    assert bicubic_mean == pytest.approx(34.45, abs=0.01)
    assert mean == pytest.approx(37.11, abs=0.03)


@pytest.mark.slow
def test_pictures_are_opencvs(
    pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    opencv: str,
    published: Path,
    tmp_path: Path,
) -> None:
    for _, small, ours in pictures:
        theirs = pixels_of_opencv(opencv, published, small, tmp_path)
        difference = np.abs(ours.astype(int) - theirs)
        print(f"{difference.max()} {(difference == 0).mean():.6f}")
        assert (difference <= 1).mean() >= 0.999
