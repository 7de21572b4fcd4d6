"""A network in ncnn's own files: a text of layers, and their weights beside it.

The text: a magic number, how many layers and blobs, then a line for each layer
with its type, name, numbers of inputs and outputs, their names, and parameters
``key=value``. A blob is read once; what several layers read goes through Split.
The weights follow each other in the order of the layers as raw float32, the
kernel of a convolution behind a word of zeros that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.activations import activation
from zoo.bench.peers.base import NotPossibleError
from zoo.onnx.graph import program_of
from zoo.program.operations import (
    Activate,
    Add,
    Concat,
    Conv,
    Epilogue,
    Identity,
    Operation,
    Pad,
    Pool,
    Program,
    Repeat,
    Shuffle,
)

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["write"]

_MAGIC = 7767517
_RELU = 1  # of the activations that a convolution can apply itself

# Type and parameters of the activations that are a layer of their own.
_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("ReLU", {}),
    "leaky": ("ReLU", {}),  # and its slope, as parameter 0
    "revleaky": ("ReLU", {}),
    "clip": ("Clip", {}),
    "relie": ("ReLU", {"0": 0.01}),
    "relu6": ("Clip", {"0": 0.0, "1": 6.0}),
    "hardtan": ("Clip", {"0": -1.0, "1": 1.0}),
    "logistic": ("Sigmoid", {}),
    "tanh": ("TanH", {}),
    "elu": ("ELU", {"0": 1.0}),
    "selu": ("SELU", {"0": 1.6732, "1": 1.0507}),
    "swish": ("Swish", {}),
    "silu": ("Swish", {}),
    "mish": ("Mish", {}),
    "gelu": ("GELU", {"0": 1}),
    "gelu_erf": ("GELU", {"0": 0}),
}


def write(network: Network, height: int, width: int, folder: Path) -> str:
    """Write ``network.param`` and ``network.bin``; returns the first.

    Raises
    ------
    NotPossibleError
        If ncnn has no counterpart of an operation.
    """
    writer = _Writer()
    writer.write(program_of(network, height, width))
    path = folder / "network.param"
    path.write_text(writer.text(), encoding="ascii")
    path.with_suffix(".bin").write_bytes(b"".join(writer.weights))
    return str(path)


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.weights: list[bytes] = []
        self._blobs = 0
        self._unread: dict[int, list[str]] = {}

    def text(self) -> str:
        """The file of layers."""
        head = [str(_MAGIC), f"{len(self.lines)} {self._blobs}"]
        return "\n".join([*head, *self.lines]) + "\n"

    def write(self, program: Program) -> None:
        """Write all steps of an unfused program."""
        readers = {value: len(at) for value, at in program.consumers().items()}
        readers[program.output] = readers.get(program.output, 0) + 1
        self.layer("Input", [], ["in"])
        self._made(0, "in", readers)
        for step in program.steps:
            if step.output not in readers:
                continue  # nobody reads it
            inputs = [self._unread[value].pop() for value in step.inputs]
            depth = [program.shapes[value].channels for value in step.inputs]
            name = self._operation(step.operation, inputs, depth)
            self._made(step.output, name, readers)
        self.layer("Noop", [self._unread[program.output].pop()], ["out"])

    def _made(self, value: int, name: str, readers: dict[int, int]) -> None:
        """Give a value as many names as it has readers."""
        count = readers.get(value, 0)
        names = [name]
        if count > 1:
            names = [f"{name}_{number}" for number in range(count)]
            self.layer("Split", [name], names)
        self._unread[value] = names

    def layer(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        parameters: dict[str, Any] | None = None,
    ) -> None:
        """Add a line."""
        pairs = [f"{key}={value}" for key, value in (parameters or {}).items()]
        counts = f"{len(inputs)} {len(outputs)}"
        name = f"layer{len(self.lines)}"
        self.lines.append(" ".join([kind, name, counts, *inputs, *outputs, *pairs]))
        self._blobs += len(outputs)

    def one(
        self,
        kind: str,
        inputs: Sequence[str],
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Add a layer with one output; returns the name of that."""
        output = f"b{len(self.lines)}"
        self.layer(kind, inputs, [output], parameters)
        return output

    def store(self, array: NDArray[Any], *, tagged: bool = False) -> None:
        """Add weights; ``tagged`` with the word that says they are float32."""
        raw = np.ascontiguousarray(array, "<f4").tobytes()
        self.weights.append((b"\0\0\0\0" if tagged else b"") + raw)

    # -- operations --------------------------------------------------------

    def _operation(
        self, operation: Operation, inputs: list[str], depth: Sequence[int]
    ) -> str:
        x = inputs[0]
        match operation:
            case Identity():
                return self.one("Noop", [x])
            case Conv():
                return self._conv(operation, x)
            case Add():
                return self._add(operation, inputs)
            case Activate():
                return self._activate(x, operation.name, operation.slopes)
            case Shuffle():
                mode = int(operation.order == "dcr")
                return self.one("PixelShuffle", [x], {"0": operation.scale, "1": mode})
            case Concat():
                spans = zip(inputs, operation.slices, depth, strict=True)
                parts = [self._part(part, *span, full) for part, span, full in spans]
                return parts[0] if len(parts) == 1 else self.one("Concat", parts)
            case Pool():
                return self._pool(operation, x)
            case Pad():
                return self._pad(x, operation)
            case Repeat():
                scales = {"1": float(operation.scale), "2": float(operation.scale)}
                y = self.one("Interp", [x], {"0": 1, **scales})
                if operation.factor == 1:
                    return y
                product = {"0": 2, "1": 1, "2": float(operation.factor)}
                return self.one("BinaryOp", [y], product)
        raise NotPossibleError("ncnn has no counterpart of a layer")

    def _conv(self, conv: Conv, x: str) -> str:
        epilogue = conv.epilogue
        stride, dilation, padding, pad_mode, groups = conv.geometry
        if conv.shuffle != 1 or epilogue.residual or epilogue.last != Epilogue().last:
            raise NotPossibleError("a fused convolution is not written for ncnn")
        if pad_mode != "zero" and any(padding):
            x = self._pad(x, Pad(padding, pad_mode))
            padding = type(padding)()
        fused = epilogue.activation == "relu"
        parameters = {
            "0": conv.weights.shape[3],
            "1": conv.weights.shape[1],
            "11": conv.weights.shape[0],
            "2": dilation[1],
            "12": dilation[0],
            "3": stride[1],
            "13": stride[0],
            "4": padding.left,
            "15": padding.right,
            "14": padding.top,
            "16": padding.bottom,
            "5": int(conv.biases is not None),
            "6": conv.weights.size,
        }
        if groups > 1:
            parameters["7"] = groups
        if fused:
            parameters["9"] = _RELU
        kind = "ConvolutionDepthWise" if groups > 1 else "Convolution"
        y = self.one(kind, [x], parameters)
        self.store(conv.weights.transpose(3, 2, 0, 1), tagged=True)
        if conv.biases is not None:
            self.store(conv.biases)
        return y if fused else self._activate(y, epilogue.activation, epilogue.slopes)

    def _add(self, add: Add, inputs: list[str]) -> str:
        if (add.alpha, add.beta) == (1, 1):
            total = self.one("BinaryOp", inputs)
        else:
            # A number without a point would be read as an integer's bits.
            factors = f"2,{float(add.alpha)!r},{float(add.beta)!r}"
            total = self.one("Eltwise", inputs, {"0": 1, "-23301": factors})
        return self._activate(total, add.activation)

    def _part(self, x: str, start: int, stop: int, full: int) -> str:
        if (start, stop) == (0, full):
            return x
        # The first two numbers are the corner; -233 keeps the whole side.
        ends = {"2": start, "3": -233, "4": -233, "5": stop - start}
        return self.one("Crop", [x], ends)

    def _pool(self, pool: Pool, x: str) -> str:
        size, stride, padding = pool.geometry
        parameters = {
            "0": int(pool.mode == "average"),
            "1": size[1],
            "11": size[0],
            "2": stride[1],
            "12": stride[0],
            "3": padding.left,
            "14": padding.right,
            "13": padding.top,
            "15": padding.bottom,
            "5": 1,  # no window that reaches over the end
        }
        return self.one("Pooling", [x], parameters)

    def _pad(self, x: str, pad: Pad) -> str:
        if min(pad.padding) < 0:
            raise NotPossibleError("cutting a border off is not written for ncnn")
        if pad.mode == "symmetric":
            raise NotPossibleError("ncnn has no padding by the mirrored border")
        top, bottom, left, right = pad.padding
        sides = {"0": top, "1": bottom, "2": left, "3": right}
        kinds = {"zero": 0, "edge": 1, "reflect": 2}
        return self.one("Padding", [x], {**sides, "4": kinds[pad.mode]})

    def _activate(self, x: str, name: str, slopes: NDArray[Any] | None = None) -> str:
        if name == "linear":
            return x
        if slopes is not None:
            y = self.one("PReLU", [x], {"0": slopes.size})
            self.store(slopes)
            return y
        row = activation(name)
        if row.name not in _ACTIVATIONS:
            raise NotPossibleError(f"the activation {name} is not written for ncnn")
        kind, parameters = _ACTIVATIONS[row.name]
        numbers = {str(place): number for place, number in enumerate(row.numbers)}
        return self.one(kind, [x], {**parameters, **numbers})
