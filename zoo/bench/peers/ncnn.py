"""ncnn on the processor."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from zoo.bench.peers.base import NotPossibleError, Peer, Setup
from zoo.errors import UsageError
from zoo.ncnn.writer import INPUT, OUTPUT

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["Engine"]


class Engine(Peer):
    """Winograd, sgemm and packed layouts allowed, storage as wide as asked for."""

    @classmethod
    def prepare(cls, network: Network, height: int, width: int, folder: Path) -> str:
        from zoo.ncnn.writer import to_ncnn

        try:
            files = to_ncnn(network, None, half=False)
        except UsageError as error:
            raise NotPossibleError(str(error)) from None
        path = folder / "network.param"
        path.write_text(files.param, encoding="ascii")
        path.with_suffix(".bin").write_bytes(files.binary)
        return str(path)

    def __init__(self, setup: Setup) -> None:
        self._net = ncnn.Net()
        option = self._net.opt
        option.num_threads = setup.threads
        option.use_vulkan_compute = False
        option.use_packing_layout = True
        option.use_winograd_convolution = True
        option.use_sgemm_convolution = True
        option.use_fp16_packed = False
        option.use_fp16_storage = False
        option.use_fp16_arithmetic = False
        option.use_bf16_packed = option.use_bf16_storage = setup.precision == "bf16"
        parameters = Path(setup.files)
        if self._net.load_param(str(parameters)) or self._net.load_model(
            str(parameters.with_suffix(".bin"))
        ):
            raise NotPossibleError("ncnn does not load it")
        self._precision = setup.precision

    @classmethod
    def version(cls) -> str:
        return version("ncnn")

    @property
    def settings(self) -> str:
        return f"winograd, sgemm, packed, {self._precision}"

    def feed(self, x: NDArray[np.float32]) -> Any:
        # A Mat has no batch. It does not keep the array alive, but its copy has
        # memory of its own, aligned as ncnn likes it.
        array = np.ascontiguousarray(x[0].transpose(2, 0, 1))
        return ncnn.Mat(array).clone()

    def run(self, x: Any) -> Any:
        extractor = self._net.create_extractor()
        extractor.input(INPUT, x)
        code, y = extractor.extract(OUTPUT)
        if code:
            raise NotPossibleError(f"ncnn fails with code {code}")
        return y

    def fetch(self, y: Any) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.array(y).transpose(1, 2, 0))[None]
