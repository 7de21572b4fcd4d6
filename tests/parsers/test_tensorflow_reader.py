"""Frozen graphs: written byte by byte, published ones, damaged ones."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protobuf_writer import attr, chunk, const, float32, integer, node, packed, tensor

from zoo.errors import ReaderError
from zoo.parsers._dequantize import dequantize
from zoo.parsers._protobuf import Message
from zoo.parsers.base import Checkpoint
from zoo.parsers.tensorflow import GraphNode, TensorFlowReader

WEIGHTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "weights"
FLOAT, DOUBLE, INT32, UINT8, INT16, INT8, STRING = 1, 2, 3, 4, 5, 6, 7
INT64, BOOL, QINT8, QUINT8, QINT32, BFLOAT16, QUINT16, HALF = (
    9,
    10,
    11,
    12,
    13,
    14,
    16,
    19,
)


def read(tmp_path: Path, *nodes: bytes) -> Checkpoint:
    path = tmp_path / "graph.pb"
    path.write_bytes(b"".join(nodes))
    assert TensorFlowReader.recognizes(path, path.read_bytes()[:4096])
    return TensorFlowReader.read(path)


def content(data: bytes) -> bytes:
    return chunk(4, data)


def test_nodes_and_attributes(tmp_path: Path) -> None:
    checkpoint = read(
        tmp_path,
        const("w", FLOAT, [1, 1, 1, 2], content(struct.pack("<2f", 1.5, -2))),
        node("x", "Placeholder"),
        node("init", "NoOp"),
        node(
            "conv",
            "Conv2D",
            ["x", "w:0", "^init"],
            attr("strides", chunk(1, packed(3, [1, 2, 2, 1]))),
            attr("unpacked", chunk(1, integer(3, 7) + integer(3, -8))),
            attr("padding", chunk(2, "SAME")),
            attr("binary", chunk(2, b"\xff\xfe")),
            attr("T", integer(6, FLOAT)),
            attr("types", chunk(1, packed(6, [INT32, HALF]))),
            attr("use", integer(5, 1)),
            attr("alpha", float32(4, 0.25)),
            attr("floats", chunk(1, chunk(4, struct.pack("<2f", 1, 2)))),
            attr("block", integer(3, -3)),
            attr("shape", chunk(7, chunk(2, integer(1, -1)) + chunk(2, integer(1, 3)))),
            attr("rank", chunk(7, integer(3, 1))),
            attr("shapes", chunk(1, chunk(7, chunk(2, integer(1, 4))))),
            attr("texts", chunk(1, chunk(2, "a") + chunk(2, "b"))),
            attr("tensor", chunk(8, tensor(FLOAT, [], b""))),
            attr("function", chunk(10, b"")),
            attr("future", integer(6, 99)),
        ),
        chunk(4, integer(1, 26)),
    )
    assert checkpoint.format == "tensorflow"
    assert list(checkpoint.tensors) == ["w"]
    assert checkpoint.tensors["w"].tolist() == [[[[1.5, -2]]]]
    graph = checkpoint.metadata["graph"]
    assert [item.name for item in graph] == ["w", "x", "init", "conv"]
    assert graph[3] == GraphNode(
        "conv",
        "Conv2D",
        ("x", "w:0", "^init"),
        {
            "strides": (1, 2, 2, 1),
            "unpacked": (7, -8),
            "padding": "SAME",
            "binary": b"\xff\xfe",
            "T": "float32",
            "types": ("int32", "float16"),
            "use": True,
            "alpha": 0.25,
            "floats": (1.0, 2.0),
            "block": -3,
            "shape": (-1, 3),
            "rank": None,
            "shapes": ((4,),),
            "texts": ("a", "b"),
            "tensor": None,
            "function": None,
            "future": "type 99",
        },
    )


def bits(values: Any, dtype: str) -> list[int]:
    return np.asarray(values, dtype).view(f"<u{np.dtype(dtype).itemsize}").tolist()


@pytest.mark.parametrize(
    ("kind", "data", "listed", "expected"),
    [
        (FLOAT, np.array([1.5, -2], "<f4"), None, np.float32([1.5, -2])),
        (FLOAT, None, chunk(5, struct.pack("<2f", 1.5, -2)), np.float32([1.5, -2])),
        (FLOAT, None, float32(5, 1.5) + float32(5, -2), np.float32([1.5, -2])),
        (DOUBLE, np.array([1.5, -2], "<f8"), None, np.float32([1.5, -2])),
        (DOUBLE, None, chunk(6, struct.pack("<2d", 1.5, -2)), np.float32([1.5, -2])),
        (HALF, np.array([1.5, -2], "<f2"), None, np.float32([1.5, -2])),
        (HALF, None, packed(13, bits([1.5, -2], "<f2")), np.float32([1.5, -2])),
        (BFLOAT16, np.array([0x3FC0, 0xC000], "<u2"), None, np.float32([1.5, -2])),
        (BFLOAT16, None, packed(13, [0x3FC0, 0xC000]), np.float32([1.5, -2])),
        (INT32, np.array([7, -7], "<i4"), None, np.int32([7, -7])),
        (INT32, None, packed(7, [7, -7]), np.int32([7, -7])),
        (INT32, None, integer(7, 7) + integer(7, -7), np.int32([7, -7])),
        (INT64, None, packed(10, [2**60, -(2**60)]), np.int64([2**60, -(2**60)])),
        (UINT8, None, packed(7, [7, 255]), np.uint8([7, 255])),
        (INT16, None, packed(7, [7, -300]), np.int16([7, -300])),
        (INT8, None, packed(7, [7, -128]), np.int8([7, -128])),
        (QINT8, np.array([7, -7], "i1"), None, np.int8([7, -7])),
        (QUINT8, None, packed(7, [7, 200]), np.uint8([7, 200])),
        (QUINT16, None, packed(7, [7, 60000]), np.uint16([7, 60000])),
        (QINT32, np.array([7, -7], "<i4"), None, np.int32([7, -7])),
        (BOOL, np.array([True, False]), None, np.array([True, False])),
        (BOOL, None, packed(11, [1, 0]), np.array([True, False])),
    ],
)
def test_types(
    tmp_path: Path, kind: int, data: Any, listed: bytes | None, expected: Any
) -> None:
    values = content(data.tobytes()) if listed is None else listed
    array = read(tmp_path, const("c", kind, [2], values)).tensors["c"]
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == expected.dtype


def test_the_last_value_fills_the_rest(tmp_path: Path) -> None:
    checkpoint = read(
        tmp_path,
        const("one", FLOAT, [2, 3], float32(5, 7)),
        const("two", INT32, [5], packed(7, [1, 2])),
        const("none", FLOAT, [2], b""),
        const("scalar", FLOAT, [], float32(5, 0.5)),
        const("empty", FLOAT, [0, 4], b""),
    )
    assert checkpoint.tensors["one"].tolist() == [[7] * 3] * 2
    assert checkpoint.tensors["two"].tolist() == [1, 2, 2, 2, 2]
    assert checkpoint.tensors["none"].tolist() == [0, 0]
    assert checkpoint.tensors["scalar"] == 0.5
    assert checkpoint.tensors["empty"].shape == (0, 4)


def quantized(name: str, low: float, high: float, *attrs: bytes) -> bytes:
    return (
        const(f"{name}_q", QUINT8, [3], content(bytes([0, 100, 255])))
        + const(f"{name}_min", FLOAT, [], float32(5, low))
        + const(f"{name}_max", FLOAT, [], float32(5, high))
        + node(
            name,
            "Dequantize",
            [f"{name}_q", f"{name}_min:0", f"{name}_max", f"^{name}_q"],
            attr("T", integer(6, QUINT8)),
            *attrs,
        )
    )


def test_quantized_constants_come_under_the_dequantized_name(tmp_path: Path) -> None:
    first = attr("mode", chunk(2, "MIN_FIRST"))
    checkpoint = read(
        tmp_path,
        const("w", FLOAT, [1], float32(5, 1)),
        quantized("a", -1, 1.55, first),
        const("label", STRING, [1], chunk(8, "text")),
        quantized("b", 0, 255),
        const("z", FLOAT, [1], float32(5, 1)),
    )
    assert list(checkpoint.tensors) == ["w", "a", "b", "z"]
    np.testing.assert_allclose(checkpoint.tensors["a"], [-1, 0, 1.55], atol=1e-6)
    assert checkpoint.tensors["a"].dtype == np.float32
    assert checkpoint.tensors["b"].tolist() == [0, 100, 255]
    assert checkpoint.metadata["dequantized"]["a"] == {
        "values": "a_q",
        "minimum": "a_min",
        "maximum": "a_max",
        "mode": "MIN_FIRST",
    }
    assert checkpoint.metadata["dequantized"]["b"]["mode"] == "MIN_COMBINED"
    assert checkpoint.metadata["ignored"] == {
        "label": "it holds string, not plain numbers"
    }
    accounted = {*checkpoint.tensors, *checkpoint.metadata["ignored"]}
    for parts in checkpoint.metadata["dequantized"].values():
        accounted |= {parts["values"], parts["minimum"], parts["maximum"]}
    constants = {
        item.name for item in checkpoint.metadata["graph"] if item.op == "Const"
    }
    assert constants <= accounted


def test_quantized_constants_with_other_users_stay(tmp_path: Path) -> None:
    checkpoint = read(
        tmp_path, quantized("a", 0, 1), node("other", "Identity", ["a_max"])
    )
    assert set(checkpoint.tensors) == {"a", "a_max"}


def test_min_first_rounds_the_minimum_to_a_level() -> None:
    # Step 0.01; -0.123 is no multiple of it, -0.12 is.
    low, high = np.float32(-0.123), np.float32(-0.123 + 2.55)
    values = np.arange(256, dtype=np.uint8)
    got = dequantize(values, low.reshape(1), high.reshape(1), "MIN_FIRST")
    np.testing.assert_allclose(got, (np.arange(256) - 12) * 0.01, atol=1e-6)
    assert got[12] == 0


@given(
    st.floats(-100, 100, width=32),
    st.floats(0.0009765625, 100, width=32),
    st.booleans(),
)
def test_modes_agree_with_their_definitions(
    low: float, width: float, signed: bool
) -> None:
    values = np.arange(256).astype(np.uint8)
    if signed:
        values = (np.arange(256) - 128).astype(np.int8)
    minimum = np.array([low], np.float32)
    maximum = np.array([low + width], np.float32)
    span = float(maximum[0]) - float(minimum[0])
    tolerance = 1e-4 * (abs(low) + width)
    levels = np.arange(256)
    combined = dequantize(values, minimum, maximum, "MIN_COMBINED")
    np.testing.assert_allclose(combined, low + levels * span / 255, atol=tolerance)
    first = dequantize(values, minimum, maximum, "MIN_FIRST")
    assert abs(first - combined).max() <= span / 255 / 2 + tolerance
    if low < 0 < low + width:
        assert abs(first).min() <= tolerance
    for narrow in (False, True):
        scaled = dequantize(values, minimum, maximum, "SCALED", narrow)
        scale = (low + width) / 255
        if signed:
            scale = max(low / (-127 if narrow else -128), (low + width) / 127)
        np.testing.assert_allclose(scaled, values.astype(float) * scale, atol=tolerance)


def test_scaled_per_channel(tmp_path: Path) -> None:
    checkpoint = read(
        tmp_path,
        const("q", QINT8, [2, 3], content(np.int8([[1, 2, 3]] * 2).tobytes())),
        const("low", FLOAT, [3], chunk(5, np.float32([-127, -254, -381]).tobytes())),
        const("high", FLOAT, [3], chunk(5, np.float32([127, 254, 381]).tobytes())),
        node(
            "w",
            "Dequantize",
            ["q", "low", "high"],
            attr("mode", chunk(2, "SCALED")),
            attr("narrow_range", integer(5, 1)),
            attr("axis", integer(3, 1)),
        ),
    )
    assert checkpoint.tensors["w"].tolist() == [[1, 4, 9]] * 2


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ((b"",), "no nodes"),
        ((node("x", "Placeholder"),), "no constants"),
        ((node("", "Const"),), "no name"),
        ((node("a", ""),), "no operation"),
        ((node("a", "Const"),), "no value"),
        ((const("a", FLOAT, [1], b""), node("a", "Relu")), "two nodes"),
        ((const("a", FLOAT, [1], b""), node("b", "Relu", ["c"])), "not in the graph"),
        ((const("a", 77, [1], b""),), "unknown type 77"),
        ((const("a", FLOAT, [-1], b""),), "not known"),
        ((const("a", FLOAT, [1] * 40, b""),), "16 dimensions"),
        ((const("a", FLOAT, [3], content(b"1234")),), "4 bytes where 12"),
        ((const("a", FLOAT, [1], chunk(5, b"123")),), "whole number"),
        ((const("a", FLOAT, [1], chunk(5, bytes(8))),), "more values"),
        ((const("a", INT32, [1], packed(7, [1, 2])),), "2 values"),
        ((const("a", QUINT8, [1], packed(7, [256])),), "beyond quint8"),
        ((const("a", FLOAT, [1], integer(5, 1)),), "wire type"),
        ((const("a", FLOAT, [10**6, 10**6], float32(5, 1)),), "far more"),
        ((const("a", FLOAT, [2**62, 2**62], b""),), "far more"),
        ((quantized("a", 1, 0),), "upside down"),
        ((quantized("a", float("nan"), 0),), "not finite"),
        ((quantized("a", 0, 1, attr("mode", chunk(2, "OTHER"))),), "OTHER"),
        ((quantized("a", 0, 1, attr("axis", integer(3, 5))),), "axis 5"),
        (
            (const("q", FLOAT, [1], b""), node("a", "Dequantize", ["q", "q", "q"])),
            "float32 values",
        ),
        (
            (const("q", QUINT8, [1], b""), node("a", "Dequantize", ["q"])),
            "1 inputs",
        ),
    ],
)
def test_wrong_graphs_are_refused_with_the_reason(
    tmp_path: Path, nodes: tuple[bytes, ...], reason: str
) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(b"".join(nodes))
    with pytest.raises(ReaderError, match=reason) as caught:
        TensorFlowReader.read(path)
    assert "graph.pb" in str(caught.value)


def test_other_files(tmp_path: Path) -> None:
    saved = tmp_path / "saved_model.pb"
    saved.write_bytes(b"\x08\x01\x12\x00")
    assert TensorFlowReader.recognizes(saved, saved.read_bytes())
    with pytest.raises(ReaderError, match="SavedModel"):
        TensorFlowReader.read(saved)
    with pytest.raises(ReaderError, match="No such file"):
        TensorFlowReader.read(tmp_path / "absent.pb")
    for head in (b"", b"\n", b"\n\n\n", b"[net]\n", b"\x80\x02", b"\x08\x07\x12\x01x"):
        assert not TensorFlowReader.recognizes(tmp_path / "x.onnx", head)


def test_many_claims_of_one_tensor_are_bounded(tmp_path: Path) -> None:
    big = const("q", QUINT8, [10**6], content(bytes(10**6)))
    big += const("low", FLOAT, [], float32(5, 0)) + const(
        "high", FLOAT, [], float32(5, 1)
    )
    users = (node(f"d{i}", "Dequantize", ["q", "low", "high"]) for i in range(1000))
    tracemalloc.start()
    with pytest.raises(ReaderError, match="far more"):
        read(tmp_path, big, *users)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


SAMPLE = b"".join(
    (
        node("x", "Placeholder"),
        const("w", FLOAT, [2, 2], content(struct.pack("<4f", 1, 2, 3, 4))),
        const("k", INT32, [3], packed(7, [1, -1, 300])),
        quantized("a", -1, 1, attr("mode", chunk(2, "MIN_FIRST"))),
        node("c", "Conv2D", ["x", "w"], attr("strides", chunk(1, packed(3, [1, 1])))),
    )
)


def test_truncations_give_fewer_nodes_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.pb"
    errors = 0
    for size in range(len(SAMPLE)):
        path.write_bytes(SAMPLE[:size])
        try:
            checkpoint = TensorFlowReader.read(path)
        except ReaderError:
            errors += 1
        else:
            # Cut between two nodes: the format itself cannot tell.
            assert len(checkpoint.metadata["graph"]) < 8
    assert errors >= len(SAMPLE) - 7


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_flipped_bits_give_a_checkpoint_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.pb"
    path.write_bytes(damaged)
    TensorFlowReader.recognizes(path, bytes(damaged))
    try:
        TensorFlowReader.read(path)
    except ReaderError as error:
        assert "\n" not in str(error)


# -- published files -------------------------------------------------------------


def published(file: str) -> Path:
    path = WEIGHTS / file
    if not path.exists():
        pytest.skip("the shared checkpoints are not here")
    return path


def test_published_edsr() -> None:
    path = published("EDSR_x2.pb")
    assert TensorFlowReader.recognizes(path, path.open("rb").read(4096))
    begin = time.monotonic()
    checkpoint = TensorFlowReader.read(path)
    assert time.monotonic() - begin < 20
    tensors = checkpoint.tensors
    assert len(checkpoint.metadata["dequantized"]) == 67
    assert tensors["resFilter_one"].shape == (3, 3, 3, 256)
    assert tensors["resFilter_three"].shape == (3, 3, 256, 12)
    for index in range(64):
        assert tensors[f"resFilter{index}"].shape == (3, 3, 256, 256)
        assert tensors[f"resBias{index}"].shape == (256,)
        assert tensors[f"resFilter{index}"].dtype == np.float32
        assert 0.01 < tensors[f"resFilter{index}"].std() < 0.1
        assert (tensors[f"resFilter{index}"] == 0).any()
    assert sum(tensor.size for tensor in tensors.values()) == 38_390_028 + 32 + 4
    graph = {item.name: item for item in checkpoint.metadata["graph"]}
    assert graph["NHWC_output"].attrs["block_size"] == 2
    assert graph["mul_31"].inputs == ("add_95", "mul_31/y")
    assert tensors["mul_31/y"] == np.float32(0.1)


@pytest.mark.parametrize("file", ["ESPCN_x2.pb", "FSRCNN_x2.pb"])
def test_published_luma_networks_equal_opencv(file: str) -> None:
    """The graph, interpreted from what was read, gives what OpenCV gives.

    Up to the shuffle, which OpenCV's own reader of graphs does not know.
    """
    path = published(file)
    image = np.random.default_rng(0).random((9, 11), np.float32)
    network = cv2.dnn.readNetFromTensorflow(without_shuffle(path.read_bytes()))
    network.setInput(cv2.dnn.blobFromImage(image))
    expected = network.forward()[0]
    got = run(TensorFlowReader.read(path), image)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def without_shuffle(data: bytes) -> np.ndarray:
    """Copy the nodes of a graph before its DepthToSpace."""
    message = Message(data, "test")
    out = b""
    for field in message:
        if field.number == 1:
            inner = message.message(field)
            texts = [inner.text(item) for item in inner if item.number in (1, 2)]
            if texts[1] == "DepthToSpace":
                break
            out += chunk(1, message.bytes(field))
    return np.frombuffer(out, np.uint8)


def run(checkpoint: Checkpoint, image: np.ndarray) -> np.ndarray:
    """Interpret a graph on one channel; only what the published ones need."""
    torch = pytest.importorskip("torch")
    values: dict[str, Any] = {
        name: torch.from_numpy(np.array(tensor))
        for name, tensor in checkpoint.tensors.items()
    }
    for item in checkpoint.metadata["graph"]:
        inputs = [values[name] for name in item.inputs]
        match item.op:
            case "Const":
                continue
            case "Placeholder":
                value = torch.from_numpy(image[None, :, :, None])
            case "Conv2D":
                assert item.attrs["padding"] == "SAME"
                assert item.attrs["strides"] == (1, 1, 1, 1)
                value = torch.nn.functional.conv2d(
                    inputs[0].permute(0, 3, 1, 2),
                    inputs[1].permute(3, 2, 0, 1),
                    padding="same",
                ).permute(0, 2, 3, 1)
            case "Add":
                value = inputs[0] + inputs[1]
            case "Sub":
                value = inputs[0] - inputs[1]
            case "Mul":
                value = inputs[0] * inputs[1]
            case "Abs":
                value = abs(inputs[0])
            case "Relu":
                value = torch.relu(inputs[0])
            case _:
                assert item.op == "DepthToSpace"
                return inputs[0].permute(0, 3, 1, 2).numpy()[0]
        values[item.name] = value
    raise AssertionError("the graph has no DepthToSpace")


@pytest.mark.slow
def test_published_edsr_equals_opencv() -> None:
    """Dequantized as dnn_superres does it: the very same 8-bit pixels."""
    if not hasattr(cv2, "dnn_superres"):
        pytest.skip("this OpenCV is without its contributed modules")
    torch = pytest.importorskip("torch")
    path = published("EDSR_x2.pb")
    tensors = {
        name: torch.from_numpy(np.array(tensor))
        for name, tensor in TensorFlowReader.read(path).tensors.items()
    }
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    image = cv2.resize(image, (20, 16), interpolation=cv2.INTER_CUBIC)
    engine = cv2.dnn_superres.DnnSuperResImpl.create()
    engine.readModel(str(path))
    engine.setModel("edsr", 2)
    expected = engine.upsample(image).astype(int)

    def conv(x: Any, weights: str, biases: str) -> Any:
        return torch.nn.functional.conv2d(
            x,
            tensors[weights].permute(3, 2, 0, 1),
            tensors[biases],
            padding="same",
        )

    mean = np.float32([103.1545782, 111.561547, 114.35629928])
    head = torch.from_numpy((image - mean).transpose(2, 0, 1)[None])
    head = body = conv(head, "resFilter_one", "BiasOne")
    for index in range(0, 64, 2):
        block = conv(body, f"resFilter{index}", f"resBias{index}").relu()
        block = conv(block, f"resFilter{index + 1}", f"resBias{index + 1}")
        body = body + 0.1 * block
    body = conv(body, "resFilter_two", "BiasTwo") + head
    out = conv(body, "resFilter_three", "BiasThree")[0].permute(1, 2, 0).numpy()
    out = out.reshape(16, 20, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(32, 40, 3)
    got = np.clip(np.rint(out + mean), 0, 255).astype(int)
    assert (got != expected).mean() < 0.001
    assert abs(got - expected).max() <= 1
