"""``zoo show``: a network, layer by layer."""

from __future__ import annotations

import click

from zoo.cli._common import SIZE, json_option, print_json

__all__ = ["command"]


@click.command(short_help="Show a network layer by layer.")
@click.argument("network", metavar="NAME_OR_CFG")
@click.option(
    "--size",
    type=SIZE,
    help="Size of the picture; that of [net] by default, 96x96 where it is open.",
)
@click.option("--lenient", is_flag=True, help="Read the cfg as Darknet does.")
@json_option
def command(
    network: str, size: tuple[int, int] | None, lenient: bool, as_json: bool
) -> None:
    """Show the layers of a network, with what they make and cost.

    "from" names the layers that feed a layer, where that is not the one before.
    "output" is rows x columns x channels. "sees" is how many rows x columns of
    the picture one output pixel depends on, at most. "MiB" are the activations
    alive while the layer runs, in float32.
    """
    from zoo.catalog import find_cfg, find_weights
    from zoo.network import Network
    from zoo.summary import summarize

    path = find_cfg(network)
    built = Network.read(path, lenient=lenient)
    height, width = size or built.nominal_size
    summary = summarize(built, height, width)
    weights = find_weights(path)
    if as_json:
        print_json(
            summary.as_dict() | {"weights_file": str(weights) if weights else None}
        )
        return
    click.echo(str(summary))
    click.echo(f"trained weights: {weights or 'none found beside the cfg'}")
