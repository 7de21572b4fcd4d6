"""Weights as archives of NumPy, and the formats that commands write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.checkpoints.files import load_weights, save_weights
from zoo.checkpoints.npz import read_npz
from zoo.cli import main
from zoo.errors import ReaderError, WeightsError
from zoo.network import Network
from zoo.parsers.safetensors import read_metadata

CFG = """
[net]
channels=3
[convolutional]
filters=12
size=3
pad=1
activation=linear
[shuffler]
scale=2
"""
PICTURE = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    made = Network.parse(CFG)
    made.initialize(1)
    Path("net.cfg").write_text(CFG)
    save_weights(made, "net.safetensors", source="me", licence="MIT", extra={"a": "b"})
    return made


def test_numpy_opens_them(network: Network) -> None:
    save_weights(network, "w.npz", source="me", licence="MIT")
    with np.load("w.npz") as found:
        for name, tensor in network.tensors.items():
            np.testing.assert_array_equal(found[name], tensor)
            assert found[name].dtype == np.float32
        metadata = json.loads(found["zoo.metadata"].tobytes())
    assert metadata["license"] == "MIT"
    assert metadata["zoo.cfg"] == network.fingerprint


def test_equal_weights_give_equal_files(network: Network) -> None:
    for name in ("a.npz", "b.npz"):
        save_weights(network, name)
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()


def test_they_load(network: Network) -> None:
    save_weights(network, "w.npz", licence="MIT")
    other = Network.parse(CFG)
    report = load_weights(other, "w.npz")
    assert report.metadata["license"] == "MIT"
    for name, tensor in network.tensors.items():
        np.testing.assert_array_equal(other.tensors[name], tensor)
    wrong = Network.parse(CFG.replace("filters=12", "filters=24"))
    with pytest.raises(WeightsError, match="does not fit"):
        load_weights(wrong, "w.npz")


def test_every_flipped_byte_is_noticed(network: Network) -> None:
    save_weights(network, "w.npz")
    data = Path("w.npz").read_bytes()
    changed = 0
    for at in range(0, len(data), 5):
        damaged = bytearray(data)
        damaged[at] ^= 64
        Path("x.npz").write_bytes(damaged)
        other = Network.parse(CFG)
        try:
            load_weights(other, "x.npz")
        except (ReaderError, WeightsError):
            changed += 1
            continue
        for name, tensor in network.tensors.items():
            np.testing.assert_array_equal(other.tensors[name], tensor)
    assert changed > len(data) // 10


@pytest.mark.parametrize("metadata", [b"[1]", b"{", b"\xff", b"[" * 100000])
def test_damaged_metadata(network: Network, metadata: bytes) -> None:
    np.savez("w.npz", **{"zoo.metadata": np.frombuffer(metadata, np.uint8)})
    with pytest.raises(ReaderError, match=r"zoo\.metadata"):
        read_npz(Path("w.npz"))


@pytest.mark.parametrize(
    ("to", "file"),
    [
        ("npz", "out.npz"),
        ("darknet", "out.weights"),
        ("safetensors", "out.safetensors"),
    ],
)
def test_export_writes_weights(network: Network, to: str, file: str) -> None:
    assert main(["export", "net.cfg", "--to", to, "-o", "out"]) == 0
    ours = zoo.load("net.cfg", backend="numpy")(PICTURE)
    theirs = zoo.load("net.cfg", file, backend="numpy")(PICTURE)
    np.testing.assert_array_equal(ours, theirs)
    assert main(["export", "net.cfg", "--to", to, "-o", "out"]) == 2
    assert main(["export", "net.cfg", "--to", to, "-o", "out", "--force"]) == 0
    if to == "safetensors":
        known = read_metadata(file)
        assert (known["license"], known["source"], known["a"]) == ("MIT", "me", "b")
    if to == "npz":
        assert read_npz(Path(file)).metadata["license"] == "MIT"


def test_export_needs_one_format(network: Network) -> None:
    assert main(["export", "net.cfg"]) == 2
    assert main(["export", "net.cfg", "--to", "npz", "--onnx", "a.onnx"]) == 2
    assert main(["export", "net.cfg", "-o", "a.npz", "--onnx", "a.onnx"]) == 2
    assert main(["export", "net.cfg", "--to", "npz", "--size", "8x8"]) == 2


@pytest.mark.parametrize("to", ["npz", "darknet", "weights", "safetensors"])
def test_convert_writes_each(network: Network, to: str) -> None:
    """An EDSR by name, from a file without zoo's names."""
    from zoo.parsers.safetensors import write_safetensors

    rng = np.random.default_rng(0)
    shapes = {
        "head.0": (4, 3),
        "body.0.body.0": (4, 4),
        "body.0.body.2": (4, 4),
        "body.1": (4, 4),
        "tail.0.0": (16, 4),
        "tail.1": (3, 4),
    }
    state = {}
    for name, (out, into) in shapes.items():
        weight = rng.normal(0, 0.1, (out, into, 3, 3)).astype(np.float32)
        state |= {f"{name}.weight": weight, f"{name}.bias": weight[:, 0, 0, 0]}
    write_safetensors("s.safetensors", state)
    assert main(["convert", "s.safetensors", "-o", "made", "--to", to]) == 0
    assert main(["convert", "s.safetensors", "-o", "first"]) == 0
    ending = "weights" if to == "darknet" else to
    assert Path(f"made.{ending}").is_file()
    ours = zoo.load("made.cfg", backend="numpy")(PICTURE)
    np.testing.assert_array_equal(ours, zoo.load("first.cfg", backend="numpy")(PICTURE))
    if to == "npz":
        assert main(["convert", "made.npz", "--cfg", "made.cfg", "-o", "back"]) == 0
        back = zoo.load("made.cfg", "back.safetensors", backend="numpy")(PICTURE)
        np.testing.assert_array_equal(ours, back)
        assert main(["show", "made.npz"]) == 0


def test_convert_to_one_onnx_file(network: Network) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    assert main(["convert", "net.safetensors", "--cfg", "net.cfg", "--to", "onnx"]) == 0
    session = runtime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    x = PICTURE.astype(np.float32).transpose(2, 0, 1)[None]
    (y,) = session.run(None, {session.get_inputs()[0].name: x})
    ours = zoo.load("net.cfg", backend="numpy")(PICTURE, as_float=True)
    np.testing.assert_allclose(y[0].transpose(1, 2, 0), ours, atol=1e-2)
    assert not list(Path().glob("*.npz"))
