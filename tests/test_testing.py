"""The conformance kit finds every kind of broken layer."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from zoo.errors import PluginError, ReaderError, UsageError
from zoo.formats import formats
from zoo.layers.activation import Activation
from zoo.layers.base import Layer, Window, one_input
from zoo.models.base import Recognition
from zoo.models.edsr import EDSR
from zoo.onnx import graph
from zoo.parsers.base import Checkpoint, Reader
from zoo.plugins import select
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Repeat
from zoo.shapes import Shape
from zoo.testing import (
    check_family,
    check_format,
    check_kernels,
    check_layer,
    check_reader,
    numeric_gradient,
)

_SHAPE = Shape(3, 4, 2)


class _Scale(Layer):
    """y = a x with one learned a: correct."""

    def __init__(self):
        super().__init__()
        self._x = None

    def output_shape(self, *inputs):
        return one_input(inputs, "scale")

    def parameter_shapes(self, *inputs):
        return {"factor": (1,)}

    def forward(self, *inputs, kernels, training=False):
        if training:
            self._x = inputs[0]
        return inputs[0] * self.parameters["factor"]

    def backward(self, delta, *, kernels):
        self.gradients = {"factor": (delta * self._x).sum().reshape(1)}
        return (delta * self.parameters["factor"],)


class _WrongShape(_Scale):
    def output_shape(self, *inputs):
        return Shape(1, 1, 1)


class _WrongDtype(_Scale):
    def forward(self, *inputs, kernels, training=False):
        return super().forward(*inputs, kernels=kernels).astype(np.float64)


class _WritesInput(_Scale):
    def forward(self, *inputs, kernels, training=False):
        inputs[0][...] = 0
        return inputs[0]


class _ChangesItself(_Scale):
    def forward(self, *inputs, kernels, training=False):
        self._x = inputs[0]
        return inputs[0] * self.parameters["factor"]


class _ChangesParameters(_Scale):
    def forward(self, *inputs, kernels, training=False):
        self.parameters["factor"] *= 2
        return inputs[0] * self.parameters["factor"]


class _MixesBatch(_Scale):
    def forward(self, *inputs, kernels, training=False):
        return super().forward(inputs[0] - inputs[0].mean(), kernels=kernels)


class _WrongGradient(_Scale):
    def backward(self, delta, *, kernels):
        super().backward(delta, kernels=kernels)
        return (delta * 1.001 * self.parameters["factor"],)


class _WrongParameterGradient(_Scale):
    def backward(self, delta, *, kernels):
        result = super().backward(delta, kernels=kernels)
        self.gradients["factor"] = -self.gradients["factor"]
        return result


class _NoParameterGradient(_Scale):
    def backward(self, delta, *, kernels):
        return (delta * self.parameters["factor"],)


class _WidensGradient(_Scale):
    def backward(self, delta, *, kernels):
        (by_x,) = super().backward(delta, kernels=kernels)
        return (by_x.astype(np.float64),)


def test_passes_a_correct_layer():
    layer = _Scale()
    y = check_layer(layer, [_SHAPE])
    assert y.shape == (2, *_SHAPE)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_WrongShape, "output_shape says"),
        (_WrongDtype, "float32 became float64"),
        (_ChangesItself, "inference changed _x"),
        (_ChangesParameters, "inference changed parameters"),
        (_MixesBatch, "differs from its images one at a time"),
        (_WrongGradient, "gradient of input 0 is off"),
        (_WrongParameterGradient, "gradient of factor is off"),
        (_NoParameterGradient, "gradients of"),
        (_WidensGradient, "a gradient is float64"),
    ],
)
def test_finds_a_broken_layer(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_layer(broken(), [_SHAPE])


def test_finds_a_layer_that_writes_to_its_input():
    with pytest.raises((AssertionError, ValueError), match="read-only"):
        check_layer(_WritesInput(), [_SHAPE])


def test_numeric_gradient():
    x = np.array([1.0, -2.0, 3.0])
    saved = x.copy()
    indices, gradient = numeric_gradient(lambda: float((x**3).sum()), x)
    np.testing.assert_array_equal(indices, [0, 1, 2])
    np.testing.assert_allclose(gradient, 3 * saved**2, rtol=1e-6)
    np.testing.assert_array_equal(x, saved)
    indices, _ = numeric_gradient(lambda: 0.0, x, samples=2)
    assert len(indices) == 2
    with pytest.raises(TypeError, match="float64"):
        numeric_gradient(lambda: 0.0, x.astype(np.float32))


class _NarrowWindow(_Scale):
    """Sees its neighbours and says that it does not."""

    def forward(self, *inputs, kernels, training=False):
        x = super().forward(*inputs, kernels=kernels, training=training)
        return x + np.roll(x, 1, axis=1) + np.roll(x, 1, axis=2)


class _WideWindow(_Scale):
    def window(self):
        return Window(3), Window(3)


class _ZerosInSeries(Layer):
    """y = a b x: neither factor gets a gradient from where both are zero."""

    def output_shape(self, *inputs):
        return one_input(inputs, "zeros")

    def parameter_shapes(self, *inputs):
        return {"a": (1,), "b": (1,)}

    def forward(self, *inputs, kernels, training=False):
        if training:
            self._saved = inputs[0]
        return inputs[0] * self.parameters["a"] * self.parameters["b"]

    def backward(self, delta, *, kernels):
        a, b = self.parameters["a"], self.parameters["b"]
        by_product = (delta * self._recall()).sum().reshape(1)
        # In another order than the parameters, which is nobody's business.
        self.gradients = {"b": by_product * a, "a": by_product * b}
        return (delta * a * b,)


class _StartsRight(_ZerosInSeries):
    def initialize(self, rng):
        self.parameters["a"][...] = 1


class _StartsDead(_Scale):
    """y = max(a x - 100, 0): from where a is 1 nothing gets through."""

    def initialize(self, rng):
        self.parameters["factor"][...] = 1

    def forward(self, *inputs, kernels, training=False):
        y = super().forward(*inputs, kernels=kernels, training=training) - 100
        if training:
            self._alive = y > 0
        return np.maximum(y, 0)

    def backward(self, delta, *, kernels):
        return super().backward(delta * self._alive, kernels=kernels)


class _SwapsGradients(_StartsRight):
    """The right gradients, in the order of the parameters, under each other's names."""

    def backward(self, delta, *, kernels):
        result = super().backward(delta, kernels=kernels)
        by_a, by_b = self.gradients["a"], self.gradients["b"]
        self.gradients = {"a": by_b, "b": by_a}
        return result


