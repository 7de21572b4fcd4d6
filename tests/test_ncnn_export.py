"""Networks written for ncnn: loaded and run by ncnn, and read back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import UsageError, ZooError
from zoo.ncnn import check
from zoo.ncnn.check import export_ncnn
from zoo.ncnn.writer import to_ncnn
from zoo.network import Network
from zoo.onnx.check import export_onnx
from zoo.parsers.ncnn import NcnnReader

FAMILIES: dict[str, str] = {
    "normalised, bgr": """
        [net]
        channels=3
        range=255
        color=bgr
        mean=103,111,114
        std=127.5
        denormalize=1
        [convolutional]
        filters=8
        size=3
        pad=1
        activation=leaky
        [convolutional]
        filters=3
        size=3
        pad=1
        activation=linear
    """,
    "group normalization": """
        [net]
        channels=3
        [convolutional]
        filters=12
        size=3
        pad=1
        activation=relu
        [groupnorm]
        groups=4
        [shortcut]
        from=-2
        activation=linear
        [convolutional]
        filters=3
        size=3
        pad=1
        activation=linear
    """,
    "residual block": """
        [net]
        channels=3
        [convolutional]
        filters=8
        size=3
        pad=1
        activation=linear
        [convolutional]
        filters=8
        size=3
        pad=1
        groups=2
        activation=swish
        [convolutional]
        filters=8
        size=1
        activation=linear
        [shortcut]
        from=-3
        alpha=0.2
        activation=linear
        [activation]
        activation=prelu
        [convolutional]
        filters=12
        size=3
        pad=1
        activation=logistic
        [shuffler]
        stride=2
    """,
    "branches": """
        [net]
        channels=3
        [pad]
        size=3
        mode=reflect
        [convolutional]
        filters=6
        size=3
        pad=1
        activation=relu
        [route]
        layers=-1,-2,-1
        [convolutional]
        filters=4
        size=3
        stride=2
        pad=1
        activation=tanh
        [route]
        layers=-1
        first=1
        count=2
        [upsample]
        stride=2
        [deconvolutional]
        filters=3
        size=4
        stride=2
        padding=1
        activation=linear
        [trim]
        size=2
    """,
    "squeeze": """
        [net]
        channels=3
        [convolutional]
        filters=8
        size=3
        pad=1
        activation=relu
        [avgpool]
        [convolutional]
        filters=4
        size=1
        activation=relu
        [convolutional]
        filters=8
        size=1
        activation=logistic
        [scale_channels]
        from=-4
        activation=linear
        [convolutional]
        filters=3
        size=3
        pad=1
        activation=linear
    """,
    "contrast": """
        [net]
        channels=3
        [convolutional]
        filters=8
        size=3
        pad=1
        activation=relu
        [avgpool]
        [route]
        layers=-2
        [avgpool]
        deviation=1
        [shortcut]
        from=-3
        activation=linear
        [convolutional]
        filters=8
        size=1
        activation=logistic
        [scale_channels]
        from=-6
        activation=linear
        [convolutional]
        filters=3
        size=3
        pad=1
        activation=linear
    """,
    "attention of a small picture": """
        [net]
        channels=3
        [convolutional]
        filters=8
        size=3
        pad=1
        activation=relu
        [convolutional]
        filters=8
        size=3
        stride=2
        activation=linear
        [maxpool]
        size=7
        stride=3
        padding=0
        [upsample]
        mode=bilinear
        like=-3
        [sam]
        from=-4
        [convolutional]
        filters=3
        size=3
        pad=1
        activation=linear
    """,
    "enlarged": """
        [net]
        channels=1
        color=y
        [upsample]
        stride=2
        mode=bilinear
        [convolutional]
        filters=4
        size=5
        stride=1
        pad=1
        activation=mish
        [maxpool]
        size=3
        stride=1
        [reorg3d]
        stride=2
        order=dcr
        [upsample]
        stride=4
        [convolutional]
        filters=1
        size=1
        activation=linear
    """,
}


def network(name: str) -> Network:
    lines = [line.strip() for line in FAMILIES[name].strip().splitlines()]
    net = Network.parse("\n".join(lines) + "\n", name)
    net.initialize(np.random.default_rng(0))
    for layer in net.layers:  # zeros would hide a bias that is lost
        if "biases" in layer.parameters:
            shape = layer.parameters["biases"].shape
            layer.parameters["biases"][...] = np.linspace(-0.2, 0.3, shape[0])
    return net


def test_vectors_are_multiplied_as_ncnn_wants_it() -> None:
    """Convolutions of a single pixel are deprecated there."""
    kinds = [
        line.split()[0] for line in to_ncnn(network("squeeze")).param.split("\n")[2:-1]
    ]
    assert kinds.count("InnerProduct") == 2
    assert kinds.count("Convolution") == 2


@pytest.mark.parametrize("name", FAMILIES)
def test_ncnn_gives_what_zoo_gives(name: str, tmp_path: Path) -> None:
    pytest.importorskip("ncnn")
    done = export_ncnn(network(name), tmp_path / "net.param", tmp_path / "net.bin")
    assert done.error is not None
    assert done.error < 5e-3  # half floats
    assert done.bytes == sum(path.stat().st_size for path in done.paths)


def test_the_mean_of_a_picture_of_any_size_in_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    done = export_onnx(network("squeeze"), tmp_path / "net.onnx")
    assert done.error is not None
    assert done.error < 1e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_written_can_be_read(name: str, tmp_path: Path) -> None:
    files = to_ncnn(network(name))
    path = tmp_path / "net.param"
    path.write_text(files.param)
    path.with_suffix(".bin").write_bytes(files.binary)
    graph = NcnnReader.read(path).graph
    assert graph is not None
    translated = graph()
    assert [item.name for item in translated.inputs] == ["data"]
    assert translated.outputs == ["output"]
    assert not [node for node in translated.nodes if node.domain == "ncnn"]
    assert files.param.splitlines()[1].split()[0] == str(files.layers)


def test_activations_go_into_the_layer_before() -> None:
    text = to_ncnn(network("residual block")).param
    ops = [line.split()[0] for line in text.splitlines()[2:]]
    assert "Sigmoid" not in ops
    assert ops.count("Swish") == 1


def test_what_ncnn_lacks_is_named(tmp_path: Path) -> None:
    net = Network.parse(
        "[net]\nchannels=4\n[layernorm]\n[convolutional]\nfilters=3\nsize=1\n"
        "activation=stair\n"
    )
    net.initialize(np.random.default_rng(0))
    with pytest.raises(UsageError, match=r"ncnn has no layer for .*LayerNormalization"):
        export_ncnn(net, tmp_path / "x.param", tmp_path / "x.bin")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_compare", lambda files, net: float("nan"))
    with pytest.raises(ZooError, match="nothing was written"):
        export_ncnn(network("enlarged"), tmp_path / "x.param", tmp_path / "x.bin")
    assert not list(tmp_path.iterdir())


Command = Callable[..., subprocess.CompletedProcess[str]]


def test_the_command(tmp_path: Path, zoo_command: Command) -> None:
    pytest.importorskip("ncnn")
    done = zoo_command("export", "edsr_r8f32_x2", "--ncnn", tmp_path / "net", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["error"] < 1e-2
    assert [Path(path).name for path in said["paths"]] == ["net.param", "net.bin"]
    again = zoo_command("export", "edsr_r8f32_x2", "--ncnn", tmp_path / "net.param")
    assert again.returncode == 2
    assert "--force" in again.stderr
    into = zoo_command(
        *("convert", tmp_path / "net.param", "--to", "ncnn", "-o", tmp_path / "again")
    )
    assert into.returncode == 0, into.stderr
    assert (tmp_path / "again.bin").stat().st_size > 100_000
    both = zoo_command("export", "edsr_r8f32_x2", "--ncnn", "a", "--onnx", "b")
    assert both.returncode == 2
