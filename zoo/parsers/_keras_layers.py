"""What each of Keras's layers is in TensorFlow's operations.

A function returns False for a form of the layer that has no words; then it is
reported by its class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from zoo.errors import ReaderError
from zoo.parsers._keras_wiring import LayerConfig
from zoo.parsers._pickle_values import quoted
from zoo.parsers._tf_types import GraphNode

__all__ = ["LAYERS", "Layer"]


class _Nodes(Protocol):
    """Where layers write their operations."""

    def add(self, node: GraphNode) -> None: ...

    def constant(self, name: str, value: Any) -> str: ...

    def weight(self, layer: str, role: str) -> str | None: ...


class Layer:
    """One call of a layer.

    Parameters
    ----------
    layer : LayerConfig
    name : str
        Name of the call, and of its output.
    inputs : list of str
    arguments : mapping
        Of the call.
    nodes : object
        Where its operations go.
    source : str
        The file, for messages.
    """

    def __init__(
        self,
        layer: LayerConfig,
        name: str,
        inputs: list[str],
        arguments: Mapping[str, Any],
        nodes: _Nodes,
        source: str,
    ) -> None:
        self.layer = layer
        self.config = layer.config
        self.name = name
        self.inputs = inputs
        self.arguments = arguments
        self._nodes = nodes
        self._source = source
        self._made = 0

    def error(self, reason: str) -> ReaderError:
        """Make an error that names the layer."""
        return ReaderError(
            f"{self._source}: {reason} in the {self.layer.kind} "
            f"{quoted(self.layer.name)}; its configuration is damaged"
        )

    @property
    def input(self) -> str:
        """The only input."""
        if len(self.inputs) != 1:
            raise self.error(f"{len(self.inputs)} inputs where one belongs")
        return self.inputs[0]

    # -- configuration -----------------------------------------------------------

    def number(self, key: str, default: float) -> float:
        """An argument that is a number; None counts as absent."""
        value = self.config.get(key)
        if value is None:
            return default
        if type(value) not in (int, float):
            raise self.error(f"{key} is no number")
        return float(value)

    def pair(self, key: str, default: int = 1) -> tuple[int, int]:
        """An argument for rows and columns, one number or two."""
        value = self.config.get(key)
        if value is None:
            return default, default
        if type(value) is int:
            return value, value
        if (
            isinstance(value, (list, tuple))
            and len(value) == 2
            and all(type(item) is int for item in value)
        ):
            return value[0], value[1]
        raise self.error(f"{key} is neither one whole number nor two")

    def sides(self, key: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """An argument for four sides: ((top, bottom), (left, right))."""
        value = self.config.get(key, 0)
        if type(value) is int:
            value = [[value, value]] * 2
        if isinstance(value, (list, tuple)) and len(value) == 2:
            rows, columns = (
                [item, item] if type(item) is int else item for item in value
            )
            flat = [*rows, *columns]
            if len(flat) == 4 and all(type(item) is int and item >= 0 for item in flat):
                return (rows[0], rows[1]), (columns[0], columns[1])
        raise self.error(f"{key} is no list of four sides")

    @property
    def is_last(self) -> bool:
        """Whether the channels are the last axis."""
        return self.config.get("data_format") in (None, "channels_last")

    # -- operations --------------------------------------------------------------

    def weight(self, role: str) -> str:
        """Name of one of the layer's weights.

        Raises
        ------
        ReaderError
            If the file does not have it.
        """
        name = self._nodes.weight(self.layer.name, role)
        if name is None:
            raise ReaderError(
                f"{self._source}: the {role} of layer {quoted(self.layer.name)} is not "
                f"among the weights; they belong to another model"
            )
        return name

    def weight_if_any(self, role: str) -> str | None:
        """Name of one of the layer's weights, None if the file does not have it."""
        return self._nodes.weight(self.layer.name, role)

    def constant(self, value: Any) -> str:
        """A constant that is not in the file."""
        self._made += 1
        return self._nodes.constant(f"{self.name}/constant{self._made}", value)

    def add(self, op: str, inputs: Sequence[str], **attrs: Any) -> str:
        """Append an operation."""
        self._made += 1
        name = f"{self.name}/{op}{self._made}"
        self._nodes.add(GraphNode(name, op, tuple(inputs), attrs))
        return name

    def give(self, op: str, inputs: Sequence[str], **attrs: Any) -> bool:
        """Append the operation that makes the layer's output."""
        self._nodes.add(GraphNode(self.name, op, tuple(inputs), attrs))
        return True

    def finish(self, value: str) -> bool:
        """Append the bias and the activation that many layers end with."""
        if self.config.get("use_bias", True):
            value = self.add("BiasAdd", [value, self.weight("bias")])
        return self.activate(value, self.config.get("activation"))

    def activate(self, value: str, activation: Any) -> bool:
        """Append an activation, given by its name or its configuration."""
        if isinstance(activation, dict):
            config = activation.get("config")
            if activation.get("class_name") == "function":
                activation = config
            else:
                kind = str(activation.get("class_name")).rpartition(">")[2]
                inner = LayerConfig(
                    self.layer.name, kind, config if isinstance(config, dict) else {}
                )
                write = LAYERS.get(kind)
                view = Layer(inner, self.name, [value], {}, self._nodes, self._source)
                return write is not None and kind in _AS_ACTIVATION and write(view)
        if activation is None:
            activation = "linear"
        op = _ACTIVATIONS.get(activation) if isinstance(activation, str) else None
        if op is None:
            return False
        attrs = {"alpha": 0.2} if op == "LeakyRelu" else {}
        return self.give(op, [value], **attrs)


