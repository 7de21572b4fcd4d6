"""``zoo eval``: PSNR, SSIM and other metrics by the protocol of the literature."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli import _completion as completion
from zoo.cli._common import (
    backend_option,
    device_option,
    force_option,
    json_option,
    lenient_option,
    on_device,
    on_option,
    pair_options,
    precision_option,
    print_json,
    print_text,
    require_engine,
    say,
    ship_option,
    threads_option,
    weights_option,
)
from zoo.errors import UsageError
from zoo.files import refuse_existing

if TYPE_CHECKING:
    from zoo.evaluate.contest import Result
    from zoo.evaluate.datasets import PictureSet
    from zoo.evaluate.entrants import Entrant

__all__ = ["command"]

_MEASURED = ("picture", "volume")


@click.command(short_help="Measure PSNR and SSIM on folders of pictures.")
@click.argument(
    "names",
    metavar="MODEL... FOLDER...",
    nargs=-1,
    shell_complete=completion.networks_and_bicubic,
)
@weights_option
@click.option("--scale", type=click.IntRange(1, 16), help="Enlargement, for bicubic.")
@click.option(
    "--results",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Finished pictures to measure beside the models; may be repeated.",
)
@click.option(
    "-x", "--ensemble", is_flag=True, help="Networks by the self-ensemble of 8, too."
)
@click.option(
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    default=("psnr", "ssim"),
    show_default=True,
    shell_complete=completion.metrics,
    help="What to measure (`zoo plugins` lists them); may be repeated.",
)
@click.option(
    "--protocol",
    shell_complete=completion.protocols,
    metavar="NAME",
    help="benchmark (pictures), mri (volumes), div2k, basicsr.",
)
@click.option(
    "--plane",
    type=click.Choice(("auto", "axial", "coronal", "sagittal")),
    default="auto",
    help="Of the slices of volumes.",
)
@click.option("--mask", type=click.Path(path_type=Path), help="Of the one volume.")
@pair_options
@click.option(
    "--jpeg",
    type=click.IntRange(1, 100),
    metavar="QUALITY",
    help="Small pictures become JPEG (4:2:0) first.",
)
@click.option(
    "--degrade",
    "degradations",
    multiple=True,
    metavar="KEY=VALUE",
    help="As in training: noise_sigma=5, blur_sigma=0.4,1.2 ...; may be repeated.",
)
@backend_option
@device_option
@precision_option
@threads_option
@lenient_option
@on_option
@ship_option
@json_option
@click.option("--csv", "form", flag_value="csv", help="Print a line per picture.")
@click.option("--markdown", "form", flag_value="markdown", help="For a web page.")
@click.option("--latex", "form", flag_value="latex", help="For a paper (booktabs).")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw bars, and quality against time, as .png.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write one HTML page: tables, bars, worst crops, differences.",
)
@force_option
def command(
    names: tuple[str, ...],
    weights: str | None,
    scale: int | None,
    results: tuple[Path, ...],
    ensemble: bool,
    metrics: tuple[str, ...],
    protocol: str | None,
    plane: str,
    mask: Path | None,
    high: str | None,
    low: str | None,
    low_name: str | None,
    jpeg: int | None,
    degradations: tuple[str, ...],
    where: str | None,
    ship: bool,
    as_json: bool,
    form: str | None,
    plot: Path | None,
    report: Path | None,
    force: bool,
    **how: object,
) -> int:
    """Measure MODELs on the pictures of FOLDERs.

    A MODEL is a cfg file, a name (`zoo list`), the folder of a training run, or
    the word bicubic. A FOLDER holds large pictures, from which MATLAB's bicubic
    makes the small ones, or both in a layout as DIV2K's, BasicSR's or
    EDSR-PyTorch's; --hr, --lr and --lr-name say what no name tells.

    A picture that cannot be read or is too small is reported and left out of the
    means; the exit code is 1 then.

    The protocol is that of the literature: luma of BT.601, as many border
    pixels cut off as the scale says, 8 bits, mean over the pictures. It holds
    for every --metric, which gets those luma planes; --protocol names others.

    A FOLDER may be one picture. It may be a volume (NIfTI, MGH) or hold some:
    their slices are measured, in floats, with the 99.9th percentile as peak; empty ones are left
    out, and with --mask what lies inside is measured apart.

    With --jpeg 75 the small pictures are compressed before they are enlarged, as
    photographs are; --degrade takes what a recipe does (`zoo layers show net`), and
    the name of a picture decides what is drawn from a range.
    """
    from zoo.degradation.degradation import Degradation
    from zoo.evaluate.contest import Contest
    from zoo.evaluate.planes import Gathered
    from zoo.evaluate.presets import protocol_named
    from zoo.evaluate.report import Worst, write_report
    from zoo.progress import bar

    require_engine(where, ship)
    _require_outputs(report, plot, force)
    models, folders = _sorted_out(names)
    sets = _sets(folders, high, low, low_name)
    if not sets:
        raise UsageError("say on which pictures: zoo eval MODEL FOLDER")
    if not models and not results:
        raise UsageError("say what to measure: zoo eval MODEL FOLDER")
    entrants = _entrants(models, weights, results, ensemble, how)
    contest = Contest(entrants, scale, metrics)
    chosen = [
        (entrant, name, _at(find, contest, entrant))
        for name, find in sets
        for entrant in entrants
    ]
    if mask is not None and (len(sets) != 1 or not chosen[0][2].has_volumes):
        raise UsageError("--mask goes with one volume")
    jpegs = [] if jpeg is None else [f"jpeg_quality={jpeg}"]
    how_worse = Degradation.from_settings([*jpegs, *degradations])
    chosen = [
        (
            entrant,
            name,
            replace(pictures, plane=plane, mask=mask, degradation=how_worse),  # type: ignore[arg-type]
        )
        for entrant, name, pictures in chosen
    ]
    usual = "mri" if any(of.has_volumes for _, _, of in chosen) else "benchmark"
    contest.how = protocol_named(protocol or usual)
    total = sum(len(pictures) for _, _, pictures in chosen)
    gathered: dict[tuple[str, int], Gathered] = {}
    with bar(total=total, unit="picture") as progress:
        contest.on_picture = lambda: progress.update(1)
        seen = [
            None
            if report is None
            else Worst(
                entrant,
                gathered.setdefault((name, contest.scale_of(entrant, of)), Gathered()),
            )
            for entrant, name, of in chosen
        ]
        for note in dict.fromkeys(of.note for _, _, of in chosen if of.note):
            progress.say(f"zoo: {note}")
        if where is not None:
            from zoo.evaluate.away import measure_on
            from zoo.run.engines import engine_at

            engine = engine_at(where, progress.say, ship=ship)
            measure_on(engine, contest, chosen, seen, contest.on_picture)
        else:
            for (entrant, name, pictures), own in zip(chosen, seen, strict=True):
                contest.measure(entrant, name, pictures, own)
        worst = [
            (entrant.name, name, own)
            for (entrant, name, _), own in zip(chosen, seen, strict=True)
            if own is not None
        ]
    _show(contest.results, as_json, form)
    if report is not None:
        write_report(contest.results, worst, report, " ".join(sys.argv))
        say(f"wrote {report}")
    if plot is not None:
        from zoo.evaluate.plots import save_plot

        save_plot(contest.results, plot)
        say(f"wrote {plot}")
    return int(any(result.left_out for result in contest.results))


def _require_outputs(report: Path | None, plot: Path | None, force: bool) -> None:
    """Complain of files that cannot be written before anything is measured."""
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"the report is a page; give {str(report)!r} the ending .html")
    for path in (report, plot):
        if path is not None and not force:
            refuse_existing(path)


class _Finder:
    """A set that is looked at once for each scale."""

    def __init__(self, folder: Path, low: str | None, low_name: str | None, high: bool):
        self._arguments = folder, low, low_name, high
        self._found: dict[int | None, PictureSet] = {}

    def __call__(self, scale: int | None) -> PictureSet:
        from zoo.evaluate.datasets import find_set

        folder, low, low_name, is_high = self._arguments
        if scale not in self._found:
            self._found[scale] = find_set(
                folder, scale, low=low, low_name=low_name, is_high=is_high
            )
        return self._found[scale]


def _sorted_out(names: tuple[str, ...]) -> tuple[list[str], list[Path]]:
    """Models and folders of pictures, in whatever order they were given."""
    from zoo.catalog import RUN_CFG
    from zoo.formats import by_suffix

    models: list[str] = []
    folders: list[Path] = []
    for position, name in enumerate(names):
        path = Path(name)
        is_folder = path.is_dir() and not (path / RUN_CFG).is_file()
        format = by_suffix(path) if path.is_file() else None
        is_folder = is_folder or (format is not None and format.kind in _MEASURED)
        # What is nowhere, and stands last, was meant as pictures.
        is_last = position == len(names) - 1 and len(names) > 1
        missing = is_last and not folders and not _is_model(name)
        if is_folder or missing:
            folders.append(path)
        else:
            models.append(name)
    return models, folders


def _is_model(name: str) -> bool:
    from zoo.catalog import find_cfg
    from zoo.errors import CfgError

    try:
        find_cfg(name)
    except CfgError:
        return name == "bicubic" or Path(name).exists()
    return True


def _sets(
    folders: list[Path], high: str | None, low: str | None, low_name: str | None
) -> list[tuple[str, _Finder]]:
    if high is not None:
        if folders:
            raise UsageError("give a FOLDER or --hr, not both")
        folders = [Path(high)]
    if low is not None and len(folders) != 1:
        raise UsageError("--lr FOLDER goes with one --hr FOLDER")
    short = [_short(folder) for folder in folders]
    names = short if len(set(short)) == len(short) else [str(f) for f in folders]
    return [
        (name, _Finder(folder, low, low_name, high is not None))
        for name, folder in zip(names, folders, strict=True)
    ]


def _short(folder: Path) -> str:
    """Set5 of benchmarks/Set5/x2."""
    parts = [part for part in folder.resolve().parts if part[:1] not in ("/", "\\")]
    while len(parts) > 1 and parts[-1].lower() in ("x2", "x3", "x4", "x8", "hr", "gt"):
        parts.pop()
    return parts[-1] if parts else str(folder)


def _at(find: _Finder, contest: object, entrant: Entrant) -> PictureSet:
    """The set as an entrant needs it."""
    from zoo.evaluate.contest import Contest

    assert isinstance(contest, Contest)
    wanted = entrant.scale or contest.scale
    if wanted is None:
        others = {other.scale for other in contest.entrants if other.scale is not None}
        wanted = next(iter(others)) if len(others) == 1 else None
    pictures = find(wanted)
    contest.scale_of(entrant, pictures)  # complains before anything is computed
    return pictures


def _entrants(
    models: list[str],
    weights: str | None,
    results: tuple[Path, ...],
    ensemble: bool,
    how: dict[str, object],
) -> list[Entrant]:
    from zoo.evaluate.entrants import Bicubic, Finished

    networks = [name for name in models if name != "bicubic"]
    if not networks:
        for option in ("weights", "backend", "device", "threads"):
            given = weights if option == "weights" else how[option]
            if given is not None:
                raise UsageError(f"bicubic has no --{option}; leave it out")
    if weights is not None and len(networks) != 1:
        raise UsageError("--weights goes with one network; name run folders instead")
    entrants: list[Entrant] = []
    for name in models:
        if name == "bicubic":
            entrants.append(Bicubic())
        else:
            entrants += _networks(name, weights, ensemble, how)
    return entrants + [Finished(folder) for folder in results]


def _networks(
    name: str, weights: str | None, ensemble: bool, how: dict[str, object]
) -> list[Entrant]:
    from zoo.checkpoints.cards import digest
    from zoo.evaluate.entrants import NetworkEntrant
    from zoo.run.files import NetworkFile

    backend, device = how["backend"], how["device"]
    file = NetworkFile(
        name,
        weights,
        backend=on_device(backend, device),  # type: ignore[arg-type]
        threads=how["threads"],  # type: ignore[arg-type]
        precision=how["precision"],  # type: ignore[arg-type]
        lenient=bool(how["lenient"]),
    )
    model, used = file.load(), file.origin
    sha256 = digest(used) if used is not None else None
    return [
        NetworkEntrant(
            name, model, use_ensemble=twice, file=file, weights_sha256=sha256
        )
        for twice in ((False, True) if ensemble else (False,))
    ]


def _show(results: list[Result], as_json: bool, form: str | None) -> None:
    from zoo._version import __version__
    from zoo.evaluate import score_tables

    for result in results:
        for reason in result.left_out.values():
            say(f"{reason}; left out")
    if as_json and form is not None:
        raise UsageError(f"give --json or --{form}, not both")
    if as_json:
        plain = [{**result.as_dict(), "zoo": __version__} for result in results]
        print_json(plain[0] if len(plain) == 1 else plain)
    elif form is not None:
        write = getattr(score_tables, f"as_{form}")
        print_text(write(results).removesuffix("\n"))
    elif len(results) == 1:
        (result,) = results
        print_text(score_tables.pictures_as_text(result))
        incomplete = "; incomplete, pictures were left out" if result.left_out else ""
        scores = result.scores
        print_text(f"x{scores.scale}; {scores.protocol}{incomplete}")
    else:
        print_text(score_tables.as_text(results))
