"""A network as a list of plain operations and a state dict, for PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.bench.peers.base import NotPossibleError
from zoo.onnx_graph import program_of
from zoo.plugins.program import (
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


def write(network: Network, height: int, width: int, folder: Path) -> str:
    """Write ``torch.json`` and ``torch.pt``; returns the first.

    Raises
    ------
    NotPossibleError
        If an operation has no counterpart.
    """
    import torch

    path = folder / "torch.json"
    program = program_of(network, height, width)
    tensors: dict[str, Any] = {}

    def keep(array: Any) -> str | None:
        if array is None:
            return None
        name = str(len(tensors))
        tensors[name] = torch.from_numpy(np.array(array, np.float32))
        return name

    nodes = _nodes(program, keep)
    output = nodes.pop()["inputs"][0]
    path.write_text(json.dumps({"nodes": nodes, "output": output}), encoding="utf-8")
    torch.save(tensors, path.with_suffix(".pt"))
    return str(path)


def _nodes(program: Program, keep: Any) -> list[dict[str, Any]]:
    """The operations; the last one only names the output."""
    same: dict[int, int] = {}
    nodes = []
    for step in program.steps:
        inputs = [same.get(value, value) for value in step.inputs]
        if isinstance(step.operation, Identity):
            same[step.output] = inputs[0]
            continue
        node = _node(step.operation, keep)
        nodes.append(node | {"inputs": inputs, "output": step.output})
    nodes.append({"inputs": [same.get(program.output, program.output)]})
    return nodes


def _node(operation: Operation, keep: Any) -> dict[str, Any]:
    match operation:
        case Conv():
            epilogue, geometry = operation.epilogue, operation.geometry
            if operation.shuffle != 1 or epilogue != Epilogue(epilogue.activation):
                raise NotPossibleError("a fused convolution is not built for PyTorch")
            return {
                "kind": "conv",
                "weights": keep(operation.weights.transpose(3, 2, 0, 1)),
                "biases": keep(operation.biases),
                "activation": epilogue.activation,
                **geometry._asdict(),
            }
        case Add():
            return {
                "kind": "add",
                "alpha": operation.alpha,
                "beta": operation.beta,
                "activation": operation.activation,
            }
        case Activate():
            slopes = keep(operation.slopes)
            return {"kind": "activate", "activation": operation.name, "slopes": slopes}
        case Shuffle():
            scale, order = operation.scale, operation.order
            return {"kind": "shuffle", "scale": scale, "order": order}
        case Concat():
            return {"kind": "concat", "slices": operation.slices}
        case Pool():
            return {
                "kind": "pool",
                "mode": operation.mode,
                **operation.geometry._asdict(),
            }
        case Pad():
            return {"kind": "pad", "padding": operation.padding, "mode": operation.mode}
        case Repeat():
            scale, factor = operation.scale, operation.factor
            return {"kind": "repeat", "scale": scale, "factor": factor}
    raise NotPossibleError("PyTorch has no counterpart of a layer")
