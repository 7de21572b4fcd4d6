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

_ENDINGS = {
    "onnx": ".onnx",
    "ncnn": ".param",
    "safetensors": ".safetensors",
    "darknet": ".weights",
    "npz": ".npz",
}


@click.command(short_help="Write a network as ONNX, for ncnn, or its weights.")
@click.argument("cfg", shell_complete=completion.networks)
@click.option(
    "--onnx", "output", type=click.Path(path_type=Path), help="File to write."
)
@click.option(
    "--ncnn",
    "param",
    type=click.Path(path_type=Path),
    help="Write for ncnn: this .param and a .bin beside it.",
)
@click.option(
    "--to",
    type=click.Choice(["onnx", "ncnn", "safetensors", "darknet", "npz"]),
    help="Format of what -o names.",
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="File for --to; by default CFG's name in the current folder.",
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
    param: Path | None,
    to: str | None,
    target: Path | None,
    weights: str | None,
    white: str,
    bare: bool,
    size: tuple[int, int] | None,
    force: bool,
    lenient: bool,
    as_json: bool,
) -> None:
    """Write the network CFG as an ONNX file, or as a pair of files for ncnn.

    The file takes a picture and gives one, N x C x H x W, R, G, B from 0 to
    --pixels, not rounded; mean, range and order of colours are inside. With
    --bare it holds the network alone, and how pixels become its input stands in
    the file's metadata (zoo.pixels). Its output in ONNX Runtime is compared with
    zoo's before it is written. Where ONNX Runtime is not installed it is written
    all the same, and stderr says that nothing was compared.

    Needs the package onnx: pip install onnx onnxruntime brings both.

    --to safetensors, darknet or npz writes the weights alone, which run with the
    cfg; safetensors and npz have every tensor under zoo's name.

    For ncnn (Upscayl, chaiNNer, Real-ESRGAN's programs) white is 1, the input is
    called data and the output output, weights are half floats. It is compared
    with zoo's output where the package ncnn is installed.
    """
    from zoo.errors import UsageError
    from zoo.files import refuse_existing

    if sum(way is not None for way in (output, param, to)) != 1:
        raise UsageError("say where to, with --onnx FILE, --ncnn FILE or --to FORMAT")
    if to is None and target is not None:
        raise UsageError("-o FILE goes with --to FORMAT")
    if to is not None:
        target = target or Path(f"{Path(cfg).name.removesuffix('.cfg')}{_ENDINGS[to]}")
        if to == "ncnn":
            param = target
        elif to != "onnx":
            if bare or size or white != "255":
                raise UsageError(f"--to {to} writes weights, which have no pixels")
            _write_weights(cfg, target, to, weights, force, lenient, as_json)
            return
        output = target if to == "onnx" else None
    if param is not None:
        if bare or size or white != "255":
            raise UsageError("--ncnn takes pictures of any size, white being 1")
        _write_ncnn(cfg, param, weights, force, lenient, as_json)
        return
    assert output is not None
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


def _write_weights(
    cfg: str,
    target: Path,
    to: str,
    weights: str | None,
    force: bool,
    lenient: bool,
    as_json: bool,
) -> None:
    """``--to`` one of the formats that hold weights and no network."""
    from zoo import load
    from zoo.catalog import find_weights
    from zoo.checkpoints.files import save_weights
    from zoo.checkpoints.passing import find_network
    from zoo.files import refuse_existing
    from zoo.parsers.safetensors import read_metadata

    if target.suffix != _ENDINGS[to]:
        target = target.with_name(f"{target.name}{_ENDINGS[to]}")
    if not force:
        refuse_existing(target)
    path = find_network(cfg)
    network = load(path, weights, backend="numpy", lenient=lenient).network
    network.require_weights()
    used = Path(weights) if weights else find_weights(path)
    known = {}
    if used is not None and used.suffix == ".safetensors":
        known = read_metadata(used)
    kept = {
        key: value
        for key, value in known.items()
        if not key.startswith("zoo.") and key not in ("license", "source")
    }
    save_weights(
        network,
        target,
        source=known.get("source", used.name if used is not None else cfg),
        licence=known.get("license", "unknown"),
        extra=kept,
    )
    size = target.stat().st_size
    if as_json:
        print_json({"path": str(target), "bytes": size, "network": str(path)})
    else:
        print_text(f"{target}: {size:,} bytes, the weights of {path}")


def _write_ncnn(
    cfg: str,
    param: Path,
    weights: str | None,
    force: bool,
    lenient: bool,
    as_json: bool,
) -> None:
    """``--ncnn``."""
    from zoo.files import refuse_existing

    if param.suffix != ".param":
        param = param.with_name(f"{param.name}.param")
    binary = param.with_suffix(".bin")
    if not force:
        refuse_existing(param)
        refuse_existing(binary)

    from zoo import load
    from zoo.ncnn.check import export_ncnn

    network = load(cfg, weights, backend="numpy", lenient=lenient).network
    done = export_ncnn(network, param, binary)
    if done.error is None:
        say(
            f"warning: {param} was not compared with zoo's output: ncnn is not "
            f"installed (pip install ncnn)"
        )
    if as_json:
        print_json(
            {
                "paths": [str(path) for path in done.paths],
                "bytes": done.bytes,
                "layers": done.layers,
                "error": done.error,
            }
        )
        return
    checked = (
        "not compared"
        if done.error is None
        else f"ncnn's output is zoo's to {done.error:.1e} of its range"
    )
    print_text(
        f"{param} and {binary.name}: {done.bytes:,} bytes, {done.layers} layers; "
        f"{checked}"
    )
