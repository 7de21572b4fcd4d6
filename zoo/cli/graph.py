"""``zoo graph``: a drawing of a network."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli._common import SIZE, json_option, lenient_option, print_json, print_text

__all__ = ["command"]


@click.command(short_help="Draw a network.")
@click.argument("network", metavar="NAME_OR_CFG")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The SVG file to write.",
)
@click.option(
    "--size",
    type=SIZE,
    help="Size of the picture; that of [net] by default, 96x96 where it is open.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@lenient_option
@json_option
def command(
    network: str,
    output: Path,
    size: tuple[int, int] | None,
    force: bool,
    lenient: bool,
    as_json: bool,
) -> None:
    """Draw a network as SVG: its layers with their shapes, and what links them.

    Layers stand from top to bottom, in columns where there are many. Blocks that repeat
    are drawn once, in a frame that says how often. Links to other layers than the one
    above are lines; long ones are words ("from 61"). Outputs have a thick border.
    """
    from zoo.catalog import find_cfg
    from zoo.diagram import draw_network
    from zoo.errors import UsageError
    from zoo.files import atomic_write, refuse_existing
    from zoo.network import Network
    from zoo.tables import printable

    if output.suffix.lower() != ".svg":
        raise UsageError(f"{str(output)!r}: drawings are SVG; name the file .svg")
    if not force:
        refuse_existing(output)
    built = Network.read(find_cfg(network), lenient=lenient)
    text = draw_network(built, *(size or (None, None)))
    with atomic_write(output) as file:
        file.write(text.encode())
    if as_json:
        print_json({"path": str(output), "layers": len(built), "bytes": len(text)})
    else:
        print_text(printable(f"wrote {output}: {len(built)} layers"))
