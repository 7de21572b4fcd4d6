"""The comparisons that decide whether zoo is fast enough, one after the other.

    python benchmarks/bars.py [--quick] [--out results.json]

Runs ``zoo bench net`` for the networks of docs/benchmarks.md with 2 threads, in
float32 with the best instruction set and with AVX-512 alone, and in bfloat16,
and prints zoo's ratio to the fastest peer beside the ratio that is asked for.
``--quick`` uses small pictures, to see that it works. An hour in full.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
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
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(everything, file, indent=1)


if __name__ == "__main__":
    main()
