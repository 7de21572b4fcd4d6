"""A network's program as a file: operations in JSON, arrays in a state dict.

PyTorch then needs nothing of zoo but the operations themselves: neither cfg nor
layers are read in the time that is measured.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.bench.peers.base import NotPossibleError
from zoo.program import geometry, operations
from zoo.program.operations import Conv, Opaque, Operation
from zoo.program.program import Step

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.network import Network

__all__ = ["read", "write"]


def write(network: Network, height: int, width: int, folder: Path) -> str:
    """Write ``torch.json`` and ``torch.pt``; returns the first.

    Raises
    ------
    NotPossibleError
        If a layer is no operation that PyTorch could be given.
    """
    import torch

    from zoo.onnx.graph import program_of

    path = folder / "torch.json"
    whole = program_of(network, height, width)
    tensors: dict[str, Tensor] = {}

    def keep(array: Any) -> str:
        tensors[str(len(tensors))] = torch.from_numpy(np.array(array, np.float32))
        return str(len(tensors) - 1)

    for step in whole.steps:
        if isinstance(step.operation, Opaque):
            raise NotPossibleError("PyTorch has no counterpart of a layer")
    steps = [
        [_encoded(_turned(step.operation), keep), step.inputs, step.output]
        for step in whole.steps
    ]
    text = json.dumps({"steps": steps, "output": whole.output})
    path.write_text(text, encoding="utf-8")
    torch.save(tensors, path.with_suffix(".pt"))
    return str(path)


def read(path: Path, prepare: Callable[[Tensor], Tensor]) -> tuple[list[Step], int]:
    """Steps with tensors, which are prepared, for arrays; and the output's number.

    Weights of convolutions are K x C/g x kh x kw.
    """
    import torch

    graph = json.loads(path.read_text(encoding="utf-8"))
    stored = torch.load(path.with_suffix(".pt"), weights_only=True)
    tensors = {name: prepare(tensor) for name, tensor in stored.items()}
    steps = [
        Step(_decoded(operation, tensors), tuple(inputs), output, ())
        for operation, inputs, output in graph["steps"]
    ]
    return steps, graph["output"]


def _turned(operation: Operation) -> Operation:
    """With the weights of a convolution as PyTorch wants them."""
    if not isinstance(operation, Conv):
        return operation
    weights = operation.weights.transpose(3, 2, 0, 1)
    return dataclasses.replace(operation, weights=weights)


def _encoded(value: Any, keep: Callable[[Any], str]) -> Any:
    """Operations and what they are made of as JSON; arrays by name."""
    if isinstance(value, np.ndarray):
        return {"array": keep(value)}
    fields = None
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value)]
    elif isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        if fields is None:
            return [_encoded(item, keep) for item in value]
    if fields is None:
        return value
    return {
        "type": type(value).__name__,
        "fields": {
            name: _encoded(getattr(value, name), keep)
            for name in fields
            if name != "forward"
        },
    }


def _decoded(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(item, tensors) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return tensors[value["array"]]
    fields = {name: _decoded(item, tensors) for name, item in value["fields"].items()}
    home = operations if hasattr(operations, value["type"]) else geometry
    if value["type"] == "Attend":
        fields["forward"] = None
    return getattr(home, value["type"])(**fields)
