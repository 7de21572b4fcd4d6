"""Slices in any order come back as the grid that they were cut from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ImageError
from zoo.volumes.stacks import Slice, stacked

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
lengths = st.floats(0.05, 20)


def cut(affine: np.ndarray, numbers: list[int], jitter: float = 0.0) -> list[Slice]:
    """The slices of a grid in RAS, as headers of DICOM state them."""
    lps = LPS @ affine
    sizes = np.linalg.norm(lps[:3, :2], axis=0)
    turned = np.concatenate([lps[:3, 0] / sizes[0], lps[:3, 1] / sizes[1]])
    rng = np.random.default_rng(0)
    return [
        Slice(
            (lps @ [0, 0, number, 1])[:3] + rng.uniform(-jitter, jitter, 3),
            turned,
            sizes[::-1],
        )
        for number in numbers
    ]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    spacing=st.tuples(lengths, lengths, lengths),
    tilt=st.floats(-0.4, 0.4),
    count=st.integers(2, 40),
)
def test_the_grid_comes_back(seed, spacing, tilt, count):
    """Rotated, tilted as a gantry is, in any order, with headers' rounding."""
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    affine[:3, :3] = rotation * np.sign(np.linalg.det(rotation))
    affine[:3, 2] += tilt * affine[:3, 1]
    affine[:3, :3] = affine[:3, :3] @ np.diag(spacing)
    affine[:3, 3] = rng.uniform(-200, 200, 3)
    order = list(rng.permutation(count))
    slices = cut(affine, order, jitter=1e-6)
    found = stacked(slices)
    assert [order[index] for index in found.order] == list(range(count))
    np.testing.assert_allclose(found.affine, affine, atol=1e-4)
    if count > 3:  # one gone from the middle, one twice
        inner = order.index(count // 2)
        with pytest.raises(ImageError, match="1 missing"):
            stacked(slices[:inner] + slices[inner + 1 :])
        with pytest.raises(
            ImageError, match="more than one slice at the same place 1 times"
        ):
            stacked([*slices, slices[inner]])


def test_what_headers_cannot_say():
    (one,) = cut(np.diag([1.0, 2.0, 3.0, 1.0]), [0])
    for broken in (
        Slice(one.position, one.orientation, np.array([0.0, 1.0])),
        Slice(one.position, np.zeros(6), one.spacing),
        Slice(one.position, np.array([1.0, 0, 0, 1, 0, 0]), one.spacing),
    ):
        with pytest.raises(ImageError, match="damaged"):
            stacked([broken])
    alone = stacked([Slice(None, None, None, thickness=4)])
    np.testing.assert_array_equal(alone.affine, np.diag([1, 1, 4, 1]))
    assert "left and right are unknown" in alone.notes[0]
