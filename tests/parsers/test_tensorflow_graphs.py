"""Frozen graphs in ONNX's words: made by TensorFlow and run by it; TensorFlow.js too."""

from __future__ import annotations

import base64
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle_cases import Cases
from protobuf_writer import attr, chunk, const, integer, node

from zoo.errors import ReaderError
from zoo.parsers.base import Checkpoint
from zoo.parsers.detect import reader_of

CASES = Cases("tensorflow")
KERAS = Cases("keras")


def read(path: Path) -> Checkpoint:
    return reader_of(path).read(path)


def frozen(folder: Path, name: str) -> Checkpoint:
    path = folder / "net.pb"
    path.write_bytes(CASES.data(name, "graph"))
    return read(path)


@pytest.mark.parametrize("name", CASES.names)
def test_each_operation_does_what_tensorflow_does(name: str, tmp_path: Path) -> None:
    graph = frozen(tmp_path, name).graph
    assert graph is not None
    translated = graph()
    assert [value.layout for value in translated.inputs] == ["NHWC"]
    CASES.check(name, translated)


def test_what_has_no_words_is_reported_not_raised(tmp_path: Path) -> None:
    path = tmp_path / "net.pb"
    path.write_bytes(
        const("w", 1, [1], b"\x2d\0\0\x80\x3f")
        + node("x", "Placeholder")
        + node("y", "Sharpen", ["x", "w"])
    )
    graph = read(path).graph
    assert graph is not None
    assert [item.title for item in graph().nodes] == ["tensorflow::Sharpen"]
    assert graph().outputs == ["y"]


def test_a_graph_that_nothing_is_fed_to(tmp_path: Path) -> None:
    path = tmp_path / "net.pb"
    path.write_bytes(const("w", 1, [1], b"\x2d\0\0\x80\x3f") + node("y", "Relu", ["w"]))
    graph = read(path).graph
    assert graph is not None
    with pytest.raises(ReaderError, match="has no Placeholder"):
        graph()


# -- TensorFlow.js -----------------------------------------------------------------


def graph_model(folder: Path, name: str) -> Path:
    """A frozen graph as TensorFlow.js writes it."""
    checkpoint = frozen(folder, name)
    nodes: list[dict[str, Any]] = []
    for item in checkpoint.metadata["graph"]:
        attrs = {key: _attr(key, value) for key, value in item.attrs.items()}
        nodes.append(
            {
                "name": item.name,
                "op": item.op,
                "input": list(item.inputs),
                "attr": {key: value for key, value in attrs.items() if value},
            }
        )
    return write_model(folder, {"node": nodes}, dict(checkpoint.tensors))


def _attr(key: str, value: Any) -> dict[str, Any] | None:
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": value}
    if isinstance(value, str) and key in ("T", "Tshape", "DstT", "SrcT", "dtype"):
        return {"type": f"DT_{value.upper()}"}
    if isinstance(value, str):
        return {"s": base64.b64encode(value.encode()).decode()}
    if key == "shape":
        return {"shape": {"dim": [{"size": str(side)} for side in value]}}
    if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
        return {"list": {"i": [str(item) for item in value]}}
    return None


