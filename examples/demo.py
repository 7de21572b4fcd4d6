"""Super-resolve a real photograph with the commands that a user would type.

A part of a photograph (the astronaut Eileen Collins, NASA, public domain, from
scikit-image) is made half as large; `zoo run` makes it large again; the result
is compared with the original and with bicubic interpolation. Everything is
written to demo/.

The network is edsr_x2, whose trained weights ship with zoo.

Run it with `make demo`, or with `python examples/demo.py` where zoo and
scikit-image are installed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from zoo.metrics.psnr import psnr
from zoo.resize import imresize

Image = NDArray[np.uint8]

ROOT = Path(__file__).resolve().parents[1]
NETWORK = "edsr_x2"
SCALE = 2

# Rows and columns of the face in the photograph, and of an eye within that part.
PART = (slice(0, 256), slice(96, 352))
DETAIL = (slice(96, 160), slice(96, 160))


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description="Super-resolve a photograph.")
    parser.add_argument("--folder", type=Path, default=ROOT / "demo")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(exist_ok=True)

    original: Image = data.astronaut()[PART]
    small = imresize(original, 1 / SCALE)
    small_file, large_file = folder / "small.png", folder / "large.png"
    original_file = folder / "original.png"
    write(small_file, small)
    write(original_file, original)

    start = time.perf_counter()
    zoo("run", NETWORK, small_file, "-o", large_file, "--force")
    seconds = time.perf_counter() - start

    large = cv2.imread(str(large_file))[..., ::-1]
    bicubic = imresize(small, SCALE)
    panels = {"bicubic": bicubic, NETWORK: large, "original": original}
    write(folder / "before_after.png", side_by_side(panels))

    height, width = small.shape[:2]
    print()
    print(f"network   {NETWORK}")
    print(f"picture   {width}x{height} made {large.shape[1]}x{large.shape[0]}")
    print(f"time      {seconds:.1f} s for the whole command")
    print(f"back end  {back_end()}")
    print(
        f"PSNR      {quality(large, original):.2f} dB, "
        f"bicubic {quality(bicubic, original):.2f} dB (RGB, without {SCALE} pixels of "
        f"border)"
    )
    print(f"result    {large_file}")
    print(f"compare   {folder / 'before_after.png'}")
    words = ["zoo", "view", small_file, large_file, "--reference", original_file]
    print(f"look      {shlex.join(map(str, words))}")


def zoo(*arguments: Any) -> None:
    """Run a command of zoo and show it."""
    words = [str(argument) for argument in arguments]
    print(f"$ zoo {shlex.join(words)}", flush=True)
    result = subprocess.run(
        [sys.executable, "-m", "zoo", *words],
        check=False,
    )
    if result.returncode != 0:
        sys.exit(result.returncode)


def back_end() -> str:
    """What `zoo run` ran on."""
    output = subprocess.run(
        [sys.executable, "-m", "zoo", "info", "--json"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    facts = json.loads(output)
    runs = facts["runs"]
    by_name = {row["name"]: row["instruction_set"] for row in facts["backends"]}
    return f"{runs['backend']} ({by_name[runs['backend']]}), threads: {runs['threads']}"


def side_by_side(panels: dict[str, Image]) -> Image:
    """A picture of all panels with their names, and a detail of each below."""
    columns = []
    for title, panel in panels.items():
        height, width = panel.shape[:2]
        label = np.full((28, width, 3), 255, np.uint8)
        cv2.putText(
            label, title, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, 0, 1, cv2.LINE_AA
        )
        detail = cv2.resize(
            panel[DETAIL], (width, height), interpolation=cv2.INTER_NEAREST
        )
        gap = np.full((4, width, 3), 255, np.uint8)
        columns += [np.vstack([label, panel, gap, detail])]
        columns += [np.full((len(columns[-1]), 4, 3), 255, np.uint8)]
    return np.hstack(columns[:-1])


def quality(image: Image, reference: Image) -> float:
    """PSNR in dB over all channels, without the border."""
    inner = slice(SCALE, -SCALE)
    return psnr(image[inner, inner], reference[inner, inner])


def write(path: Path, image: Image) -> None:
    """Write an RGB picture."""
    if not cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1])):
        sys.exit(f"cannot write {path}")


if __name__ == "__main__":
    main()