class _SharesState(_Scale):
    """Keeps its input where every layer of its kind does."""

    saved: np.ndarray

    def forward(self, *inputs, kernels, training=False):
        if training:
            type(self).saved = inputs[0]
        return inputs[0] * self.parameters["factor"]

    def backward(self, delta, *, kernels):
        self._x = self.saved
        return super().backward(delta, kernels=kernels)


class _NarrowColumns(_Scale):
    def forward(self, *inputs, kernels, training=False):
        x = super().forward(*inputs, kernels=kernels, training=training)
        return x + np.roll(x, 1, axis=2)


class _NarrowSecond(_Scale):
    """Sees the neighbours of its second input alone."""

    def output_shape(self, *inputs):
        return inputs[0]

    def forward(self, *inputs, kernels, training=False):
        x = super().forward(inputs[0], kernels=kernels, training=training)
        return x + inputs[1] + np.roll(inputs[1], 1, axis=1)


class _LowersWrongly(_Scale):
    def lower(self, *inputs):
        return Repeat(1, 5.0)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (_NarrowWindow(), r"sees \d rows"),
        (_WideWindow(), "no output pixel sees more than 1 rows"),
        (_NarrowColumns(), r"sees \d columns"),
        (_ZerosInSeries(), "a, b cannot learn"),
        (_StartsDead(), "factor cannot learn"),
        (_SwapsGradients(), "gradient of a is off"),
        (_SharesState(), "what forward saves must belong to the layer"),
        (_LowersWrongly(), "what lower gives is different"),
    ],
)
def test_finds_what_a_layer_claims_wrongly(layer, message):
    with pytest.raises(AssertionError, match=message):
        check_layer(
            layer, [Shape(6, 7, 2)], gradient="Narrow" not in type(layer).__name__
        )


