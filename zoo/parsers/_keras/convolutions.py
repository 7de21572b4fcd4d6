"""Keras's convolutions and dense layers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from zoo.parsers._keras.layer import Layer, Writers
from zoo.parsers._keras.wiring import LayerConfig
from zoo.parsers._pickle_values import quoted

__all__ = ["CONVOLUTIONS"]


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


CONVOLUTIONS: Final[Writers] = {
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed,
    "Convolution2D": _conv,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "WeightNormalization": _weight_norm,
}
"""Layers by the name of their class."""
