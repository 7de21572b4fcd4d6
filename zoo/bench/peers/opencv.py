"""OpenCV's dnn module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.bench.peers.base import NotPossibleError, Peer, Setup

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["Engine"]


class Engine(Peer):
    """As it comes, Winograd included."""

    @classmethod
    def prepare(cls, network: Network, height: int, width: int, folder: Path) -> str:
        from zoo.bench.peers.onnx_file import write

        return write(network, height, width, folder)

    def __init__(self, setup: Setup) -> None:
        if setup.precision != "f32":
            raise NotPossibleError("OpenCV has no bfloat16")
        cv2.setNumThreads(setup.threads)
        try:
            self._net = cv2.dnn.readNetFromONNX(setup.files)
        except cv2.error as error:
            raise NotPossibleError(f"OpenCV does not read it ({error.err})") from None

    @classmethod
    def version(cls) -> str:
        return str(cv2.__version__)

    @property
    def settings(self) -> str:
        return "dnn"

    def feed(self, x: NDArray[np.float32]) -> Any:
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def run(self, x: Any) -> Any:
        self._net.setInput(x)
        return self._net.forward()

    def fetch(self, y: Any) -> NDArray[np.float32]:
        return np.ascontiguousarray(y.transpose(0, 2, 3, 1))