def write_model(
    folder: Path,
    topology: dict[str, Any],
    tensors: dict[str, NDArray[Any]],
    shards: int = 1,
    packing: dict[str, dict[str, Any]] | None = None,
) -> Path:
    weights, data = [], b""
    for name, values in tensors.items():
        kept = values.astype("<i4" if values.dtype.kind in "iu" else "<f4")
        kept = values if values.dtype == np.bool_ else kept
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape)}
        entry["dtype"] = {"f": "float32", "i": "int32", "b": "bool"}[kept.dtype.kind]
        if packing and name in packing:
            entry["quantization"] = packing[name]
            kept = values
        weights.append(entry)
        data += kept.tobytes()
    size = -(-len(data) // shards)
    paths = [f"group1-shard{index + 1}of{shards}.bin" for index in range(shards)]
    for index, path in enumerate(paths):
        (folder / path).write_bytes(data[index * size : (index + 1) * size])
    model = {
        "format": "layers-model",
        "modelTopology": topology,
        "weightsManifest": [{"paths": paths, "weights": weights}],
    }
    (folder / "model.json").write_text(json.dumps(model))
    return folder / "model.json"


@pytest.mark.parametrize("name", ["convolutions", "pieces", "transposes", "dense"])
def test_a_graph_model(name: str, tmp_path: Path) -> None:
    graph = read(graph_model(tmp_path, name)).graph
    assert graph is not None
    CASES.check(name, graph())


def layers_model(folder: Path, name: str, shards: int = 1) -> Path:
    h5py = pytest.importorskip("h5py")
    path = folder / "net.h5"
    path.write_bytes(KERAS.data(name, "file"))
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])
    return write_model(
        folder, {"model_config": config}, dict(read(path).tensors), shards
    )


@pytest.mark.parametrize("name", ["2 esrgan", "3 esrgan", "2 activations"])
def test_a_layers_model(name: str, tmp_path: Path) -> None:
    path = layers_model(tmp_path, name, shards=3)
    checkpoint = read(path)
    assert len(checkpoint.metadata["files"]) == 3
    assert checkpoint.graph is not None
    KERAS.check(name, checkpoint.graph())


def test_custom_classes_of_published_models(tmp_path: Path) -> None:
    """Their names carry the scale, or a package."""
    path = layers_model(tmp_path, "2 esrgan")
    model = json.loads(path.read_text())
    layers = model["modelTopology"]["model_config"]["config"]["layers"]
    for layer in layers:
        if layer["class_name"].endswith("PixelShuffle"):
            layer["class_name"] = "PixelShuffle2x"
            del layer["config"]["scale"]
        if layer["class_name"].endswith("MultiplyBeta"):
            layer["class_name"] = "Custom>MultiplyBeta"
    path.write_text(json.dumps(model))
    graph = read(path).graph
    assert graph is not None
    KERAS.check("2 esrgan", graph())


def test_quantised_weights(tmp_path: Path) -> None:
    packed = np.array([[0, 128], [255, 1]], np.uint8)
    wide = np.array([0, 65535, 7], np.uint16)
    half = np.array([0.5, -2], np.float16)
    path = write_model(
        tmp_path,
        {"node": []},
        {"a": packed, "b": wide, "c": half},
        packing={
            "a": {"dtype": "uint8", "scale": 0.1, "min": -3.2},
            "b": {"dtype": "uint16", "scale": 0.001, "min": 1},
            "c": {"dtype": "float16", "original_dtype": "float32"},
        },
    )
    model = json.loads(path.read_text())
    for entry in model["weightsManifest"][0]["weights"]:
        entry["dtype"] = "float32"
    path.write_text(json.dumps(model))
    tensors = read(path).tensors
    np.testing.assert_allclose(tensors["a"], packed * 0.1 - 3.2, atol=1e-5)
    np.testing.assert_allclose(tensors["b"], wide * 0.001 + 1, atol=1e-5)
    np.testing.assert_array_equal(tensors["c"], half.astype(np.float32))
    assert {values.dtype.name for values in tensors.values()} == {"float32"}


