"""zoo eval."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_training import pictures, tiny_cfg

from zoo.cli import main
from zoo.network import Network
from zoo.state import save_weights

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
        assert main(["eval", *arguments, *NUMPY]) == code
        captured = capsys.readouterr()
        assert reason in captured.err
        assert captured.err.count("\n") == 1
    save_weights(Network.read(cfg).initialize(), tmp_path / "tiny.safetensors")
    assert main(["eval", cfg, data, "--scale", "3", *NUMPY]) == 2
    assert "2 times, not 3 times" in capsys.readouterr().err
