"""``zoo study``: the founding thesis's experiments, repeated on any volumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli import _completion as completion
from zoo.cli._common import backend_option, print_json, print_text, say, threads_option
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.api import Model

__all__ = ["command"]


@click.group(short_help="Repeat the thesis's study of brain MRI.")
def command() -> None:
    """Studies of networks that end in a report."""


@command.command()
@click.argument("volumes", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder."
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    default=("edsr_x2", "wdsr_x4"),
    show_default=True,
    shell_complete=completion.networks,
    help="May be repeated; of any scale.",
)
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Brain mask of each volume, in their order.",
)
@click.option(
    "--degradation",
    "degradations",
    multiple=True,
    type=click.Choice(("thesis", "matlab", "area", "fourier", "cubic")),
    help="thesis and matlab are always there.",
)
@click.option(
    "--angles", default="20x18", show_default=True, help="0,18,90 or COUNTxSTEP."
)
@click.option(
    "--turn",
    type=click.Choice(("low", "high", "both")),
    default="low",
    show_default=True,
    help="Turn small slices, originals, or both.",
)
@click.option(
    "--interpolation",
    type=click.Choice(("cubic", "linear")),
    default="cubic",
    show_default=True,
    help="Of rotations.",
)
@click.option(
    "--plane",
    type=click.Choice(("axial", "coronal", "sagittal")),
    default="axial",
    show_default=True,
)
@click.option(
    "--subsample",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Every so many slices; 1 takes all.",
)
@backend_option
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print the means as JSON.")
def mri(
    volumes: tuple[Path, ...],
    output: Path,
    networks: tuple[str, ...],
    masks: tuple[Path, ...],
    degradations: tuple[str, ...],
    angles: str,
    turn: str,
    interpolation: str,
    plane: str,
    subsample: int,
    backend: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Study networks on VOLUMES of brain MRI (NIfTI, MGH) or gray pictures.

    Slices are made small as in the thesis and by an antialiased bicubic, turned,
    enlarged, turned back and compared, for each channel of the networks. The
    folder -o gets report.html, rows.csv and what has been computed: a study that
    was stopped goes on where it was.
    """
    from zoo.run.names import told_apart
    from zoo.study.report import write_csv, write_report
    from zoo.study.slices import load_stack
    from zoo.study.study import Plan, Study

    if masks and len(masks) != len(volumes):
        raise UsageError(
            f"{len(volumes)} volumes and {len(masks)} masks; give one each"
        )
    chosen = tuple(dict.fromkeys(("thesis", "matlab", *degradations)))
    turned = ("low", "high") if turn == "both" else (turn,)
    plan = Plan(chosen, _angles(angles), turned, interpolation)  # type: ignore[arg-type]
    names = told_apart(volumes)
    if len(set(names)) < len(names):
        raise UsageError("a volume is named twice; give each once")
    stacks = [
        replace(load_stack(path, plane=plane, every=subsample, mask=mask), name=name)  # type: ignore[arg-type]
        for path, mask, name in zip(
            volumes, masks or (None,) * len(volumes), names, strict=True
        )
    ]
    models = _models(networks, backend, threads)
    command_line = (
        f"zoo study mri {' '.join(map(str, volumes))} -o {output} "
        f"{' '.join(f'--network {name}' for name in networks)} --angles {angles} "
        f"--turn {turn} --interpolation {interpolation} --plane {plane} "
        f"--subsample {subsample} "
        f"{' '.join(f'--degradation {name}' for name in degradations)} "
        f"{' '.join(f'--mask {path}' for path in masks)}"
    ).strip()
    settings = {
        "volumes": [str(path.resolve()) for path in volumes],
        "masks": [str(path.resolve()) for path in masks],
        "networks": {name: _weights(name) for name in networks},
        "plane": plane,
        "subsample": subsample,
        "interpolation": interpolation,
    }
    study = Study(output, stacks, models, plan, settings)
    from zoo.progress import bar

    with bar(total=study.count(), unit="slice") as progress:
        study.run(progress.reach)
    write_csv(study, output / "rows.csv")
    write_report(study, output / "report.html", command_line)
    if as_json:
        print_json(_means(study.rows))
    else:
        print_text(str(output / "report.html"))
        say(f"{len(study.rows)} rows in {output / 'rows.csv'}")


def _angles(text: str) -> tuple[float, ...]:
    try:
        if "x" in text:
            count, step = text.split("x")
            found = tuple(float(step) * n for n in range(int(count)))
        else:
            found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--angles {text!r} is neither 0,18,90 nor 20x18") from None
    if not found or len(found) > 3600 or not all(abs(a) < 1e6 for a in found):
        raise UsageError(f"--angles {text!r} gives no angles, or too many")
    return found


def _weights(name: str) -> str | None:
    """Hash of a network's weights: rows of others are not gone on with."""
    from zoo.checkpoints.cards import digest
    from zoo.run.files import NetworkFile

    origin = NetworkFile(name).origin
    return None if origin is None else digest(origin)


def _models(
    networks: tuple[str, ...], backend: str | None, threads: int | None
) -> dict[str, Model]:
    from zoo import load
    from zoo.evaluate.pairs import whole_scale

    models = {}
    for name in networks:
        model = load(name, backend=backend, threads=threads)
        model.network.require_weights()
        if whole_scale(model.network) < 2:
            raise UsageError(f"{name} does not enlarge; the study needs x2 or more")
        models[name] = model
    return models


def _means(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Means over slices, for programs."""
    from zoo.study.rows import Rows

    keys = ("volume", "method", "channel", "degradation", "scale", "angle", "turned")
    groups: dict[tuple[object, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), Rows()).append(row)
    fields = ("psnr", "ssim", "stretched_psnr", "stretched_ssim", "least")
    return [
        dict(zip(keys, group, strict=True))
        | {field: own.mean(field) for field in fields}
        | {"slices": len(own)}
        for group, own in groups.items()
    ]
