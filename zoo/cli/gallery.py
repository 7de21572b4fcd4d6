"""``zoo gallery``: what each layer does to a picture."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli._common import print_text, say

__all__ = ["command"]


@click.command(short_help="Show what each layer does to a picture.")
@click.argument("picture", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("gallery.html"),
    show_default=True,
    help="The page.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(picture: Path, output: Path, force: bool) -> None:
    """Write a page that shows layers at work on PICTURE, forward and backward.

    Convolution, pooling, shortcut, pixel shuffle, activations and others: the
    figures 2.3 to 2.9 of the thesis from which zoo comes, with any picture.
    """
    from zoo.files import refuse_existing
    from zoo.study.gallery import write_gallery

    if not force:
        refuse_existing(output)
    count = write_gallery(picture, output)
    print_text(str(output))
    say(f"{count} layers")
