"""Our own operations, by algorithm, instruction set and number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.agreement import relative_error
from zoo.bench.cases import LayerCase, data
from zoo.bench.layer_peers.ours import conv_geometry, forward
from zoo.bench.timing import Stats, in_turn, seconds_of
from zoo.errors import PluginError, UsageError
from zoo.plugins import Kernels

__all__ = ["KernelRow", "choices", "measure"]


@dataclass(frozen=True)
class KernelRow:
    """What was found out about one way to do one operation.

    Attributes
    ----------
    case : LayerCase
    back_end, isa, algorithm : str
        ``algorithm`` is empty where there is no choice.
    threads : int
    seconds : Stats
    error : float
        Largest difference from the NumPy back end, as a part of the range.
    chosen : bool
        Whether the back end would take this algorithm on its own.
    """

    case: LayerCase
    back_end: str
    isa: str
    algorithm: str
    threads: int
    seconds: Stats
    error: float
    chosen: bool

    @property
    def rate(self) -> float:
        """GFLOP/s of a convolution as a direct one counts, GB/s of anything else."""
        return self.case.work / self.seconds.median / 1e9

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "operation": self.case.name,
            "back_end": self.back_end,
            "isa": self.isa,
            "algorithm": self.algorithm,
            "threads": self.threads,
            "seconds": self.seconds.as_dict(),
            "work": self.case.work,
            "rate": self.rate,
            "unit": "GFLOP/s" if self.case.kind == "conv" else "GB/s",
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
    cases: Sequence[LayerCase],
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
    cases : sequence of LayerCase
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
    for number, case in enumerate(cases):
        tell(number / len(cases), case.name)
        arrays = data(case, "forward")
        truth = forward(NumpyKernels(), case, arrays)()
        ways = list(_ways(case, isas, algorithms, threads))
        if with_numpy:
            ways += [
                _Way(NumpyKernels(count), "", "", True)
                for count in sorted(set(threads))
            ]
        calls = [forward(way.kernels, case, arrays) for way in ways]
        errors = [relative_error(call(), truth) for call in calls]  # and warms up
        measures = [lambda call=call: seconds_of(call) for call in calls]
        for way, error, stats in zip(
            ways, errors, in_turn(measures, runs), strict=True
        ):
            yield KernelRow(
                case,
                way.kernels.name,
                way.isa,
                way.algorithm,
                way.kernels.threads,
                stats,
                error,
                way.chosen,
            )
    tell(1.0, "done")


def _ways(
    case: LayerCase,
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
            if case.kind != "conv":
                yield _Way(NativeKernels(count, isa), isa, "", True)
                continue
            call = (case.input, case.weights, conv_geometry(case))
            own = NativeKernels(count, isa).chosen_algorithm(*call)
            seen = set()
            for algorithm in algorithms:
                if not _can(isa, algorithm):
                    continue
                kernels = NativeKernels(count, isa, algorithm)  # type: ignore[arg-type]
                # What it cannot do, it does as it would on its own.
                found = kernels.chosen_algorithm(*call)
                if found not in seen:
                    seen.add(found)
                    yield _Way(kernels, isa, found, found == own)


def _can(isa: str, algorithm: str) -> bool:
    """Whether an instruction set has what an algorithm is made of."""
    from zoo.plugins.native.codes import TILED
    from zoo.plugins.native.isa import LEVELS, has_tiles

    return algorithm not in TILED or has_tiles(LEVELS.index(isa))
