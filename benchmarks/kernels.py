"""Times the native kernels against NumPy and PyTorch, in turn, in one run.

    python benchmarks/kernels.py [--threads N] [--seconds S] [--only WORD]

Each case is run by every back end in turn, round after round, until the time is
up; what counts is the median, and its ratio to ours. Machines that others use at the
same time give nonsense for single figures and fair ratios. GFLOP/s are effective:
operations of a direct convolution by time, whatever the algorithm.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.plugins import ConvGeometry, Padding, PoolGeometry
from zoo.plugins.native import ALGORITHMS, NativeKernels
from zoo.plugins.numpy import NumpyKernels

# Else PyTorch's threads go on spinning for a while after each of its runs, on the
# processors on which the next one in turn is being measured.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

try:
    import torch
except ImportError:
    torch = None

Runs = dict[str, Callable[[], Any]]
RNG = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, np.float32)


def measure(runs: Runs, seconds: float) -> dict[str, float]:
    """Median time of each, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[next(iter(runs))]) < 3:
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def report(case: str, times: dict[str, float], gflop: float = 0.0) -> None:
    ours = times["native"]
    print(f"{case}")
    for name, found in times.items():
        speed = f"{gflop / found:8.0f} GFLOP/s" if gflop else ""
        print(f"    {name:18} {found * 1e3:9.2f} ms {speed}  {found / ours:6.2f}")


def as_torch(x: np.ndarray) -> Any:
    """N x H x W x C as a tensor in channels-last order, without a copy."""
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def convolution(
    threads: int, x: np.ndarray, filters: int, size: int, stride: int = 1
) -> tuple[Runs, float]:
    channels, half = x.shape[3], size // 2
    weights = values(size, size, channels, filters) / (size * size * channels) ** 0.5
    biases = values(filters)
    geometry = ConvGeometry((stride, stride), padding=Padding(*[half] * 4))
    native = NativeKernels(threads)
    y = native.conv2d(x, weights, biases, geometry)
    gflop = 2e-9 * weights[..., 0].size * y.size
    runs: Runs = {"native": lambda: native.conv2d(x, weights, biases, geometry, "relu")}
    for algorithm in ALGORITHMS[1:]:
        kernels = NativeKernels(threads, algorithm=algorithm)
        chosen = kernels.chosen_algorithm(x.shape, weights.shape, geometry)
        if chosen == algorithm:
            runs[f"native {algorithm}"] = lambda kernels=kernels: kernels.conv2d(
                x, weights, biases, geometry, "relu"
            )
    reference = NumpyKernels(threads)
    runs["numpy"] = lambda: reference.conv2d(x, weights, biases, geometry, "relu")
    if torch is not None:
        last = as_torch(x)
        first = last.contiguous()
        bias = torch.from_numpy(biases)
        plain = torch.from_numpy(weights).permute(3, 2, 0, 1).contiguous()
        nhwc = plain.contiguous(memory_format=torch.channels_last)

        def run(data: Any, kernel: Any) -> Any:
            with torch.inference_mode():
                y = torch.conv2d(data, kernel, bias, stride=stride, padding=half)
                return torch.relu_(y)

        runs["torch NCHW"] = lambda: run(first, plain)
        runs["torch NHWC"] = lambda: run(last, nhwc)
    return runs, gflop


def gradients(threads: int, x: np.ndarray, filters: int) -> tuple[Runs, float]:
    weights = values(3, 3, x.shape[3], filters) / (9 * x.shape[3]) ** 0.5
    delta = values(*x.shape[:3], filters)
    geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
    native, reference = NativeKernels(threads), NumpyKernels(threads)
    runs: Runs = {
        "native": lambda: native.conv2d_backward(x, weights, delta, geometry),
        "numpy": lambda: reference.conv2d_backward(x, weights, delta, geometry),
    }
    if torch is not None:
        last = as_torch(x)
        kernel = torch.from_numpy(weights).permute(3, 2, 0, 1).contiguous()
        for name, layout in (
            ("torch NCHW", torch.contiguous_format),
            ("torch NHWC", torch.channels_last),
        ):
            arrays = [
                array.contiguous(memory_format=layout)
                for array in (as_torch(delta), last, kernel)
            ]
            runs[name] = lambda arrays=arrays: torch.ops.aten.convolution_backward(
                *(*arrays, [filters], [1, 1], [1, 1], [1, 1], False, [0, 0], 1),
                [True, True, True],
            )
    return runs, 4e-9 * weights.size * x[..., 0].size