def test_every_input_has_its_window():
    with pytest.raises(AssertionError, match="rows of input 1 and window"):
        check_layer(_NarrowSecond(), 2 * [Shape(6, 7, 2)], gradient=False)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (KeyError("no such thing"), "writing ONNX ends with KeyError"),
        (UsageError(""), "the refusal to write ONNX says nothing"),
        ("leaky", "what ONNX Runtime computes is different"),
        (UsageError("no counterpart in ONNX"), None),
        ("relu", None),
    ],
)
def test_exports_or_refuses_in_a_sentence(monkeypatch, outcome, message):
    pytest.importorskip("onnxruntime")
    write = graph.to_onnx

    def written(network, *arguments, **options):
        if isinstance(outcome, Exception):
            raise outcome
        network.layers[-1] = Activation(activation=outcome)
        return write(network, *arguments, **options)

    monkeypatch.setattr(graph, "to_onnx", written)
    layer = Activation(activation="relu")
    if message is None:
        check_layer(layer, [_SHAPE])
    else:
        with pytest.raises(AssertionError, match=message):
            check_layer(layer, [_SHAPE])


def test_gradients_may_come_in_any_order():
    check_layer(_StartsRight(), [_SHAPE])


class _WrongKernels(NumpyKernels):
    name = "wrong"

    def average_pool_backward(self, shape, delta, geometry):
        return 1.01 * super().average_pool_backward(shape, delta, geometry)


def test_kernels():
    check_kernels(NumpyKernels(threads=2))
    with pytest.raises(AssertionError, match="wrong: average_pool_backward"):
        check_kernels(_WrongKernels(threads=1))


@pytest.mark.parametrize("name", ["native", "torch"])
def test_back_ends_pass(name):
    try:
        kernels = select(name, 2)
    except PluginError as missing:
        pytest.skip(str(missing))
    check_kernels(kernels)


class _Trusting(Reader):
    """Believes what the file says of its size."""

    name = "trusting"

    @classmethod
    def recognizes(cls, path, head):
        return head.startswith(b"TRUST")

    @classmethod
    def read(cls, path):
        data = path.read_bytes()
        (count,) = struct.unpack("<I", data[5:9])
        return Checkpoint("trusting", {"x": np.frombuffer(data, "<f4", count, 9)})


class _Careful(_Trusting):
    @classmethod
    def read(cls, path):
        try:
            return super().read(path)
        except (ValueError, struct.error) as error:
            raise ReaderError(f"{path}: {error}") from None


def test_readers(tmp_path):
    path = tmp_path / "file.trust"
    values = np.arange(40, dtype=np.float32)
    path.write_bytes(b"TRUST" + struct.pack("<I", 40) + values.tobytes())
    with pytest.raises(AssertionError, match="and not a ReaderError"):
        check_reader(_Trusting, path)
    read = check_reader(_Careful, path)
    assert np.array_equal(read.tensors["x"], values)
    assert [file.name for file in tmp_path.iterdir()] == ["file.trust"]


class _Generous(EDSR):
    @classmethod
    def recognize(cls, checkpoint):
        return Recognition("generous", "any", cls.complete({}))


def test_families():
    check_family(EDSR, {"blocks": 1, "filters": 4})
    with pytest.raises(AssertionError, match="takes any checkpoint"):
        check_family(_Generous)


class _LosesAlpha(type(formats()["png"])):
    name = "loses"

    def write(self, file, item, *, quality=None):
        super().write(file, replace(item, alpha=None), quality=quality)


LOSSY = {"jpg": 0.02, "webp": 0.02, "avif": 0.02}


@pytest.mark.parametrize("name", formats("picture"))
def test_formats(name):
    check_format(formats()[name], tolerance=LOSSY.get(name, 0.0), damages=20)


def test_a_format_that_loses_something():
    with pytest.raises(AssertionError, match="loses: .*alpha"):
        check_format(_LosesAlpha())
