"""Small ONNX files by hand, one idea each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]


class Writer:
    """Builds a model with one input ``x`` and one output ``y``."""

    def __init__(self, opset: int = 17) -> None:
        self.opset = opset
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.rng = np.random.default_rng(1)
        self._count = 0

    def fresh(self, stem: str = "v") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = self.fresh("c")
        array = np.asarray(value, dtype)
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, value: Any) -> str:
        return self.const(value, np.int64)

    def random(self, *shape: int) -> str:
        return self.const(self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])))

    def __call__(
        self, op: str, *inputs: str, outputs: int = 1, **attributes: Any
    ) -> Any:
        names = [self.fresh() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, i: int, o: int, k: int = 3, **attributes: Any) -> str:
        group = attributes.get("group", 1)
        attributes.setdefault("pads", [k // 2] * 4)
        if attributes["pads"] is None:
            del attributes["pads"]
        made: str = self(
            "Conv", x, self.random(o, i // group, k, k), self.random(o), **attributes
        )
        return made

    def save(
        self,
        path: Path,
        y: str,
        shape: Sequence[Any] = (1, 3, "h", "w"),
        *,
        kind: int = TensorProto.FLOAT,
        out_kind: int | None = None,
        extra: Sequence[Any] = (),
        domains: Sequence[str] = (),
        more_outputs: Sequence[str] = (),
    ) -> Path:
        out = out_kind or kind
        results = [
            helper.make_tensor_value_info(name, out, None)
            for name in (y, *more_outputs)
        ]
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", kind, list(shape)), *extra],
            results,
            self.tensors,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(domain, 1) for domain in domains]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 8
        onnx.save(model, str(path))
        return path


Case = Callable[[Writer], str]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


@case
def same_upper_stride2(w: Writer) -> str:
    return w.conv(
        w.conv("x", 3, 4, auto_pad="SAME_UPPER", pads=None, strides=[2, 2]), 4, 3
    )


@case
def same_lower(w: Writer) -> str:
    return w.conv("x", 3, 4, k=4, auto_pad="SAME_LOWER", pads=None)


@case
def unequal_pads(w: Writer) -> str:
    return w.conv("x", 3, 4, k=3, pads=[0, 2, 1, 3])


@case
def unequal_strides(w: Writer) -> str:
    return w.conv("x", 3, 4, k=3, strides=[1, 2])


@case
def grouped_dilated(w: Writer) -> str:
    return w.conv(
        w.conv("x", 3, 6, group=3),
        6,
        4,
        k=3,
        dilations=[2, 3],
        pads=[2, 3, 2, 3],
        group=2,
    )


@case
def offset_before_padding(w: Writer) -> str:
    shifted = w(
        "Add", w("Relu", w.conv("x", 3, 4)), w.const(np.arange(4).reshape(4, 1, 1))
    )
    return w.conv(shifted, 4, 3)


@case
def factor_before_padding(w: Writer) -> str:
    scaled = w(
        "Mul", w("Relu", w.conv("x", 3, 4)), w.const(np.arange(1, 5).reshape(4, 1, 1))
    )
    return w.conv(scaled, 4, 3)


@case
def offset_before_no_padding(w: Writer) -> str:
    shifted = w(
        "Sub", w("Relu", w.conv("x", 3, 4)), w.const(np.arange(4).reshape(4, 1, 1))
    )
    return w.conv(shifted, 4, 3, pads=[0] * 4)


@case
def offset_at_the_input(w: Writer) -> str:
    return w.conv(w("Sub", "x", w.const([0.5])), 3, 4)


@case
def offset_before_reflect(w: Writer) -> str:
    shifted = w("Add", w("Relu", w.conv("x", 3, 4)), w.const([2.0]))
    padded = w("Pad", shifted, w.ints([0, 0, 2, 1, 0, 0, 1, 2]), mode="reflect")
    return w.conv(padded, 4, 3, pads=[0] * 4)


@case
def pad_with_a_value(w: Writer) -> str:
    padded = w("Pad", w.conv("x", 3, 4), w.ints([0, 0, 1, 1, 0, 0, 1, 1]), w.const(0.5))
    return w.conv(padded, 4, 3, pads=[0] * 4)


@case
def pad_channels(w: Writer) -> str:
    padded = w("Pad", w.conv("x", 3, 4), w.ints([0, 1, 0, 0, 0, 2, 0, 0]))
    return w.conv(padded, 7, 3)


@case
def pad_negative(w: Writer) -> str:
    return w("Pad", w.conv("x", 3, 4), w.ints([0, 0, -1, -2, 0, 0, -3, 1]))


@case
def pad_edge(w: Writer) -> str:
    return w.conv(
        w("Pad", "x", w.ints([0, 0, 1, 1, 0, 0, 1, 1]), mode="edge"), 3, 4, pads=[0] * 4
    )


@case
def symmetric_of_tf2onnx(w: Writer) -> str:
    """Pad by reflection by one more, and drop the edge pixels that were doubled."""
    nhwc = w("Transpose", "x", perm=[0, 2, 3, 1])
    edged = w("Pad", nhwc, w.ints([0, 1, 1, 0, 0, 1, 1, 0]), mode="edge")
    return w.conv(w("Transpose", edged, perm=[0, 3, 1, 2]), 3, 4, pads=[0] * 4)


@case
def slices(w: Writer) -> str:
    h = w.conv("x", 3, 6)
    rows = w("Slice", h, w.ints([1, 2]), w.ints([-1, 9999]), w.ints([2, 3]))
    return w("Slice", rows, w.ints([1]), w.ints([5]), w.ints([1]))


@case
def strided_slice(w: Writer) -> str:
    h = w.conv("x", 3, 6)
    return w(
        "Slice", h, w.ints([0, 0]), w.ints([9999, 9999]), w.ints([2, 3]), w.ints([2, 2])
    )


@case
def reversed_channels(w: Writer) -> str:
    back = w("Slice", "x", w.ints([-1]), w.ints([-9999]), w.ints([1]), w.ints([-1]))
    return w("Gather", w.conv(back, 3, 3), w.ints([2, 1, 0]), axis=1)


@case
def unequal_split(w: Writer) -> str:
    a, b, c = w("Split", w.conv("x", 3, 9), w.ints([2, 4, 3]), outputs=3, axis=1)
    return w.conv(w("Concat", c, w("Relu", b), a, axis=1), 9, 3)


@case
def depth_to_space_dcr(w: Writer) -> str:
    return w.conv(w("DepthToSpace", w.conv("x", 3, 12), blocksize=2, mode="DCR"), 3, 3)


@case
def space_to_depth(w: Writer) -> str:
    return w.conv(w("SpaceToDepth", "x", blocksize=2), 12, 3)


@case
def unshuffle_by_reshape(w: Writer) -> str:
    shape = w("Shape", "x")
    parts = [w("Gather", shape, w.ints([i])) for i in (2, 3)]
    two = w.ints([2])
    halves = [w("Div", part, two) for part in parts]
    six = w("Concat", w.ints([1, 3]), halves[0], two, halves[1], two, axis=0)
    y = w("Transpose", w("Reshape", "x", six), perm=[0, 1, 3, 5, 2, 4])
    four = w("Concat", w.ints([1, 12]), *halves, axis=0)
    return w.conv(w("Reshape", y, four), 12, 3)


@case
def repeat_pixels(w: Writer) -> str:
    """Nearest enlargement by Unsqueeze, Expand and Reshape."""
    h = w.conv("x", 3, 4)
    shape = w("Shape", h)
    rows, columns = (w("Gather", shape, w.ints([i])) for i in (2, 3))
    one, two = w.ints([1]), w.ints([2])
    six = w("Concat", w.ints([1, 4]), rows, two, columns, two, axis=0)
    y = w("Expand", w("Unsqueeze", h, w.ints([3, 5])), six)
    four = w(
        "Concat", w.ints([1, 4]), w("Mul", rows, two), w("Mul", columns, two), axis=0
    )
    del one
    return w("Reshape", y, four)


@case
def repeat_channels(w: Writer) -> str:
    h = w("Tile", "x", w.ints([1, 4, 1, 1]))
    return w("DepthToSpace", h, blocksize=2, mode="DCR")


def _resize(w: Writer, x: str, scale: float, **how: Any) -> str:
    made: str = w("Resize", x, "", w.const([1, 1, scale, scale]), **how)
    return made


@case
def nearest_half_pixel(w: Writer) -> str:
    return _resize(w, w.conv("x", 3, 4), 3, mode="nearest")


@case
def nearest_asymmetric(w: Writer) -> str:
    return _resize(
        w,
        w.conv("x", 3, 4),
        2,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


@case
def nearest_rounded_up(w: Writer) -> str:
    """Each pixel of a cell from another place: no plain enlargement."""
    return _resize(
        w,
        w.conv("x", 3, 4),
        3,
        mode="nearest",
        nearest_mode="round_prefer_ceil",
        coordinate_transformation_mode="asymmetric",
    )


@case
def nearest_down(w: Writer) -> str:
    return _resize(
        w,
        w.conv("x", 3, 4),
        0.5,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


@case
def nearest_three_halves(w: Writer) -> str:
    return _resize(
        w,
        w.conv("x", 3, 4),
        1.5,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


@case
def linear_three_halves(w: Writer) -> str:
    return _resize(w, w.conv("x", 3, 4), 1.5, mode="linear")


@case
def linear_pytorch(w: Writer) -> str:
    return _resize(
        w,
        w.conv("x", 3, 4),
        2,
        mode="linear",
        coordinate_transformation_mode="pytorch_half_pixel",
    )


@case
def linear_asymmetric(w: Writer) -> str:
    return _resize(
        w,
        w.conv("x", 3, 4),
        2,
        mode="linear",
        coordinate_transformation_mode="asymmetric",
    )


@case
def cubic_a(w: Writer) -> str:
    return _resize(w, w.conv("x", 3, 4), 2, mode="cubic", cubic_coeff_a=-0.5)


@case
def cubic_down(w: Writer) -> str:
    return _resize(w, w.conv("x", 3, 4), 0.5, mode="cubic")


@case
def linear_three_quarters(w: Writer) -> str:
    return _resize(w, w.conv("x", 3, 4), 0.75, mode="linear")


@case
def transposed_asymmetric(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w(
        "ConvTranspose", h, w.random(4, 3, 3, 3), strides=[2, 2], pads=[0, 1, 1, 0]
    )


@case
def transposed_output_padding(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w(
        "ConvTranspose",
        h,
        w.random(4, 3, 3, 3),
        w.random(3),
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        output_padding=[1, 1],
    )


@case
def transposed_grouped(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w(
        "ConvTranspose", h, w.random(4, 3, 4, 4), strides=[2, 2], pads=[1] * 4, group=2
    )


@case
def transposed_same(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w(
        "ConvTranspose", h, w.random(4, 3, 5, 5), strides=[2, 2], auto_pad="SAME_UPPER"
    )


@case
def transposed_dilated(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w(
        "ConvTranspose",
        h,
        w.random(4, 3, 3, 3),
        w.random(3),
        dilations=[2, 2],
        pads=[2] * 4,
    )


@case
def transposed_oblong(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w(
        "ConvTranspose", h, w.random(4, 3, 2, 3), strides=[1, 1], pads=[0, 1, 1, 1]
    )


@case
def batch_norm_after_relu(w: Writer) -> str:
    h = w("Relu", w.conv("x", 3, 4))
    parts = [w.random(4), w.random(4), w.random(4), w.const(w.rng.random(4) + 0.5)]
    return w.conv(w("BatchNormalization", h, *parts), 4, 3)


@case
def prelu_of_keras(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    slopes = w.random(4, 1, 1)
    below = w("Mul", w("Relu", w("Neg", h)), w("Neg", slopes))
    return w("Add", w("Relu", h), below)


@case
def prelu_by_abs(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    below = w(
        "Mul", w("Mul", w.random(4, 1, 1), w("Sub", h, w("Abs", h))), w.const(0.5)
    )
    return w("Add", w("Relu", h), below)


@case
def prelu_single(w: Writer) -> str:
    return w("PRelu", w.conv("x", 3, 4), w.const(np.full((1, 1, 1), 0.3)))


@case
def clip_by_min_max(w: Writer) -> str:
    return w("Min", w("Max", w.conv("x", 3, 3), w.const(0)), w.const(0.5))


@case
def swish_written_out(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w.conv(w("Mul", w("Sigmoid", h), h), 4, 3)


@case
def mish_written_out(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w.conv(w("Mul", h, w("Tanh", w("Softplus", h))), 4, 3)


@case
def mish_by_log(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    soft = w("Log", w("Add", w("Exp", h), w.const(1)))
    return w.conv(w("Mul", h, w("Tanh", soft)), 4, 3)


@case
def gelu_written_out(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    erf = w("Erf", w("Div", h, w.const(np.sqrt(2))))
    y = w("Mul", w("Mul", h, w("Add", erf, w.const(1))), w.const(0.5))
    return w.conv(y, 4, 3)


@case
def gelu_tanh_written_out(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    cube = w("Mul", w("Pow", h, w.const(3)), w.const(0.044715))
    inner = w("Mul", w("Add", h, cube), w.const(np.sqrt(2 / np.pi)))
    y = w("Mul", w("Mul", h, w.const(0.5)), w("Add", w("Tanh", inner), w.const(1)))
    return w.conv(y, 4, 3)


@case
def attention_of_one_channel(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w.conv(w("Mul", h, w("Sigmoid", w.conv(h, 4, 1))), 4, 3)


@case
def squeeze_by_gemm(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    flat = w("Flatten", w("GlobalAveragePool", h))
    s = w("Gemm", flat, w.random(2, 4), w.random(2), transB=1)
    s = w("Sigmoid", w("Gemm", w("Relu", s), w.random(2, 4), w.random(4), alpha=0.5))
    s = w("Reshape", s, w.ints([1, 4, 1, 1]))
    return w.conv(w("Mul", s, h), 4, 3)


@case
def matmul_on_a_map(w: Writer) -> str:
    nhwc = w("Transpose", w.conv("x", 3, 4), perm=[0, 2, 3, 1])
    mean = w("ReduceMean", nhwc, axes=[1, 2], keepdims=0)
    s = w("Sigmoid", w("MatMul", mean, w.random(4, 4)))
    s = w("Reshape", s, w.ints([-1, 1, 1, 4]))
    return w("Transpose", w("Mul", nhwc, s), perm=[0, 3, 1, 2])


@case
def group_norm_by_reshape(w: Writer) -> str:
    h = w.conv("x", 3, 8)
    shape = w("Shape", h)
    flat = w("Reshape", h, w.ints([0, 2, -1]))
    n = w("InstanceNormalization", flat, w.const([1, 1]), w.const([0, 0]))
    n = w("Reshape", n, shape)
    n = w("Add", w("Mul", n, w.random(8, 1, 1)), w.random(8, 1, 1))
    return w.conv(n, 8, 3)


@case
def layer_norm_by_means(w: Writer) -> str:
    h = w.conv("x", 3, 8)
    d = w("Sub", h, w("ReduceMean", h, axes=[1]))
    v = w("ReduceMean", w("Pow", d, w.const(2)), axes=[1])
    n = w("Div", d, w("Sqrt", w("Add", v, w.const(1e-6))))
    return w.conv(w("Add", w("Mul", n, w.random(8, 1, 1)), w.random(8, 1, 1)), 8, 3)


@case
def root_mean_square(w: Writer) -> str:
    h = w.conv("x", 3, 5)
    mean = w("ReduceMean", w("Mul", h, h), axes=[1])
    root = w("Sqrt", w("Add", mean, w.const(1e-6)))
    return w.conv(w("Mul", w("Div", h, root), w.random(5, 1, 1)), 5, 3)


@case
def length_one(w: Writer) -> str:
    """torch.nn.functional.normalize."""
    h = w.conv("x", 3, 5)
    length = w("Clip", w("ReduceL2", h, axes=[1]), w.const(1e-12))
    return w.conv(w("Div", h, w("Expand", length, w("Shape", h))), 5, 3)


@case
def deviation_pooling(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    shape = w("Cast", w("Shape", h), to=1)
    count = w("Mul", w("Gather", shape, w.ints(2)), w("Gather", shape, w.ints(3)))

    def mean(x: str) -> str:
        total = w("ReduceSum", w("ReduceSum", x, w.ints([3])), w.ints([2]))
        return str(w("Div", total, count))

    v = mean(w("Pow", w("Sub", h, mean(h)), w.const(2)))
    return w("Mul", h, w("Pow", v, w.const(0.5)))


@case
def weights_computed(w: Writer) -> str:
    """Weight normalisation that the exporter left in the graph."""
    v, g = w.random(4, 3, 3, 3), w.random(4, 1, 1, 1)
    norm = w("ReduceL2", v, axes=[1, 2, 3])
    weights = w("Mul", w("Div", v, norm), g)
    return w("Conv", "x", w("Identity", weights), pads=[1] * 4)


@case
def pools(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    a = w("MaxPool", h, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    b = w("AveragePool", h, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return w("Add", a, b)


@case
def pool_asymmetric(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w("MaxPool", h, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 0])


@case
def dropout_and_identity(w: Writer) -> str:
    return w("Identity", w("Dropout", w.conv("x", 3, 4)))


@case
def sum_of_three(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    return w("Sum", h, w("Relu", h), w("Tanh", h))


@case
def normalized_both_ends(w: Writer) -> str:
    mean = w.const(np.array([0.4488, 0.4371, 0.4040]).reshape(3, 1, 1))
    scaled = w("Div", w("Sub", "x", mean), w.const(0.5))
    return w("Add", w("Mul", w.conv(scaled, 3, 3), w.const(0.5)), mean)


@case
def recursion_with_shared_weights(w: Writer) -> str:
    weights, h = w.random(4, 4, 3, 3), w.conv("x", 3, 4)
    for _ in range(3):
        h = w("Add", w("Relu", w("Conv", h, weights, pads=[1] * 4)), h)
    return w.conv(h, 4, 3)


@case
def thresholds(w: Writer) -> str:
    h = w.conv("x", 3, 4)
    y = w("Where", w("Greater", h, w.const(0)), h, w("Mul", h, w.const(0.2)))
    return w.conv(y, 4, 3)


@case
def dilation_as_a_batch_of_phases(w: Writer) -> str:
    """TensorFlow's dilated convolution: space to batch, convolve, and back."""
    h = w("Transpose", w.conv("x", 3, 4), perm=[0, 2, 3, 1])
    h = w("Pad", h, w.ints([0, 2, 2, 0, 0, 2, 2, 0]))
    shape = w("Shape", h)
    two = w.ints([2])
    rows, columns = (w("Div", w("Gather", shape, w.ints([i])), two) for i in (1, 2))
    six = w("Concat", w.ints([1]), rows, two, columns, two, w.ints([4]), axis=0)
    phases = w("Transpose", w("Reshape", h, six), perm=[2, 4, 0, 1, 3, 5])
    four = w("Concat", w.ints([4]), rows, columns, w.ints([4]), axis=0)
    x = w("Transpose", w("Reshape", phases, four), perm=[0, 3, 1, 2])
    y = w.conv(x, 4, 5, pads=[0] * 4)
    y = w("Relu", w("Transpose", y, perm=[0, 2, 3, 1]))
    less = [w("Sub", part, two) for part in (rows, columns)]
    back = w("Concat", w.ints([2, 2, 1]), *less, w.ints([5]), axis=0)
    y = w("Transpose", w("Reshape", y, back), perm=[2, 3, 0, 4, 1, 5])
    whole = [w("Mul", part, two) for part in less]
    y = w("Reshape", y, w("Concat", w.ints([1]), *whole, w.ints([5]), axis=0))
    return w("Transpose", y, perm=[0, 3, 1, 2])


@case
def means_of_channels(w: Writer) -> str:
    h = w.conv("x", 3, 5)
    both = w(
        "Concat", w("ReduceMax", h, axes=[1]), w("ReduceMean", h, axes=[1]), axis=1
    )
    return w("Mul", h, w("Sigmoid", w.conv(both, 2, 1, k=7)))
