"""PyTorch on the processor, in eager mode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from zoo.bench.peers.base import NotPossibleError, Peer, Setup

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["Engine"]

_CALLS = {
    "relu": torch.relu,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "elu": functional.elu,
    "selu": functional.selu,
    "relu6": functional.relu6,
    "hardtan": functional.hardtanh,
    "swish": functional.silu,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
}


class Engine(Peer):
    """Under inference_mode, with each of the two memory formats."""

    variants: ClassVar[tuple[str, ...]] = ("channels_last", "contiguous")

    @classmethod
    def prepare(cls, network: Network, height: int, width: int, folder: Path) -> str:
        from zoo.bench.peers.torch_file import write

        return write(network, height, width, folder)

    def __init__(self, setup: Setup) -> None:
        torch.set_num_threads(setup.threads)
        self._threads = torch.get_num_threads()
        self._format = (
            torch.channels_last
            if setup.variant == "channels_last"
            else torch.contiguous_format
        )
        self._type = torch.bfloat16 if setup.precision == "bf16" else torch.float32
        path = Path(setup.files)
        graph = json.loads(path.read_text(encoding="utf-8"))
        tensors = torch.load(path.with_suffix(".pt"), weights_only=True)
        self._output = graph["output"]
        self._steps = [self._step(node, tensors) for node in graph["nodes"]]
        last = {source: at for at, step in enumerate(self._steps) for source in step[1]}
        self._dead: list[list[int]] = [[] for _ in self._steps]
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
        nchw = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        return nchw.to(self._type).contiguous(memory_format=self._format)

    def run(self, x: Any) -> Any:
        values = {0: x}
        with torch.inference_mode():
            for (call, sources, output), dead in zip(
                self._steps, self._dead, strict=True
            ):
                values[output] = call(*(values[source] for source in sources))
                for source in dead:
                    del values[source]
        return values[self._output]

    def fetch(self, y: Any) -> NDArray[np.float32]:
        return np.ascontiguousarray(y.float().permute(0, 2, 3, 1).numpy())

    # -- the graph ---------------------------------------------------------

    def _step(self, node: dict[str, Any], tensors: dict[str, Any]) -> tuple[Any, ...]:
        """A call, the values it reads, and the one it makes."""
        call = getattr(self, f"_{node['kind']}")(node, tensors)
        return call, node["inputs"], node["output"]

    def _tensor(self, tensors: dict[str, Any], name: str | None) -> Any:
        if name is None:
            return None
        tensor = tensors[name].to(self._type)
        if tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=self._format)
        return tensor

    def _conv(self, node: dict[str, Any], tensors: dict[str, Any]) -> Any:
        weights = self._tensor(tensors, node["weights"])
        biases = self._tensor(tensors, node["biases"])
        pads, mode = node["padding"], node["pad_mode"]
        stride, dilation, groups = node["stride"], node["dilation"], node["groups"]
        top, bottom, left, right = pads
        even = top == bottom and left == right and mode == "zero"
        border = self._border(pads, mode)
        act = self._function(node["activation"])

        def call(x: Any) -> Any:
            if not even:
                x = border(x)
            around = (top, left) if even else 0
            y = functional.conv2d(x, weights, biases, stride, around, dilation, groups)
            return act(y)

        return call

    def _add(self, node: dict[str, Any], tensors: dict[str, Any]) -> Any:
        alpha, beta = node["alpha"], node["beta"]
        act = self._function(node["activation"])

        def call(a: Any, b: Any) -> Any:
            if alpha == 1:
                return act(torch.add(a, b, alpha=beta))
            if beta == 1:
                return act(torch.add(b, a, alpha=alpha))
            return act(torch.add(a * alpha, b, alpha=beta))

        return call

    def _activate(self, node: dict[str, Any], tensors: dict[str, Any]) -> Any:
        if node["slopes"] is None:
            return self._function(node["activation"])
        slopes = self._tensor(tensors, node["slopes"])
        return lambda x: functional.prelu(x, slopes)

    def _shuffle(self, node: dict[str, Any], tensors: dict[str, Any]) -> Any:
        scale = node["scale"]
        if node["order"] == "crd":
            return lambda x: functional.pixel_shuffle(x, scale)

        def call(x: Any) -> Any:
            batch, depth, height, width = x.shape
            cells = x.reshape(
                batch, scale, scale, depth // scale**2, height, width
            ).permute(0, 3, 4, 1, 5, 2)
            return cells.reshape(
                batch, depth // scale**2, height * scale, width * scale
            )

        return call

    def _concat(self, node: dict[str, Any], tensors: dict[str, Any]) -> Any:
        spans = node["slices"]
        return lambda *inputs: torch.cat(
            [x[:, start:stop] for x, (start, stop) in zip(inputs, spans, strict=True)],
            1,
        )

    def _pool(self, node: dict[str, Any], tensors: dict[str, Any]) -> Any:
        size, stride = node["size"], node["stride"]
        top, bottom, left, right = node["padding"]
        if node["mode"] == "max":

            def largest(x: Any) -> Any:
                x = functional.pad(x, (left, right, top, bottom), value=-torch.inf)
                return functional.max_pool2d(x, size, stride)

            return largest

        def mean(x: Any) -> Any:
            # Padding that differs from side to side leaves no way but to count.
            sums = functional.pad(x, (left, right, top, bottom))
            ones = functional.pad(torch.ones_like(x), (left, right, top, bottom))
            return functional.avg_pool2d(sums, size, stride) / functional.avg_pool2d(
                ones, size, stride
            )

        return mean

    def _pad(self, node: dict[str, Any], tensors: dict[str, Any]) -> Any:
        return self._border(node["padding"], node["mode"])

    def _repeat(self, node: dict[str, Any], tensors: dict[str, Any]) -> Any:
        scale, factor = node["scale"], node["factor"]

        def call(x: Any) -> Any:
            y = functional.interpolate(x, scale_factor=scale, mode="nearest")
            return y if factor == 1 else y * factor

        return call

    def _border(self, padding: list[int], mode: str) -> Any:
        top, bottom, left, right = padding
        sides = (left, right, top, bottom)
        if mode == "symmetric":
            raise NotPossibleError("PyTorch has no padding by the mirrored border")
        if mode == "edge":
            return lambda x: functional.pad(x, sides, mode="replicate")
        return lambda x: functional.pad(x, sides)

    def _function(self, name: str) -> Any:
        if name == "linear":
            return lambda x: x
        slopes = {"leaky": 0.1, "revleaky": 0.1, "relie": 0.01}
        if name in slopes:
            return lambda x: functional.leaky_relu(x, slopes[name])
        if name == "gelu":
            return lambda x: functional.gelu(x, approximate="tanh")
        if name not in _CALLS:
            raise NotPossibleError(f"the activation {name} is not built for PyTorch")
        return _CALLS[name]
