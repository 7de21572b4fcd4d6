"""TensorFlow's convolutions, pooling, resizing and batch normalization.

ONNX defines them on N, C, H, W; weights are O x I x kh x kw there and kh x kw x I x O
in TensorFlow (kh x kw x O x I for transposed convolutions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from zoo.parsers._tensorflow.node import TfNode, Untranslatable

__all__ = ["CONVOLUTIONS"]


def _padding(self: TfNode, kernel: tuple[int, ...] | None) -> dict[str, Any]:
    """Attributes of ONNX for TensorFlow's ways to pad.

    ``kernel`` is the extent of the kernel, dilation included, where it is known and
    the stride is 1: then the padding does not depend on the picture's size.
    """
    how = self.text("padding")
    if how == "VALID":
        return {"pads": (0, 0, 0, 0)}
    if how == "SAME" and kernel is not None:
        before = [(side - 1) // 2 for side in kernel]
        after = [side - 1 - less for side, less in zip(kernel, before, strict=True)]
        return {"pads": (*before, *after)}
    if how == "SAME":
        return {"auto_pad": "SAME_UPPER"}
    if how == "EXPLICIT":
        sides = self.numbers("explicit_paddings", ())
        if len(sides) != 8:
            raise self.error(f"explicit_paddings has {len(sides)} items, not 8")
        top, bottom, left, right = sides[4:8] if self.is_first else sides[2:6]
        return {"pads": (top, left, bottom, right)}
    raise Untranslatable


def _geometry(self: TfNode, kernel: tuple[int, ...] | None) -> dict[str, Any]:
    strides = self.spatial(self.numbers("strides", (1, 1, 1, 1)))
    dilations = self.spatial(self.numbers("dilations", (1, 1, 1, 1)))
    extent = None
    if kernel is not None and set(strides) == {1}:
        extent = tuple(
            (side - 1) * step + 1 for side, step in zip(kernel, dilations, strict=True)
        )
    return {"strides": strides, "dilations": dilations, **_padding(self, extent)}


def _kernel(self: TfNode) -> tuple[int, ...] | None:
    """Rows and columns of the weights, if these are a constant."""
    weights = self.tensors.get(self.take(2)[1])
    if weights is None:
        return None
    if weights.ndim != 4:
        raise self.error(f"the weights have {weights.ndim} axes, not 4")
    return weights.shape[:2]


def _convolve(self: TfNode) -> str:
    """Append the convolution alone; its channels come first."""
    value = self.first(self.input)
    weights = self.turned(1, (3, 2, 0, 1))
    geometry = _geometry(self, _kernel(self))
    # Keras's layers say it; TensorFlow reads it off the shapes, which are not known.
    group = self.whole("group", 1)
    return self.add("Conv", [value, weights], group=group, **geometry)


def _conv2d(self: TfNode) -> None:
    self.last(_convolve(self))


def _depthwise(self: TfNode) -> None:
    self.last(_convolve_depthwise(self))


def _convolve_depthwise(self: TfNode) -> str:
    """Weights kh x kw x C x M; output channel c M + m is of input channel c."""
    weights = self.fixed(1)
    if weights.ndim != 4:
        raise self.error(f"the weights have {weights.ndim} axes, not 4")
    rows, columns, channels, multiple = weights.shape
    name = f"{self.inputs[1]}/depthwise#"
    if name not in self.graph.constants:
        turned = np.ascontiguousarray(weights.transpose(2, 3, 0, 1))
        turned = turned.reshape(channels * multiple, 1, rows, columns)
        self.graph.constant(turned, name, self.inputs[1])
    value = self.first(self.input)
    geometry = _geometry(self, (rows, columns))
    return self.add("Conv", [value, name], group=channels, **geometry)


_FUSED: Final = {
    "Relu": "Relu",
    "Elu": "Elu",
    "Sigmoid": "Sigmoid",
    "Tanh": "Tanh",
}


def _fused(convolve: Callable[[TfNode], str]) -> Callable[[TfNode], None]:
    """A convolution that grappler joined with its bias and activation."""

    def word(self: TfNode) -> None:
        value = convolve(self)
        steps = self.node.attrs.get("fused_ops") or ()
        more = list(self.inputs[2:])
        for step in steps if isinstance(steps, tuple) else ():
            step = step.decode("ascii", "replace") if isinstance(step, bytes) else step
            if step == "BiasAdd" and more:
                value = self.add("Add", [value, _per_channel(self, more.pop(0))])
            elif step == "Prelu" and more:
                value = self.add("PRelu", [value, _per_channel(self, more.pop(0))])
            elif step == "Relu6":
                limits = [self.floating(0), self.floating(6)]
                value = self.add("Clip", [value, *limits])
            elif step == "LeakyRelu":
                alpha = self.number("leakyrelu_alpha", 0.2)
                value = self.add("LeakyRelu", [value], alpha=alpha)
            elif step in _FUSED:
                value = self.add(_FUSED[step], [value])
            else:
                raise Untranslatable
        if more:
            raise Untranslatable
        self.last(value)

    return word


def _per_channel(self: TfNode, name: str) -> str:
    """A vector of constants, to meet N, C, H, W."""
    if name not in self.tensors:
        raise Untranslatable
    values = self.tensors[name]
    if values.size != max(values.shape, default=1):
        raise Untranslatable
    return self.graph.constant(values.reshape(-1, 1, 1), origin=name)


def _transposed(self: TfNode) -> None:
    """Conv2DBackpropInput(size, weights, x): in SAME, stride times the size of x."""
    value, kernel = self.take(3)[2], _kernel(self)
    strides = self.spatial(self.numbers("strides", (1, 1, 1, 1)))
    how = self.text("padding")
    if kernel is None or set(self.numbers("dilations", (1,))) != {1}:
        raise Untranslatable
    if how not in ("SAME", "VALID"):
        raise Untranslatable
    over = [side - step for side, step in zip(kernel, strides, strict=True)]
    cut = [max(extra, 0) if how == "SAME" else 0 for extra in over]
    before = [extra // 2 for extra in cut]
    after = [extra - less for extra, less in zip(cut, before, strict=True)]
    self.last(
        self.add(
            "ConvTranspose",
            [self.first(value), self.turned(1, (3, 2, 0, 1))],
            strides=strides,
            pads=(*before, *after),
            output_padding=tuple(max(-extra, 0) for extra in over),
        )
    )


def _batchnorm(self: TfNode) -> None:
    value, scale, offset, mean, variance = self.take(5)[:5]
    if self.flag("is_training", True):
        raise Untranslatable  # it would normalize by the picture's own statistics
    parts = [self.first(value), scale, offset, mean, variance]
    epsilon = self.number("epsilon", 1e-4)
    self.last(self.add("BatchNormalization", parts, epsilon=epsilon))


def _pool(op: str) -> Callable[[TfNode], None]:
    def word(self: TfNode) -> None:
        kernel = self.spatial(self.numbers("ksize", (1, 1, 1, 1)))
        strides = self.spatial(self.numbers("strides", (1, 1, 1, 1)))
        known = kernel if set(strides) == {1} else None
        value = self.add(
            op,
            [self.first(self.input)],
            kernel_shape=kernel,
            strides=strides,
            **_padding(self, known),
        )
        self.last(value)

    return word


def _blocks(op: str) -> Callable[[TfNode], None]:
    """DepthToSpace and SpaceToDepth; the block's place comes before the channel."""

    def word(self: TfNode) -> None:
        more = {"mode": "DCR"} if op == "DepthToSpace" else {}
        value = self.first(self.input)
        self.last(self.add(op, [value], blocksize=self.whole("block_size"), **more))

    return word


