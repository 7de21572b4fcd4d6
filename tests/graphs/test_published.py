"""Published files through the graph way, whatever families know of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.checkpoints.convert import convert
from zoo.cli import main


def published(shared: Path, name: str) -> Path:
    path = shared / "data" / "weights" / name
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, psnr", [("EDSR-8-x2-0000.params", 37.80), ("WDSR-b-8-x4-0000.params", 32.04)]
)
def test_scores_on_set5(
    shared: Path,
    tmp_path: Path,
    name: str,
    psnr: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    convert(published(shared, name), tmp_path / "net", family="graph")
    pictures = shared / "data" / "benchmarks" / "Set5"
    if not pictures.is_dir():
        pytest.skip(f"there is no {pictures}")
    capsys.readouterr()
    call = ["eval", str(tmp_path / "net.cfg"), str(pictures), "--metric", "psnr"]
    assert main([*call, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert abs(found["psnr"] - psnr) < 0.03


def test_a_network_of_ncnn(shared: Path, tmp_path: Path) -> None:
    ncnn = pytest.importorskip("ncnn")
    path = published(shared, "realesr-animevideov3-x2.param")
    convert(path, tmp_path / "net", family="graph")
    picture = np.random.default_rng(0).random((100, 104, 3)).astype(np.float32)
    ours = zoo.load(tmp_path / "net.cfg").network.forward(picture[None])[0]
    net = ncnn.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = False
    net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    net.load_param(str(path))
    net.load_model(str(path.with_suffix(".bin")))
    extractor = net.create_extractor()
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))  # ncnn does not keep it
    extractor.input(net.input_names()[0], ncnn.Mat(planes))
    _, out = extractor.extract(net.output_names()[0])
    theirs = np.array(out).transpose(1, 2, 0)
    assert np.abs(ours - theirs).max() < 1e-4 * np.ptp(theirs)
