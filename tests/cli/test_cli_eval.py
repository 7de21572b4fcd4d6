"""zoo eval."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import pictures, tiny_cfg

from zoo.checkpoints.files import save_weights
from zoo.cli import main
from zoo.evaluate.datasets import find_set
from zoo.evaluate.protocol import cases_in
from zoo.images import Image, read, write
from zoo.network import Network

NUMPY = ["--backend", "numpy"]


def test_bicubic_as_json(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared / "data" / "benchmarks" / "Set5" / "x2"
    assert main(["eval", "bicubic", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["psnr"] == pytest.approx(33.66, abs=0.02)
    assert result["scale"] == 2
    assert len(result["pictures"]) == 5
    assert "border 2" in result["protocol"]


def test_network_with_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pictures(tmp_path / "data")
    cfg = tiny_cfg(tmp_path)
    weights = tmp_path / "other.safetensors"
    network = Network.read(cfg).initialize()
    save_weights(network, weights)
    arguments = ["eval", str(cfg), str(data), "--weights", str(weights)]
    assert main([*arguments, *NUMPY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["picture", "PSNR", "dB", "SSIM"]
    assert [line.split()[0] for line in lines[1:5]] == ["p0", "p1", "p2", "mean"]
    assert lines[-1].startswith("x2; Y of BT.601")


def test_what_does_not_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(pictures(tmp_path / "data"))
    cfg = str(tiny_cfg(tmp_path))
    for arguments, code, reason in (
        (["bicubic", data], 2, "--scale"),
        (["bicubic", str(tmp_path / "none"), "--scale", "2"], 2, "no folder"),
        ([cfg, data], 1, "no weights"),
    ):
        backend = [] if "bicubic" in arguments else NUMPY
        assert main(["eval", *arguments, *backend]) == code
        captured = capsys.readouterr()
        assert reason in captured.err
        assert captured.err.count("\n") == 1
    save_weights(Network.read(cfg).initialize(), tmp_path / "tiny.safetensors")
    assert main(["eval", cfg, data, "--scale", "3", *NUMPY]) == 2
    assert "2 times, not 3 times" in capsys.readouterr().err


def test_bad_picture_makes_the_means_incomplete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pictures(tmp_path / "data")
    call = ["eval", "bicubic", str(data), "--scale", "2"]
    assert main([*call, "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert (whole["is_complete"], whole["left_out"]) == (True, [])
    (data / "p1.png").write_bytes((data / "p1.png").read_bytes()[:200])
    assert main(call) == 1
    captured = capsys.readouterr()
    assert captured.err == f"zoo: {data / 'p1.png'} is truncated; left out\n"
    assert "mean of 2 of 3" in captured.out
    assert captured.out.rstrip().endswith("incomplete, pictures were left out")
    assert main([*call, "--json"]) == 1
    rest = json.loads(capsys.readouterr().out)
    assert not rest["is_complete"]
    assert [left["name"] for left in rest["left_out"]] == ["p1"]
    scores = [p["psnr"] for p in whole["pictures"] if p["name"] != "p1"]
    assert rest["psnr"] == pytest.approx(sum(scores) / 2)
    for name in ("p0", "p2"):
        (data / f"{name}.png").write_bytes(b"none")
    assert main(call) == 1
    captured = capsys.readouterr()
    assert "none of 3 pictures could be measured: " in captured.err
    assert captured.err.count("\n") == 1


def test_bicubic_has_no_back_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(tmp_path / "data")
    call = ["eval", "bicubic", str(tmp_path / "data"), "--scale", "2"]
    assert main([*call, "--backend", "numpy"]) == 2
    assert "bicubic has no --backend" in capsys.readouterr().err


def test_json_of_a_picture_without_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "flat.png", Image(np.full((40, 40, 3), 90, np.uint8)))
    assert main(["eval", "bicubic", str(tmp_path), "--scale", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["psnr"] is None


@pytest.fixture
def networks(tmp_path: Path) -> list[str]:
    """Two networks with weights, x2."""
    cfgs = []
    for name in ("one", "two"):
        cfg = tiny_cfg(tmp_path).rename(tmp_path / f"{name}.cfg")
        save_weights(
            Network.read(cfg).initialize(len(cfgs)), cfg.with_suffix(".safetensors")
        )
        cfgs.append(str(cfg))
    return cfgs


def scores(capsys: pytest.CaptureFixture[str], *call: str) -> list[dict[str, Any]]:
    assert main(["eval", *call, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    return found if isinstance(found, list) else [found]


def test_several_on_several_sets(
    tmp_path: Path, networks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [str(pictures(tmp_path / name)) for name in ("setA", "setB")]
    call = [*networks, "bicubic", *sets]
    results = scores(capsys, *call, *NUMPY)
    assert [(r["model"], r["folder"]) for r in results] == [
        (model, name) for name in ("setA", "setB") for model in (*networks, "bicubic")
    ]
    for result in results:
        assert "border 2" in result["protocol"]
        assert result["zoo"]
        if result["model"] != "bicubic":
            assert len(result["weights_sha256"]) == 64
            assert result["backend"] == "numpy"
        # The same as alone, whatever the order of the arguments.
        alone = scores(
            capsys,
            str(tmp_path / result["folder"]),
            result["model"],
            *(["--scale", "2"] if result["model"] == "bicubic" else NUMPY),
        )
        assert alone[0]["psnr"] == result["psnr"]


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_tables_for_others(
    tmp_path: Path,
    networks: list[str],
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    data = str(pictures(tmp_path / "a_set"))
    assert main(["eval", *networks, data, f"--{form}", *NUMPY]) == 0
    out = capsys.readouterr().out
    assert "Y of BT.601" in out
    match form:
        case "csv":
            rows = list(csv.DictReader(io.StringIO(out)))
            assert len(rows) == 2 * (3 + 1)
            means = [float(row["psnr"]) for row in rows if row["picture"] == "mean"]
            wanted = scores(capsys, *networks, data, *NUMPY)
            assert means == pytest.approx([result["psnr"] for result in wanted])
        case "markdown":
            lines = out.splitlines()
            assert lines[0].startswith("| network | scale | a_set PSNR dB |")
            assert {line.count("|") for line in lines[:4]} == {lines[0].count("|")}
        case "latex":
            assert r"a\_set PSNR dB" in out
            assert out.rstrip().endswith(r"\end{tabular}")
            assert out.count(r"\\") == 3


def test_self_ensemble_and_finished_pictures(
    tmp_path: Path, networks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = pictures(tmp_path / "data")
    one = networks[0]
    assert main(["run", one, str(data), "-o", str(tmp_path / "done"), *NUMPY]) == 0
    capsys.readouterr()
    made = tmp_path / "made"
    made.mkdir()
    for pair in cases_in(find_set(data, 2), 2):
        write(made / f"{pair.name}.png", Image(pair.low))
    assert main(["run", one, str(made), "-o", str(tmp_path / "ours"), *NUMPY]) == 0
    capsys.readouterr()
    found = scores(
        capsys, one, str(data), "-x", "--results", str(tmp_path / "ours"), *NUMPY
    )
    assert [result["model"] for result in found] == [one, f"{one}+", "ours"]
    plain, twice, finished = (result["psnr"] for result in found)
    assert finished == pytest.approx(plain, abs=1e-6)
    assert twice != plain
    # Results of another size are left out, and the exit code says so.
    assert main(["eval", "--results", str(tmp_path / "done"), str(data)]) == 2
    assert "needs --scale" in capsys.readouterr().err
    call = ["eval", "--results", str(tmp_path / "done"), str(data), "--scale", "2"]
    assert main(call) == 1
    assert "pixels and the original" in capsys.readouterr().err


def test_small_pictures_are_not_measured_as_large(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(tmp_path / "LR_bicubic" / "X2")
    call = ["eval", "bicubic", str(tmp_path), "--scale", "2"]
    assert main(call) == 2
    assert "holds small pictures alone" in capsys.readouterr().err
    assert main([*call[:2], *call[3:], "--hr", str(tmp_path / "LR_bicubic")]) == 0


def test_a_plot(
    tmp_path: Path, networks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(pictures(tmp_path / "data"))
    target = tmp_path / "plot.png"
    assert main(["eval", *networks, data, "--plot", str(target), *NUMPY]) == 0
    assert f"wrote {target}" in capsys.readouterr().err
    drawn = read(target).pixels
    assert drawn.shape == (720, 900, 3)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 8


def test_pictures_made_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(pictures(tmp_path / "data", side=64))
    scores = []
    for options in (
        [],
        ["--jpeg", "90"],
        ["--jpeg", "20", "--degrade", "noise_sigma=9"],
    ):
        assert main(["eval", "bicubic", data, "--scale", "2", "--json", *options]) == 0
        result = json.loads(capsys.readouterr().out)
        scores.append(result["psnr"])
    assert scores[0] > scores[1] + 0.1 > scores[2] + 1
    assert result["protocol"].endswith(
        "low resolution: MATLAB's bicubic; noise 9, JPEG 20 (4:2:0)"
    )
    wrong = ["--degrade", "jpeg_qualty=3"]
    assert main(["eval", "bicubic", data, "--scale", "2", *wrong]) == 2
    assert "did you mean jpeg_quality" in capsys.readouterr().err


def test_one_picture_and_files_that_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(pictures(tmp_path / "data") / "p1.png")
    for option, name in (("--report", "r.html"), ("--plot", "p.png")):
        target = tmp_path / name
        target.write_text("mine")
        call = ["eval", "bicubic", picture, "--scale", "2", option, str(target)]
        assert main(call) == 2
        assert "--force" in capsys.readouterr().err
        assert target.read_text() == "mine"
        assert main([*call, "--force"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines[1:3]] == ["p1", "mean"]
        assert target.read_bytes() != b"mine"
    call = ["eval", "bicubic", picture, "--scale", "2", "--report", "report.txt"]
    assert main(call) == 2
    assert ".html" in capsys.readouterr().err
