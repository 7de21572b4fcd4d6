"""Networks that ship are better than others on the pictures that they are for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.degradation.degradation import Degradation
from zoo.evaluate.datasets import PictureSet, find_set
from zoo.evaluate.entrants import Bicubic, Entrant, NetworkEntrant
from zoo.evaluate.pairs import Pair
from zoo.evaluate.protocol import cases_in, evaluate


def network(name: str) -> NetworkEntrant:
    return NetworkEntrant(name, zoo.load(name))


def psnr(entrant: Entrant, pictures: PictureSet, quality: int) -> float:
    how = Degradation(jpeg_quality=(quality,))
    cases = cases_in(replace(pictures, degradation=how), 2)
    return evaluate(entrant, cases, 2, metrics=("psnr",)).psnr


@pytest.mark.parametrize("quality", [40, 75, 95])
def test_photographs_as_jpeg(shared: Path, quality: int) -> None:
    pictures = find_set(shared / "data" / "benchmarks" / "Set5" / "x2", 2)
    scores = [
        psnr(entrant, pictures, quality)
        for entrant in (network("photo_r8f32_x2"), network("edsr_r8f32_x2"), Bicubic())
    ]
    assert scores[0] > max(scores[1:])


def test_networks_of_luma_on_gray_pictures(shared: Path) -> None:
    pictures = find_set(shared / "data" / "benchmarks" / "Set5" / "x4", 4)
    gray = [
        Pair(case.name, as_gray(case.low), as_gray(case.high))
        for case in cases_in(pictures, 4)
    ]
    luma, colors = (
        evaluate(network(name), gray, 4, metrics=("psnr",)).psnr
        for name in ("edsr_y_x4", "edsr_x4")
    )
    # Three channels rounded apart are a little finer than one.
    assert luma > colors - 0.03


def as_gray(picture: np.ndarray) -> np.ndarray:
    """The luma three times, in 8 bits."""
    luma = np.rint(picture @ np.array([0.299, 0.587, 0.114]))
    return np.repeat(luma[..., None], 3, axis=2).astype(np.uint8)
