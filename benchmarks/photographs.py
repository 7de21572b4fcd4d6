"""Networks on pictures that are JPEG files, against bicubic.

    python benchmarks/photographs.py ../shared/data/benchmarks/Set14 \\
        --networks photo_r8f32_x2 photo_x2 edsr_x2

The small pictures of a set (SET/x2 and so on, as `zoo eval` takes them) become JPEG of
each quality; prints a table, Y-PSNR in dB, for docs/benchmarks.md, and the same for the
small pictures as they are. A minute for each network of the size of edsr_x2.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import zoo
from zoo.degradation.degradation import Degradation
from zoo.evaluate.datasets import find_set
from zoo.evaluate.entrants import Bicubic, Entrant, NetworkEntrant
from zoo.evaluate.protocol import cases_in, evaluate

QUALITIES = (40, 50, 60, 70, 75, 80, 85, 90, 95)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path)
    parser.add_argument("--networks", nargs="+", required=True)
    parser.add_argument("--qualities", nargs="+", type=int, default=QUALITIES)
    parser.add_argument("--chroma", default="420", choices=("420", "422", "444"))
    options = parser.parse_args(arguments)
    networks = [NetworkEntrant(name, zoo.load(name)) for name in options.networks]
    scale = networks[0].scale
    ways = [
        Degradation(jpeg_quality=(quality,), jpeg_chroma=(options.chroma,))
        for quality in options.qualities
    ]
    heads = [*map(str, options.qualities), "no JPEG"]
    print(f"| x{scale}, {options.chroma} | {' | '.join(heads)} |")
    print("|---" * (len(heads) + 1) + "|")
    entrants: list[Entrant] = [Bicubic(), *networks]
    for entrant in entrants:
        pictures = find_set(options.set / f"x{scale}", scale)
        scores = [
            evaluate(
                entrant,
                cases_in(replace(pictures, degradation=how), scale),
                scale,
                metrics=("psnr",),
            ).psnr
            for how in (*ways, Degradation())
        ]
        cells = " | ".join(f"{score:.2f}" for score in scores)
        print(f"| `{entrant.name}` | {cells} |", flush=True)


if __name__ == "__main__":
    main()
