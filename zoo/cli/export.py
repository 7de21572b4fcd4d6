"""``zoo export``: a network as a file of another engine."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import _completion as completion
from zoo.cli._common import (
    SIZE,
    json_option,
    lenient_option,
    print_json,
    print_text,
    say,
    weights_option,
)
from zoo.extras import how_to_install

__all__ = ["command"]


@click.command(short_help="Write a network as an ONNX file.")
@click.argument("cfg", shell_complete=completion.networks)
@click.option(
    "--onnx", "output", type=click.Path(path_type=Path), help="File to write."
)
@weights_option
@click.option(
    "--pixels",
    "white",
    type=click.Choice(("255", "1")),
    default="255",
    show_default=True,
    help="The value of white, in and out; mean, range and colours are inside.",
)
@click.option("--bare", is_flag=True, help="The network alone, without --pixels.")
@click.option("--size", type=SIZE, help="Of the pictures; any size if not given.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@lenient_option
@json_option
def command(
    cfg: str,
    output: Path | None,
    weights: str | None,
    white: str,
    bare: bool,
    size: tuple[int, int] | None,
    force: bool,
    lenient: bool,
    as_json: bool,
) -> None:
    """Write the network CFG as an ONNX file.

    The file takes a picture and gives one, N x C x H x W, R, G, B from 0 to
    --pixels, not rounded; mean, range and order of colours are inside. With
    --bare it holds the network alone, and how pixels become its input stands in
    the file's metadata (zoo.pixels). Its output in ONNX Runtime is compared with
    zoo's before it is written. Where ONNX Runtime is not installed it is written
    all the same, and stderr says that nothing was compared.

    Needs the package onnx: pip install onnx onnxruntime brings both.
    """
    from zoo.errors import UsageError
    from zoo.files import refuse_existing

    if output is None:
        raise UsageError("say where to with --onnx FILE")
    if not force:
        refuse_existing(output)

    from zoo import load
    from zoo.onnx.check import export_onnx

    network = load(cfg, weights, backend="numpy", lenient=lenient).network
    height, width = size or (None, None)
    scale = None if bare else float(white)
    done = export_onnx(network, output, height, width, white=scale)
    if done.error is None:
        say(
            f"warning: {done.path} was not compared with zoo's output: ONNX "
            f"Runtime is not installed ({how_to_install('onnx')})"
        )
    if as_json:
        print_json(
            {
                "path": str(done.path),
                "bytes": done.bytes,
                "opset": done.opset,
                "nodes": done.nodes,
                "error": done.error,
            }
        )
        return
    checked = (
        "not compared"
        if done.error is None
        else f"equal to zoo's output in ONNX Runtime, to {done.error:.1e} of its range"
    )
    print_text(
        f"{done.path}: {done.bytes:,} bytes, opset {done.opset}, "
        f"{done.nodes} nodes; {checked}"
    )
