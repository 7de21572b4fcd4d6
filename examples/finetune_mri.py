"""Fine-tune a network of photographs on slices of a brain, and see what it is worth.

The thesis's future work. One subject is all there is here, so blocks of slices are kept
apart: of every sixteen slices the first twelve are learned from, two are left out, and
two are measured on. That tells how well the network does on this brain, not on others:
give volumes of several subjects to `zoo train --data` and `zoo eval` for that.

    python examples/finetune_mri.py t1.nii.gz --updates 600
"""

import argparse
import tempfile
from pathlib import Path

import nibabel
import numpy as np

from zoo.cli import main

BLOCK, LEARNED, MEASURED = 16, 12, 2


def split(volume: Path, folder: Path) -> tuple[Path, Path]:
    """Write the slices to learn from and those to measure on as two volumes."""
    image = nibabel.load(volume)
    data = np.asanyarray(image.dataobj)
    place = np.arange(data.shape[2]) % BLOCK
    parts = {"learn": place < LEARNED, "measure": place >= BLOCK - MEASURED}
    written = []
    for name, chosen in parts.items():
        path = folder / f"{name}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(data[..., chosen], image.affine), path)
        written.append(path)
    return written[0], written[1]


def run(volume: Path, network: str, updates: int) -> None:
    """Train, and measure before and after."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learn, measure = split(volume, folder)
        call = ["train", network, "--from", network, "--data", str(learn)]
        call += ["--validate", str(measure), "-o", str(folder / "run")]
        call += ["--updates", str(updates), "--batch", "8", "--patch", "32"]
        call += ["--learning-rate", "2e-4", "--policy", "sgdr", "--average", "0.01"]
        call += ["--validate-every", str(max(50, updates // 6))]
        if main(call):
            raise SystemExit(1)
        main(["eval", "bicubic", network, str(folder / "run"), str(measure)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("--network", default="edsr_r8f32_x2")
    parser.add_argument("--updates", type=int, default=600)
    options = parser.parse_args()
    run(options.volume, options.network, options.updates)
