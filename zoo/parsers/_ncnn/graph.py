"""ncnn's layers in ONNX's vocabulary.

ncnn has no batch and up to three axes, C, H, W; the graph has N, C, H, W. A vector
of ncnn (what global pooling and InnerProduct give) is N, C, 1, 1 here, which is how
ncnn itself lets it meet a map.

Source: the layers of Tencent/ncnn and its docs/developer-guide/operators.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers._ncnn.activations import ACTIVATIONS
from zoo.parsers._ncnn.arithmetic import ARITHMETIC
from zoo.parsers._ncnn.convolutions import CONVOLUTIONS
from zoo.parsers._ncnn.layer import Layer, Weights, Words
from zoo.parsers._ncnn.param import NcnnLayer
from zoo.parsers._ncnn.shapes import SHAPES

__all__ = ["translate"]

_WORDS: Final[Words] = {**ACTIVATIONS, **ARITHMETIC, **CONVOLUTIONS, **SHAPES}


def translate(
    layers: Sequence[NcnnLayer], weights: Sequence[Weights], source: str
) -> Graph:
    """Translate a network.

    Parameters
    ----------
    layers : sequence of NcnnLayer
    weights : sequence of mapping of str to ndarray
        Arrays of each layer, by role.
    source : str
        The file, for messages.

    Returns
    -------
    Graph
        What has no translation keeps ncnn's word, in the domain "ncnn".
    """
    graph = Graph(source, opset=21)
    read = {name for layer in layers for name in layer.inputs}
    for layer, own in zip(layers, weights, strict=True):
        Layer(graph, layer, own).translate(_WORDS)
        if layer.op not in ("Input", "MemoryData"):
            graph.outputs += [name for name in layer.outputs if name not in read]
    if not graph.inputs:
        raise ReaderError(f"{source}: the network has no Input layer")
    if not graph.outputs:
        raise ReaderError(f"{source}: the network has no output: every blob is read")
    return graph
