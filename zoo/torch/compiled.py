"""A program, run by PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import PluginError
from zoo.plugins.base import Array
from zoo.program.compiled import Cache, PixelMap, PlannedStep
from zoo.program.operations import Attend, Conv, Opaque
from zoo.program.program import Program, Step
from zoo.torch.attention import attend
from zoo.torch.functions import apply, apply_conv, to_images, to_tensor

__all__ = ["TorchProgram"]


class TorchProgram:
    """A program on one device; see :class:`zoo.program.compiled.Compiled`.

    Layers that only their own forward can compute run on the CPU in between.

    Parameters
    ----------
    program : Program
    device : torch.device
    cache : dict
        Where weights stay on the device for the next picture size.
    """

    def __init__(self, program: Program, device: torch.device, cache: Cache) -> None:
        self.program = program
        self.device = device
        self.cache = cache
        self._last_use = {
            value: position
            for position, step in enumerate(program.steps)
            for value in step.inputs
        }
        self.memory = self._memory()

    def _memory(self) -> int:
        """Bytes of main memory for values alive at a time, about."""
        if self.device.type != "cpu":
            return 0
        sizes = {0: 0}  # the picture is counted by the plan
        peak = 0
        for position, step in enumerate(self.program.steps):
            sizes[step.output] = 4 * self.program.shapes[step.output].size
            peak = max(peak, sum(sizes.values()))
            for value in set(step.inputs):
                if self._last_use[value] == position:
                    del sizes[value]
        return peak

    @property
    def cutting(self) -> str:
        """How the picture is cut up: not at all."""
        return f"whole pictures, on {self.device}"

    def steps(self) -> list[PlannedStep]:
        """What is executed, for people."""
        return [
            PlannedStep(
                step.layers,
                step.operation.kind,
                "forward" if isinstance(step.operation, Opaque) else "torch",
                self.program.shapes[step.output].height,
                4 * self.program.shapes[step.output].size,
                0,
                step.operation.operations(self.program.shapes[step.output]),
            )
            for step in self.program.steps
        ]

    def __call__(
        self, x: Array, progress: Callable[[float], None] | None = None
    ) -> Array:
        """Run on N x H x W x C pictures."""
        steps = self.program.steps
        with torch.inference_mode():
            first = torch.from_numpy(np.ascontiguousarray(x)).to(self.device)
            values = {0: to_tensor(first)}
            for position, step in enumerate(steps):
                inputs = [values[value] for value in step.inputs]
                values[step.output] = self._run(step, inputs)
                for value in set(step.inputs):
                    if self._last_use[value] == position and value != step.output:
                        del values[value]
                if progress is not None:
                    progress((position + 1) / len(steps))
            result: Array = to_images(values[self.program.output]).cpu().numpy()
        return result

    def run_pixels(
        self,
        images: NDArray[Any],
        load: PixelMap,
        store: PixelMap,
        result: NDArray[Any],
        progress: Callable[[float], None] | None = None,
    ) -> bool:
        """Pictures are turned into floats outside."""
        return False

    def _run(self, step: Step, inputs: list[Tensor]) -> Tensor:
        match step.operation:
            case Conv() as conv:
                return apply_conv(conv, inputs, *self._prepared(step, conv))
            case Attend():
                return attend(inputs[0], step.operation)
            case Opaque():
                arrays = [to_images(x).cpu().numpy() for x in inputs]
                result = np.ascontiguousarray(step.operation.forward(*arrays))
                return to_tensor(torch.from_numpy(result).to(self.device))
        found = apply(step.operation, inputs)
        if found is None:
            raise PluginError(
                f"the back end torch does not know the operation "
                f"{step.operation.kind}; use another back end"
            )
        return found

    def _prepared(
        self, step: Step, conv: Conv
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Weights K x C/g x kh x kw, biases and slopes, on the device."""
        key = ("torch", str(self.device), step.layers)
        if key not in self.cache:
            weights = torch.from_numpy(np.ascontiguousarray(conv.weights))
            rest = [
                None if array is None else torch.from_numpy(array).to(self.device)
                for array in (conv.biases, conv.epilogue.slopes)
            ]
            moved = weights.permute(3, 2, 0, 1).to(self.device)
            self.cache[key] = (
                moved.contiguous(memory_format=torch.channels_last),
                *rest,
            )
        prepared: tuple[Tensor, Tensor | None, Tensor | None] = self.cache[key]
        return prepared
