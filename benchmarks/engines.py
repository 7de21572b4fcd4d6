"""What an engine costs beside plain ``zoo run``: time and CPU per picture, and to begin.

    python benchmarks/engines.py --network edsr_x2 --sides 64 256 512

Folders of PNG pictures are run by one process with all cores, and by ``--on local:N`` with
N processes of one thread, in turn, each with a few and with three times as many pictures:
the difference is what a picture takes, the rest what it takes to begin. Prints a table for
docs/clusters.md. Wants a machine on which nothing else runs.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from zoo.machine.threads import available_threads


class Cost(NamedTuple):
    """Seconds by the clock, and of all processors, of a call and its children."""

    wall: float
    cpu: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="edsr_x2")
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 256, 512])
    parser.add_argument("--pictures", type=int, default=24, help="of 256 x 256")
    parser.add_argument("--processes", type=int, default=available_threads())
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--ship", action="store_true")
    options = parser.parse_args(arguments)
    on = ("--on", f"local:{options.processes}", *(("--ship",) if options.ship else ()))
    print(
        "| pictures | way | s per picture | CPU s per picture | overhead | s to begin |"
    )
    print("|---|---|---|---|---|---|")
    for side in options.sides:
        count = max(4, round(options.pictures * (256 / side) ** 2))
        with tempfile.TemporaryDirectory() as folder:
            few, many = pictures(Path(folder), side, (count, 3 * count))
            times = {"plain": [], " ".join(on): []}
            for _ in range(options.repeats):
                for way, found in times.items():
                    words = () if way == "plain" else on
                    pair = [cost(options.network, of, words) for of in (few, many)]
                    found.append(pair)
            best = {way: least(found) for way, found in times.items()}
            base = None
            for way, (small, large) in best.items():
                each = Cost(*((b - a) / (2 * count) for a, b in zip(small, large)))
                base = base or each
                over = f"{100 * (each.wall / base.wall - 1):+.1f} %"
                begin = small.wall - count * each.wall
                print(
                    f"| {count} and {3 * count} of {side} x {side} | {way} | "
                    f"{each.wall:.4f} | {each.cpu:.4f} | "
                    f"{'' if way == 'plain' else over} | {begin:.1f} |",
                    flush=True,
                )


def least(found: Sequence[Sequence[Cost]]) -> list[Cost]:
    """The quickest run of few pictures, and of many."""
    return [min(pair[index] for pair in found) for index in range(2)]


def pictures(folder: Path, side: int, counts: Sequence[int]) -> list[Path]:
    """Folders of so many smooth pictures."""
    rng = np.random.default_rng(0)
    made = []
    for count in counts:
        place = folder / str(count)
        place.mkdir()
        for index in range(count):
            small = rng.integers(0, 256, (side // 8, side // 8, 3)).astype(np.uint8)
            large = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(place / f"{index:04}.png"), large)
        made.append(place)
    return made


def cost(network: str, folder: Path, words: Sequence[str]) -> Cost:
    """What a call takes."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as out:
        before, start = (
            resource.getrusage(resource.RUSAGE_CHILDREN),
            time.perf_counter(),
        )
        subprocess.run(
            [sys.executable, "-m", "zoo", "run", network, str(folder)]
            + ["-o", out, *words],
            check=True,
            capture_output=True,
        )
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, spent)


if __name__ == "__main__":
    main()
