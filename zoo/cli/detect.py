"""``zoo detect``: objects in pictures."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._common import (
    backend_option,
    header_option,
    json_option,
    lenient_option,
    say,
    threads_option,
)
from zoo.cli._each import each_picture

if TYPE_CHECKING:
    from zoo.detect.detector import Detector, Suppression
    from zoo.detect.resizing import Resize
    from zoo.run.jobs import Job

__all__ = ["command"]


@click.command(short_help="Find objects in pictures.")
@click.argument("cfg")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.option("--weights", metavar="FILE", help="By default what lies beside CFG.")
@click.option("--names", metavar="FILE", help="Names of the classes, a line each.")
@click.option(
    "-o", "--output", metavar="PATH", help="Draw into this file, or this folder."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.25,
    show_default=True,
    help="The least score.",
)
@click.option(
    "--overlap",
    type=click.FloatRange(0, 1),
    default=0.45,
    show_default=True,
    help="Boxes that overlap more are one object.",
)
@click.option(
    "--nms",
    "suppression",
    type=click.Choice(("class", "agnostic", "diou")),
    help="Whose boxes are held against each other: those of one class, of all, or of "
    "one with the distance of their centres; by default what the heads' nms_kind says.",
)
@click.option(
    "--resize",
    type=click.Choice(("opencv", "darknet", "letterbox")),
    help="How pictures are brought to the network's size; by default letterbox if [net] "
    "has letter_box=1 or dialect=pjreddie, else opencv.",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@backend_option
@threads_option
@lenient_option
@header_option
@json_option
def command(
    cfg: str,
    pictures: tuple[str, ...],
    weights: str | None,
    names: str | None,
    output: str | None,
    threshold: float,
    overlap: float,
    suppression: Suppression | None,
    resize: Resize | None,
    force: bool,
    backend: str | None,
    threads: int | None,
    lenient: bool,
    header: int | None,
    as_json: bool,
) -> int:
    """Find the objects in pictures (or folders of them) with the detector CFG.

    A line for each object: what it is, how sure that is, and its box: columns from
    the left, rows from the top, width and height, in pixels. With -o the boxes are
    drawn into copies of the pictures. With --json an object of JSON for each picture,
    in a line.

    Heads of YOLOv1 to v7 and of Gaussian YOLO are understood. What is sure of several
    classes is listed once for each, as in Darknet.
    """
    from zoo import load
    from zoo.catalog import find_cfg, find_weights
    from zoo.detect import Detector, read_names
    from zoo.run.inputs import find_inputs
    from zoo.run.jobs import make_jobs

    path = find_cfg(cfg)
    known = None if names is None else read_names(names)
    model = load(
        path,
        weights if weights is not None else find_weights(path),
        backend=backend,
        threads=threads,
        lenient=lenient,
        header=header,
    )
    detector = Detector(
        model,
        known,
        threshold=threshold,
        overlap=overlap,
        suppression=suppression,
        resize=resize,
    )
    model.network.require_weights()
    inputs = find_inputs(pictures, output)
    for text in inputs.left_out:
        say(text)
    if output is None:
        from zoo.run.jobs import Job

        jobs = [Job(item.path, "", None) for item in inputs.items]
    else:
        jobs = make_jobs(inputs, output, None, "found")
    height, width = detector.size
    if not as_json:
        say(
            f"{cfg}: {width}x{height}, {detector.resize} resizing, nms "
            f"{detector.suppression} above {overlap:g}, scores above {threshold:g}"
        )
    looks = [(job.source, partial(_one, detector, job, force)) for job in jobs]
    return each_picture(looks, _lines, as_json)


def _one(detector: Detector, job: Job, force: bool) -> dict[str, Any]:
    """Read a picture, find what is in it, and perhaps draw it."""
    from pathlib import Path

    from zoo.detect import draw
    from zoo.files import refuse_existing
    from zoo.images import read, write
    from zoo.run.jobs import require_folder

    if job.target and job.target != "-" and not force:
        refuse_existing(Path(job.target))
    image = read(job.source)
    start = time.perf_counter()
    found = detector(image)
    seconds = time.perf_counter() - start
    record: dict[str, Any] = {
        "width": image.width,
        "height": image.height,
        "resize": detector.resize,
        "seconds": round(seconds, 4),
        "objects": [one.as_dict() for one in found],
    }
    if job.target:
        if job.target != "-":
            require_folder(Path(job.target).parent, create=True)
        write(job.target, draw(image, found))
        record["output"] = job.target
    return record


def _lines(record: dict[str, Any], is_one_of_many: bool) -> str:
    """What was found, for people."""
    from zoo.tables import printable, table

    rows = [
        (
            printable(one["name"]),
            f"{one['score']:.1%}",
            *(f"{value:.1f}" for value in one["box"]),
        )
        for one in record["objects"]
    ]
    header = ("object", "score", "left", "top", "width", "height")
    text = table(header, rows, "lrrrrr") if rows else "nothing found"
    head = f"{printable(record['input'])}:\n" if is_one_of_many else ""
    made = f"\nwrote {printable(record['output'])}" if "output" in record else ""
    return f"{head}{text}{made}"
