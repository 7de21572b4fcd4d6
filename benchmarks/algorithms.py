"""Whether a plan takes the fastest algorithm of convolution, by instruction set and shape.

    python benchmarks/algorithms.py [--isa avx512] [--channels 64,32-128] [--size 128]
                                    [--rounds R] [--precision bf16] [--json FILE]

Networks of four 3x3 convolutions, from so many channels to as many or to more and back,
run as plans, by each algorithm in turn, on one thread; what counts is the least processor
time of a run, which other processes disturb least. Each line says how much longer what
the plan chooses takes than the fastest, and how many GFLOP/s each reaches, counted as
direct ones. The constants of conv_direct.c, conv_winograd.c and conv_amx.c were fitted to
such times (``--json`` keeps them).
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from zoo.engine import Plan
from zoo.network import Network
from zoo.plugins import Precision
from zoo.plugins.native import NativeKernels
from zoo.plugins.native.codes import ALGORITHMS, TILED
from zoo.plugins.native.isa import available

LAYERS = 4
# Operations that four layers get through in some tenths of a second: no more a run.
MOST_WORK = 16e9


class Way(NamedTuple):
    """A plan that takes one algorithm throughout."""

    algorithm: str
    plan: Plan
    seconds: list[float]


def widths(text: str) -> tuple[int, int]:
    """Of 64, or of 32-128: channels, and filters of every other layer."""
    narrow, _, wide = text.partition("-")
    return int(narrow), int(wide or narrow)


def network_of(narrow: int, wide: int) -> Network:
    """From narrow to wide and back, again and again."""
    text = f"[net]\nchannels={narrow}\n\n"
    for layer in range(LAYERS):
        filters = narrow if layer % 2 else wide
        text += (
            f"[convolutional]\nfilters={filters}\nsize=3\npad=1\nactivation=relu\n\n"
        )
    return Network.parse(text).initialize(0)


def ways_of(
    isa: str, network: Network, size: int, precision: Precision
) -> tuple[list[Way], str]:
    """A plan for each algorithm, and what "auto" comes to."""
    ways = []
    chosen = ""
    for algorithm in ALGORITHMS:
        exact = "amx3" if precision == "f32" else "amx1"
        if algorithm in TILED and (isa != "amx" or algorithm != exact):
            continue
        kernels = NativeKernels(1, isa, algorithm)
        plan = Plan(network, size, size, kernels, precision=precision)
        if algorithm == "auto":
            found = dict.fromkeys(s.algorithm for s in plan.steps() if s.algorithm)
            chosen = "+".join(found)
        if algorithm != "auto" or chosen not in ALGORITHMS:
            ways.append(Way(chosen if algorithm == "auto" else algorithm, plan, []))
    return ways, chosen


def measure(
    isa: str, channels: str, size: int, rounds: int, precision: Precision
) -> dict[str, object]:
    """Least seconds of a layer by each algorithm."""
    narrow, wide = widths(channels)
    ways, chosen = ways_of(isa, network_of(narrow, wide), size, precision)
    x = np.random.default_rng(0).random((1, size, size, narrow), np.float32)
    for turn in range(rounds + 1):
        for way in ways if turn % 2 else reversed(ways):
            start = time.process_time()
            way.plan(x)
            if turn:
                way.seconds.append((time.process_time() - start) / LAYERS)
    seconds = {way.algorithm: min(way.seconds) for way in ways}
    best = min(seconds, key=lambda name: seconds[name])
    loss = seconds[chosen] / seconds[best] - 1
    rates = 2e-9 * 9 * narrow * wide * size**2
    print(
        f"{isa:9s}{channels:>8s} x {size:<4d} takes {chosen:10s}{loss:6.1%} over {best:10s}",
        *(f"{name} {rates / s:6.1f}" for name, s in seconds.items()),
        flush=True,
    )
    return {
        "isa": isa,
        "channels": channels,
        "size": size,
        "chosen": chosen,
        "seconds": seconds,
    }


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--isa", default=",".join(reversed(available())))
    parser.add_argument("--channels", default="16,32,64,128,256,32-128,32-192")
    parser.add_argument("--size", default="24,48,96,128,256")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--precision", choices=get_args(Precision), default="f32")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    kept = []
    shapes = itertools.product(
        given.isa.split(","),
        given.channels.split(","),
        map(int, given.size.split(",")),
    )
    for isa, channels, size in shapes:
        narrow, wide = widths(channels)
        if LAYERS * 18 * narrow * wide * size**2 <= MOST_WORK:
            kept.append(measure(isa, channels, size, given.rounds, given.precision))
            if given.json:
                given.json.write_text(json.dumps(kept))


if __name__ == "__main__":
    main()
