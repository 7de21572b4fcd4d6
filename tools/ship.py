"""Make the weights that ship from a training run: float16, measured, with a card.

    python tools/ship.py RUN NAME --sets ../shared/data/benchmarks

writes zoo/weights/NAME.safetensors and NAME.yaml, and a row of the table in the
README.md there. NAME must be a network that
ships, of the same shape as the run's. SETS holds the folders Set5/x2 and so on,
each as `zoo eval` takes it.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zoo.api import Model
from zoo.catalog import CFG_FOLDER, find_cfg, find_weights
from zoo.checkpoints.cards import Card, digest, read_card, write_card
from zoo.checkpoints.files import load_weights, save_weights
from zoo.cli.train import command as train_command
from zoo.degradation.degradation import Degradation
from zoo.errors import UsageError
from zoo.evaluate.datasets import GENERATED, find_set
from zoo.evaluate.entrants import Bicubic, Entrant, NetworkEntrant
from zoo.evaluate.pairs import whole_scale
from zoo.evaluate.protocol import Scores, cases_in, evaluate
from zoo.files import atomic_write
from zoo.network import Network
from zoo.parsers.safetensors import read_metadata
from zoo.plugins import select
from zoo.train.recipe import Recipe
from zoo.train.run_folder import RunFolder

SETS = ("Set5", "Set14")
QUALITIES = (40, 60, 80, 95)  # of JPEG, for networks that learned from JPEG
MOST_LOST = 0.005  # dB by storing float16


def main(arguments: Sequence[str] | None = None) -> None:
    """Ship a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--data", default="BSDS500 (train, test), T91, Sun-Hays 80")
    parser.add_argument("--start", help="network whose weights the run began with")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="of the run's weights in those that ship; the others are those of --start",
    )
    parser.add_argument("--pictures", help="kind of pictures that it is for")
    parser.add_argument("--license", default="MIT")
    parser.add_argument("--output", type=Path, default=CFG_FOLDER.parent / "weights")
    options = parser.parse_args(arguments)
    if not 0 < options.share <= 1 or (options.share < 1 and not options.start):
        parser.error("--share is above 0, up to 1, and goes with --start")
    folder = RunFolder(options.run)
    cfg = find_cfg(options.name)
    network = Network.read(cfg)
    scale = whole_scale(network)
    load_weights(network, folder.best)
    source = read_metadata(folder.best).get("source")
    if options.share < 1:
        blend(network, options.start, options.share)
        source = (
            f"{options.share:g} of {source}, {1 - options.share:g} of {options.start}"
        )
    full = measure(network, options.sets, scale)
    target = options.output / f"{cfg.stem}.safetensors"
    save_weights(
        network, target, source=source, licence=options.license, dtype="float16"
    )
    small = Network.read(cfg)
    load_weights(small, target)
    scores, dtype = measure(small, options.sets, scale), "float16"
    lost = max(full[name].psnr - scores[name].psnr for name in SETS)
    print(f"float16 costs {lost:.4f} dB at most")
    if lost > MOST_LOST:
        save_weights(network, target, source=source, licence=options.license)
        scores, dtype = full, "float32"
    snapshot = folder.load()
    recipe = Recipe.from_dict(snapshot.recipe)
    if recipe.jpeg_quality:
        # First, for it is what such a network is for.
        scores = measure_jpeg(small, options.sets, scale) | scores
    card = Card(
        network=cfg.stem,
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
            "best": source or "",
            "hours": round(snapshot.progress["seconds"] / 3600, 2),
            "recipe": snapshot.recipe,
        },
        protocol=f"{scores[SETS[0]].protocol}; mean over pictures",
        scores={
            name: {
                "psnr": round(score.psnr, 3),
                "ssim": round(score.ssim, 4),
                "bicubic": round(bicubic_on(name, options.sets, scale), 3),
            }
            for name, score in scores.items()
        },
        repeat=[
            train_call(cfg, recipe, options.start),
            f"python tools/ship.py RUN {cfg.stem} --sets SETS{blended(options)}",
        ],
        pictures=options.pictures or kind_of_pictures(network, recipe),
    )
    place = target.with_suffix(".yaml")
    if options.start == cfg.stem:
        card = continued(read_card(place), card)
    write_card(card, place)
    write_table(options.output)
    print(json.dumps(card.scores, indent=1))


def blend(network: Network, start: str, share: float) -> None:
    """Mix a network's weights with those that its training began with, in place.

    What a network has learned of new pictures and what it knew of the old ones lie on a
    line: the mean of both is often better than either (Wortsman et al., Robust
    fine-tuning of zero-shot models, 2022).
    """
    other = Network.read(find_cfg(start))
    weights = find_weights(find_cfg(start))
    if weights is None:
        raise UsageError(f"{start} has no weights")
    load_weights(other, weights)
    for name, tensor in network.tensors.items():
        tensor[...] = share * tensor + (1 - share) * other.tensors[name]


def continued(before: Card, card: Card) -> Card:
    """The card of a run that went on from what shipped: both runs are in it."""
    earlier = [step for step in before.repeat if step.startswith("zoo train")]
    last = f"RUN{len(earlier)}"
    earlier[-1] = earlier[-1].replace(" -o RUN ", f" -o {last} ")
    start = f"--from {card.network}.safetensors --from-cfg {card.network} "
    repeat = [
        step.replace(start, f"--from {last}/best.safetensors ") for step in card.repeat
    ]
    training = card.training | {
        "start": before.training["start"],
        "updates": before.training["updates"] + card.training["updates"],
        "hours": round(before.training["hours"] + card.training["hours"], 2),
    }
    return replace(card, training=training, repeat=earlier + repeat)


