"""``zoo convert``: a published checkpoint becomes a cfg and weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._common import (
    header_option,
    json_option,
    print_json,
    print_text,
    set_option,
    settings_of,
)
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.checkpoints.convert import Converted

__all__ = ["command"]


@click.command(short_help="Convert a published checkpoint.")
@click.argument("source", metavar="FILE")
@click.option(
    "-o",
    "--stem",
    metavar="STEM",
    help="Path of what is written, without ending; by default FILE's name, in the "
    "current folder.",
)
@click.option(
    "--output",
    "wanted",
    metavar="NAME",
    help="The output to take, of a graph with several; by default the largest.",
)
@click.option("--family", metavar="NAME", help="Ask only this family (`zoo new`).")
@click.option(
    "--state",
    metavar="PATH",
    help="Take only tensors whose names begin so, where FILE holds several networks.",
)
@set_option
@click.option("--cfg", metavar="CFG", help="The network that nameless weights fit.")
@click.option(
    "--to",
    type=click.Choice(
        ["safetensors", "weights", "darknet", "npz", "onnx", "ncnn", "torch"]
    ),
    default="safetensors",
    show_default=True,
    help="Format of the weights to write; darknet is weights; onnx and ncnn hold the network too.",
)
@click.option(
    "--licence",
    "--license",
    "licence",
    metavar="SPDX",
    default="unknown",
    show_default=True,
    help="Licence of the weights, which is written with them.",
)
@click.option("--lenient", is_flag=True, help="Read --cfg as Darknet does.")
@header_option
@click.option(
    "--weights",
    metavar="FILE",
    help="Of a cfg that is written for Darknet; by default what lies beside it.",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@click.option(
    "--check",
    is_flag=True,
    help="Compare an ONNX file's network with onnxruntime before it is written.",
)
@click.option("-v", "--verbose", is_flag=True, help="Also list all hyper-parameters.")
@json_option
def command(
    source: str,
    stem: str | None,
    wanted: str | None,
    family: str | None,
    state: str | None,
    settings: tuple[str, ...],
    cfg: str | None,
    to: str,
    licence: str,
    lenient: bool,
    header: int | None,
    weights: str | None,
    force: bool,
    check: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Convert a checkpoint to STEM.cfg and STEM.safetensors.

    The format and the family are found from the content; nothing in FILE is
    executed. A table says of every tensor where it went. What the file does
    not state (say, the factor of residual branches) is assumed as published and
    listed; --set changes it.

    A network of zoo's language is written in Darknet's with `zoo convert net.cfg --to
    darknet`: STEM_darknet.cfg and .weights, which Darknet and Netron read. What its
    language cannot say is rewritten where the result stays the same, else refused.

    Weights of a known network change their format with --cfg:
    `zoo convert net.weights --cfg net.cfg`, and back with --to weights; --to torch
    writes STEM.pth with the names that the program of the network's authors reads.
    """
    from zoo.checkpoints.convert import convert

    options = settings_of(settings)
    if wanted is not None and options.setdefault("output", wanted) != wanted:
        raise UsageError("--output and --set output= name two outputs; give one")
    how: dict[str, Any] = {
        "family": family,
        "state": state,
        "options": options,
        "cfg": cfg,
        "licence": licence,
        "lenient": lenient,
        "header": header,
        "check": check,
    }
    if to == "darknet" and cfg is None and Path(source).suffix == ".cfg":
        _to_stock(source, stem, weights, lenient, header, force, as_json)
        return
    if weights is not None:
        raise UsageError("--weights goes with a cfg and --to darknet; leave it out")
    if to in ("onnx", "ncnn"):
        write = _to_onnx if to == "onnx" else _to_ncnn
        result = write(source, stem, force, how)
    else:
        to = "weights" if to == "darknet" else to
        result = convert(source, stem, to=to, force=force, **how)  # type: ignore[arg-type]
    if as_json:
        print_json(result.as_dict())
    else:
        print_text(_report(result, verbose))


