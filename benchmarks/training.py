"""Times a training step (forward, backward, Adam; L1) against PyTorch's.

    python benchmarks/training.py [--threads N] [--rounds R] [--only WORD]
                                  [--memory] [--json FILE]

Ours, and PyTorch in both of its memory formats with its fused Adam, take steps in
turn in one process on the same weights and patches; what counts is the ratio of the
medians. First the losses of the first three steps are compared, so that all are seen
to compute the same. ``--memory`` also runs each in a process of its own and prints its
peak, whole and above what stood there before the first step.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

# Else PyTorch's threads go on spinning after each of its steps, on the processors
# on which the next one in turn is being measured.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")

import numpy as np

from zoo.bench.memory import peak
from zoo.catalog import find_cfg
from zoo.layers.convolutional import Convolutional
from zoo.network import Network
from zoo.shapes import Shape

Step = Callable[[], float]
RATE = 1e-4


class Training(NamedTuple):
    """A network and the side of its 16 low-resolution patches."""

    name: str
    cfg: str
    patch: int


CASES = (
    Training("EDSR r16f64 x2, 16 of 48x48", "edsr_x2", 48),
    Training("WDSR-A r32 f32 w192 x4, 16 of 24x24", "wdsr_a_r32f32w192_x4", 24),
)
BATCH = 16
KINDS = ("zoo", "torch NCHW", "torch channels_last")


def batch_of(case: Training) -> tuple[Network, np.ndarray, np.ndarray]:
    """The network, what it takes, and what it should give."""
    network = Network.read(find_cfg(case.cfg)).initialize(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH, case.patch, case.patch, 3), np.float32)
    side = round(case.patch * network.scale)
    t = rng.standard_normal((BATCH, side, side, 3), np.float32)
    return network, x, t


def our_step(case: Training, threads: int) -> Step:
    from zoo.plugins import select
    from zoo.train.network_learner import NetworkLearner
    from zoo.train.recipe import Recipe

    network, x, t = batch_of(case)
    learner = NetworkLearner(network, select("native", threads), Recipe())
    return lambda: learner.learn(x, t, RATE).loss


def torch_step(case: Training, threads: int, channels_last: bool) -> Step:
    import torch

    from zoo.torch.functions import activate, apply

    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network, x, t = batch_of(case)
    convolutions: dict[int, Any] = {}
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Convolutional):
            size, _, depth, filters = layer.weights.shape
            pad = layer.size // 2 if layer.pad else layer.padding
            made = torch.nn.Conv2d(depth, filters, size, layer.stride, pad)
            with torch.no_grad():
                weights = layer.weights.transpose(3, 2, 0, 1)
                made.weight.copy_(torch.from_numpy(weights))
                made.bias.copy_(torch.from_numpy(layer.biases))
            convolutions[index] = made.to(memory_format=layout)
    parameters = [p for made in convolutions.values() for p in made.parameters()]
    optimizer = torch.optim.Adam(parameters, RATE, fused=True)

    def image(array: np.ndarray) -> Any:
        tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))
        return tensor.contiguous(memory_format=layout)

    low, high = image(x), image(t)
    last_use = network.last_uses()

    def forward() -> Any:
        values = {-1: low}
        for index, layer in enumerate(network.layers):
            inputs = [values[source] for source in network.sources[index]]
            if index in convolutions:
                y = activate(convolutions[index](inputs[0]), layer.activation)
            else:
                shapes = [Shape(*v.shape[2:], v.shape[1]) for v in inputs]
                y = apply(layer.lower(*shapes), inputs)
            values[index] = y
            for source in set(network.sources[index]):
                if last_use[source] == index:
                    del values[source]
        return values[len(network) - 1]

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        cost = torch.nn.functional.l1_loss(forward(), high)
        cost.backward()
        optimizer.step()
        return cost.item()

    return step


def step_of(kind: str, case: Training, threads: int) -> Step:
    if kind == "zoo":
        return our_step(case, threads)
    return torch_step(case, threads, kind.endswith("last"))


def measure(
    case: Training, threads: int, rounds: int, kinds: list[str]
) -> dict[str, Any]:
    """Medians of each, in seconds; the three first losses agree."""
    steps = {kind: step_of(kind, case, threads) for kind in kinds}
    losses = {kind: [step() for _ in range(3)] for kind, step in steps.items()}
    for found in losses.values():
        np.testing.assert_allclose(found, losses[kinds[0]], rtol=1e-3)
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, step in steps.items():
            start = time.perf_counter()
            step()
            times[kind].append(time.perf_counter() - start)
    return {kind: statistics.median(found) for kind, found in times.items()}


def print_memory(kind: str, case: Training, threads: int) -> None:
    """In a process of its own: peak before the first step and after the third."""
    step = step_of(kind, case, threads)
    before = peak()
    for _ in range(3):
        step()
    print(json.dumps({"before": before, "peak": peak()}))


def measure_memory(case: Training, threads: int, kinds: list[str]) -> dict[str, Any]:
    found = {}
    for kind in kinds:
        command = [sys.executable, __file__, "--one", kind, "--only", case.cfg]
        command += ["--threads", str(threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        found[kind] = json.loads(done.stdout)
    return found


def show(case: Training, times: dict[str, Any], memory: dict[str, Any]) -> None:
    print(case.name)
    for kind, seconds in times.items():
        line = f"  {kind:22}{1e3 * seconds:8.0f} ms  {seconds / times['zoo']:5.2f}"
        if kind in memory:
            whole, before = memory[kind]["peak"], memory[kind]["before"]
            line += f"  peak {whole / 1e6:6.0f} MB, step {(whole - before) / 1e6:6.0f}"
        print(line, flush=True)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose cfg has this word")
    parser.add_argument("--alone", action="store_true", help="leave PyTorch out")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--json", help="write everything measured into this file")
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    cases = [case for case in CASES if given.only in case.cfg]
    if given.one:
        print_memory(given.one, cases[0], given.threads)
        return
    kinds = list(KINDS[:1] if given.alone else KINDS)
    everything = []
    for case in cases:
        times = measure(case, given.threads, given.rounds, kinds)
        memory = measure_memory(case, given.threads, kinds) if given.memory else {}
        show(case, times, memory)
        everything.append({"case": case.name, "seconds": times, "memory": memory})
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"threads": given.threads, "cases": everything}, file, indent=1)


if __name__ == "__main__":
    main()