def blended(options: argparse.Namespace) -> str:
    """The options that say how weights were mixed."""
    if options.share == 1:
        return ""
    return f" --start {options.start} --share {options.share:g}"


def places(sets: Path, scale: int) -> dict[str, Path]:
    """Where the pictures of each set are."""
    return {name: sets / name / f"x{scale}" for name in SETS}


def measure(network: Network, sets: Path, scale: int) -> dict[str, Scores]:
    """Scores on Set5 and Set14, by the protocol of `zoo eval`."""
    enlarge = NetworkEntrant(network.source, Model(network, select()))
    return {name: scores_of(enlarge, sets, scale, name) for name in SETS}


def measure_jpeg(network: Network, sets: Path, scale: int) -> dict[str, Scores]:
    """Scores on Set14 as JPEG, a name for each quality."""
    enlarge = NetworkEntrant(network.source, Model(network, select()))
    names = [f"{SETS[-1]}, JPEG {quality}" for quality in QUALITIES]
    return {name: scores_of(enlarge, sets, scale, name) for name in names}


def bicubic_on(name: str, sets: Path, scale: int) -> float:
    """PSNR of bicubic on what a name of scores stands for."""
    return scores_of(Bicubic(), sets, scale, name).psnr


def scores_of(enlarge: Entrant, sets: Path, scale: int, name: str) -> Scores:
    """Scores on "Set14", or on "Set14, JPEG 40"."""
    folder, _, quality = name.partition(", JPEG ")
    how = Degradation(jpeg_quality=(int(quality),) if quality else ())
    pictures = replace(find_set(places(sets, scale)[folder], scale), degradation=how)
    # A card is read elsewhere, where the path of the folder says nothing.
    is_made = pictures.origin == GENERATED
    origin = GENERATED if is_made else "that of the sets"
    return evaluate(enlarge, cases_in(pictures, scale), scale, origin)


def kind_of_pictures(network: Network, recipe: Recipe) -> str:
    """What a network is for, by what it has learned from."""
    if recipe.jpeg_quality:
        return "JPEG photographs"
    return "gray, medical" if network.pixels.color == "y" else "clean pictures"


def write_table(folder: Path) -> None:
    """Write the table of scores at the end of README.md anew, from the cards."""
    readme = folder / "README.md"
    if not readme.exists():
        return
    head = (
        "| network | parameters | Set5, dB / SSIM | Set14 | bicubic | updates | hours |"
    )
    lines = [head, "|---" * 7 + "|"]
    jpeg = ["", "Set14 as JPEG of those qualities (4:2:0), dB, and bicubic's:", ""]
    jpeg += ["| network | " + " | ".join(map(str, QUALITIES)) + " |"]
    jpeg += ["|---" * (1 + len(QUALITIES)) + "|"]
    plain_lines = len(jpeg)
    for path in sorted(folder.glob("*.yaml")):
        if not path.with_suffix(".safetensors").exists():
            continue  # cards of published files, which lie elsewhere
        card = read_card(path)
        five, fourteen = (card.scores[name] for name in SETS)
        cells = (
            f"`{card.network}`",
            f"{card.parameters:,}",
            *(
                f"{score['psnr']:.2f} / {score['ssim']:.4f}"
                for score in (five, fourteen)
            ),
            f"{five['bicubic']:.2f}, {fourteen['bicubic']:.2f}",
            f"{card.training['updates']:,}",
            str(card.training["hours"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
        pairs = [
            f"{score['psnr']:.2f} ({score['bicubic']:.2f})"
            for name, score in card.scores.items()
            if ", JPEG " in name
        ]
        if pairs:
            jpeg.append(f"| `{card.network}` | {' | '.join(pairs)} |")
    if len(jpeg) > plain_lines:
        lines += jpeg
    text, found, _ = readme.read_text(encoding="utf-8").partition(head)
    if found:
        with atomic_write(readme) as file:
            file.write((text + "\n".join(lines) + "\n").encode())


def train_call(cfg: Path, recipe: Recipe, start: str | None) -> str:
    """The call of `zoo train` that learns by a recipe."""
    words = ["zoo", "train", cfg.stem, "--data", "FOLDER", "-o", "RUN"]
    words += ["--validate", "OTHER"]
    if start:
        words += ["--from", f"{start}.safetensors", "--from-cfg", start]
    if recipe.precision != "f32":
        words += ["--device", "cpu"]  # PyTorch, which alone has another precision
    return shlex.join(words + flags(recipe, Recipe.of(Network.read(cfg))))


def flags(recipe: Recipe, cfg: Recipe) -> list[str]:
    """The options of `zoo train` that make a recipe of that of a cfg."""
    own = {parameter.name for parameter in train_command.params}
    words = []
    for field, setting in recipe.settings_over(cfg).items():
        if field in own:
            name = field.replace("_", "-")
            words += [f"--{name}", setting.partition("=")[2]]
        else:
            words += ["--set", setting]
    return words


if __name__ == "__main__":
    main()
