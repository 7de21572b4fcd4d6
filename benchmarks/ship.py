"""Make the weights that ship from a training run: float16, measured, with a card.

    python benchmarks/ship.py RUN NAME --sets ../shared/data/benchmarks

writes zoo/weights/NAME.safetensors and NAME.yaml. NAME must be a network that
ships, of the same shape as the run's. Low resolution is that of the sets.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from zoo.api import Model
from zoo.cards import Card, digest, write_card
from zoo.catalog import CFG_FOLDER
from zoo.evaluate import bicubic, cases_in, evaluate
from zoo.network import Network
from zoo.parsers.safetensors import read_metadata
from zoo.plugins import select
from zoo.state import load_weights, save_weights
from zoo.train.run import RunFolder

MOST_LOST = 0.005  # dB by storing float16


def main() -> None:
    """Ship a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--data", default="BSDS500 (train, test), T91, Sun-Hays 80")
    parser.add_argument("--start", help="network whose weights the run began with")
    parser.add_argument("--license", default="MIT")
    options = parser.parse_args()
    folder = RunFolder(options.run)
    cfg = CFG_FOLDER / f"{options.name}.cfg"
    network = Network.read(cfg)
    load_weights(network, folder.best)
    scale = int(network.scale)
    full = measure(network, options.sets, scale)
    target = CFG_FOLDER.parent / "weights" / f"{options.name}.safetensors"
    metadata = read_metadata(folder.best)
    save_weights(
        network,
        target,
        source=metadata.get("source"),
        licence=options.license,
        dtype="float16",
    )
    small = Network.read(cfg)
    load_weights(small, target)
    scores = measure(small, options.sets, scale)
    lost = max(full[name]["psnr"] - scores[name]["psnr"] for name in full)
    print(f"float16 costs {lost:.4f} dB at most")
    dtype = "float16"
    if lost > MOST_LOST:
        save_weights(network, target, licence=options.license)
        scores, dtype = full, "float32"
    snapshot = folder.load()
    card = Card(
        network=options.name,
        scale=scale,
        parameters=network.parameter_count,
        dtype=dtype,
        license=options.license,
        sha256=digest(target),
        training={
            "data": options.data,
            "low resolution": "MATLAB's bicubic (zoo.resize)",
            "start": options.start or "random weights",
            "updates": snapshot.update,
            "best": metadata.get("source", ""),
            "hours": round(snapshot.progress["seconds"] / 3600, 2),
            "recipe": snapshot.recipe,
        },
        protocol=f"Y of BT.601, border {scale}, 8 bits, mean over pictures",
        scores=scores,
        repeat=[
            f"zoo train {options.name} --data FOLDER -o RUN --validate OTHER "
            + (f"--from {options.start}.safetensors " if options.start else "")
            + (f"--from-cfg {options.start} " if options.start else "")
            + flags(snapshot.recipe),
            f"python benchmarks/ship.py RUN {options.name} --sets SETS",
        ],
    )
    write_card(card, target.with_suffix(".yaml"))
    print(json.dumps(scores, indent=1))


def measure(network: Network, sets: Path, scale: int) -> dict[str, dict[str, float]]:
    """Scores on Set5 and Set14."""
    model = Model(network, select())
    found = {}
    for name in ("Set5", "Set14"):
        folder = sets / name / f"x{scale}"
        cases = list(cases_in(folder, scale)[0])
        ours, plain = (
            evaluate(enlarge, cases, scale) for enlarge in (model, bicubic(scale))
        )
        found[name] = {
            "psnr": round(ours.psnr, 3),
            "ssim": round(ours.ssim, 4),
            "bicubic": round(plain.psnr, 3),
        }
    return found


def flags(recipe: dict[str, object]) -> str:
    """The options of `zoo train` that say the same as a recipe."""
    names = {
        "updates": "--updates",
        "batch": "--batch",
        "patch": "--patch",
        "learning_rate": "--learning-rate",
        "policy": "--policy",
        "burn_in": "--burn-in",
        "clip_gradient": "--clip-gradient",
        "average": "--average",
        "seed": "--seed",
    }
    return " ".join(f"{flag} {recipe[name]}" for name, flag in names.items())


if __name__ == "__main__":
    main()
