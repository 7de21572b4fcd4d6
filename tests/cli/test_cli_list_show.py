"""zoo list and zoo show."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from zoo import catalog
from zoo.checkpoints.cards import Card, write_card
from zoo.cli import main

TINY = """\
[net]
channels=3

[convolutional]
filters=12
size=3
pad=1
activation=linear

[shuffler]
scale=2

[convolutional]
filters=3
size=5
pad=1
activation=linear
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network called edsr_tiny, which ships with weights, and a broken one."""
    folder = tmp_path / "cfg"
    folder.mkdir()
    (folder / "edsr_tiny.cfg").write_text(TINY)
    (folder / "bad.cfg").write_text("[net]\nchannels=3\n[upsmaple]\n")
    (folder / "edsr_tiny.safetensors").write_bytes(b"")
    monkeypatch.setattr(catalog, "CFG_FOLDER", folder)
    return folder / "edsr_tiny.cfg"


def test_list_table(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    captured = capsys.readouterr()
    header, row = captured.out.splitlines()
    assert header.split() == [
        "name",
        "family",
        "scale",
        "parameters",
        "GFLOP/MP",
        "weights",
        "Y-PSNR",
    ]
    # 3*12*9 + 12 and 3*3*25 + 3 values; 2*(324 + 4*225) operations a pixel.
    assert row.split()[:4] == ["edsr_tiny", "edsr", "x2", "564"]
    assert row.split()[5] == "yes"
    assert "bad.cfg:3" in captured.err
    assert "did you mean [upsample]" in captured.err


def test_list_recommends(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny.parent / "bad.cfg").unlink()
    for name, psnr, kind in (
        ("edsr_tiny", 33.5, "clean pictures"),
        ("other", 34.5, "clean pictures"),
        ("photo", 30.0, "JPEG photographs"),
    ):
        text = "# edsr: x\n" + TINY
        if name == "other":
            text = text.replace("filters=12", "filters=48").replace("=2\n", "=4\n")
            text += "\n[maxpool]\nsize=2\nstride=2\n"
        (tiny.parent / f"{name}.cfg").write_text(text)
        weights = tiny.parent / f"{name}.safetensors"
        weights.write_bytes(b"")
        training = {"updates": 1, "data": "x"}
        scores = {"Set5": {"psnr": psnr, "bicubic": 30.0}}
        card = Card(name, 2, 1, "float16", "MIT", "", training, "Y", scores)
        write_card(replace(card, pictures=kind), weights.with_suffix(".yaml"))
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-1] == "for"
    assert lines[1].endswith("(bicubic 30.00)  clean pictures")
    assert lines[3].split()[1] == "edsr"  # as its first line says
    assert lines[4:] == [
        "JPEG photographs: photo",
        "clean pictures: other (fast: edsr_tiny)",
    ]


def test_list_json(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["parameters"] == 564
    assert row["scale"] == 2
    assert row["cfg"] == str(tiny)
    assert row["weights"] == str(tiny.with_suffix(".safetensors"))
    # Biases may be counted too: 2*(12 + 4*3) more at most.
    assert 2.448 <= row["gflop_per_input_megapixel"] <= 2.52


def test_list_time(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--time"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert "ms for 128x128" in header
    assert float(row.split()[5]) > 0
    assert main(["list", "--time", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert 0 < row["seconds"] < 60


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("edsr*", True), ("TINY", True), ("x3", False), ("*_t?ny", True), ("e", True)],
)
def test_list_pattern(
    tiny: Path, capsys: pytest.CaptureFixture[str], pattern: str, found: bool
) -> None:
    assert main(["list", pattern]) == (0 if found else 1)
    captured = capsys.readouterr()
    assert ("edsr_tiny" in captured.out) == found
    assert ("no network matches" in captured.err) == (not found)


def test_show_table(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tiny), "--size", "20x10"]) == 0
    output = capsys.readouterr().out
    lines = output.splitlines()
    assert re.match(r" +layer +from +output +parameters +GFLOP +sees +MiB$", lines[0])
    assert [line.split()[1] for line in lines[1:4]] == [
        "convolutional",
        "shuffler",
        "convolutional",
    ]
    assert "10x20x12" in lines[1]
    assert "20x40x3" in lines[2]
    assert "parameters 564 (weights alone 549)" in output
    assert "sees 5x5 input pixels" in output
    assert f"trained weights: {tiny.with_suffix('.safetensors')}" in output


def test_show_json_by_name(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "edsr_tiny", "--size", "20x10", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["input"] == [10, 20, 3]
    assert summary["parameters"] == 564
    assert [layer["shape"] for layer in summary["layers"]] == [
        [10, 20, 12],
        [20, 40, 3],
        [20, 40, 3],
    ]
    assert (
        sum(layer["operations"] for layer in summary["layers"])
        == (summary["operations"])
    )
    assert summary["weights_file"] == str(tiny.with_suffix(".safetensors"))


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nothing"], 2, "no network and no cfg file 'nothing'"),
        (["edsr_tinny"], 2, "did you mean 'edsr_tiny'"),
        (["bad"], 1, "did you mean [upsample]"),
        (["edsr_tiny", "--size", "20"], 2, "as in 640x480"),
        (["edsr_tiny", "--size", "0x5"], 2, "1 to 262144 pixels"),
        (["edsr_tiny", "--size", "-3x5"], 2, "as in 640x480"),
        (["edsr_tiny", "--size", "99999999x5"], 2, "1 to 262144 pixels"),
    ],
)
def test_show_errors(
    tiny: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    assert main(["show", *arguments]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.out == ""


def test_what_ships_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = {row["name"]: row for row in json.loads(captured.out)}
    assert {"edsr_x2", "edsr_r32f256_x2", "wdsr_x4"} <= set(rows)
    # Published totals; reference of the figures: the papers' and their code's.
    assert rows["edsr_x2"]["parameters"] == 1_369_859
    assert rows["edsr_r32f256_x2"]["parameters"] == 40_729_603
    assert rows["wdsr_a_r32f32w192_x4"]["parameters"] == 3_564_528
    for name, row in rows.items():
        assert f"_x{row['scale']:g}" in name
