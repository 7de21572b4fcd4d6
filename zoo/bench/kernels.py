"""Our own operations, by algorithm, instruction set and number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.agreement import relative_error
from zoo.bench.timing import Stats, in_turn, seconds_of
from zoo.errors import PluginError, UsageError
from zoo.plugins import Kernels
from zoo.plugins.base import Array, ConvGeometry, Padding, PoolGeometry

__all__ = ["OPERATIONS", "KernelRow", "Operation", "choices", "measure"]


@dataclass(frozen=True)
class Operation:
    """One call of a back end.

    Attributes
    ----------
    name : str
    kind : {"conv", "maxpool", "shuffle", "add", "relu"}
    size : int
        Of the window; of a shuffle, its scale.
    channels, filters : int
    stride, groups : int
        Of a convolution.
    """

    name: str
    kind: str
    size: int
    channels: int
    filters: int = 0
    stride: int = 1
    groups: int = 1

    @property
    def geometry(self) -> ConvGeometry:
        """Of a convolution."""
        pad = self.size // 2
        sides = Padding(pad, pad, pad, pad)
        stride = (self.stride, self.stride)
        return ConvGeometry(stride, padding=sides, groups=self.groups)

    @property
    def kernel(self) -> tuple[int, int, int, int]:
        """Shape of a convolution's weights."""
        return self.size, self.size, self.channels // self.groups, self.filters

    def work(self, height: int, width: int) -> int:
        """Operations of a convolution; bytes read and written by anything else."""
        if self.kind == "conv":
            places = -(-height // self.stride) * -(-width // self.stride)
            return 2 * places * math.prod(self.kernel)
        arrays = 3 if self.kind == "add" else 2
        return 4 * arrays * height * width * self.channels


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("conv3x3_3to64", "conv", 3, 3, 64),
        Operation("conv3x3_32to192", "conv", 3, 32, 192),
        Operation("conv3x3_64to64", "conv", 3, 64, 64),
        Operation("conv3x3_256to256", "conv", 3, 256, 256),
        Operation("conv3x3_64to3", "conv", 3, 64, 3),
        Operation("conv3x3s2_64to64", "conv", 3, 64, 64, stride=2),
        Operation("conv5x5_3to48", "conv", 5, 3, 48),
        Operation("conv1x1_64to256", "conv", 1, 64, 256),
        Operation("depthwise3x3_64", "conv", 3, 64, 64, groups=64),
        Operation("maxpool3_64", "maxpool", 3, 64),
        Operation("maxpool30_64", "maxpool", 30, 64),
        Operation("shuffle2_256", "shuffle", 2, 256),
        Operation("shuffle6_108", "shuffle", 6, 108),
        Operation("add_64", "add", 1, 64),
        Operation("relu_64", "relu", 1, 64),
    )
}
"""What super-resolution networks are made of, and the thesis's pooling."""


@dataclass(frozen=True)
class KernelRow:
    """What was found out about one way to do one operation.

    Attributes
    ----------
    operation : Operation
    back_end, isa, algorithm : str
        ``algorithm`` is empty where there is no choice.
    threads : int
    seconds : Stats
    work : int
        See :meth:`Operation.work`.
    error : float
        Largest difference from the NumPy back end, as a part of the range.
    chosen : bool
        Whether the back end would take this algorithm on its own.
    """

    operation: Operation
    back_end: str
    isa: str
    algorithm: str
    threads: int
    seconds: Stats
    work: int
    error: float
    chosen: bool

    @property
    def rate(self) -> float:
        """GFLOP/s of a convolution as a direct one counts, GB/s of anything else."""
        return self.work / self.seconds.median / 1e9

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "operation": self.operation.name,
            "back_end": self.back_end,
            "isa": self.isa,
            "algorithm": self.algorithm,
            "threads": self.threads,
            "seconds": self.seconds.as_dict(),
            "work": self.work,
            "rate": self.rate,
            "unit": "GFLOP/s" if self.operation.kind == "conv" else "GB/s",
            "error": self.error,
            "chosen": self.chosen,
        }


@dataclass(frozen=True)
class _Way:
    """A back end set up to do one operation in one way."""

    kernels: Kernels
    isa: str
    algorithm: str
    chosen: bool


def choices() -> tuple[list[str], list[str]]:
    """Instruction sets that there are here, and algorithms of convolutions.

    Both empty where the native back end is missing.
    """
    try:
        from zoo.plugins.native import ALGORITHMS
        from zoo.plugins.native.isa import available
    except PluginError:
        return [], []
    return list(available()), [name for name in ALGORITHMS if name != "auto"]


