"""PyTorch on the processor, in eager mode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.bench.peers.base import Peer, Setup
from zoo.bench.peers.torch_file import read, write
from zoo.program.operations import Activate, Attend, Conv, Operation
from zoo.torch.attention import attend
from zoo.torch.functions import activate, apply, apply_conv

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.network import Network

__all__ = ["Engine"]


class Engine(Peer):
    """Under inference_mode, with each of the two memory formats.

    Operations are those of the back end ``torch``. Nothing is fused: the program is
    what a module written by hand would do.
    """

    variants: ClassVar[tuple[str, ...]] = ("channels_last", "contiguous")

    @classmethod
    def prepare(cls, network: Network, height: int, width: int, folder: Path) -> str:
        return write(network, height, width, folder)

    def __init__(self, setup: Setup) -> None:
        torch.set_num_threads(setup.threads)
        self._format = (
            torch.channels_last
            if setup.variant == "channels_last"
            else torch.contiguous_format
        )
        self._type = torch.bfloat16 if setup.precision == "bf16" else torch.float32
        steps, self._output = read(Path(setup.files), self._prepared)
        self._calls = [_call(step.operation) for step in steps]
        self._links = [(step.inputs, step.output) for step in steps]
        last = {source: at for at, step in enumerate(steps) for source in step.inputs}
        self._dead: list[list[int]] = [[] for _ in steps]
        for source, at in last.items():
            if source != self._output:
                self._dead[at].append(source)

    @classmethod
    def version(cls) -> str:
        return str(torch.__version__)

    @property
    def settings(self) -> str:
        return f"eager, {str(self._type).removeprefix('torch.')}"

    def feed(self, x: NDArray[np.float32]) -> Any:
        return self._prepared(torch.from_numpy(x).permute(0, 3, 1, 2))

    def run(self, x: Any) -> Any:
        values = {0: x}
        with torch.inference_mode():
            for call, (sources, output), dead in zip(
                self._calls, self._links, self._dead, strict=True
            ):
                values[output] = call(*(values[source] for source in sources))
                for source in dead:
                    del values[source]
        return values[self._output]

    def fetch(self, y: Any) -> NDArray[np.float32]:
        return np.ascontiguousarray(y.float().permute(0, 2, 3, 1).numpy())

    def _prepared(self, tensor: Any) -> Any:
        tensor = tensor.to(self._type)
        if tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=self._format)
        return tensor


def _call(operation: Operation) -> Callable[..., Any]:
    """What computes an operation whose arrays are tensors already."""
    match operation:
        case Conv(weights, biases, _, epilogue):
            tensors: Any = (weights, biases, epilogue.slopes)
            return lambda *inputs: apply_conv(operation, inputs, *tensors)
        case Activate(name, slopes):
            tensor: Any = slopes
            return lambda x: activate(x, name, tensor)
        case Attend():
            return lambda x: attend(x, operation)
    return lambda *inputs: apply(operation, inputs)
