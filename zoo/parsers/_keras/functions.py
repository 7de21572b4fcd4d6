"""Functions of TensorFlow's that Keras 2 keeps as layers."""

from __future__ import annotations

from typing import Final

import numpy as np

from zoo.parsers._keras.layer import Layer, Writers

__all__ = ["FUNCTIONS"]

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


FUNCTIONS: Final[Writers] = {
    "TFOpLambda": _function,
}
"""Layers by the name of their class."""
