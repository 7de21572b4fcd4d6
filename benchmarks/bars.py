"""The comparisons that decide whether zoo is fast enough, one after the other.

    python benchmarks/bars.py [--quick] [--out results.json]

Runs ``zoo bench net`` for the networks of docs/benchmarks.md with 2 threads, in
float32 with the best instruction set and with AVX-512 alone, and in bfloat16,
and prints zoo's ratio to the fastest peer beside the ratio that is asked for; then
a whole process against PyTorch's, and what `zoo run` takes of memory for a large
picture, and whether much more memory would make it faster.
``--quick`` uses small pictures, to see that it works. An hour in full.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


class Bar(NamedTuple):
    """A network, a size, and the ratios that are asked for."""

    cfg: str
    size: str
    amx: float
    avx512: float
    bf16: float


BARS = (
    Bar("edsr_r32f256_x2", "128x128", 3.0, 1.7, 1.8),
    Bar("edsr_x2", "256x256", 2.5, 1.4, 1.8),
    Bar("wdsr_a_r32f32w192_x4", "256x256", 2.5, 1.4, 1.2),
)


def levels() -> list[str]:
    """Instruction sets to force: the best one, and AVX-512 where it is not that."""
    from zoo.plugins.native.isa import available

    there = available()
    return [there[-1], *(["avx512"] if "amx" in there else [])]


def bench(bar: Bar, isa: str, precision: str, quick: bool) -> dict | None:
    """One run of ``zoo bench net``; None if it failed."""
    command = [sys.executable, "-m", "zoo", "bench", "net", bar.cfg, "--json"]
    command += ["--size", "24x24" if quick else bar.size, "--precision", precision]
    command += ["--runs", "2" if quick else "7", "-j", "2", "--weights", "random"]
    command += ["--cold", "1" if quick else "3"]
    environment = os.environ | {"ZOO_ISA": isa}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    return json.loads(done.stdout) if done.stdout else None


def run_once(command: list[str]) -> tuple[float, float]:
    """Seconds and most megabytes in memory of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1000


def memory(quick: bool) -> dict:
    """`zoo run` of a large picture as it is, and with all memory allowed."""
    import cv2

    from zoo.bench.net import sample_picture
    from zoo.catalog import find_cfg
    from zoo.checkpoints.files import save_weights
    from zoo.network import Network

    width, height = (192, 108) if quick else (1920, 1080)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cv2.imwrite(str(folder / "in.png"), sample_picture(height, width))
        network = Network.read(find_cfg("edsr_x2"))
        save_weights(network.initialize(0), folder / "weights.safetensors")
        command = [
            sys.executable,
            "-m",
            "zoo",
            "run",
            "edsr_x2",
            str(folder / "in.png"),
        ]
        command += ["--weights", str(folder / "weights.safetensors"), "-j", "2"]
        command += ["-o", str(folder / "out.png"), "--force"]
        runs = [
            (run_once([*command, "--max-memory", "200M"]), run_once(command))
            for _ in range(1 if quick else 3)
        ]
    little, plenty = (statistics.median(pair[n][0] for pair in runs) for n in range(2))
    return {
        "size": f"{width}x{height}",
        "megabytes": max(pair[0][1] for pair in runs),
        "slower": little / plenty - 1,
        "seconds": little,
    }


def main() -> None:
    """Run all, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", help="write everything measured into this file")
    arguments = parser.parse_args()
    everything = []
    for bar in BARS:
        for precision in ("f32", "bf16"):
            for isa in levels():
                found = bench(bar, isa, precision, arguments.quick)
                wanted = bar.bf16 if precision == "bf16" else getattr(bar, isa, None)
                name = f"{bar.cfg} {bar.size} {precision} {isa}"
                if found is None or found["fastest_peer"] is None:
                    print(f"{name}: not measured", flush=True)
                    continue
                ratio = found["ratios"][found["fastest_peer"]]
                asked = f"{wanted:g} asked for" if wanted else "no bar"
                print(
                    f"{name}: {ratio:.2f} times {found['fastest_peer']}, {asked}",
                    flush=True,
                )
                everything.append({"isa": isa, "asked": wanted, **found})
                cold = [
                    value
                    for peer, value in found["cold_ratios"].items()
                    if peer.startswith("torch")
                ]
                if bar.cfg == "edsr_x2" and precision == "f32" and cold:
                    print(
                        f"{name}, whole process: {min(cold):.2f} times PyTorch, 4 asked"
                    )
    held = memory(arguments.quick)
    print(
        f"zoo run edsr_x2 {held['size']}: {held['megabytes']:.0f} MB in all, 400 asked; "
        f"{100 * held['slower']:+.0f} % of the time with all memory, +5 asked",
        flush=True,
    )
    everything.append(held)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(everything, file, indent=1)


if __name__ == "__main__":
    main()