def measure(
    operations: Sequence[Operation],
    height: int,
    width: int,
    *,
    isas: Sequence[str],
    algorithms: Sequence[str],
    threads: Sequence[int],
    runs: int,
    with_numpy: bool = True,
    report: Callable[[float, str], None] | None = None,
) -> Iterator[KernelRow]:
    """Measure; gives each row when its operation is done.

    Parameters
    ----------
    operations : sequence of Operation
    height, width : int
        Of the image.
    isas, algorithms : sequence of str
        Of the native back end, from :func:`choices`.
    threads : sequence of int
    runs : int
        Of each way to do an operation, in turn.
    with_numpy : bool
        Measure the NumPy back end too.
    report : callable, optional
        Told the part of the work done, from 0 to 1, and what is being done.
    """
    from zoo.plugins.numpy import NumpyKernels

    tell = report or (lambda part, what: None)
    for number, operation in enumerate(operations):
        tell(number / len(operations), operation.name)
        arrays = _arrays(operation, height, width)
        truth = _call(NumpyKernels(), operation, arrays)()
        ways = list(_ways(operation, arrays[0].shape, isas, algorithms, threads))
        if with_numpy:
            ways += [
                _Way(NumpyKernels(count), "", "", True)
                for count in sorted(set(threads))
            ]
        calls = [_call(way.kernels, operation, arrays) for way in ways]
        errors = [relative_error(call(), truth) for call in calls]  # and warms up
        measures = [lambda call=call: seconds_of(call) for call in calls]
        for way, error, stats in zip(
            ways, errors, in_turn(measures, runs), strict=True
        ):
            yield KernelRow(
                operation,
                way.kernels.name,
                way.isa,
                way.algorithm,
                way.kernels.threads,
                stats,
                operation.work(height, width),
                error,
                way.chosen,
            )
    tell(1.0, "done")


def _ways(
    operation: Operation,
    shape: tuple[int, ...],
    isas: Sequence[str],
    algorithms: Sequence[str],
    threads: Sequence[int],
) -> Iterator[_Way]:
    """All ways in which the native back end can do an operation."""
    if not isas:
        return
    from zoo.plugins.native import NativeKernels

    if not any(_can(isa, algorithm) for isa in isas for algorithm in algorithms):
        names = " and ".join(algorithms)
        raise UsageError(
            f"{names} cannot be done with {', '.join(isas)}: AMX is missing"
        )
    for isa in isas:
        for count in threads:
            if operation.kind != "conv":
                yield _Way(NativeKernels(count, isa), isa, "", True)
                continue
            own = NativeKernels(count, isa).chosen_algorithm(
                shape, operation.kernel, operation.geometry
            )
            seen = set()
            for algorithm in algorithms:
                if not _can(isa, algorithm):
                    continue
                kernels = NativeKernels(count, isa, algorithm)  # type: ignore[arg-type]
                # What it cannot do, it does as it would on its own.
                found = kernels.chosen_algorithm(
                    shape, operation.kernel, operation.geometry
                )
                if found not in seen:
                    seen.add(found)
                    yield _Way(kernels, isa, found, found == own)


def _can(isa: str, algorithm: str) -> bool:
    """Whether an instruction set has what an algorithm is made of."""
    from zoo.plugins.native.codes import TILED
    from zoo.plugins.native.isa import LEVELS, has_tiles

    return algorithm not in TILED or has_tiles(LEVELS.index(isa))


def _arrays(operation: Operation, height: int, width: int) -> tuple[Array, ...]:
    rng = np.random.default_rng(1)
    shape = (1, height, width, operation.channels)
    x = rng.standard_normal(shape, np.float32)
    if operation.kind == "conv":
        weights = rng.standard_normal(operation.kernel, np.float32)
        biases = rng.standard_normal(operation.filters, np.float32)
        return x, weights, biases
    return (x, x[::-1].copy()) if operation.kind == "add" else (x,)


def _call(
    kernels: Kernels, operation: Operation, arrays: tuple[Array, ...]
) -> Callable[[], Array]:
    x = arrays[0]
    match operation.kind:
        case "conv":
            _, weights, biases = arrays
            return lambda: kernels.conv2d(x, weights, biases, operation.geometry)
        case "maxpool":
            before, after = (operation.size - 1) // 2, operation.size // 2
            window = PoolGeometry(
                (operation.size, operation.size),
                (1, 1),
                Padding(before, after, before, after),
            )
            return lambda: kernels.max_pool(x, window)
        case "shuffle":
            return lambda: kernels.depth_to_space(x, operation.size, "crd")
        case "add":
            return lambda: kernels.add(x, arrays[1])
        case _:
            return lambda: kernels.activate(x, "relu")
