"""Pairs of pictures, and the scale that they need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ImageError, UsageError
from zoo.evaluate.pairs import cropped, low_and_high, read_rgb, whole_scale
from zoo.images import Image, write
from zoo.network import Network
from zoo.resize import imresize


def test_small_pictures_are_matlabs_bicubic() -> None:
    picture = np.random.default_rng(0).integers(256, size=(22, 31, 3), dtype=np.uint8)
    low, high = low_and_high(picture, 3)
    np.testing.assert_array_equal(high, picture[:21, :30])
    np.testing.assert_array_equal(high, cropped(picture, 3))
    np.testing.assert_array_equal(low, imresize(picture[:21, :30], size=(7, 10)))


def test_pictures_are_read_as_three_channels(tmp_path: Path) -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    write(tmp_path / "gray.png", Image(gray))
    np.testing.assert_array_equal(
        read_rgb(tmp_path / "gray.png"), np.repeat(gray, 3, axis=2)
    )


def test_pictures_are_read_as_they_are(tmp_path: Path) -> None:
    deep = np.array([0, 128, 129, 257 * 7 - 100, 65535], np.uint16).reshape(1, 5, 1)
    write(tmp_path / "deep.png", Image(deep))
    read = read_rgb(tmp_path / "deep.png")
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, deep.repeat(3, axis=2))
    floats = (deep / np.float32(65535)).astype(np.float32)
    write(tmp_path / "float.tiff", Image(floats))
    np.testing.assert_array_equal(read_rgb(tmp_path / "float.tiff")[..., :1], floats)
    floats[0, 0] = np.nan
    write(tmp_path / "float.tiff", Image(floats))
    with pytest.raises(ImageError, match="NaN"):
        read_rgb(tmp_path / "float.tiff")


def _network(body: str) -> Network:
    return Network.parse(f"[net]\nchannels=4\n{body}\n")


def test_whole_scale() -> None:
    assert whole_scale(_network("[shuffler]\nscale=2")) == 2
    assert whole_scale(_network("[activation]\nactivation=relu")) == 1
    with pytest.raises(UsageError, match=r"enlarges 0\.5 times.* whole number"):
        whole_scale(_network("[maxpool]\nsize=2\nstride=2"))
    with pytest.raises(UsageError, match=r"enlarges 1\.5 times.* whole number"):
        whole_scale(
            _network("[upsample]\nstride=3\n[maxpool]\nsize=2\nstride=2\npadding=0")
        )
