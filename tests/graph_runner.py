"""Run a neutral graph by onnxruntime, node by node: an oracle for what readers say.

Only what ONNX does not have (the words of the domain "zoo") is written out here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.graphs.graph import Graph, Node

Array = NDArray[Any]


def run_graph(graph: Graph, picture: Array) -> list[Array]:
    """Outputs for one input; N, C, H, W or as the graph's layout says."""
    pytest.importorskip("onnxruntime")
    foreign = [node.title for node in graph.nodes if node.domain not in ("", "zoo")]
    assert not foreign, foreign
    values: dict[str, Array] = {
        name: _plain(value) for name, value in graph.constants.items()
    }
    (fed,) = graph.inputs
    values[fed.name] = picture
    waiting = list(graph.nodes)
    while waiting:
        left = []
        for node in waiting:
            if all(name in values for name in node.inputs if name):
                values.update(zip(node.outputs, _run(node, values), strict=True))
            else:
                left.append(node)
        assert len(left) < len(waiting), f"{left[0]} reads what nothing makes"
        waiting = left
    return [values[name] for name in graph.outputs]


def _plain(value: Array) -> Array:
    kinds = {"i": np.int64, "u": np.int64, "f": np.float32}
    return value.astype(kinds.get(value.dtype.kind, value.dtype))


def _run(node: Node, values: dict[str, Array]) -> list[Array]:
    inputs = [values[name] for name in node.inputs if name]
    if node.domain == "zoo":
        return [_WORDS[node.op](*inputs, **node.attributes)]
    if node.op == "Pad" and node.attributes.get("mode") == "symmetric":
        pads = inputs[1].reshape(2, -1).T
        return [np.pad(inputs[0], pads, mode="symmetric")]
    return [_plain(value) for value in _by_onnxruntime(node, inputs)]


def _by_onnxruntime(node: Node, inputs: list[Array]) -> list[Array]:

    import onnxruntime
    from onnx import TensorProto, helper

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    made = helper.make_node(
        node.op,
        [f"in_{name}" if name else "" for name in node.inputs],
        [f"out_{name}" for name in node.outputs],
        **{key: value for key, value in node.attributes.items()},
    )
    names = list(dict.fromkeys(f"in_{name}" for name in node.inputs if name))
    given = {
        f"in_{n}": v for n, v in zip(filter(None, node.inputs), inputs, strict=True)
    }
    kinds = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "b": TensorProto.BOOL}
    graph = helper.make_graph(
        [made],
        "one",
        [
            helper.make_tensor_value_info(
                name, kinds[given[name].dtype.kind], given[name].shape
            )
            for name in names
        ],
        [helper.make_empty_tensor_value_info(f"out_{name}") for name in node.outputs],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: list[Array] = session.run(None, given)
    return found


def _crop_like(x: Array, like: Array, top: int = 0, left: int = 0) -> Array:
    rows, columns = like.shape[2:]
    if top == left == -1:
        top, left = (x.shape[2] - rows) // 2, (x.shape[3] - columns) // 2
    cut = x[:, :, top : top + rows, left : left + columns]
    assert cut.shape[2:] == (rows, columns)
    return cut


def _resize_like(x: Array, like: Array, **how: Any) -> Array:
    sizes = np.array([*x.shape[:2], *like.shape[2:]], np.int64)
    node = Node("Resize", ("x", "", "", "sizes"), ("y",), how)
    (made,) = _by_onnxruntime(node, [x, sizes])
    return made


def _reshape(x: Array, codes: tuple[int, ...]) -> Array:
    """MXNet's Reshape."""
    target: list[int] = []
    source, index = list(x.shape), 0
    at = 0
    while at < len(codes):
        code = codes[at]
        if code == 0:
            target.append(source[index])
            index += 1
        elif code == -2:
            target += source[index:]
            index = len(source)
        elif code == -3:
            target.append(source[index] * source[index + 1])
            index += 2
        elif code == -4:
            first, second = codes[at + 1 : at + 3]
            length = source[index]
            first = length // second if first == -1 else first
            second = length // first if second == -1 else second
            target += [first, second]
            index += 1
            at += 2
        else:
            target.append(code)
            index += 1
        at += 1
    return x.reshape(target)


_WORDS: dict[str, Any] = {
    "CropLike": _crop_like,
    "ResizeLike": _resize_like,
    "Reshape": _reshape,
    "ReverseChannels": lambda x: x[:, ::-1],
}
