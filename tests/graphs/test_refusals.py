"""What is refused, and by which name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import helper

from tests.graphs.comparing import load
from tests.graphs.hand import Writer
from zoo.errors import UsageError, WeightsError
from zoo.graphs.translate import translate

CASES: list[tuple[Callable[[Writer], str], str]] = []


def refused(message: str) -> Callable[[Callable[[Writer], str]], None]:
    def note(function: Callable[[Writer], str]) -> None:
        CASES.append((function, message))

    return note


def branch(op: str) -> Any:
    value = helper.make_tensor_value_info(op, 1, None)
    return helper.make_graph([helper.make_node(op, ["x"], [op])], op, [], [value])


@refused("depends on itself")
def a_cycle(w: Writer) -> str:
    first = w("Relu", "x")
    w.nodes.append(helper.make_node("Add", [first, "second"], ["first"]))
    w.nodes.append(helper.make_node("Relu", ["first"], ["second"]))
    return "second"


@refused("reads 'nowhere', which nothing makes")
def a_missing_value(w: Writer) -> str:
    return str(w("Add", "x", "nowhere"))


@refused("two values are called")
def a_name_twice(w: Writer) -> str:
    name = w("Relu", "x")
    w.nodes.append(helper.make_node("Sigmoid", ["x"], [name]))
    return str(name)


@refused("the operator my.ops::Sharpen, which is not known here")
def a_foreign_operator(w: Writer) -> str:
    return str(w("Sharpen", w.conv("x", 3, 3), domain="my.ops"))


@refused(r"MatMul of two values \(2 times\); Softmax")
def attention(w: Writer) -> str:
    flat = w("Reshape", w.conv("x", 3, 4), w.ints([0, 4, -1]))
    turned = w("Transpose", flat, perm=[0, 2, 1])
    scores = w("Softmax", w("MatMul", flat, turned), axis=-1)
    return str(w("MatMul", scores, flat))


@refused("LSTM")
def a_recurrent_network(w: Writer) -> str:
    x = w("Reshape", "x", w.ints([0, 3, -1]))
    return str(w("LSTM", x, w.random(1, 16, 8), w.random(1, 16, 4), hidden_size=4))


@refused("Conv with weights made from the picture")
def weights_of_the_picture(w: Writer) -> str:
    mean = w("GlobalAveragePool", w.conv("x", 3, 81))
    kernel = w("Reshape", mean, w.ints([3, 3, 3, 3]))
    return str(w("Conv", "x", kernel, pads=[1] * 4))


@refused("QuantizeLinear")
def quantized_pictures(w: Writer) -> str:
    scale, zero = w.const(0.01), w.const(0, np.uint8)
    q = w("DequantizeLinear", w("QuantizeLinear", "x", scale, zero), scale, zero)
    return w.conv(q, 3, 3)


@refused("it branches on the picture's size")
def a_branch_on_the_size(w: Writer) -> str:
    rows = w("Gather", w("Shape", "x"), w.ints(2))
    large = w("Greater", rows, w.ints(74))
    return str(w("If", large, then_branch=branch("Relu"), else_branch=branch("Tanh")))


@refused("it branches on the picture")
def a_branch_on_the_values(w: Writer) -> str:
    bright = w("Greater", w("ReduceMean", "x", keepdims=0), w.const(0.5))
    return str(w("If", bright, then_branch=branch("Relu"), else_branch=branch("Tanh")))


@refused("a constant of 1099511627776 values")
def a_huge_constant(w: Writer) -> str:
    zeros = w("ConstantOfShape", w.ints([1 << 40]))
    return str(w("Add", "x", w("ReduceSum", zeros, keepdims=0)))


@refused("far more values than a picture has")
def a_huge_repetition(w: Writer) -> str:
    return w.conv(w("Tile", "x", w.ints([1, 1 << 40, 1, 1])), 3, 3)


@refused("more than a million pixels")
def a_huge_border(w: Writer) -> str:
    return str(w("Pad", "x", w.ints([0, 0, 1 << 40, 0, 0, 0, 0, 0])))


@refused("Resize with mode nearest by another factor for rows than for columns")
def an_oblong_enlargement(w: Writer) -> str:
    return str(w("Resize", "x", "", w.const([1, 1, 2, 3]), mode="nearest"))


@refused("Resize with mode nearest, align_corners, floor")
def nearest_corners(w: Writer) -> str:
    how = {"coordinate_transformation_mode": "align_corners", "nearest_mode": "floor"}
    return str(w("Resize", "x", "", w.const([1, 1, 3, 3]), mode="nearest", **how))


@refused("more than a million pixels")
def a_huge_enlargement(w: Writer) -> str:
    return str(w("Resize", "x", "", w.const([1, 1, 1e9, 1e9])))


@refused("antialias")
def an_antialiased_reduction(w: Writer) -> str:
    x = w.conv("x", 3, 3)
    scales = w.const([1, 1, 0.5, 0.5])
    return str(w("Resize", x, "", scales, mode="cubic", antialias=1))


@refused("tf_crop_and_resize")
def crop_and_resize(w: Writer) -> str:
    box = w.const([0, 0, 0.1, 0.1, 1, 1, 0.9, 0.9])
    return str(
        w(
            "Resize",
            "x",
            box,
            w.const([1, 1, 2, 2]),
            mode="linear",
            coordinate_transformation_mode="tf_crop_and_resize",
        )
    )


@refused("Pad with mode wrap")
def a_wrapped_border(w: Writer) -> str:
    return str(w("Pad", "x", w.ints([0, 0, 1, 1, 0, 0, 1, 1]), mode="wrap"))


@refused("mixes rows, columns and channels")
def a_picture_on_its_side(w: Writer) -> str:
    return str(w("Transpose", w.conv("x", 3, 3), perm=[0, 1, 3, 2]))


@refused("rows or columns in another order")
def a_picture_upside_down(w: Writer) -> str:
    far = w.ints([-99999])
    return str(w("Slice", "x", w.ints([-1]), far, w.ints([2]), w.ints([-1])))


@refused("an output of 2 axes, which is no picture")
def a_classifier(w: Writer) -> str:
    flat = w("Flatten", w("GlobalAveragePool", w.conv("x", 3, 4)))
    return str(w("Gemm", flat, w.random(4, 10)))


@refused("Div of two values")
def a_quotient(w: Writer) -> str:
    return str(w("Div", w.conv("x", 3, 3), w.conv("x", 3, 3)))


@refused("single rows or columns")
def a_mean_of_rows(w: Writer) -> str:
    x = w.conv("x", 3, 3)
    return str(w("Mul", x, w("ReduceMean", x, axes=[2])))


@pytest.mark.parametrize(
    "case, message", CASES, ids=[case.__name__ for case, _ in CASES]
)
def test_is_refused_by_name(
    case: Callable[[Writer], str], message: str, tmp_path: Path
) -> None:
    w = Writer(19)
    path = w.save(tmp_path / "net.onnx", case(w), domains=["my.ops"])
    with pytest.raises(WeightsError, match=message) as caught:
        translate(load(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_video_is_refused(tmp_path: Path) -> None:
    w = Writer()
    path = w.save(tmp_path / "net.onnx", w("Relu", "x"), (1, 5, 3, "h", "w"))
    with pytest.raises(WeightsError, match=r"takes video \(five axes\)"):
        translate(load(path))


def test_a_constant_for_each_pixel_is_refused(tmp_path: Path) -> None:
    w = Writer()
    y = w("Add", w.conv("x", 3, 3), w.random(1, 3, 32, 48))
    path = w.save(tmp_path / "net.onnx", y, (1, 3, 32, 48))
    with pytest.raises(
        WeightsError, match="a constant that differs from pixel to pixel"
    ):
        translate(load(path))


def test_a_second_input_must_be_given(tmp_path: Path) -> None:
    w = Writer()
    noise = helper.make_tensor_value_info("noise", 1, [1, 1, 1, 1])
    path = w.save(
        tmp_path / "net.onnx", w.conv(w("Add", "x", "noise"), 3, 3), extra=[noise]
    )
    with pytest.raises(UsageError, match="also wants 'noise'; --set noise=0.1"):
        translate(load(path))
    assert translate(load(path), {"noise": "0.25"}).others["noise"] == 0.25


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"colour": "rgb"}, "did you mean 'color'"),
        ({"color": "pink"}, "none of rgb, bgr"),
        ({"range": "white"}, "is no number"),
        ({"output": "z"}, "there is no output 'z'"),
        ({"residual": "cubic"}, "none of nearest, bilinear"),
    ],
)
def test_wrong_settings(settings: dict[str, str], message: str, tmp_path: Path) -> None:
    w = Writer()
    path = w.save(tmp_path / "net.onnx", w.conv("x", 3, 3))
    with pytest.raises(UsageError, match=message):
        translate(load(path), settings)
