"""ONNX Runtime on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zoo.bench.peers.base import NotPossibleError, Peer, Setup, in_a_row

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["Engine"]


class Engine(Peer):
    """All graph optimizations, one operation after the other on all threads."""

    @classmethod
    def prepare(cls, network: Network, height: int, width: int, folder: Path) -> str:
        from zoo.bench.peers.onnx_file import write

        return write(network, height, width, folder)

    def __init__(self, setup: Setup) -> None:
        if setup.precision != "f32":
            raise NotPossibleError("ONNX Runtime has no bfloat16 on x86 processors")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        )
        options.intra_op_num_threads = setup.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            setup.files, options, providers=["CPUExecutionProvider"]
        )
        self._name = self._session.get_inputs()[0].name
        names = [output.name for output in self._session.get_outputs()]
        # What heads mean is no output of the network: zoo does not compute it here.
        self._outputs = [name for name in names if name not in ("boxes", "scores")]

    @classmethod
    def version(cls) -> str:
        return str(onnxruntime.__version__)

    @property
    def settings(self) -> str:
        return "all optimizations"

    def feed(self, x: NDArray[np.float32]) -> Any:
        return {self._name: np.ascontiguousarray(x.transpose(0, 3, 1, 2))}

    def run(self, x: Any) -> Any:
        return self._session.run(self._outputs, x)

    def fetch(self, y: Any) -> NDArray[np.float32]:
        return in_a_row([output.transpose(0, 2, 3, 1) for output in y])
