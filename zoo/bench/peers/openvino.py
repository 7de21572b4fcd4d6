"""OpenVINO on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from numpy.typing import NDArray

from zoo.bench.peers.base import NotPossibleError, Peer, Setup

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["Engine"]


class Engine(Peer):
    """Tuned for latency: one picture at a time on all threads."""

    @classmethod
    def prepare(cls, network: Network, height: int, width: int, folder: Path) -> str:
        from zoo.bench.peers.onnx_file import write

        return write(network, height, width, folder)

    def __init__(self, setup: Setup) -> None:
        core = openvino.Core()
        # Without the precision, it takes bfloat16 wherever there is AMX.
        compiled = core.compile_model(
            setup.files,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": setup.threads,
                "INFERENCE_PRECISION_HINT": setup.precision,
            },
        )
        taken = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if taken != setup.precision:
            raise NotPossibleError(f"OpenVINO computes in {taken} on this processor")
        self._precision = taken
        self._request = compiled.create_infer_request()

    @classmethod
    def version(cls) -> str:
        return str(openvino.__version__).partition("-")[0]

    @property
    def settings(self) -> str:
        return f"LATENCY, {self._precision}"

    def feed(self, x: NDArray[np.float32]) -> Any:
        return openvino.Tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))

    def run(self, x: Any) -> Any:
        self._request.set_input_tensor(x)
        self._request.infer()
        return self._request.get_output_tensor().data

    def fetch(self, y: Any) -> NDArray[np.float32]:
        return np.ascontiguousarray(y.transpose(0, 2, 3, 1))
