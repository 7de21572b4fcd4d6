"""What a page is told of files: values, planes the right way up, scores."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ImageError, UsageError, ZooError
from zoo.images.image import Image
from zoo.images.writing import write
from zoo.metrics.psnr import psnr
from zoo.page import blocks
from zoo.resize import imresize
from zoo.view.groups import Group
from zoo.view.item import item_of, read_item
from zoo.view.page import Album
from zoo.view.sheet import sheet_facts, sheet_of
from zoo.volumes.volume import Volume


def photo(height: int = 24, width: int = 32) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 3 + k) * np.cos(y / 4) for k in range(3)]
    return np.rint(127 + 100 * np.dstack(waves)).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_values_are_those_of_the_file(
    tmp_path: Path, dtype: str, channels: int
) -> None:
    rng = np.random.default_rng(3)
    values = rng.uniform(0, 1 if dtype == "float32" else 256, (5, 6, channels))
    values = values.astype(dtype)
    colors, alpha = values[..., : channels - (channels in (2, 4))], None
    if channels in (2, 4):
        alpha = values[..., -1]
    path = tmp_path / "a.tif"
    write(path, Image(colors, alpha))
    item = read_item(path)
    assert item.values.dtype == dtype
    assert np.array_equal(item.values[0], values)


@pytest.mark.parametrize(
    ("signs", "order"),
    [((1, 1, 1), (0, 1, 2)), ((-1, 1, -1), (2, 0, 1)), ((-1, -1, 1), (1, 2, 0))],
)
def test_volumes_run_to_superior_anterior_right(
    signs: tuple[int, ...], order: tuple[int, ...]
) -> None:
    """However they are stored; ``order`` is the world axis of each array axis."""
    shape = (3, 4, 5)  # right, anterior, superior
    truth = np.arange(60, dtype=np.int16).reshape(shape)
    stored = truth[tuple(slice(None, None, sign) for sign in signs)].transpose(order)
    affine = np.eye(4)
    for axis, world in enumerate(order):
        affine[:3, axis] = 0
        affine[world, axis] = signs[world] * (1 + world)
    item = item_of(Volume(stored, affine, slope=2, intercept=-1), Path("a.nii"))
    assert np.array_equal(item.values[..., 0], truth.transpose(2, 1, 0))
    assert item.spacing == (3, 2, 1)
    assert np.array_equal(item.meant(), truth.transpose(2, 1, 0) * 2.0 - 1)


def test_series_show_their_first_volume() -> None:
    data = np.arange(48, dtype=np.float32).reshape(2, 3, 4, 2)
    item = item_of(Volume(data, np.eye(4)), Path("a.nii"))
    assert np.array_equal(item.values[..., 0], data[..., 0].transpose(2, 1, 0))
    assert item.notes == ("a.nii: the first of 2 volumes is shown",)
    color = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(ImageError, match="holds colours"):
        item_of(Volume(color, np.eye(4)), Path("a.nii"))


def test_scores_are_those_of_the_protocol(tmp_path: Path) -> None:
    truth = photo()
    small = imresize(truth, 0.5)
    other = np.clip(truth.astype(int) + 3, 0, 255).astype(np.uint8)
    paths = [tmp_path / name for name in ("small.png", "other.png", "truth.png")]
    for path, pixels in zip(paths, (small, other, truth), strict=True):
        write(path, Image(pixels))
    sheet = sheet_of(Group("g", paths[:2], paths[2]))
    assert [item.role for item in sheet.items] == ["before", "result", "reference"]
    score, how = sheet.items[0].scores["psnr"]
    assert how == "bicubic"
    luma = np.array([65.481, 128.553, 24.966]) / 255
    made, high = (
        (image.astype(float) @ luma + 16)[2:-2, 2:-2]
        for image in (imresize(small, size=(24, 32)), truth)
    )
    assert score == f"{psnr(made, high):.2f} dB"
    assert sheet.items[1].scores["psnr"][1] == ""
    assert "border 2" in sheet.notes[0]
    same = sheet_of(Group("g", [paths[2], paths[0]], paths[2]))
    assert same.items[0].scores == {}  # it is the reference itself


def test_scores_of_volumes_are_those_of_slices(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    truth = np.random.default_rng(0).uniform(0, 100, (20, 22, 4)).astype(np.float32)
    truth[..., 3] = 0  # an empty slice counts for nothing
    made = truth + np.float32(0.5)
    made[..., 3] = 50
    for name, data in (("truth", truth), ("made", made)):
        nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / f"{name}.nii")
    sheet = sheet_of(Group("g", [tmp_path / "made.nii"], tmp_path / "truth.nii"))
    peak = np.percentile(truth, 99.9) - truth.min()
    expected = 20 * np.log10(peak / 0.5)
    score = float(sheet.items[0].scores["psnr"][0].removesuffix(" dB"))
    assert score == pytest.approx(expected, abs=0.01)


def test_nothing_is_measured_of_nan_and_other_sizes(tmp_path: Path) -> None:
    bad = np.full((24, 32, 3), np.nan, np.float32)
    write(tmp_path / "bad.tif", Image(bad))
    write(tmp_path / "odd.png", Image(photo(25, 33)))
    write(tmp_path / "truth.png", Image(photo()))
    paths = [tmp_path / "bad.tif", tmp_path / "odd.png"]
    sheet = sheet_of(Group("g", paths, tmp_path / "truth.png"))
    assert [item.scores for item in sheet.items] == [{}, {}, {}]
    assert "NaN" in sheet.notes[1]
    assert "odd.png is not measured" in sheet.notes[2]
    facts = sheet_facts(sheet, lambda item: {})
    json.dumps(facts, allow_nan=False)


def test_pictures_and_volumes_do_not_mix(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 4)), np.eye(4)), tmp_path / "a.nii")
    write(tmp_path / "a.png", Image(photo()))
    with pytest.raises(UsageError, match="not shown together"):
        sheet_of(Group("g", [tmp_path / "a.png", tmp_path / "a.nii"]))


def test_names_tell_files_apart(tmp_path: Path) -> None:
    for name in ("a/x.png", "b/x.png"):
        (tmp_path / name).parent.mkdir()
        write(tmp_path / name, Image(photo()))
    sheet = sheet_of(Group("g", [tmp_path / "a/x.png", tmp_path / "b/x.png"]))
    assert [item.name for item in sheet.items] == ["a/x.png", "b/x.png"]


def test_a_page_holds_what_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.png", Image(photo()))
    monkeypatch.setattr(blocks, "MOST_BYTES", 3 * 24 * 32 - 1)
    with pytest.raises(ZooError, match="give fewer files"):
        Album("a").add(sheet_of(Group("g", [tmp_path / "a.png"])))


def test_the_command(zoo_command, tmp_path: Path) -> None:
    write(tmp_path / "a.png", Image(photo()))
    write(tmp_path / "a_x2.png", Image(imresize(photo(), 2)))
    done = zoo_command(
        "view", tmp_path / "a.png", tmp_path / "a_x2.png", "-o", "r.html"
    )
    assert (done.returncode, done.stdout) == (0, "r.html\n"), done.stderr
    text = (tmp_path / "r.html").read_text()
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", text)
    assert "unsafe-inline" not in text
    again = zoo_command("view", tmp_path / "a.png", "-o", "r.html")
    assert again.returncode == 2
    assert "--force" in again.stderr
    missing = zoo_command("view", "none.png")
    assert missing.returncode == 2
    # Of a folder what cannot be read is left out, and said.
    (tmp_path / "b.png").write_bytes(b"no picture")
    folder = zoo_command(
        "view", tmp_path, "--no-open", env={"ZOO_CACHE": str(tmp_path / "cache")}
    )
    assert folder.returncode == 1
    assert "b.png" in folder.stderr
    page = Path(folder.stdout.strip())
    assert page.parent == tmp_path / "cache" / "view"
    facts = re.search(r'id="facts">(.*?)</script>', page.read_text())
    assert facts is not None
    (sheet,) = json.loads(facts[1])["sheets"]
    assert [item["name"] for item in sheet["items"]] == ["a.png", "a_x2.png"]


def test_the_cache_keeps_the_last_few(tmp_path: Path, monkeypatch) -> None:
    from zoo.view import places

    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    for _ in range(places._KEPT + 3):
        places.new_page().write_text("page")
    assert len(list((tmp_path / "view").iterdir())) == places._KEPT


def test_a_folder_ends_where_the_page_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from zoo.cli import main

    for name in "abcd":
        write(tmp_path / f"{name}.png", Image(photo()))
    monkeypatch.setattr(blocks, "MOST_BYTES", 2 * photo().nbytes)
    page = tmp_path / "page.html"
    assert main(["view", str(tmp_path), "-o", str(page)]) == 1
    assert "2 of 4 are left out" in capsys.readouterr().err
    facts = re.search(r'id="facts">(.*?)</script>', page.read_text())
    assert facts is not None
    assert [sheet["name"] for sheet in json.loads(facts[1])["sheets"]] == ["a", "b"]
