"""``zoo view``: look at pictures beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli._common import print_text, say

if TYPE_CHECKING:
    from zoo.evaluate.presets import Protocol
    from zoo.view.groups import Group
    from zoo.view.page import Album

__all__ = ["command"]


@click.command(short_help="Look at pictures and volumes beside each other.")
@click.argument(
    "paths",
    metavar="FILE...|FOLDER...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, readable=False, path_type=Path),
)
@click.option(
    "--reference",
    metavar="FILE",
    type=click.Path(exists=True, path_type=Path),
    help="What the others should be: PSNR and SSIM are measured against it.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the page to this .html file, and open nothing.",
)
@click.option(
    "--protocol", metavar="NAME", help="How scores are measured; see `zoo eval`."
)
@click.option(
    "--scale",
    type=click.IntRange(1, 64),
    help="For the border of the protocol; by default that of the smallest picture.",
)
@click.option(
    "--no-open", is_flag=True, help="Open no browser; say only where the page is."
)
@click.option("--force", is_flag=True, help="Overwrite a page that exists.")
def command(
    paths: tuple[Path, ...],
    reference: Path | None,
    output: Path | None,
    protocol: str | None,
    scale: int | None,
    no_open: bool,
    force: bool,
) -> int:
    """Show pictures or volumes beside each other, in the browser.

    The page is one HTML file with everything in it, values as they are stored. It
    loads nothing, so that it can be sent and opened from disk. Without -o it lies in
    zoo's cache, which keeps the last few, and the browser opens it.

    Files are compared with each other: with a slider between two, side by side, one
    after the other, or by their difference. Of a FOLDER each picture is shown with what
    `zoo run` made of it (a.png, a_x2.png); of several folders those files go together
    that have the same place and name.

    Exit code: 0 all is shown, 1 some files could not be.
    """
    from zoo.evaluate.presets import protocol_named
    from zoo.files import refuse_existing
    from zoo.view.groups import groups_of
    from zoo.view.page import Album
    from zoo.view.places import new_page, open_page

    if output is not None and not force:
        refuse_existing(output)
    how = None if protocol is None else protocol_named(protocol)
    groups = groups_of(paths, reference)
    album = Album(", ".join(dict.fromkeys(path.name or str(path) for path in paths)))
    failures = _fill(album, groups, scale, how)
    target = new_page() if output is None else output
    album.write(target)
    print_text(str(target))
    if output is None and not no_open and not open_page(target):
        say(f"no browser could be started; open {target}")
    return int(failures > 0)


def _fill(
    album: Album, groups: list[Group], scale: int | None, how: Protocol | None
) -> int:
    """Read all groups; of several, one that fails is reported and left out.

    When the page is full the rest is left out.
    """
    from zoo.errors import ZooError
    from zoo.page.blocks import PageFull
    from zoo.progress import bar
    from zoo.view.sheet import sheet_of

    failures = 0
    with bar(total=len(groups), unit="picture") as progress:
        for number, group in enumerate(groups, start=1):
            try:
                album.add(sheet_of(group, scale=scale, protocol=how))
            except PageFull as error:
                if not len(album):
                    raise
                failures += 1
                rest = len(groups) - number + 1
                progress.say(f"zoo: {error}; {rest} of {len(groups)} are left out")
                break
            except ZooError as error:
                if len(groups) == 1:
                    raise
                failures += 1
                progress.say(f"zoo: {error}; left out")
            progress.reach(number)
    if not len(album):
        raise ZooError("none of the files could be shown")
    return failures
