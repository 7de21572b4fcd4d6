"""Keras's HDF5: made by Keras 2 and 3 and run by them, published ones, hostile ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_cases import Cases

from zoo.errors import ReaderError
from zoo.parsers._keras import contents
from zoo.parsers._keras.contents import extract
from zoo.parsers.base import Checkpoint
from zoo.parsers.detect import reader_of
from zoo.parsers.keras import checkpoint_of

h5py = pytest.importorskip("h5py")
CASES = Cases("keras")


def read(path: Path) -> Checkpoint:
    return reader_of(path).read(path)


def case(folder: Path, name: str) -> Path:
    path = folder / "net.h5"
    path.write_bytes(CASES.data(name, "file"))
    return path


@pytest.mark.parametrize("name", CASES.names)
def test_each_layer_does_what_keras_does(name: str, tmp_path: Path) -> None:
    graph = read(case(tmp_path, name)).graph
    assert graph is not None
    CASES.check(name, graph())


def test_weights_alone(tmp_path: Path) -> None:
    path = case(tmp_path, "2 esrgan")
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
    checkpoint = read(path)
    assert checkpoint.graph is None
    assert "save the whole model in Keras" in checkpoint.metadata["graph_missing"]
    names = [name.partition("/")[0] for name in checkpoint.tensors]
    layers = checkpoint.metadata["layers"]
    assert names == sorted(names, key=layers.index)
    assert list(checkpoint.tensors)[:2] == ["conv2d/kernel", "conv2d/bias"]


def test_a_lambda_is_reported_by_its_class(tmp_path: Path) -> None:
    path = case(tmp_path, "2 sequential")
    with h5py.File(path, "a") as file:
        text = file.attrs["model_config"].replace('"LeakyReLU"', '"Lambda"')
        file.attrs["model_config"] = text
    graph = read(path).graph
    assert graph is not None
    foreign = [node.title for node in graph().nodes if node.domain]
    assert foreign == ["keras::Lambda layer"]


def test_weights_of_another_model(tmp_path: Path) -> None:
    path = case(tmp_path, "2 sequential")
    with h5py.File(path, "a") as file:
        text = file.attrs["model_config"]
        file.attrs["model_config"] = text.replace('"conv2d_1"', '"other"')
    graph = read(path).graph
    assert graph is not None
    with pytest.raises(ReaderError, match="kernel of layer 'other' is not among"):
        graph()


def hostile(path: Path, kind: str) -> None:
    """A file of weights with one thing that weights do not have."""
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["x"] = np.zeros(4, np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv"]
        group = file.create_group("conv")
        group.attrs["weight_names"] = [b"conv/kernel:0"]
        inner = group.create_group("conv")
        match kind:
            case "external link":
                inner["kernel:0"] = h5py.ExternalLink("other.h5", "/x")
            case "soft link":
                inner["kernel:0"] = h5py.SoftLink("/elsewhere")
            case "virtual":
                layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
                layout[:] = h5py.VirtualSource(other, "x", shape=(4,))
                inner.create_virtual_dataset("kernel:0", layout)
            case "external storage":
                raw = path.with_name("raw.bin")
                raw.write_bytes(bytes(16))
                inner.create_dataset(
                    "kernel:0", (4,), "f4", external=[(str(raw), 0, 16)]
                )
            case "bomb":
                inner.create_dataset(
                    "kernel:0", data=np.zeros(1 << 25, "f4"), compression="gzip"
                )
            case "unfilled":
                inner.create_dataset("kernel:0", (1 << 40,), "f4")
            case "small and unfilled":
                inner.create_dataset("kernel:0", (64,), "f4")
            case "filter":
                inner.create_dataset(
                    "kernel:0", data=np.zeros(64, "f4"), compression="lzf"
                )
            case "objects":
                inner["kernel:0"] = np.array([b"text"])
            case "missing":
                pass
            case "dots":
                group.attrs["weight_names"] = [b"../conv/kernel:0"]
            case "group":
                inner.create_group("kernel:0")


HOSTILE = {
    "external link": "is a link to elsewhere",
    "soft link": "is a link to elsewhere",
    "virtual": "are in other files",
    "external storage": "are in other files",
    "bomb": "far more than the file has",
    "unfilled": "far more than the file has",
    "small and unfilled": "was never filled",
    "filter": "packed by a filter",
    "objects": "holds no numbers",
    "missing": "there is no 'conv/kernel:0' in it",
    "dots": "there is no",
    "group": "is no array",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_weights_do_not_need_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    hostile(path, kind)
    with pytest.raises(ReaderError, match=HOSTILE[kind]):
        read(path)


def test_hdf5_without_weights(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.attrs["x"] = 1
    with pytest.raises(ReaderError, match="there are no weights in it"):
        read(path)


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = case(tmp_path, "2 esrgan")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ReaderError, match="pip install h5py"):
        read(path)


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        ("import time; time.sleep(60)", "reading it does not end"),
        ("import os; os.abort()", "crashed"),
        ("pass", "crashed"),
    ],
)
def test_the_library_may_hang_or_crash(
    child: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = case(tmp_path, "2 sequential")
    monkeypatch.setattr(contents, "_CHILD", child)
    monkeypatch.setattr(contents, "_PATIENCE", 0.2)
    with pytest.raises(ReaderError, match=reason):
        read(path)


def test_an_archive_of_keras_3_is_named(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ReaderError, match="archive of Keras 3; save the model as HDF5"):
        read(path)


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_configuration_is_one_error_or_none(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = case(folder, data.draw(st.sampled_from(CASES.names)))
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        _damage(config, data)
        file.attrs["model_config"] = json.dumps(config)
    try:
        graph = checkpoint_of(extract(path), path).graph
        if graph:
            graph()
    except ReaderError as error:
        assert "\n" not in str(error)


def _damage(value: Any, data: st.DataObject) -> None:
    """Replace something, anywhere in the configuration."""
    while True:
        keys: list[Any] = (
            list(value) if isinstance(value, dict) else list(range(len(value)))
        )
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if (
            not isinstance(value[key], (dict, list))
            or data.draw(st.integers(0, 5)) == 0
        ):
            junk = [None, 3, -1, 1e9, "x", [], {}, [[["a", 0, 0]]], True]
            value[key] = data.draw(st.sampled_from(junk))
            return
        value = value[key]


@settings(max_examples=25)
@given(data=st.data())
def test_damaged_bytes_are_one_error_or_none(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = case(tmp_path_factory.mktemp("damaged"), "2 sequential")
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(8, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(8, len(content) - 1))
            content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        graph = read(path).graph
        if graph:
            graph()
    except ReaderError as error:
        assert "\n" not in str(error)


def test_published_files(shared: Path) -> None:
    for name, tensors in (("wdsr-b-32-x4.h5", 396), ("wdsr-b-16-x4.plain.h5", 102)):
        path = shared / "data" / "weights" / name
        if not path.is_file():
            pytest.skip(f"there is no {path}")
        checkpoint = read(path)
        assert len(checkpoint.tensors) == tensors
        assert checkpoint.graph is None


def test_models_within_models_cannot_explode(tmp_path: Path) -> None:
    """Each of eight models calls the next one fifty times."""
    path = case(tmp_path, "2 sequential")

    def entry(name: str, index: int = 0) -> list[Any]:
        return [name, index, 0, {}]

    fed = {"class_name": "InputLayer", "name": "x", "config": {}, "inbound_nodes": []}
    relu = {
        "class_name": "ReLU",
        "name": "y",
        "config": {},
        "inbound_nodes": [[entry("x")]],
    }
    config: dict[str, Any] = {
        "name": "m",
        "layers": [fed, relu],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["y", 0, 0]],
    }
    for _ in range(8):
        calls = [[entry("x")], *([entry("m", index)] for index in range(49))]
        inner = {
            "class_name": "Functional",
            "name": "m",
            "config": config,
            "inbound_nodes": calls,
        }
        config = {**config, "layers": [fed, inner], "output_layers": [["m", 49, 0]]}
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps({"config": config})
    graph = read(path).graph
    assert graph is not None
    with pytest.raises(ReaderError, match="unfold to more than"):
        graph()


def test_layers_in_any_order(tmp_path: Path) -> None:
    path = case(tmp_path, "2 esrgan")
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"].reverse()
        file.attrs["model_config"] = json.dumps(config)
    graph = read(path).graph
    assert graph is not None
    CASES.check("2 esrgan", graph())
