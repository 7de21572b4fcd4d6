"""zoo export."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.checkpoints.files import save_weights
from zoo.cli import main
from zoo.errors import PluginError, UsageError, ZooError
from zoo.models.edsr import EDSR
from zoo.models.wdsr import WDSR
from zoo.network import Network
from zoo.onnx.check import export_onnx
from zoo.plugins.numpy import NumpyKernels

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    ("family", "options"),
    [
        (EDSR, {"blocks": 2, "filters": 8, "scale": 2}),
        (EDSR, {"blocks": 1, "filters": 8, "scale": 3, "tail": "single"}),
        (WDSR, {"blocks": 2, "scale": 4}),
    ],
)
def test_families(family: type, options: dict[str, object], tmp_path: Path) -> None:
    text = family.write(**options)  # type: ignore[attr-defined]
    network = Network.parse(text).initialize(1)
    target = tmp_path / "out.onnx"
    done = export_onnx(network, target, white=None)
    assert done.error is not None
    assert done.error < 1e-5
    session = onnxruntime.InferenceSession(str(target))
    for size in ((7, 9), (12, 5)):
        x = np.random.default_rng(0).standard_normal((1, *size, 3)).astype(np.float32)
        theirs = session.run(None, {"input": x.transpose(0, 3, 1, 2).copy()})[0]
        ours = network.forward(x, kernels=NumpyKernels())
        np.testing.assert_allclose(
            theirs.transpose(0, 2, 3, 1), ours, atol=1e-4 * np.ptp(ours)
        )
    metadata = {p.key: p.value for p in onnx.load(target).metadata_props}
    assert metadata["zoo.cfg"] == network.fingerprint
    assert json.loads(metadata["zoo.pixels"])["channels"] == 3


PLAIN = (
    "[net]\nchannels=3\n\n[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=leaky\n"
)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.cfg"
    path.write_text(PLAIN)
    save_weights(Network.read(path).initialize(1), tmp_path / "plain.safetensors")
    return path


def test_command(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.onnx"
    call = ["export", str(plain), "--onnx", str(target)]
    assert main([*call, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["bytes"] == target.stat().st_size
    assert result["error"] < 1e-5
    assert main(call) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*call, "--force", "--size", "16x12"]) == 0
    assert "equal to zoo's output" in capsys.readouterr().out
    shape = onnx.load(target).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in shape][1:] == [3, 12, 16]
    assert main(["export", str(plain)]) == 2
    assert "--onnx" in capsys.readouterr().err
    (tmp_path / "plain.safetensors").unlink()
    assert main([*call, "--force"]) == 1
    assert "no weights" in capsys.readouterr().err


def test_what_onnx_cannot_say(tmp_path: Path) -> None:
    network = Network.parse(PLAIN + "\n[softmax]\n").initialize()
    network[1].__class__ = type("Foreign", (type(network[1]),), {})
    with pytest.raises(UsageError, match=r"layer 1 \[softmax\].*as ONNX"):
        export_onnx(network, tmp_path / "new" / "out.onnx")
    assert not list(tmp_path.iterdir())


def test_a_wrong_file_is_not_written(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network.read(plain).initialize(1)
    honest = NumpyKernels.conv2d
    monkeypatch.setattr(
        NumpyKernels, "conv2d", lambda self, *a, **k: honest(self, *a, **k) * 1.01
    )
    with pytest.raises(ZooError, match="differs from zoo's"):
        export_onnx(network, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_without_onnx(
    plain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = Network.read(plain).initialize(1)
    call = ["export", str(plain), "--force", "--onnx", str(tmp_path / "out.onnx")]
    assert main(call) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert export_onnx(network, tmp_path / "out.onnx").error is None
    for more in ([], ["--json"]):  # written, but nobody is left to believe it compared
        assert main([*call, *more]) == 0
        shown = capsys.readouterr()
        assert "out.onnx was not compared" in shown.err
        assert shown.err.count("\n") == 1
        if more:
            assert json.loads(shown.out)["error"] is None
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(PluginError, match="pip install onnx"):
        export_onnx(network, tmp_path / "out.onnx")


@pytest.mark.parametrize("white", ["255", "1"])
@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_the_file_is_a_picture_network(
    tmp_path: Path, white: str, color: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pixels in and out of ONNX Runtime are those of zoo.load(...)(picture)."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    cfg = tmp_path / "net.cfg"
    cfg.write_text(
        f"[net]\nchannels=3\nrange=2\ncolor={color}\nmean=0.1,0.2,0.3\nstd=1,2,3\n"
        "[convolutional]\nfilters=12\nsize=3\npad=1\nactivation=relu\n"
        "[shuffler]\nscale=2\n"
    )
    weights = cfg.with_suffix(".safetensors")
    save_weights(Network.read(cfg).initialize(2), weights)
    target = tmp_path / "net.onnx"
    call = ["export", str(cfg), "--onnx", str(target)]
    assert main([*call, *([] if white == "255" else ["--pixels", white])]) == 0
    assert "equal to zoo's output" in capsys.readouterr().out
    image = np.random.default_rng(0).random((7, 9, 3), np.float32) * float(white)
    session = onnxruntime.InferenceSession(str(target))
    (made,) = session.run(None, {"input": image.transpose(2, 0, 1)[None]})
    ours = zoo.load(cfg, backend="numpy")(image, white=float(white))
    np.testing.assert_allclose(
        made[0].transpose(1, 2, 0), ours, atol=1e-5 * float(white)
    )
    assert main([*call, "--bare", "--force"]) == 0
    session = onnxruntime.InferenceSession(str(target))
    (bare,) = session.run(None, {"input": image.transpose(2, 0, 1)[None]})
    assert not np.allclose(bare, made)
