"""Names of layers that are nothing but numbers: Keras's and MXNet's.

What a convolution is for, its place among the others and the shape of its kernel
tell: Keras's ``conv2d_7`` is the eighth convolution that a process made, not that a
model has. MXNet says ``convolution7_weight``, and keeps means beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from zoo.parsers.base import Checkpoint

__all__ = ["name_edsr", "name_wdsr"]

# Of plain layers, and of the wrapper that normalises weights.
_PLAIN = {"kernel": "weight", "bias": "bias"}
_NORMALISED = {
    "kernel": "weight_v",
    "v": "weight_v",
    "g": "weight_g",
    "bias": "bias",
    "initialized": "initialized",
}


_MXNET = {"weight": "weight", "bias": "bias"}
_MXNET_MEANS = {"DIV2K_mean": "mean", "neg_DIV2K_mean": "neg_mean"}


class _Layers:
    """The convolutions of a checkpoint, in its order.

    Attributes
    ----------
    names : list of str
    shapes : dict of str to tuple
        Kernel height, width, inputs, outputs.
    """

    def __init__(self, checkpoint: Checkpoint, names: Sequence[str]) -> None:
        self._parts: dict[str, list[str]] = {}
        self._is_mxnet = checkpoint.format == "mxnet"
        self._between = "_" if self._is_mxnet else "/"
        is_numbered = checkpoint.format in ("keras", "tfjs", "mxnet")
        for name in names if is_numbered else ():
            layer, _, part = name.rpartition(self._between)
            self._parts.setdefault(layer, []).append(part)
        self.shapes = {}
        for layer, parts in self._parts.items():
            for part in ("v", "kernel", "weight"):
                name = f"{layer}{self._between}{part}"
                shape = checkpoint.shape(name) if part in parts else ()
                if len(shape) == 4 and self._is_mxnet:
                    shape = (*shape[2:], shape[1], shape[0])
                if len(shape) == 4:
                    self.shapes[layer] = shape
                    break
        self.names = list(self.shapes)

    def renamed(self, modules: Mapping[str, str]) -> dict[str, str]:
        """The family's names, from its modules by layer."""
        found = dict(_MXNET_MEANS) if self._is_mxnet else {}
        for layer, module in modules.items():
            parts = self._parts[layer]
            ends = _NORMALISED if "g" in parts else _PLAIN
            if self._is_mxnet:
                ends = _MXNET
            for part in parts:
                if part in ends:
                    found[f"{layer}{self._between}{part}"] = f"{module}.{ends[part]}"
        return found


def _blocks(layers: Sequence[str], places: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Modules of residual blocks whose convolutions have these places."""
    for block in range(len(layers) // len(places)):
        for index, place in enumerate(places):
            layer = layers[block * len(places) + index]
            yield layer, f"body.{block}.body.{place}"


def name_wdsr(checkpoint: Checkpoint, names: Sequence[str]) -> Mapping[str, str]:
    """WDSR: head, blocks of two or three convolutions, tail, and past them the skip."""
    layers = _Layers(checkpoint, names)
    if len(layers.names) < 5:
        return {}
    head, *rest = layers.names
    channels = layers.shapes[head][2]
    skips = [layer for layer in rest if layers.shapes[layer][2] == channels]
    inner = [layer for layer in rest if layer not in skips]
    if len(skips) != 1 or len(inner) < 3:
        return {}
    places = (0, 2, 3) if layers.shapes[inner[0]][:2] == (1, 1) else (0, 2)
    if (len(inner) - 1) % len(places):
        return {}
    modules = {head: "head.0", inner[-1]: "tail.0", skips[0]: "skip.0"}
    modules.update(_blocks(inner[:-1], places))
    return layers.renamed(modules)


def name_edsr(checkpoint: Checkpoint, names: Sequence[str]) -> Mapping[str, str]:
    """EDSR: head, blocks of two convolutions, one after them, stages of upsampling."""
    layers = _Layers(checkpoint, names)
    if len(layers.names) < 6:
        return {}
    head, *rest, last = layers.names
    filters = layers.shapes[head][3]
    stages = [layer for layer in rest if layers.shapes[layer][3] > filters]
    inner = [layer for layer in rest if layer not in stages]
    if not stages or len(inner) % 2 == 0:
        return {}
    modules = {head: "head.0", last: "tail.1", inner[-1]: f"body.{len(inner) // 2}"}
    modules.update(_blocks(inner[:-1], (0, 2)))
    modules.update(zip(stages, (f"tail.0.{2 * stage}" for stage in count())))
    return layers.renamed(modules)
