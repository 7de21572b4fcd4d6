"""zoo eval."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_training import pictures, tiny_cfg

from zoo.checkpoints.files import save_weights
from zoo.cli import main
from zoo.images import Image, write
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
