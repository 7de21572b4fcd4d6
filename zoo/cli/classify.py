"""``zoo classify``: what pictures show."""

from __future__ import annotations

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
    from zoo.detect.resizing import Resize

__all__ = ["command"]


@click.command(short_help="Name what pictures show.")
@click.argument("cfg")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.option("--weights", metavar="FILE", help="By default what lies beside CFG.")
@click.option("--names", metavar="FILE", help="Names of the classes, a line each.")
@click.option(
    "--top",
    type=click.IntRange(1, 100_000),
    default=5,
    show_default=True,
    help="How many classes to list.",
)
@click.option(
    "--resize",
    type=click.Choice(("opencv", "darknet", "letterbox")),
    help="How pictures are brought to the network's size; by default letterbox if [net] "
    "has letter_box=1 or dialect=pjreddie, else opencv.",
)
@click.option(
    "--middle", is_flag=True, help="See only the middle, as AlexeyAB's Darknet does."
)
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
    top: int,
    resize: Resize | None,
    middle: bool,
    backend: str | None,
    threads: int | None,
    lenient: bool,
    header: int | None,
    as_json: bool,
) -> int:
    """Name what pictures (or folders of them) show, with the classifier CFG.

    A line for each of the likeliest classes. Pictures are resized to the size that
    [net] says. With --json an object of JSON for each picture, in a line.
    """
    from zoo import load
    from zoo.catalog import find_cfg, find_weights
    from zoo.detect import Classifier, read_names
    from zoo.images import read
    from zoo.run.inputs import find_inputs

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
    classifier = Classifier(model, known, resize=resize, middle=middle)
    model.network.require_weights()
    inputs = find_inputs(pictures, None)
    for text in inputs.left_out:
        say(text)

    def look(source: str) -> dict[str, Any]:
        return {"classes": [one.as_dict() for one in classifier(read(source), top)]}

    looks = [(item.path, partial(look, item.path)) for item in inputs.items]
    return each_picture(looks, _lines, as_json, resize=classifier.resize)


def _lines(record: dict[str, Any], is_one_of_many: bool) -> str:
    from zoo.tables import printable, table

    rows = [
        (printable(one["name"]), f"{one['score']:.2%}") for one in record["classes"]
    ]
    head = f"{printable(record['input'])}:\n" if is_one_of_many else ""
    return head + table(("class", "probability"), rows, "lr")
