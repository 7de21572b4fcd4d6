"""ncnn's pairs: written by hand and run by ncnn itself, published ones, damaged ones."""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_runner import run_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers.base import Checkpoint
from zoo.parsers.detect import reader_of
from zoo.parsers.ncnn import NcnnReader

Array = NDArray[Any]
HALF, FLOAT = 0x01306B47, 0x0002C056


class Pair:
    """A .param and a .bin, written line by line."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.lines: list[str] = []
        self.data = b""
        self.blobs = 0

    def line(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], params: str = ""
    ) -> Pair:
        """Append a layer."""
        names = " ".join((*inputs, *outputs))
        self.lines.append(
            f"{op} l{len(self.lines)} {len(inputs)} {len(outputs)} {names} {params}"
        )
        self.blobs += len(outputs)
        return self

    def weights(self, count: int, tag: int = HALF) -> Pair:
        """Append weights with a tag."""
        values = self.random.normal(0, 0.3, count)
        data = values.astype("<f2" if tag == HALF else "<f4").tobytes()
        self.data += struct.pack("<I", tag) + data + bytes(-len(data) % 4)
        return self

    def floats(self, count: int, low: float = -1) -> Pair:
        """Append floats without a tag."""
        self.data += self.random.uniform(low, 1, count).astype("<f4").tobytes()
        return self

    def write(self, path: Path) -> Path:
        """Write both files; return the .param."""
        head = f"7767517\n{len(self.lines)} {self.blobs}\n"
        path.with_suffix(".param").write_text(head + "\n".join(self.lines) + "\n")
        path.with_suffix(".bin").write_bytes(self.data)
        return path.with_suffix(".param")


def start(seed: int = 0) -> Pair:
    return Pair(seed).line("Input", [], ["in"])


def by_ncnn(param: Path, picture: Array, output: str) -> Array:
    """What ncnn makes of a picture C x H x W, in float32."""
    ncnn = pytest.importorskip("ncnn")
    net = ncnn.Net()
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, name, False)
    net.opt.use_bf16_storage = False
    net.opt.num_threads = 1
    assert net.load_param(str(param)) == 0
    assert net.load_model(str(param.with_suffix(".bin"))) == 0
    extractor = net.create_extractor()
    fed = ncnn.Mat(np.ascontiguousarray(picture)).clone()
    extractor.input("in", fed)
    code, made = extractor.extract(output)
    assert code == 0
    return np.array(made)


def read(path: Path) -> Checkpoint:
    return reader_of(path).read(path)


def graph_of(path: Path) -> Graph:
    checkpoint = read(path)
    assert checkpoint.graph is not None
    return checkpoint.graph()


Case = Callable[[], Pair]
CASES: dict[str, Case] = {
    "convolution": lambda: (
        start()
        .line("Convolution", ["in"], ["out"], "0=6 1=3 4=1 5=1 6=216")
        .weights(216)
        .floats(6)
    ),
    "float32 tag": lambda: (
        start()
        .line("Convolution", ["in"], ["out"], "0=6 1=3 4=1 6=216")
        .weights(216, FLOAT)
    ),
    "no tag": lambda: (
        start()
        .line("Convolution", ["in"], ["out"], "0=6 1=3 4=1 6=216")
        .weights(216, 0)
    ),
    "odd half": lambda: (
        start()
        .line("Convolution", ["in"], ["x"], "0=1 1=3 6=36 5=1")
        .weights(36)
        .floats(1)
        .line("Convolution", ["x"], ["y"], "0=1 1=3 6=9 5=1")
        .weights(9)
        .floats(1)
        .line("Convolution", ["y"], ["out"], "0=2 1=1 6=2")
        .weights(2)
    ),
    "unequal": lambda: (
        start()
        .line(
            "Convolution",
            ["in"],
            ["out"],
            "0=3 1=3 11=5 2=2 12=1 3=2 13=1 4=1 15=2 14=0 16=3 5=1 6=180",
        )
        .weights(180)
        .floats(3)
    ),
    "same upper": lambda: (
        start()
        .line("Convolution", ["in"], ["out"], "0=3 1=4 4=-233 6=192")
        .weights(192)
    ),
    "same lower": lambda: (
        start()
        .line("Convolution", ["in"], ["out"], "0=3 1=4 4=-234 6=192")
        .weights(192)
    ),
    "depthwise": lambda: (
        start()
        .line("ConvolutionDepthWise", ["in"], ["out"], "0=8 1=3 4=1 5=1 6=72 7=4 9=1")
        .weights(72)
        .floats(8)
    ),
    "leaky": lambda: (
        start()
        .line("Convolution", ["in"], ["out"], "0=5 1=1 6=20 9=2 -23310=1,1.5e-01")
        .weights(20)
    ),
    "clip": lambda: (
        start()
        .line("Convolution", ["in"], ["out"], "0=5 1=1 6=20 9=3 -23310=2,-0.1,0.2")
        .weights(20)
    ),
    "sigmoid": lambda: (
        start().line("Convolution", ["in"], ["out"], "0=5 1=1 6=20 9=4").weights(20)
    ),
    "mish": lambda: (
        start().line("Convolution", ["in"], ["out"], "0=5 1=1 6=20 9=5").weights(20)
    ),
    "hard swish": lambda: (
        start()
        .line(
            "Convolution", ["in"], ["out"], "0=5 1=1 6=20 9=6 -23310=2,1.666e-01,5e-01"
        )
        .weights(20)
    ),
    "deconvolution": lambda: (
        start()
        .line("Deconvolution", ["in"], ["out"], "0=3 1=4 3=2 4=1 5=1 6=192 9=1")
        .weights(192)
        .floats(3)
    ),
    "deconvolution, unequal": lambda: (
        start()
        .line(
            "Deconvolution",
            ["in"],
            ["out"],
            "0=3 1=3 11=4 3=2 13=3 4=0 15=1 14=2 16=1 18=1 19=2 6=144",
        )
        .weights(144)
    ),
    "deconvolution, groups": lambda: (
        start()
        .line("DeconvolutionDepthWise", ["in"], ["out"], "0=6 1=2 3=2 6=48 7=2")
        .weights(48)
    ),
    "squeeze": lambda: (
        start()
        .line("Split", ["in"], ["a", "b"])
        .line("Pooling", ["a"], ["mean"], "0=1 4=1")
        .line("InnerProduct", ["mean"], ["f"], "0=3 1=1 2=12 9=1")
        .weights(12)
        .floats(3)
        .line("InnerProduct", ["f"], ["g"], "0=4 1=0 2=12 9=4")
        .weights(12)
        .line("BinaryOp", ["b", "g"], ["out"], "0=2")
    ),
    "scale by another": lambda: (
        start()
        .line("Split", ["in"], ["a", "b"])
        .line("Pooling", ["a"], ["mean"], "0=1 4=1")
        .line("Scale", ["b", "mean"], ["out"], "0=-233")
    ),
    "scale": lambda: start().line("Scale", ["in"], ["out"], "0=4 1=1").floats(8),
    "memory": lambda: (
        start()
        .line("MemoryData", [], ["m"], "0=1 1=1 2=4")
        .floats(4)
        .line("BinaryOp", ["in", "m"], ["x"], "0=1")
        .line("MemoryData", [], ["n"], "0=4")
        .floats(4)
        .line("BinaryOp", ["x", "n"], ["out"], "0=0")
    ),
    "eltwise": lambda: (
        start()
        .line("Split", ["in"], ["a", "b", "c"])
        .line("ReLU", ["a"], ["r"], "0=1e-1")
        .line("Eltwise", ["b", "r", "c"], ["out"], "0=1 -23301=3,2e-01,1.0,-1.0")
    ),
    "product": lambda: (
        start()
        .line("Split", ["in"], ["a", "b"])
        .line("TanH", ["a"], ["t"])
        .line("Eltwise", ["b", "t"], ["out"], "0=0")
    ),
    "prelu": lambda: (
        start()
        .line("PReLU", ["in"], ["x"], "0=4")
        .floats(4)
        .line("PReLU", ["x"], ["out"], "0=1")
        .floats(1)
    ),
    "batch norm": lambda: (
        start()
        .line("BatchNorm", ["in"], ["out"], "0=4 1=1e-3")
        .floats(4)
        .floats(4)
        .floats(4, 0.2)
        .floats(4)
    ),
    "instance norm": lambda: (
        start().line("InstanceNorm", ["in"], ["out"], "0=4 1=1e-3").floats(8)
    ),
    "group norm": lambda: (
        start().line("GroupNorm", ["in"], ["out"], "0=2 1=4 2=1e-3").floats(8)
    ),
    "crop to another": lambda: (
        start()
        .line("Split", ["in"], ["a", "b"])
        .line("Convolution", ["a"], ["v"], "0=4 1=5 6=400")
        .weights(400)
        .line("Split", ["v"], ["c", "w"])
        .line("Crop", ["b", "c"], ["d"], "0=2 1=1")
        .line("BinaryOp", ["w", "d"], ["out"], "0=0")
    ),
    "crop by lists": lambda: start().line(
        "Crop", ["in"], ["out"], "-23309=2,2,3 -23310=2,-2,-1 -23311=2,-2,-1"
    ),
    "crop by sizes": lambda: start().line(
        "Crop", ["in"], ["out"], "0=1 1=2 2=1 3=5 4=4 5=2"
    ),
    "crop by margins": lambda: start().line(
        "Crop", ["in"], ["out"], "0=1 1=2 3=-233 4=-233 5=-233 6=1 7=3"
    ),
    "padding": lambda: (
        start()
        .line("Padding", ["in"], ["x"], "0=1 1=2 2=3 3=1 4=2")
        .line("Padding", ["x"], ["y"], "0=1 1=0 2=1 3=1 4=1")
        .line("Padding", ["y"], ["out"], "0=1 1=1 2=0 3=1 4=0 5=5e-01")
    ),
    "concat and slice": lambda: (
        start()
        .line("Split", ["in"], ["a", "b"])
        .line("Sigmoid", ["a"], ["s"])
        .line("Concat", ["b", "s"], ["c"], "0=0")
        .line("Slice", ["c"], ["x", "y"], "-23300=2,5,-233 1=0")
        .line("Slice", ["y"], ["p", "q", "r"], "-23300=3,-233,-233,-233 1=0")
        .line("Concat", ["r", "p", "x", "q"], ["out"])
    ),
    "shuffles": lambda: (
        start()
        .line("PixelShuffle", ["in"], ["x"], "0=2")
        .line("Reorg", ["x"], ["y"], "0=2")
        .line("PixelShuffle", ["y"], ["z"], "0=2 1=1")
        .line("Reorg", ["z"], ["w"], "0=2 1=1")
        .line("ShuffleChannel", ["w"], ["out"], "0=2")
    ),
    "resize": lambda: (
        start()
        .line("Interp", ["in"], ["x"], "0=1 1=2.0 2=2.0")
        .line("Interp", ["x"], ["y"], "0=2 1=2.0 2=2.0")
        .line("Interp", ["y"], ["z"], "0=3 1=5.0e-1 2=5.0e-1")
        .line("Interp", ["z"], ["out"], "0=3 1=7.5e-1 2=7.5e-1")
    ),
    "resize to another": lambda: (
        start()
        .line("Split", ["in"], ["a", "b"])
        .line("Pooling", ["a"], ["p"], "0=0 1=2 2=2")
        .line("Interp", ["p", "b"], ["out"], "0=2 5=1")
    ),
    "pooling": lambda: (
        start()
        .line("Pooling", ["in"], ["x"], "0=0 1=3 2=2 5=1")
        .line("Pooling", ["x"], ["out"], "0=1 1=3 2=1 3=1 5=1 6=0")
    ),
    "reduction": lambda: (
        start()
        .line("Split", ["in"], ["a", "b"])
        .line("Reduction", ["a"], ["m"], "0=3 1=0 -23303=2,1,2 4=1 5=1")
        .line("BinaryOp", ["b", "m"], ["out"], "0=1")
    ),
    "activations": lambda: (
        start()
        .line("Swish", ["in"], ["a"])
        .line("Mish", ["a"], ["b"])
        .line("ELU", ["b"], ["c"], "0=3e-1")
        .line("GELU", ["c"], ["d"], "0=1")
        .line("HardSigmoid", ["d"], ["e"], "0=2e-1 1=5e-1")
        .line("Clip", ["e"], ["f"], "0=5.2e-1 1=5.8e-1")
        .line("HardSwish", ["f"], ["out"], "0=1.5e-1 1=4e-1")
    ),
    "numbers": lambda: (
        start()
        .line("BinaryOp", ["in"], ["a"], "0=2 1=1 2=2.5e0")
        .line("BinaryOp", ["a"], ["b"], "0=7 1=1 2=3.0")
        .line("UnaryOp", ["b"], ["c"], "0=7")
        .line("BinaryOp", ["c"], ["d"], "0=8 1=1 2=2.0")
        .line("UnaryOp", ["d"], ["e"], "0=4")
        .line("UnaryOp", ["e"], ["f"], "0=6")
        .line("UnaryOp", ["f"], ["g"], "0=1")
        .line("Dropout", ["g"], ["h"], "0=5e-1")
        .line("AbsVal", ["h"], ["i"])
        .line("Power", ["i"], ["out"], "0=2.0 1=0.5 2=0.1")
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_layer_does_what_ncnn_does(name: str, tmp_path: Path) -> None:
    path = CASES[name]().write(tmp_path / "net.param")
    picture = np.random.default_rng(1).random((4, 12, 10), np.float32)
    expected = by_ncnn(path, picture, "out")
    (made,) = run_graph(graph_of(path), picture[None])
    assert made[0].shape == expected.shape
    np.testing.assert_allclose(made[0], expected, rtol=0, atol=2e-5)


def test_tensors_have_names_and_shapes(tmp_path: Path) -> None:
    path = CASES["deconvolution, groups"]().write(tmp_path / "net.param")
    checkpoint = read(path)
    assert checkpoint.format == "ncnn"
    assert checkpoint.shapes == {"l1.weight": (6, 2, 2, 2)}
    assert checkpoint.metadata["files"] == ["net.bin"]
    graph = graph_of(path.with_suffix(".bin"))  # either file will do
    assert graph.outputs == ["out"]
    assert [value.shape for value in graph.constants.values()] == [(4, 3, 2, 2)]
    assert list(graph.origins.values()) == ["l1.weight"]


def test_weights_of_a_table(tmp_path: Path) -> None:
    """The oldest form: 256 floats, and a byte per weight."""
    table = np.linspace(-1, 1, 256).astype("<f4")
    picks = np.arange(18, dtype=np.uint8) * 14
    pair = start().line("Convolution", ["in"], ["out"], "0=2 1=3 6=18")
    pair.data = b"\x01\0\0\0" + table.tobytes() + picks.tobytes() + bytes(2)
    path = pair.write(tmp_path / "net.param")
    np.testing.assert_array_equal(read(path).tensors["l1.weight"].ravel(), table[picks])


def test_what_has_no_words_is_reported_not_raised(tmp_path: Path) -> None:
    pair = start().line("Sharpen", ["in"], ["x"]).line("Sharpen", ["x"], ["out"])
    graph = graph_of(pair.write(tmp_path / "net.param"))
    assert [node.title for node in graph.nodes] == ["ncnn::Sharpen"] * 2


REFUSED = {
    "7767517\n": "nothing follows",
    "7767517\n1\n": "nothing follows",
    "7767517\nx y\nInput a 0 1 in\n": ":2: this line gives the numbers",
    "7767517\n2 1\nInput a 0 1 in\n": ":2: 2 layers are announced and 1 follow",
    "7767517\n1 2\nInput a 0 1 in\n": ":2: 2 blobs are announced and 1 follow",
    "7767517\n1 1\nInput a 0\n": ":3: a layer's line begins with",
    "7767517\n1 1\nInput a 0 2 in\n": ":3: Input 'a' has 0 inputs and 2 outputs",
    "7767517\n1 1\nInput a 0 1 in zero\n": ":3: 'zero' is no parameter",
    "7767517\n1 1\nInput a 0 1 in 0=1e999999999999x\n": ":3: .* is no parameter",
    "7767517\n1 1\nInput a 0 1 in -23300=3,1,2\n": ":3: .* is no parameter",
    "7767517\n2 2\nInput a 0 1 in\nReLU b 1 1 out out\n": ":4: no layer above makes",
    "7767517\n2 1\nInput a 0 1 in\nReLU b 1 1 in in\n": ":4: .* a second time",
    "7767517\n2 2\nInput a 0 1 in\nConvolution b 1 1 in o 0=3 1=3 6=10\n": (
        ":4: 10 weights do not fill 3 filters"
    ),
    "7767517\n2 2\nInput a 0 1 in\nConvolution b 1 1 in o 0=3 1=3 6=27 8=2\n": (
        "8-bit integers"
    ),
    "7767517\n2 2\nInput a 0 1 in\nConvolution b 1 1 in o 0=99999 1=3 6=1099509530625\n": (
        "its weight would be of shape|do not fill"
    ),
    "7767517\n2 1\npnnx.Input a 0 1 0 #0=(1,3,?,?)f32\nnn.ReLU b 1 1 0 1\n": (
        "give the .ncnn.param that it writes"
    ),
    "7767517\n2 2\nInput a 0 1 in\nLSTM b 1 1 in o 0=3\n": r"operators: LSTM \(1\)",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_damaged_param_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net.param"
    path.write_text(text)
    path.with_suffix(".bin").write_bytes(bytes(8))
    with pytest.raises(ReaderError, match=REFUSED[text]):
        read(path)


def test_the_numbers_must_fit(tmp_path: Path) -> None:
    pair = CASES["convolution"]()
    path = pair.write(tmp_path / "net.param")
    binary = path.with_suffix(".bin")
    binary.write_bytes(pair.data[:-3])
    with pytest.raises(ReaderError, match="ends too early: bias of 'l1' take 24 bytes"):
        read(path)
    binary.write_bytes(pair.data + bytes(4))
    with pytest.raises(ReaderError, match="4 bytes more than the .param asks"):
        read(path)
    binary.write_bytes(b"\x38\x4b\x0d\x00" + pair.data[4:])
    with pytest.raises(ReaderError, match="8-bit integers"):
        read(path)
    binary.unlink()
    with pytest.raises(
        ReaderError, match="its .bin, .* is not beside it: put 'net.bin'"
    ):
        read(path)


@settings(max_examples=150)
@given(data=st.data())
def test_damage_is_one_error_or_none(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pair = CASES[data.draw(st.sampled_from(sorted(CASES)))]()
    path = pair.write(tmp_path_factory.mktemp("damaged") / "net.param")
    text = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8, len(text) - 1))
        text[at] = data.draw(st.sampled_from(b"0123456789=-, .e\nabc\xff"))
    path.write_bytes(bytes(text))
    try:
        graph_of(path)
    except ReaderError as error:
        assert "\n" not in str(error)


def test_time_and_memory_are_bounded_by_the_size(tmp_path: Path) -> None:
    layers = ["Input a 0 1 in"]
    layers += [
        f"Convolution c{index} 1 1 in o{index} 0=1000 1=1 6=1000000000"
        for index in range(2000)
    ]
    path = tmp_path / "net.param"
    path.write_text("\n".join(["7767517", "2001 2001", *layers]))
    path.with_suffix(".bin").write_bytes(struct.pack("<I", HALF) + bytes(1000))
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(ReaderError, match="ends too early"):
        read(path)
    assert time.perf_counter() - began < 5
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_a_published_pair(shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "weights" / "realesr-animevideov3-x2.param"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    assert NcnnReader.recognizes(path, path.read_bytes()[:4096])
    picture = np.random.default_rng(3).random((3, 40, 36), np.float32)
    graph = graph_of(path)
    (made,) = run_graph(graph, picture[None])
    param = tmp_path / "net.param"
    param.write_text(path.read_text().replace(" data", " in"))
    binary = path.with_suffix(".bin").read_bytes()
    param.with_suffix(".bin").write_bytes(binary)
    expected = by_ncnn(param, picture, graph.outputs[0])
    np.testing.assert_allclose(made[0], expected, rtol=0, atol=1e-4)
    assert made.shape == (1, 3, 80, 72)