def pooling(threads: int, x: np.ndarray, size: int) -> Runs:
    half = size // 2
    geometry = PoolGeometry((size, size), (1, 1), Padding(half, half, half, half))
    native, reference = NativeKernels(threads), NumpyKernels(threads)
    runs: Runs = {
        "native": lambda: native.max_pool(x, geometry),
        "numpy": lambda: reference.max_pool(x, geometry),
    }
    if torch is not None:
        first = as_torch(x).contiguous()
        runs["torch NCHW"] = lambda: torch.max_pool2d(first, size, 1, half)
    return runs


def shuffle(threads: int, x: np.ndarray, scale: int) -> Runs:
    native, reference = NativeKernels(threads), NumpyKernels(threads)
    runs: Runs = {
        "native": lambda: native.depth_to_space(x, scale, "crd"),
        "native dcr": lambda: native.depth_to_space(x, scale, "dcr"),
        "numpy": lambda: reference.depth_to_space(x, scale, "crd"),
    }
    if torch is not None:
        first = as_torch(x).contiguous()
        runs["torch NCHW"] = lambda: torch.pixel_shuffle(first, scale)
    return runs


def activation(threads: int, x: np.ndarray, name: str) -> Runs:
    native, reference = NativeKernels(threads), NumpyKernels(threads)
    runs: Runs = {
        "native": lambda: native.activate(x, name),
        "numpy": lambda: reference.activate(x, name),
    }
    if torch is not None:
        tensor = torch.from_numpy(x)
        function = {
            "mish": torch.nn.functional.mish,
            "tanh": torch.tanh,
            "leaky": lambda t: torch.nn.functional.leaky_relu(t, 0.1),
        }[name]
        runs["torch"] = lambda: function(tensor)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each case")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    threads = options.threads
    if torch is not None:
        torch.set_num_threads(threads)
    print(f"{NativeKernels(threads).instruction_set}, {threads} threads")
    cases: dict[str, Callable[[], tuple[Runs, float]]] = {
        f"convolution {size}x{size} {c} to {k} at {n}x{n}": (
            lambda c=c, k=k, n=n, size=size: convolution(
                threads, values(1, n, n, c), k, size
            )
        )
        for c, k, n, size in (
            (64, 64, 128, 3),
            (256, 256, 128, 3),
            (3, 64, 256, 3),
            (64, 3, 512, 3),
            (32, 192, 256, 3),
            (192, 32, 256, 3),
            (32, 192, 256, 1),
        )
    }
    for stride in (1, 2):
        cases[f"convolution, thesis, stride {stride}"] = lambda stride=stride: (
            convolution(threads, values(4, 512, 512, 3), 100, 3, stride)
        )
    cases["gradients 64 to 64, 16 patches of 48x48"] = lambda: gradients(
        threads, values(16, 48, 48, 64), 64
    )
    for size in (3, 30):
        cases[f"max pooling {size}x{size}, 4x512x512x3"] = lambda size=size: (
            pooling(threads, values(4, 512, 512, 3), size),
            0.0,
        )
    cases["pixel shuffle by 6, 2x512x512x108"] = lambda: (
        shuffle(threads, values(2, 512, 512, 108), 6),
        0.0,
    )
    cases["pixel shuffle by 2, 1x512x512x256"] = lambda: (
        shuffle(threads, values(1, 512, 512, 256), 2),
        0.0,
    )
    for name in ("leaky", "tanh", "mish"):
        cases[f"activation {name}, 1x512x512x64"] = lambda name=name: (
            activation(threads, values(1, 512, 512, 64), name),
            0.0,
        )
    for name, make in cases.items():
        if options.only in name:
            runs, gflop = make()
            report(name, measure(runs, options.seconds), gflop)


if __name__ == "__main__":
    main()
