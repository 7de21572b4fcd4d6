"""MXNet's convolutions in ONNX's words."""

from __future__ import annotations

from typing import Any, Final

from zoo.errors import ReaderError
from zoo.parsers._mxnet.node import (
    OpNode,
    Untranslatable,
    Words,
)
from zoo.parsers._mxnet.symbol import MxNode

__all__ = ["CONVOLUTIONS"]


def _geometry(node: MxNode) -> dict[str, Any]:
    layout = node.text("layout", "None")
    kernel = node.pair("kernel", ())
    if layout not in ("None", "NCHW") or len(kernel) != 2:
        raise Untranslatable
    pad = node.pair("pad", (0, 0))
    return {
        "kernel_shape": kernel,
        "strides": node.pair("stride", (1, 1)),
        "dilations": node.pair("dilate", (1, 1)),
        "pads": pad * 2,
        "group": node.integer("num_group", 1),
    }


def _weights(self: OpNode, no_bias: bool) -> list[str]:
    """Inputs of a convolution, checked to have their weights."""
    inputs = self.take(2, 3)[: 2 if no_bias else 3]
    for name in inputs[1:]:
        if name not in self.arrays and _is_variable(self, name):
            raise ReaderError(
                f"{self.graph.source}: the parameters of {name[:80]!r} are not in its "
                f".params; they belong to different networks"
            )
    return inputs


def _is_variable(self: OpNode, name: str) -> bool:
    return any(item.name == name for item in self.graph.inputs)


def _convolution(self: OpNode) -> None:
    inputs = _weights(self, self.node.flag("no_bias"))
    self.add("Conv", inputs, self.output, **_geometry(self.node))


def _deconvolution(self: OpNode) -> None:
    node = self.node
    if any(node.pair("target_shape", ())):
        raise Untranslatable
    inputs = _weights(self, node.flag("no_bias", True))
    extra = node.pair("adj", (0, 0))
    self.add(
        "ConvTranspose", inputs, self.output, output_padding=extra, **_geometry(node)
    )


def _fully_connected(self: OpNode) -> None:
    inputs = _weights(self, self.node.flag("no_bias"))
    value, rest = inputs[0], inputs[1:]
    if not self.node.flag("flatten", True):
        raise Untranslatable
    value = self.add("Flatten", [value], axis=1)
    self.add("Gemm", [value, *rest], self.output, transB=1)


CONVOLUTIONS: Final[Words] = {
    "Convolution": _convolution,
    "Convolution_v1": _convolution,
    "Deconvolution": _deconvolution,
    "FullyConnected": _fully_connected,
}
"""Translations, by MXNet's names of operators."""
