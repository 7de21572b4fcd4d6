"""zoo convert on ONNX files: the graph way, families before it, and the check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper

import zoo
from tests.graphs.hand import Writer
from zoo.checkpoints.convert import convert
from zoo.cli import main
from zoo.errors import UsageError, WeightsError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(path: Path = Path("net.onnx")) -> Path:
    w = Writer()
    y = w("DepthToSpace", w.conv(w("Relu", w.conv("x", 3, 8)), 8, 12), blocksize=2)
    return w.save(path, y)


def edsr(res_scale: float | None, path: Path = Path("edsr.onnx")) -> Path:
    """EDSR with the names of the official PyTorch code, one block, and no means."""
    rng = np.random.default_rng(0)
    nodes: list[Any] = []
    tensors: list[Any] = []

    def node(op: str, *inputs: str, **how: Any) -> str:
        nodes.append(helper.make_node(op, list(inputs), [f"v{len(nodes)}"], **how))
        return f"v{len(nodes) - 1}"

    def conv(x: str, name: str, i: int, o: int) -> str:
        weights = rng.normal(size=(o, i, 3, 3)) / np.sqrt(9 * i)
        for end, value in (("weight", weights), ("bias", rng.normal(size=o))):
            array = value.astype(np.float32)
            tensors.append(numpy_helper.from_array(array, f"{name}.{end}"))
        return node("Conv", x, f"{name}.weight", f"{name}.bias", pads=[1] * 4)

    head = conv("x", "head.0", 3, 8)
    y = conv(node("Relu", conv(head, "body.0.body.0", 8, 8)), "body.0.body.2", 8, 8)
    if res_scale is not None:
        nodes.append(helper.make_node("Constant", [], ["s"], value_float=res_scale))
        y = node("Mul", y, "s")
    y = conv(node("Add", y, head), "body.1", 8, 8)
    y = conv(node("Add", y, head), "tail.0.0", 8, 32)
    y = conv(node("DepthToSpace", y, blocksize=2, mode="CRD"), "tail.1", 8, 3)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", 1, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info(y, 1, None)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def test_a_graph_becomes_a_cfg_and_weights() -> None:
    result = convert(small(), check=True)
    assert [path.name for path in result.written] == ["net.cfg", "net.safetensors"]
    assert result.recognition is not None
    assert result.recognition.family == "graph"
    assert any("onnxruntime agrees" in note for note in result.notes)
    picture = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    assert zoo.load("net.cfg")(picture).shape == (18, 14, 3)


def test_the_command_says_what_it_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    small()
    assert main(["convert", "net.onnx", "--set", "range=255", "--check"]) == 0
    out = capsys.readouterr().out
    assert "assumed color=rgb" in out and "assumed range" not in out
    assert "probe: a smooth picture" in out and "scale=2" in out
    assert "range=255" in Path("net.cfg").read_text()


def test_nothing_is_written_where_it_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    w = Writer()
    w.save(Path("net.onnx"), w("Softmax", w.conv("x", 3, 3), axis=1))
    assert main(["convert", "net.onnx"]) == 1
    assert "zoo has no layer for Softmax" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["net.onnx"]


def test_a_family_whose_network_is_another_gives_way_to_the_graph() -> None:
    """Names say EDSR; that its blocks are scaled by 0.25, only the graph says."""
    result = convert(edsr(0.25), check=True)
    assert result.recognition is not None
    assert result.recognition.family == "graph"
    assert any("but its own graph" in note for note in result.notes)
    assert "alpha=0.25" in Path("edsr.cfg").read_text()


def test_what_holds_no_graph_is_said() -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3, np.float32)}, "a.safetensors")
    with pytest.raises(UsageError, match="holds no graph"):
        convert("a.safetensors", "b", family="graph")
    with pytest.raises(UsageError, match="--check"):
        convert("a.safetensors", "b", check=True)


def test_a_network_that_zoo_exported_comes_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["export", "edsr_r8f32_x2", "--onnx", "back.onnx"]) == 0
    result = convert("back.onnx", check=True)
    picture = np.random.default_rng(0).integers(0, 256, (24, 20, 3)).astype(np.uint8)
    ours = zoo.load("edsr_r8f32_x2")(picture).astype(int)
    theirs = zoo.load("back.cfg")(picture).astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert result.recognition is not None
    assert result.recognition.options["range"] == 255


def test_an_unknown_size_is_no_reason_to_crash() -> None:
    w = Writer()
    y = w("Reshape", w.conv("x", 3, 3), w.ints([1, 3, 7, 5, 11]))
    w.save(Path("net.onnx"), y)
    with pytest.raises(WeightsError):
        convert("net.onnx")


# -- several outputs ------------------------------------------------------------


def two_outputs() -> str:
    """A feature as large as the picture, and the picture twice as large."""
    w = Writer()
    small = w.conv("x", 3, 3)
    large = w("DepthToSpace", w.conv(small, 3, 12), blocksize=2)
    w.save(Path("two.onnx"), small, more_outputs=[large])
    return small


def test_output_names_the_output_that_is_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = two_outputs()
    assert main(["convert", "two.onnx", "--check"]) == 0
    assert (
        f"the others are {small} (zoo convert --output NAME" in capsys.readouterr().out
    )
    assert zoo.load("two.cfg").scale == 2
    call = ["convert", "two.onnx", "--check", "-o", "one", "--output", small]
    assert main(call) == 0
    assert zoo.load("one.cfg").scale == 1
    assert main([*call, "--force", "--set", f"output={small}"]) == 0
    capsys.readouterr()
    assert main([*call, "--force", "--set", "output=other"]) == 2
    assert "name two outputs" in capsys.readouterr().err
    assert main(["convert", "two.onnx", "-o", "a", "--output", "stem"]) == 2
    assert f"no output 'stem'; there are {small}" in capsys.readouterr().err
    assert not Path("a.cfg").exists()


def test_names_alone_have_no_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3, np.float32)}, "a.safetensors")
    assert main(["convert", "a.safetensors", "-o", "c", "--output", "b"]) == 2
    assert "no outputs to choose from" in capsys.readouterr().err


def test_run_takes_what_a_file_does_not_state(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.images import Image, read, write

    monkeypatch.setenv("ZOO_CACHE", "cache")
    small = two_outputs()
    write(Path("p.png"), Image(np.full((9, 7, 3), 90, np.uint8)))
    call = ["run", "two.onnx", "p.png", "--backend", "numpy"]
    assert main(call) == 0
    assert "zoo run --set output=NAME" in capsys.readouterr().err
    assert read(Path("p_x2.png")).pixels.shape == (18, 14, 3)
    for output in ("one.png", "again.png"):  # the second time from the cache
        assert main([*call, "--set", f"output={small}", "-o", output]) == 0
        assert read(Path(output)).pixels.shape == (9, 7, 3)
    assert main(["run", "edsr_x2", "p.png", "--set", "range=1"]) == 2
    assert "states all about its network" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [(1, 3, 24, 40), (1, 3, "h", "w")])
def test_the_check_feeds_the_size_that_a_file_states(
    shape: tuple[Any, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    w = Writer()
    y = w("DepthToSpace", w.conv("x", 3, 12), blocksize=2)
    w.save(Path("sized.onnx"), y, shape)
    assert main(["convert", "sized.onnx", "--check"]) == 0
    assert "onnxruntime agrees" in capsys.readouterr().out
    assert "height" not in Path("sized.cfg").read_text()  # it came out open
