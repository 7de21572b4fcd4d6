"""MXNet's pairs: made by MXNet and run by it, published ones, damaged ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracle_cases import Cases

from zoo.checkpoints.convert import convert
from zoo.errors import ReaderError, WeightsError
from zoo.parsers.base import Checkpoint
from zoo.parsers.detect import reader_of

CASES = Cases("mxnet")
KINDS = {"f4": 0, "f8": 1, "f2": 2, "u1": 3, "i4": 4, "i1": 5, "i8": 6}
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA


def read(path: Path) -> Checkpoint:
    return reader_of(path).read(path)


def array(values: NDArray[Any], magic: int = V2) -> bytes:
    """One array as MXNet stores it."""
    axes = values.ndim
    if magic in (V1, V2, V3):
        head = struct.pack("<I", magic)
        if magic != V1:
            head += struct.pack("<i", 0)
        head += struct.pack(f"<I{axes}q", axes, *values.shape)
    else:
        head = struct.pack(f"<I{axes}I", axes, *values.shape)
    kind = KINDS[values.dtype.str[1:]]
    return head + struct.pack("<iii", 1, 0, kind) + values.tobytes()


def params(arrays: Mapping[str, bytes]) -> bytes:
    """A .params file."""
    data = struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays.values())
    data += struct.pack("<Q", len(arrays))
    for name in arrays:
        data += struct.pack("<Q", len(name)) + name.encode()
    return data


def pair(folder: Path, name: str) -> Path:
    """Write a case; return its symbol."""
    path = folder / "net-symbol.json"
    path.write_bytes(CASES.data(name, "symbol"))
    (folder / "net-0000.params").write_bytes(CASES.data(name, "params"))
    return path


@pytest.mark.parametrize("name", CASES.names)
def test_each_operator_does_what_mxnet_does(name: str, tmp_path: Path) -> None:
    checkpoint = read(pair(tmp_path, name))
    assert checkpoint.graph is not None
    CASES.check(name, checkpoint.graph())


@pytest.mark.parametrize("magic", [V1, V2, V3, 0])
def test_arrays_of_every_version(magic: int, tmp_path: Path) -> None:
    kinds = [np.arange(6).reshape(2, 3).astype(kind) for kind in KINDS]
    path = tmp_path / "net.params"
    path.write_bytes(
        params({f"arg:{kind.dtype}": array(kind, magic) for kind in kinds})
    )
    tensors = read(path).tensors
    assert list(tensors) == [str(kind.dtype) for kind in kinds]
    for kind in kinds:
        np.testing.assert_array_equal(tensors[str(kind.dtype)], kind)
    assert tensors["float16"].dtype == np.float32


def test_either_file_may_be_named(tmp_path: Path) -> None:
    symbol = pair(tmp_path, "convolution")
    other = tmp_path / "net-0000.params"
    assert read(symbol).metadata == {"files": [other.name]}
    assert read(other).metadata == {"files": [symbol.name]}
    symbol.unlink()
    alone = read(other)
    assert alone.graph is None
    assert "put 'net-symbol.json' there" in alone.metadata["graph_missing"]
    with pytest.raises(WeightsError, match="family.*put 'net-symbol.json' there"):
        convert(other, tmp_path / "out")


def test_what_is_missing_or_ambiguous(tmp_path: Path) -> None:
    symbol = pair(tmp_path, "convolution")
    values = tmp_path / "net-0000.params"
    values.rename(tmp_path / "net-0007.params")
    assert read(symbol).graph is not None
    (tmp_path / "net-0008.params").write_bytes(b"")
    with pytest.raises(ReaderError, match="several .params are beside it"):
        read(symbol)
    for path in tmp_path.glob("*.params"):
        path.unlink()
    with pytest.raises(ReaderError, match=".params is not beside it: put 'net-0000.p"):
        read(symbol)


def test_another_network_s_parameters(tmp_path: Path) -> None:
    symbol = pair(tmp_path, "convolution")
    (tmp_path / "net-0000.params").write_bytes(CASES.data("prelu", "params"))
    graph = read(symbol).graph
    assert graph is not None
    with pytest.raises(ReaderError, match="are not in its .params"):
        graph()


def test_python_2_wrote_long_numbers(tmp_path: Path) -> None:
    symbol = pair(tmp_path, "convolution")
    text = symbol.read_text()
    assert '"(3, 3)"' in text
    symbol.write_text(text.replace('"(3, 3)"', '"(3L, 3L)"').replace("attrs", "param"))
    graph = read(symbol).graph
    assert graph is not None
    CASES.check("convolution", graph())


def test_what_has_no_words_is_reported_not_raised(tmp_path: Path) -> None:
    symbol = pair(tmp_path, "activations")
    symbol.write_text(symbol.read_text().replace('"tanh"', '"Correlation"', 1))
    graph = read(symbol).graph
    assert graph is not None
    assert "mxnet::Correlation" in [node.title for node in graph().nodes]


DAMAGED = {
    "not text": b"\xff\xfe{",
    "not an object": b'["nodes"]',
    "no nodes": b'{"nodes": [], "heads": []}',
    "truncated": b'{"nodes": [{"op": "null"',
    "no name": b'{"nodes": [{"op": "null"}], "heads": [[0, 0, 0]]}',
    "not earlier": b'{"nodes": [{"op": "relu", "name": "a", "inputs": [[0, 0]]}], '
    b'"heads": [[0, 0]]}',
    "no such head": b'{"nodes": [{"op": "null", "name": "a"}], "heads": [[1, 0]]}',
    "deep": b'{"nodes": ' + b"[" * 100_000,
    "NaN": b'{"nodes": NaN}',
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_symbol_is_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net-symbol.json"
    path.write_bytes(DAMAGED[kind])
    (tmp_path / "net-0000.params").write_bytes(CASES.data("prelu", "params"))
    with pytest.raises(ReaderError) as caught:
        checkpoint = read(path)
        assert checkpoint.graph is not None
        checkpoint.graph()
    assert "\n" not in str(caught.value)


def test_hostile_arrays(tmp_path: Path) -> None:
    path = tmp_path / "net.params"
    good = array(np.zeros(3, "f4"))
    for data, reason in (
        (params({"a": good})[:-4], "1 names are announced, and 5 bytes left"),
        (params({"a": good}) + b"\0", "1 bytes follow the last name"),
        (params({"a": good[:4] + struct.pack("<i", 1) + good[8:]}), "is sparse"),
        (params({"a": good[:8] + struct.pack("<I", 99) + good[12:]}), "99 axes"),
        (params({"a": good[:12] + struct.pack("<q", -1) + good[20:]}), "shape"),
        (
            params({"a": good[:12] + struct.pack("<q", 1 << 40) + good[20:]}),
            "too early",
        ),
        (params({"a": good[:28] + struct.pack("<i", 77) + good[32:]}), "unknown type"),
        (struct.pack("<QQQ", 0x112, 0, 1 << 60), "are announced"),
        (struct.pack("<QQQQ", 0x112, 0, 0, 0), "no arrays"),
        (struct.pack("<QQQ", 0x112, 0, 1) + good + struct.pack("<Q", 0), "no names"),
    ):
        path.write_bytes(data)
        with pytest.raises(ReaderError, match=reason):
            read(path)


@settings(max_examples=150)
@given(data=st.data())
def test_damage_is_one_error_or_none(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    symbol = pair(folder, data.draw(st.sampled_from(CASES.names)))
    path = data.draw(st.sampled_from([symbol, folder / "net-0000.params"]))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(16, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        checkpoint = read(symbol)
        if checkpoint.graph:
            checkpoint.graph()
    except ReaderError as error:
        assert "\n" not in str(error)


def test_published_pairs(shared: Path) -> None:
    for name in ("EDSR-8-x2", "WDSR-b-8-x4"):
        path = shared / "data" / "weights" / f"{name}-symbol.json"
        if not path.is_file():
            pytest.skip(f"there is no {path}")
        checkpoint = read(path)
        assert checkpoint.graph is not None
        graph = checkpoint.graph()
        assert not [node for node in graph.nodes if node.domain]
        wanted = json.loads(path.read_text())["arg_nodes"]
        assert len(graph.constants) >= len(wanted) - 1