_ACTIVATIONS: Final = {
    "elu": "Elu",
    "exponential": "Exp",
    "gelu": "Gelu",
    "hard_sigmoid": "HardSigmoid",
    "leaky_relu": "LeakyRelu",
    "linear": "Identity",
    "mish": "Mish",
    "relu": "Relu",
    "relu6": "Relu6",
    "selu": "Selu",
    "sigmoid": "Sigmoid",
    "silu": "Swish",
    "softmax": "Softmax",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "swish": "Swish",
    "tanh": "Tanh",
}
_AS_ACTIVATION: Final = ("ReLU", "LeakyReLU", "ELU", "Softmax")


# -- convolutions -----------------------------------------------------------------


def _geometry(layer: Layer) -> dict[str, Any]:
    strides, dilations = layer.pair("strides"), layer.pair("dilation_rate")
    padding = layer.config.get("padding", "valid")
    if padding not in ("same", "valid"):
        raise layer.error(f"padding is {quoted(str(padding))}")
    return {
        "strides": (1, *strides, 1),
        "dilations": (1, *dilations, 1),
        "padding": padding.upper(),
    }


def _conv(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    groups = layer.config.get("groups") or 1
    value = layer.add(
        "Conv2D",
        [layer.input, layer.weight("kernel")],
        group=groups,
        **_geometry(layer),
    )
    return layer.finish(value)


def _depthwise(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    role = "depthwise_kernel"
    kernel = layer.weight_if_any(role) or layer.weight("kernel")
    value = layer.add(
        "DepthwiseConv2dNative", [layer.input, kernel], **_geometry(layer)
    )
    return layer.finish(value)


def _separable(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    kernels = [layer.weight(f"{part}_kernel") for part in ("depthwise", "pointwise")]
    value = layer.add(
        "DepthwiseConv2dNative", [layer.input, kernels[0]], **_geometry(layer)
    )
    return layer.finish(layer.add("Conv2D", [value, kernels[1]], padding="VALID"))


def _transposed(layer: Layer) -> bool:
    if not layer.is_last or layer.config.get("output_padding") is not None:
        return False
    size = layer.constant(np.zeros(4, np.int32))  # Keras's sizes are the usual ones
    value = layer.add(
        "Conv2DBackpropInput",
        [size, layer.weight("kernel"), layer.input],
        **_geometry(layer),
    )
    return layer.finish(value)


def _dense(layer: Layer) -> bool:
    value = layer.add("MatMul", [layer.input, layer.weight("kernel")])
    return layer.finish(value)


def _weight_norm(layer: Layer) -> bool:
    """TensorFlow Addons' wrapper: g v / |v|, the length over all but the last axis."""
    inner = layer.config.get("layer")
    if not isinstance(inner, dict) or inner.get("class_name") != "Conv2D":
        return False
    config = inner.get("config")
    if not isinstance(config, dict):
        return False
    view = Layer(
        LayerConfig(layer.layer.name, "Conv2D", config),
        layer.name,
        layer.inputs,
        {},
        layer._nodes,
        layer._source,
    )
    if not view.is_last:
        return False
    kernel = view.weight_if_any("v") or view.weight("kernel")
    length = view.add(
        "Sum",
        [view.add("Square", [kernel]), view.constant(np.arange(3, dtype=np.int32))],
        keep_dims=True,
    )
    factor = view.add("Mul", [view.add("Rsqrt", [length]), view.weight("g")])
    kernel = view.add("Mul", [kernel, factor])
    return view.finish(view.add("Conv2D", [view.input, kernel], **_geometry(view)))


# -- activations ----------------------------------------------------------------------


def _activation(layer: Layer) -> bool:
    return layer.activate(layer.input, layer.config.get("activation"))


def _relu(layer: Layer) -> bool:
    slope, threshold = layer.number("negative_slope", 0), layer.number("threshold", 0)
    highest = layer.number("max_value", np.inf)
    if threshold or (slope and highest < np.inf):
        return False
    if slope:
        return layer.give("LeakyRelu", [layer.input], alpha=slope)
    if highest == np.inf:
        return layer.give("Relu", [layer.input])
    limits = [layer.constant(np.float32(limit)) for limit in (0, highest)]
    return layer.give("ClipByValue", [layer.input, *limits])


def _leaky(layer: Layer) -> bool:
    slope = layer.number("negative_slope", layer.number("alpha", 0.3))
    return layer.give("LeakyRelu", [layer.input], alpha=slope)


def _prelu(layer: Layer) -> bool:
    return layer.give("Prelu", [layer.input, layer.weight("alpha")])


def _elu(layer: Layer) -> bool:
    if layer.number("alpha", 1) != 1:
        return False
    return layer.give("Elu", [layer.input])


# -- arithmetic -------------------------------------------------------------------------


def _plainly(op: str) -> Callable[[Layer], bool]:
    """An operation of one value."""

    def write(layer: Layer) -> bool:
        return layer.give(op, [layer.input])

    return write


def _folded(op: str) -> Callable[[Layer], bool]:
    """An operation of two values, over any number of them."""

    def write(layer: Layer) -> bool:
        if len(layer.inputs) < 2:
            return False
        value = layer.inputs[0]
        for other in layer.inputs[1:-1]:
            value = layer.add(op, [value, other])
        return layer.give(op, [value, layer.inputs[-1]])

    return write


def _average(layer: Layer) -> bool:
    count = len(layer.inputs)
    if count < 2:
        return False
    part = layer.constant(np.float32(1 / count))
    return layer.give("Mul", [layer.add("AddN", layer.inputs), part])


def _concatenate(layer: Layer) -> bool:
    axis = layer.config.get("axis", -1)
    if type(axis) is not int:
        raise layer.error("axis is no whole number")
    where = layer.constant(np.int32(axis))
    return layer.give("ConcatV2", [*layer.inputs, where])


def _rescaling(layer: Layer) -> bool:
    scale, offset = layer.number("scale", 1), layer.number("offset", 0)
    value = layer.add("Mul", [layer.input, layer.constant(np.float32(scale))])
    return layer.give("Add", [value, layer.constant(np.float32(offset))])


def _multiply_beta(layer: Layer) -> bool:
    """The residual factor of UpscalerJS's ESRGAN models."""
    factor = layer.constant(np.float32(layer.number("beta", 0.2)))
    return layer.give("Mul", [layer.input, factor])


# -- shapes -------------------------------------------------------------------------------


def _input(layer: Layer) -> bool:
    shape = layer.config.get("batch_input_shape") or layer.config.get("batch_shape")
    attrs: dict[str, Any] = {}
    if isinstance(shape, list):
        attrs["shape"] = tuple(side if type(side) is int else -1 for side in shape)
    return layer.give("Placeholder", [], **attrs)


def _pixel_shuffle(layer: Layer) -> bool:
    """Custom classes called PixelShuffle, PixelShuffle2x, ...; depth to space."""
    digits = "".join(filter(str.isdigit, layer.layer.kind))
    scale = layer.config.get("scale") or layer.config.get("block_size")
    if scale is None and digits:
        scale = int(digits[:3])
    if type(scale) is not int:
        return False
    return layer.give("DepthToSpace", [layer.input], block_size=scale)


def _upsampling(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    how = layer.config.get("interpolation") or "nearest"
    return layer.give(
        "UpSampling2D", [layer.input], size=layer.pair("size", 2), interpolation=how
    )


def _zero_padding(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    widths = np.array([(0, 0), *layer.sides("padding"), (0, 0)], np.int32)
    return layer.give("Pad", [layer.input, layer.constant(widths)])


def _cropping(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    rows, columns = layer.sides("cropping")
    begin = np.array([0, rows[0], columns[0], 0], np.int32)
    end = np.array([0, -rows[1], -columns[1], 0], np.int32)
    parts = [layer.constant(begin), layer.constant(end)]
    mask = 0b1001 | (0 if rows[1] else 0b10) | (0 if columns[1] else 0b100)
    ones = layer.constant(np.ones(4, np.int32))
    return layer.give(
        "StridedSlice", [layer.input, *parts, ones], begin_mask=0, end_mask=mask
    )


def _pooling(op: str) -> Callable[[Layer], bool]:
    def write(layer: Layer) -> bool:
        if not layer.is_last:
            return False
        size = layer.pair("pool_size", 2)
        strides = size if layer.config.get("strides") is None else layer.pair("strides")
        padding = layer.config.get("padding", "valid")
        return layer.give(
            op,
            [layer.input],
            ksize=(1, *size, 1),
            strides=(1, *strides, 1),
            padding=str(padding).upper(),
        )

    return write


def _global(op: str) -> Callable[[Layer], bool]:
    def write(layer: Layer) -> bool:
        if not layer.is_last:
            return False
        axes = layer.constant(np.array([1, 2], np.int32))
        keep = bool(layer.config.get("keepdims", False))
        return layer.give(op, [layer.input, axes], keep_dims=keep)

    return write


def _reshape(layer: Layer) -> bool:
    shape = layer.config.get("target_shape")
    if not isinstance(shape, list) or any(type(side) is not int for side in shape):
        return False
    # The batch has one picture.
    return layer.give(
        "Reshape", [layer.input, layer.constant(np.array([1, *shape], np.int32))]
    )


def _flatten(layer: Layer) -> bool:
    target = layer.constant(np.array([1, -1], np.int32))
    return layer.give("Reshape", [layer.input, target])


def _permute(layer: Layer) -> bool:
    dims = layer.config.get("dims")
    if not isinstance(dims, list) or any(type(axis) is not int for axis in dims):
        return False
    perm = layer.constant(np.array([0, *dims], np.int32))
    return layer.give("Transpose", [layer.input, perm])


# -- TensorFlow's functions as layers -----------------------------------------------------

# In Keras 2: the function, and TensorFlow's operation of one value or of two.
_UNARY: Final = {
    "math.abs": "Abs",
    "math.exp": "Exp",
    "math.sigmoid": "Sigmoid",
    "math.sqrt": "Sqrt",
    "math.square": "Square",
    "math.tanh": "Tanh",
    "nn.elu": "Elu",
    "nn.leaky_relu": "LeakyRelu",
    "nn.relu": "Relu",
    "nn.relu6": "Relu6",
    "nn.sigmoid": "Sigmoid",
    "nn.tanh": "Tanh",
    "identity": "Identity",
    "stop_gradient": "Identity",
}
_BINARY: Final = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
    "math.multiply": "Mul",
    "math.subtract": "Sub",
    "math.truediv": "RealDiv",
}


def _function(layer: Layer) -> bool:
    """``tf.nn.depth_to_space(x, 2)`` and others, called on a layer's output."""
    function, given = str(layer.config.get("function")), layer.arguments
    if function in _UNARY:
        alpha = given.get("alpha", 0.2)
        attrs = {"alpha": float(alpha)} if function == "nn.leaky_relu" else {}
        return layer.give(_UNARY[function], [layer.input], **attrs)
    if function in _BINARY:
        values = list(layer.inputs)
        other = given.get("y")
        if type(other) in (int, float) and len(values) == 1:
            values.append(layer.constant(np.float32(other)))
        return len(values) == 2 and layer.give(_BINARY[function], values)
    if function == "nn.depth_to_space":
        block = given.get("block_size")
        return type(block) is int and layer.give(
            "DepthToSpace", [layer.input], block_size=block
        )
    if function == "clip_by_value":
        limits = [given.get(f"clip_value_{end}") for end in ("min", "max")]
        if any(type(limit) not in (int, float) for limit in limits):
            return False
        parts = [layer.constant(np.float32(limit)) for limit in limits]
        return layer.give("ClipByValue", [layer.input, *parts])
    return False


# -- normalization ----------------------------------------------------------------------


def _batchnorm(layer: Layer) -> bool:
    axis = layer.config.get("axis", -1)
    if axis not in (-1, 3, [3], [-1]):
        return False
    mean, variance = layer.weight("moving_mean"), layer.weight("moving_variance")
    gamma, beta = layer.weight_if_any("gamma"), layer.weight_if_any("beta")
    epsilon = layer.number("epsilon", 1e-3)
    return layer.give(
        "BatchNormalization",
        [layer.input, gamma or "", beta or "", mean, variance],
        epsilon=epsilon,
    )


LAYERS: Final[dict[str, Callable[[Layer], bool]]] = {
    "Activation": _activation,
    "ActivityRegularization": _plainly("Identity"),
    "Add": _folded("Add"),
    "Average": _average,
    "AveragePooling2D": _pooling("AvgPool"),
    "BatchNormalization": _batchnorm,
    "BatchNormalizationV1": _batchnorm,
    "Concatenate": _concatenate,
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed,
    "Convolution2D": _conv,
    "Cropping2D": _cropping,
    "Dense": _dense,
    "DepthToSpace": _pixel_shuffle,
    "DepthwiseConv2D": _depthwise,
    "Dropout": _plainly("Identity"),
    "ELU": _elu,
    "Flatten": _flatten,
    "GaussianDropout": _plainly("Identity"),
    "GaussianNoise": _plainly("Identity"),
    "GlobalAveragePooling2D": _global("Mean"),
    "GlobalMaxPooling2D": _global("Max"),
    "InputLayer": _input,
    "LeakyReLU": _leaky,
    "MaxPooling2D": _pooling("MaxPool"),
    "Maximum": _folded("Maximum"),
    "Minimum": _folded("Minimum"),
    "Multiply": _folded("Mul"),
    "MultiplyBeta": _multiply_beta,
    "PReLU": _prelu,
    "Permute": _permute,
    "PixelShuffle": _pixel_shuffle,
    **{f"PixelShuffle{scale}x": _pixel_shuffle for scale in range(1, 17)},
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": _separable,
    "Softmax": _plainly("Softmax"),
    "SpatialDropout2D": _plainly("Identity"),
    "Subtract": _folded("Sub"),
    "TFOpLambda": _function,
    "UpSampling2D": _upsampling,
    "WeightNormalization": _weight_norm,
    "ZeroPadding2D": _zero_padding,
}
"""Layers by the name of their class; of third parties', those met in published files."""
