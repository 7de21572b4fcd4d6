"""Outputs, sizes, ranges, colours and margins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper

from tests.graphs.comparing import as_fed, error, load, network_of, run, runtime
from tests.graphs.hand import Writer
from zoo.errors import ShapeError
from zoo.graphs.translate import translate


def test_of_several_outputs_the_largest_is_taken(tmp_path: Path) -> None:
    w = Writer()
    small = w.conv("x", 3, 3)
    large = w("Resize", small, "", w.const([1, 1, 2, 2]))
    path = w.save(tmp_path / "net.onnx", small, more_outputs=[large])
    made = translate(load(path))
    assert made.output == large
    assert any("2 outputs" in note for note in made.notes)
    assert error(path, settings={"output": small})[1].output == small


def test_bytes_at_both_ends(tmp_path: Path) -> None:
    w = Writer()
    x = w("Transpose", w("Cast", "x", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    y = w("Clip", w("Round", w.conv(x, 3, 3)), w.const(0), w.const(255))
    y = w("Cast", w("Transpose", y, perm=[0, 2, 3, 1]), to=TensorProto.UINT8)
    path = w.save(tmp_path / "net.onnx", y, (1, "h", "w", 3), kind=TensorProto.UINT8)
    difference, made = error(path)
    assert difference < 1 / 200  # they round, we do not
    assert made.stated["range"] == 255
    assert made.layout == "NHWC"


@pytest.mark.parametrize("divisor, white", [(255.0, 255), (127.5, 255), (0.5, 1)])
def test_the_range_is_that_of_the_divisor(
    tmp_path: Path, divisor: float, white: int
) -> None:
    w = Writer()
    y = w.conv(w("Div", "x", w.const(divisor)), 3, 3)
    made = translate(load(w.save(tmp_path / "net.onnx", y)))
    (said,) = [a.value for a in made.assumed if a.option == "range"]
    assert said == white
    assert made.sections[0][1]["std"] == (divisor,)


@pytest.mark.parametrize("reads", ["size", "values"])
def test_the_range_is_found_where_the_picture_goes_two_ways(
    tmp_path: Path, reads: str
) -> None:
    """Another picture takes its size from it, or it is added to the result."""
    w = Writer()
    h = w.conv(w("Div", "x", w.const(255.0)), 3, 3)
    if reads == "size":
        small = w("MaxPool", h, kernel_shape=[5, 5], strides=[3, 3])
        how = {"mode": "linear"}
        y = w("Mul", h, w("Resize", small, "", "", w("Shape", h), **how))
    else:
        y = w("Add", w("Mul", h, w.const(255.0)), "x")
    difference, made = error(w.save(tmp_path / "net.onnx", y), scale=255)
    assert difference < 1e-5
    assert made.sections[0][1]["range"] == 255


@pytest.mark.parametrize(
    "mean, color", [([0.45, 0.44, 0.40], "rgb"), ([103.2, 111.6, 114.4], "bgr")]
)
def test_means_tell_colour_and_range(
    tmp_path: Path, mean: list[float], color: str
) -> None:
    w = Writer()
    y = w.conv(w("Sub", "x", w.const(np.reshape(mean, (3, 1, 1)))), 3, 3)
    made = translate(load(w.save(tmp_path / "net.onnx", y)))
    said = {a.option: a.value for a in made.assumed}
    assert said["color"] == color
    assert said["range"] == (255 if color == "bgr" else 1)


def test_a_frozen_size_is_kept_and_said(tmp_path: Path) -> None:
    w = Writer()
    x = w("Reshape", w.conv("x", 3, 12), w.ints([1, 3, 2, 2, 24, 20]))
    y = w("Reshape", w("Transpose", x, perm=[0, 1, 4, 2, 5, 3]), w.ints([1, 3, 48, 40]))
    path = w.save(tmp_path / "net.onnx", y)  # declared open
    difference, made = error(path)
    assert difference < 1e-6
    assert made.fixed == (24, 20)
    assert "it works only at 24x20" in made.notes
    with pytest.raises(ShapeError, match="height=24"):
        network_of(made).shapes(48, 40)


def test_a_declared_size_is_opened(tmp_path: Path) -> None:
    w = Writer()
    path = w.save(tmp_path / "net.onnx", w.conv("x", 3, 3), (1, 3, 64, 64))
    made = translate(load(path))
    assert made.fixed is None and made.multiple == 1
    assert network_of(made).shapes(7, 9)[-1][:2] == (7, 9)


def test_sizes_that_do_not_divide_are_refused(tmp_path: Path) -> None:
    w = Writer()
    down = w.conv("x", 3, 4, k=2, strides=[2, 2], pads=[0] * 4)
    up = w("ConvTranspose", down, w.random(4, 3, 2, 2), strides=[2, 2])
    path = w.save(tmp_path / "net.onnx", w("Add", up, "x"))
    made = translate(load(path))
    assert "it works only at multiples of 2" in made.notes
    with pytest.raises(ShapeError, match="multiples of 2"):
        network_of(made).shapes(31, 30)


@pytest.mark.parametrize("pad", ["reflect", "edge", "none"])
def test_a_margin_is_given_back(tmp_path: Path, pad: str) -> None:
    """upconv_7 loses 7 pixels at each side; its program pads the picture."""
    w = Writer()
    x = "x"
    for depth in (3, 4, 4, 4, 4, 4):
        x = w("LeakyRelu", w.conv(x, depth, 4, pads=[0] * 4), alpha=0.1)
    y = w("ConvTranspose", x, w.random(4, 3, 4, 4), strides=[2, 2], pads=[3] * 4)
    path = w.save(tmp_path / "net.onnx", y)
    made = translate(load(path), {"pad": pad})
    network = network_of(made)
    picture = np.random.default_rng(0).random((40, 36, 3)).astype(np.float32)
    ours = run(made, network, picture)
    padded = picture
    if pad != "none":
        assert made.margin == 7
        assert ours.shape == (80, 72, 3)
        borders = ((7, 7), (7, 7), (0, 0))
        padded = np.pad(picture, borders, mode=pad)  # type: ignore[call-overload]
    (theirs,) = runtime(path).run(None, {"x": as_fed(padded, "NCHW", "float32")})
    np.testing.assert_allclose(ours, theirs[0].transpose(1, 2, 0), atol=1e-5)


def test_a_residual_is_completed(tmp_path: Path) -> None:
    w = Writer()
    y = w("DepthToSpace", w.conv("x", 3, 12), blocksize=2, mode="CRD")
    path = w.save(tmp_path / "net.onnx", y)
    made = translate(load(path), {"residual": "nearest"})
    picture = np.random.default_rng(0).random((12, 10, 3)).astype(np.float32)
    ours = run(made, network_of(made), picture)
    (theirs,) = runtime(path).run(None, {"x": as_fed(picture, "NCHW", "float32")})
    enlarged = picture.repeat(2, 0).repeat(2, 1)
    wanted = theirs[0].transpose(1, 2, 0) + enlarged
    np.testing.assert_allclose(ours, wanted, atol=1e-5)


def test_every_constant_has_a_use(tmp_path: Path) -> None:
    w = Writer()
    y = w("Mul", w.conv("x", 3, 4), w.random(4, 1, 1))
    y = w("Reshape", y, w.ints([0, 0, 0, 0]))
    w.random(7)  # read by nothing
    path = w.save(tmp_path / "net.onnx", y)
    graph = load(path)
    uses = {name: use for name, _, use, _ in translate(graph).uses}
    assert set(uses) == set(graph.constants)
    assert sorted(uses.values()) == ["folded"] * 3 + ["ignored", "stated"]


@pytest.mark.parametrize(
    "op, how",
    [
        ("QuickGelu", {"alpha": 1.5}),
        ("Gelu", {}),
        ("FusedConv", {"activation": "LeakyRelu", "activation_params": [0.2]}),
    ],
)
def test_operators_of_the_runtime_s_optimiser(
    tmp_path: Path, op: str, how: dict[str, object]
) -> None:
    w = Writer()
    x = w.conv("x", 3, 4)
    inputs = [x]
    if op == "FusedConv":
        inputs += [w.random(4, 4, 3, 3), w.random(4)]
        how = {**how, "pads": [1] * 4}
    y = w(op, *inputs, domain="com.microsoft", **how)
    path = w.save(tmp_path / "net.onnx", y, domains=["com.microsoft"])
    assert error(path)[0] < 1e-5


def test_functions_of_the_model_are_put_in_place(tmp_path: Path) -> None:
    import onnx

    w = Writer()
    y = w("Block", w.conv("x", 3, 4), domain="own", alpha=0.3)
    path = w.save(tmp_path / "net.onnx", y, domains=["own"])
    leaky = helper.make_node("LeakyRelu", ["a"], ["b"])
    reference = leaky.attribute.add()
    reference.name = reference.ref_attr_name = "alpha"
    reference.type = onnx.AttributeProto.FLOAT
    function = helper.make_function(
        "own",
        "Block",
        ["a"],
        ["c"],
        [leaky, helper.make_node("Neg", ["b"], ["c"])],
        [helper.make_opsetid("", 17)],
        ["alpha"],
    )
    model = onnx.load(path)
    model.functions.append(function)
    onnx.save(model, path)
    assert error(path)[0] < 1e-6