def test_shards_lie_in_the_folder_and_fit(tmp_path: Path) -> None:
    path = layers_model(tmp_path, "2 esrgan")
    shard = tmp_path / "group1-shard1of1.bin"
    text, data = path.read_text(), shard.read_bytes()
    for name, reason in (
        ("../x.bin", "outside its folder; put them beside it"),
        ("/etc/passwd", "outside its folder"),
        ("C:\\\\x.bin", "outside its folder|not beside it"),
        ("missing.bin", "which is not beside it"),
        ("", "names no file"),
    ):
        path.write_text(text.replace(shard.name, name))
        with pytest.raises(ReaderError, match=reason):
            read(path)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    elsewhere.mkdir()
    (elsewhere / "real.bin").write_bytes(data)
    (tmp_path / "link.bin").symlink_to(elsewhere / "real.bin")
    path.write_text(text.replace(shard.name, "link.bin"))
    with pytest.raises(ReaderError, match="outside its folder"):
        read(path)
    path.write_text(text)
    shard.write_bytes(data[:-4])
    with pytest.raises(ReaderError, match="one is truncated or missing"):
        read(path)
    shard.write_bytes(data + bytes(4))
    with pytest.raises(ReaderError, match="4 bytes more"):
        read(path)
    path.write_text(
        text.replace(f'["{shard.name}"]', f'["{shard.name}", "{shard.name}"]')
    )
    with pytest.raises(ReaderError, match="listed twice"):
        read(path)


def test_a_cache_of_links_is_followed(tmp_path: Path) -> None:
    """Downloaders keep files in one folder and link to them from another."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    layers_model(blobs, "2 esrgan")
    for name in ("model.json", "group1-shard1of1.bin"):
        (snapshot / name).symlink_to(blobs / name)
    assert read(snapshot / "model.json").graph is not None


def test_a_shard_alone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "group1-shard1of1.bin"
    path.write_bytes(bytes(range(1, 200)))
    with pytest.raises(ReaderError, match="give the model.json that lists it"):
        reader_of(path)


@pytest.mark.parametrize(
    "change",
    [
        {"weightsManifest": []},
        {"weightsManifest": [1]},
        {"weightsManifest": [{"paths": ["x"], "weights": 3}]},
        {"weightsManifest": [{"paths": [], "weights": [{"name": "a", "shape": [-1]}]}]},
        {
            "weightsManifest": [
                {"paths": [], "weights": [{"name": "a", "shape": [1 << 39] * 9,
                                           "dtype": "float32"}]}
            ]
        },
        {
            "weightsManifest": [
                {"paths": [], "weights": [{"name": "a", "shape": [], "dtype": "string"}]}
            ]
        },
        {"modelTopology": {"node": [{"name": 3}]}},
        {"modelTopology": {"model_config": {"config": {"layers": 3}}}},
        {"modelTopology": {}},
    ],
)  # fmt: skip
def test_damage_is_one_sentence(change: dict[str, Any], tmp_path: Path) -> None:
    path = layers_model(tmp_path, "2 esrgan")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ReaderError) as caught:
        graph = read(path).graph
        assert graph is not None
        graph()
    assert "\n" not in str(caught.value)


def test_published_graphs(shared: Path) -> None:
    for name in ("EDSR", "ESPCN", "FSRCNN"):
        path = shared / "data" / "weights" / f"{name}_x2.pb"
        if not path.is_file():
            pytest.skip(f"there is no {path}")
        graph = read(path).graph
        assert graph is not None
        assert not [item for item in graph().nodes if item.domain]
        assert graph().outputs == ["NCHW_output"]


def test_few_bytes_cannot_ask_for_much(tmp_path: Path) -> None:
    """A weight that many nodes read is turned once; splits have a limit in all."""
    path = tmp_path / "net.pb"
    weights = np.zeros((3, 3, 64, 64), np.float32).tobytes()
    count = const("n", 3, [], b"\x3a\x01\x00")
    parts = [
        const("w", 1, [3, 3, 64, 64], chunk(4, weights)),
        count,
        node("x", "Placeholder"),
    ]
    for index in range(2000):
        parts.append(
            node(f"c{index}", "Conv2D", ["x", "w"], attr("padding", chunk(2, "SAME")))
        )
        many = attr("num_split", integer(3, 100_000))
        parts.append(node(f"s{index}", "Split", ["n", "x"], many))
    path.write_bytes(b"".join(parts))
    graph = read(path).graph
    assert graph is not None
    tracemalloc.start()
    translated = graph()
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()
    assert len(translated.constants) == 3
