"""Layouts of data sets that people have: small pictures are never taken for large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import UsageError
from zoo.evaluate.datasets import GENERATED, find_set
from zoo.evaluate.layouts import partner_stems, plain_stem, sign_of_file, sign_of_path
from zoo.images import Image, write

STEMS = ("a", "b")
# Where the large and the small pictures lie, for a scale {s}; the folder named.
LAYOUTS = {
    "ours": ("x{s}/hr/{n}.png", "x{s}/lr/{n}.png", "x{s}"),
    "ours, all scales": ("x{s}/hr/{n}.png", "x{s}/lr/{n}.png", ""),
    "upper case": ("HR/{n}.png", "LR/{n}.png", ""),
    "div2k": (
        "DIV2K_valid_HR/{n}.png",
        "DIV2K_valid_LR_bicubic/X{s}/{n}x{s}.png",
        "",
    ),
    "div2k mild": ("DIV2K_valid_HR/{n}.png", "DIV2K_valid_LR_mild/{n}x{s}m.png", ""),
    "edsr-pytorch": ("HR/{n}.png", "LR_bicubic/X{s}/{n}x{s}.png", ""),
    "edsr-pytorch, set": (
        "Set5/HR/{n}.png",
        "Set5/LR_bicubic/X{s}/{n}x{s}.png",
        "Set5",
    ),
    "basicsr": ("GTmod12/{n}.png", "LRbicx{s}/{n}.png", ""),
    "basicsr, patches": (
        "DIV2K_train_HR_sub/{n}_s001.png",
        "DIV2K_train_LR_bicubic/X{s}_sub/{n}_s001.png",
        "",
    ),
    "huang": (
        "image_SRF_{s}/img_00{n}_SRF_{s}_HR.png",
        "image_SRF_{s}/img_00{n}_SRF_{s}_LR.png",
        "",
    ),
    "huang, one scale": (
        "image_SRF_{s}/img_00{n}_SRF_{s}_HR.png",
        "image_SRF_{s}/img_00{n}_SRF_{s}_LR.png",
        "image_SRF_{s}",
    ),
    "rcan": ("HR/Set5/x{s}/{n}_HR_x{s}.png", "LR/LRBI/Set5/x{s}/{n}_LRBI_x{s}.png", ""),
    "one folder": ("{n}.png", "{n}x{s}.png", ""),
    "one folder, roles": ("{n}_HR.png", "{n}_LR.png", ""),
    "original": ("original/{n}.png", "lr_x{s}/{n}.png", ""),
    "large ones at the top": ("{n}.png", "LR_bicubic/X{s}/{n}x{s}.png", ""),
    "other endings": ("HR/{n}.png", "LR/{n}.jpg", ""),
}


def put(path: Path, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, Image(np.zeros((height, width, 3), np.uint8)))


def lay_out(root: Path, name: str, *scales: int) -> Path:
    large, small, named = LAYOUTS[name]
    for stem in STEMS:
        for scale in scales:
            put(root / large.format(n=stem, s=scale), 24, 36)
            put(root / small.format(n=stem, s=scale), 24 // scale, 36 // scale)
    return root / named.format(s=scales[0])


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pairs_are_found(tmp_path, name, scale):
    large, small, _ = LAYOUTS[name]
    folder = lay_out(tmp_path, name, scale)
    for wanted in (None, scale):
        found = find_set(folder, wanted)
        assert found.scale == scale
        assert found.high == tuple(tmp_path / large.format(n=n, s=scale) for n in STEMS)
        assert found.low == tuple(tmp_path / small.format(n=n, s=scale) for n in STEMS)
        assert found.origin != GENERATED


@pytest.mark.parametrize(
    "name", [name for name, (_, small, _) in LAYOUTS.items() if "{s}" in small]
)
def test_one_of_several_scales(tmp_path, name):
    folder = lay_out(tmp_path, name, 2, 4)
    large, small, named = LAYOUTS[name]
    for scale in (2, 4):
        if "{s}" in named:
            continue
        found = find_set(folder, scale)
        assert found.low == tuple(tmp_path / small.format(n=n, s=scale) for n in STEMS)
        assert found.high == tuple(tmp_path / large.format(n=n, s=scale) for n in STEMS)
    if "{s}" not in named:
        with pytest.raises(UsageError, match=r"x2, x4.*--scale|several|more than"):
            find_set(folder)


def test_a_scale_that_is_not_there_is_made_and_said(tmp_path):
    folder = lay_out(tmp_path, "edsr-pytorch", 2, 4)
    found = find_set(folder, 3)
    assert found.low == (None, None)
    assert found.origin == f"{GENERATED} (small pictures are there for x2, x4)"


@pytest.mark.parametrize("named", ["LR_bicubic/X2", "LR_bicubic"])
def test_small_pictures_alone_are_refused(tmp_path, named):
    lay_out(tmp_path, "edsr-pytorch", 2)
    with pytest.raises(UsageError, match="small pictures.*--hr"):
        find_set(tmp_path / named)
    assert len(find_set(tmp_path / named, is_high=True)) == 2


def test_what_is_ambiguous_is_listed(tmp_path):
    for track in ("bicubic", "unknown"):
        put(tmp_path / f"LR_{track}" / "X2" / "ax2.png", 4, 4)
    put(tmp_path / "HR" / "a.png", 8, 8)
    with pytest.raises(UsageError, match=r"LR_bicubic.X2 \(1\), LR_unknown.X2 \(1\)"):
        find_set(tmp_path, 2)
    found = find_set(tmp_path / "HR", low=tmp_path / "LR_unknown" / "X2")
    assert found.scale == 2
    assert found.low == (tmp_path / "LR_unknown" / "X2" / "ax2.png",)


def test_names_that_the_caller_knows(tmp_path):
    put(tmp_path / "good" / "a.png", 8, 8)
    put(tmp_path / "bad" / "small-a.png", 4, 4)
    with pytest.raises(UsageError, match=r"no small picture 'a'.*--lr-name"):
        find_set(tmp_path / "good", low=tmp_path / "bad")
    found = find_set(tmp_path / "good", low=tmp_path / "bad", low_name="small-{}")
    assert found.scale == 2
    with pytest.raises(UsageError, match="hold {} once"):
        find_set(tmp_path / "good", low=tmp_path / "bad", low_name="small")
    with pytest.raises(UsageError, match="goes with --lr"):
        find_set(tmp_path / "good", low_name="{}x2")


def test_a_missing_partner_is_named(tmp_path):
    folder = lay_out(tmp_path, "upper case", 2)
    (tmp_path / "LR" / "b.png").unlink()
    with pytest.raises(UsageError, match=r"b\.png has no small picture"):
        find_set(folder, 2)
    put(tmp_path / "LR" / "b.jpg", 4, 4)
    put(tmp_path / "LR" / "b.bmp", 4, 4)
    with pytest.raises(UsageError, match="2 small pictures"):
        find_set(folder, 2)


def test_names_without_a_meaning_are_left_alone(tmp_path):
    for name in ("matrix2", "box3", "x2", "hello", "lrc", "highway"):
        put(tmp_path / f"{name}.png", 8, 8)
    put(tmp_path / "holidays" / "c.png", 8, 8)
    found = find_set(tmp_path)
    assert len(found) == 6
    assert found.low == (None,) * 6


@given(st.text("ab01_-", min_size=1, max_size=6), st.sampled_from((2, 3, 4)))
def test_names_come_apart_as_they_were_put_together(stem, scale):
    stem = f"p{stem}q"
    for name in (f"{stem}x{scale}", f"{stem}_SRF_{scale}_LR", f"{stem}_LRBI_x{scale}"):
        assert plain_stem(name) == stem
        assert sign_of_file(name).scale == scale
        assert name in partner_stems(stem, scale)
    assert sign_of_file(f"{stem}_HR").role == "high"
    assert partner_stems(stem, scale)[0] == stem
    assert sign_of_path(Path(f"LR_bicubic/X{scale}")) == ("low", scale)