def _to_stock(
    source: str,
    output: str | None,
    weights: str | None,
    lenient: bool,
    header: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write a network in stock Darknet's words."""
    from zoo import load
    from zoo.catalog import find_cfg
    from zoo.checkpoints.stock import write_stock
    from zoo.tables import printable

    path = find_cfg(source)
    network = load(
        path, weights, backend="numpy", lenient=lenient, header=header
    ).network
    stem = output or f"{path.stem}_darknet"
    for ending in (".cfg", ".weights"):
        stem = stem.removesuffix(ending)
    stock, paths = write_stock(network, stem, force=force)
    if as_json:
        print_json(
            {
                "source": str(path),
                "written": [str(one) for one in paths],
                "layers": len(stock.network),
                "notes": list(stock.notes),
            }
        )
        return
    for note in stock.notes:
        print_text(f"  {note}")
    print_text(printable(f"wrote {paths[0]} and {paths[1]}"))


def _to_onnx(
    source: str, output: str | None, force: bool, how: dict[str, Any]
) -> Converted:
    """Convert, and write the network as an ONNX file in place of cfg and weights."""
    from dataclasses import replace

    from zoo import load
    from zoo.checkpoints.convert import convert
    from zoo.files import refuse_existing
    from zoo.onnx.check import export_onnx

    name = Path(source).name
    stem = (output or name.removesuffix(Path(name).suffix) or name).removesuffix(
        ".onnx"
    )
    target = Path(f"{stem}.onnx")
    if not force:
        refuse_existing(target)
    with tempfile.TemporaryDirectory() as folder:
        made = convert(source, Path(folder) / "net", **how)
        weights = made.written[-1]
        cfg = how["cfg"] or made.written[0]
        network = load(cfg, weights, backend="numpy", lenient=how["lenient"]).network
        try:
            done = export_onnx(network, target)
        except UsageError as error:
            reason = str(error).partition(": ")[2] or str(error)
            raise UsageError(
                f"{source}: {reason} (zoo export {source} --onnx {target} --size WxH)"
            ) from None
    note = (
        "not compared: ONNX Runtime is not installed"
        if done.error is None
        else f"ONNX Runtime gives zoo's output to {done.error:.1e} of its range"
    )
    return replace(made, notes=(*made.notes, note), written=(target,))


def _to_ncnn(
    source: str, output: str | None, force: bool, how: dict[str, Any]
) -> Converted:
    """Convert, and write the network as ncnn's pair of files."""
    from dataclasses import replace

    from zoo import load
    from zoo.checkpoints.convert import convert
    from zoo.files import refuse_existing
    from zoo.ncnn.check import export_ncnn

    name = Path(source).name
    stem = (output or name.removesuffix(Path(name).suffix) or name).removesuffix(
        ".param"
    )
    targets = Path(f"{stem}.param"), Path(f"{stem}.bin")
    for target in targets:
        if target.exists() and target.samefile(source):
            raise UsageError(
                f"{str(target)!r} would overwrite the source; give another name (-o)"
            )
        if not force:
            refuse_existing(target)
    with tempfile.TemporaryDirectory() as folder:
        made = convert(source, Path(folder) / "net", **how)
        weights = made.written[-1]
        cfg = how["cfg"] or made.written[0]
        network = load(cfg, weights, backend="numpy", lenient=how["lenient"]).network
        done = export_ncnn(network, *targets)
    note = (
        "not compared: ncnn is not installed"
        if done.error is None
        else f"ncnn gives zoo's output to {done.error:.1e} of its range"
    )
    return replace(made, notes=(*made.notes, note), written=done.paths)


def _report(result: Converted, verbose: bool) -> str:
    """Where every tensor went, and what was made of the file."""
    from zoo.tables import count, printable, table

    rows = [
        (line.tensor, "x".join(map(str, line.shape)) or "scalar", line.use, line.where)
        for line in result.uses
    ]
    tensors = table(("tensor", "shape", "use", "where"), rows)
    notes = []
    known = result.recognition
    what = f"{result.source}: {result.format}, {len(rows)} tensors"
    if known is not None:
        what += f"; {known.family} as named by {known.layout}"
        assumed = {assumption.option for assumption in known.assumptions}
        said = [
            f"{name}={_text(value)}"
            for name, value in known.options.items()
            if verbose or name not in assumed
        ]
        notes += [what, f"  {' '.join(said)}"]
        notes += [
            f"  assumed {item.option}={_text(item.value)} ({item.reason})"
            for item in known.assumptions
        ]
    else:
        notes.append(what)
    notes += [f"  {note}" for note in result.notes]
    notes.append(f"  sha256 {result.sha256}")
    written = " and ".join(str(path) for path in result.written)
    notes.append(f"wrote {written}: {count(result.parameter_count)} parameters")
    return "\n".join([tensors, "", *map(printable, notes)])


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(_text, value)) or "auto"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
