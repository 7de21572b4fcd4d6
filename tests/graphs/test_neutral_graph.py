"""The neutral graph that readers return."""

from __future__ import annotations

import numpy as np

from zoo.graphs.graph import Graph, Node


def test_add_names_each_value_once() -> None:
    graph = Graph("net.param")
    first = graph.add("Relu", ["data"], name="relu1")
    second = graph.add("Relu", [first], "out")
    assert first != second == "out"
    assert [node.inputs for node in graph.nodes] == [("data",), (first,)]


def test_constants_of_python_numbers_have_onnx_types() -> None:
    graph = Graph("net.param")
    names = [graph.constant(value) for value in ([1, 2], 0.5, np.float64(2))]
    types = [graph.constants[name].dtype for name in names]
    assert types == [np.int64, np.float32, np.float64]


def test_a_node_is_named_in_messages_by_operator_and_name() -> None:
    assert str(Node("Conv", (), ("y",), name="conv1")) == "Conv 'conv1'"
    assert str(Node("Crop", (), ("y",), domain="ncnn")) == "ncnn::Crop 'y'"
