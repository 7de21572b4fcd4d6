"""Random networks out of ONNX's operators, as many of them as zoo has layers for."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tests.graphs.hand import Writer

__all__ = ["build"]


class _Value(NamedTuple):
    """A picture of the graph: its name, channels, size and order of axes."""

    name: str
    channels: int
    factor: Fraction
    last: bool = False


class _Builder:
    """Draws operators one after the other."""

    def __init__(self, seed: int) -> None:
        self.w = Writer(17)
        self.rng = np.random.default_rng(seed)
        self.w.rng = np.random.default_rng(seed + 1)
        self.values = [_Value("x", 3, Fraction(1))]

    def pick(self, *options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def step(self) -> None:
        recent = self.values[-4:]
        x = recent[self.rng.integers(len(recent))]
        rule = _RULES[self.rng.integers(len(_RULES))]
        made = rule(self, x)
        if made is not None and made.channels <= 24 and made.factor <= 4:
            self.values.append(made)

    def vector(self, x: _Value, positive: bool = False) -> str:
        shape = (x.channels,) if x.last else (x.channels, 1, 1)
        numbers = self.w.rng.normal(size=shape)
        return self.w.const(np.abs(numbers) + 0.5 if positive else numbers)

    def first(self, x: _Value) -> _Value:
        """The value with its channels first."""
        if not x.last:
            return x
        name = self.w("Transpose", x.name, perm=[0, 3, 1, 2])
        return x._replace(name=name, last=False)

    def like(self, x: _Value) -> _Value | None:
        """Another value that can be added to x."""
        others = [
            v
            for v in self.values
            if v.factor == x.factor and v.channels == x.channels and v.last == x.last
        ]
        return others[self.rng.integers(len(others))] if others else None


_Rule = Callable[[_Builder, _Value], "_Value | None"]


def _conv(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    out = int(b.pick(3, 4, 6, 8))
    size, dilation = b.pick(1, 3, 3, 5), b.pick(1, 1, 2)
    group = b.pick(1, 1, 2) if x.channels % 2 == out % 2 == 0 else 1
    pad = dilation * (size // 2)
    name = b.w.conv(
        x.name,
        x.channels,
        out,
        k=size,
        dilations=[dilation] * 2,
        pads=[pad] * 4,
        group=group,
    )
    return _Value(name, out, x.factor)


def _conv_uneven(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    height, width = b.pick((1, 3), (3, 1), (5, 3))
    pads = [height // 2, width // 2, height // 2, width // 2]
    weights = b.w.random(x.channels, x.channels, height, width)
    return x._replace(name=b.w("Conv", x.name, weights, pads=pads))


def _down(b: _Builder, x: _Value) -> _Value | None:
    if x.factor < 1:
        return None
    x = b.first(x)
    name = b.w.conv(x.name, x.channels, 4, k=4, strides=[2, 2], pads=[1] * 4)
    return _Value(name, 4, x.factor / 2)


def _up(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    weights = b.w.random(x.channels, 4, 4, 4)
    name = b.w("ConvTranspose", x.name, weights, strides=[2, 2], pads=[1] * 4)
    return _Value(name, 4, x.factor * 2)


def _activation(b: _Builder, x: _Value) -> _Value:
    op, how = b.pick(
        ("Relu", {}),
        ("LeakyRelu", {"alpha": 0.2}),
        ("Sigmoid", {}),
        ("Tanh", {}),
        ("Elu", {}),
        ("HardSwish", {}),
        ("Softplus", {}),
        ("Selu", {}),
        ("HardSigmoid", {"alpha": 0.3}),
        ("Abs", {}),
        ("Neg", {}),
    )
    return x._replace(name=b.w(op, x.name, **how))


def _prelu(b: _Builder, x: _Value) -> _Value:
    return x._replace(name=b.w("PRelu", x.name, b.vector(x)))


def _constant(b: _Builder, x: _Value) -> _Value:
    op = b.pick("Add", "Sub", "Mul", "Div", "Max", "Min")
    constant = b.vector(x, op == "Div")
    if b.rng.random() < 0.4:
        constant = b.w.const(float(b.w.rng.normal()) + 2)
    inputs = [x.name, constant]
    if op in ("Add", "Sub", "Mul") and b.rng.random() < 0.3:
        inputs.reverse()
    return x._replace(name=b.w(op, *inputs))


def _binary(b: _Builder, x: _Value) -> _Value | None:
    other = b.like(x)
    if other is None:
        return None
    op = b.pick("Add", "Add", "Sub", "Mul", "Max", "Min")
    return x._replace(name=b.w(op, x.name, other.name))


def _gate(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    mean = b.w(b.pick("GlobalAveragePool", "GlobalAveragePool"), x.name)
    gate = b.w("Sigmoid", b.w.conv(mean, x.channels, x.channels, k=1))
    return x._replace(name=b.w(b.pick("Mul", "Add"), x.name, gate))


def _spatial_gate(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    gate = b.w("Sigmoid", b.w("ReduceMean", x.name, axes=[1]))
    return x._replace(name=b.w("Mul", gate, x.name))


def _concat(b: _Builder, x: _Value) -> _Value | None:
    others = [v for v in b.values if v.factor == x.factor and v.last == x.last]
    other = others[b.rng.integers(len(others))]
    axis = 3 if x.last else 1
    name = b.w("Concat", x.name, other.name, axis=axis)
    return x._replace(name=name, channels=x.channels + other.channels)


def _split(b: _Builder, x: _Value) -> _Value | None:
    if x.channels < 3:
        return None
    axis = 3 if x.last else 1
    sizes = [1, x.channels - 1] if b.rng.random() < 0.5 else [x.channels - 2, 2]
    parts = b.w("Split", x.name, b.w.ints(sizes), outputs=2, axis=axis)
    b.values.append(x._replace(name=parts[0], channels=sizes[0]))
    return x._replace(name=parts[1], channels=sizes[1])


def _gather(b: _Builder, x: _Value) -> _Value:
    order = b.rng.permutation(x.channels)
    name = b.w("Gather", x.name, b.w.ints(order), axis=3 if x.last else 1)
    return x._replace(name=name)


def _transpose(b: _Builder, x: _Value) -> _Value:
    perm = [0, 3, 1, 2] if x.last else [0, 2, 3, 1]
    return x._replace(name=b.w("Transpose", x.name, perm=perm), last=not x.last)


def _shuffle(b: _Builder, x: _Value) -> _Value | None:
    if x.channels % 4:
        return None
    x = b.first(x)
    mode = b.pick("CRD", "DCR")
    name = b.w("DepthToSpace", x.name, blocksize=2, mode=mode)
    return _Value(name, x.channels // 4, x.factor * 2)


def _unshuffle(b: _Builder, x: _Value) -> _Value | None:
    if x.factor < 1 or x.channels > 6:
        return None
    x = b.first(x)
    name = b.w("SpaceToDepth", x.name, blocksize=2)
    return _Value(name, x.channels * 4, x.factor / 2)


def _channel_shuffle(b: _Builder, x: _Value) -> _Value | None:
    if x.channels % 2 or x.last:
        return None
    shape = b.w("Shape", x.name)
    ends = b.w("Slice", shape, b.w.ints([2]), b.w.ints([4]), b.w.ints([0]))
    five = b.w("Concat", b.w.ints([1, 2, x.channels // 2]), ends, axis=0)
    y = b.w("Transpose", b.w("Reshape", x.name, five), perm=[0, 2, 1, 3, 4])
    return x._replace(name=b.w("Reshape", y, shape))


def _resize(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    mode, how = b.pick(
        (
            "nearest",
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        ),
        ("nearest", {}),
        ("linear", {}),
        ("cubic", {}),
        ("linear", {"coordinate_transformation_mode": "align_corners"}),
        ("linear", {"coordinate_transformation_mode": "asymmetric"}),
    )
    scales = b.w.const([1, 1, 2, 2])
    name = b.w("Resize", x.name, "", scales, mode=mode, **how)
    return x._replace(name=name, factor=x.factor * 2)


def _pad_and_crop(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    mode = b.pick("constant", "reflect", "edge")
    top, left = (int(n) for n in b.rng.integers(0, 3, 2))
    pads = b.w.ints([0, 0, top, left, 0, 0, 2, 2])
    padded = b.w("Pad", x.name, pads, mode=mode)
    if b.rng.random() < 0.5:
        padded = b.w("Mul", padded, b.vector(x))
    starts, ends = b.w.ints([top, left]), b.w.ints([-2, -2])
    name = b.w("Slice", padded, starts, ends, b.w.ints([2, 3]))
    return x._replace(name=name)


def _pad_and_convolve(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    mode = b.pick("constant", "reflect", "edge")
    y = b.w(b.pick("Add", "Mul"), x.name, b.vector(x))
    y = b.w("Pad", y, b.w.ints([0, 0, 1, 1, 0, 0, 1, 1]), mode=mode)
    return _Value(b.w.conv(y, x.channels, 4, pads=[0] * 4), 4, x.factor)


def _norm(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    parts = [b.w.random(x.channels) for _ in range(3)]
    parts.append(b.w.const(b.w.rng.random(x.channels) + 0.5))
    return x._replace(name=b.w("BatchNormalization", x.name, *parts))


def _instance(b: _Builder, x: _Value) -> _Value:
    x = _conv(b, x)  # channels without variance would only amplify rounding
    ones = b.w.const(b.w.rng.random(x.channels) + 0.5)
    return x._replace(
        name=b.w("InstanceNormalization", x.name, ones, b.w.random(x.channels))
    )


def _layer_norm(b: _Builder, x: _Value) -> _Value | None:
    if not x.last or x.channels < 3:
        return None
    scale = b.w.const(b.w.rng.random(x.channels) + 0.5)
    return x._replace(name=b.w("LayerNormalization", x.name, scale, axis=-1))


def _matmul(b: _Builder, x: _Value) -> _Value | None:
    if not x.last:
        return None
    return x._replace(name=b.w("MatMul", x.name, b.w.random(x.channels, 4)), channels=4)


def _pool(b: _Builder, x: _Value) -> _Value:
    x = b.first(x)
    how: dict[str, Any] = b.pick({}, {"count_include_pad": 1})
    op = "AveragePool" if how else b.pick("MaxPool", "AveragePool")
    name = b.w(op, x.name, kernel_shape=[3, 3], pads=[1] * 4, **how)
    return x._replace(name=name)


def _swish(b: _Builder, x: _Value) -> _Value:
    return x._replace(name=b.w("Mul", x.name, b.w("Sigmoid", x.name)))


_RULES: tuple[_Rule, ...] = (
    _conv,
    _conv,
    _conv,
    _conv_uneven,
    _down,
    _up,
    _activation,
    _activation,
    _prelu,
    _constant,
    _constant,
    _binary,
    _binary,
    _gate,
    _spatial_gate,
    _concat,
    _split,
    _gather,
    _transpose,
    _transpose,
    _shuffle,
    _unshuffle,
    _channel_shuffle,
    _resize,
    _pad_and_crop,
    _pad_and_convolve,
    _norm,
    _instance,
    _layer_norm,
    _matmul,
    _pool,
    _swish,
)


def build(seed: int, steps: int = 14) -> tuple[Writer, str]:
    """A random network and the name of its output."""
    builder = _Builder(seed)
    for _ in range(steps):
        builder.step()
    last = builder.first(builder.values[-1])
    end = builder.w("Tanh", builder.w.conv(last.name, last.channels, 3, k=1))
    return builder.w, end