def _resize(mode: str) -> Callable[[TfNode], None]:
    def word(self: TfNode) -> None:
        value, size = self.take(2)[:2]
        half, corners = self.flag("half_pixel_centers"), self.flag("align_corners")
        how: dict[str, Any] = {"mode": mode}
        if corners:
            how["coordinate_transformation_mode"] = "align_corners"
        elif half and mode == "nearest":
            how["coordinate_transformation_mode"] = "tf_half_pixel_for_nn"
        elif half:
            how["coordinate_transformation_mode"] = "half_pixel"
        else:
            how["coordinate_transformation_mode"] = "asymmetric"
        if mode == "nearest":
            how["nearest_mode"] = "round_prefer_ceil" if corners else "floor"
        if mode == "cubic":
            how["cubic_coeff_a"] = -0.5 if half else -0.75
            how["exclude_outside"] = int(half)
        turned = self.graph.channels_first(value)
        # The batch and the channels stay; the picture's size is given.
        lead = self.add("Shape", [turned], start=0, end=2)
        wide = self.add("Cast", [size], to=7)
        sizes = self.add("Concat", [lead, wide], axis=0)
        value = self.add("Resize", [turned, "", "", sizes], **how)
        self.graph.channels_last(value, self.output)

    return word


CONVOLUTIONS: Final[Mapping[str, Callable[[TfNode], None]]] = {
    "AvgPool": _pool("AveragePool"),
    "Conv2D": _conv2d,
    "Conv2DBackpropInput": _transposed,
    "DepthToSpace": _blocks("DepthToSpace"),
    "DepthwiseConv2dNative": _depthwise,
    "FusedBatchNorm": _batchnorm,
    "FusedBatchNormV2": _batchnorm,
    "FusedBatchNormV3": _batchnorm,
    "FusedDepthwiseConv2dNative": _fused(_convolve_depthwise),
    "MaxPool": _pool("MaxPool"),
    "ResizeBicubic": _resize("cubic"),
    "ResizeBilinear": _resize("linear"),
    "ResizeNearestNeighbor": _resize("nearest"),
    "SpaceToDepth": _blocks("SpaceToDepth"),
    "_FusedConv2D": _fused(_convolve),
    "_FusedDepthwiseConv2dNative": _fused(_convolve_depthwise),
}
"""Translations, by TensorFlow's words."""
