"""``zoo eval``: PSNR and SSIM by the protocol of the literature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli._common import (
    device_option,
    json_option,
    on_device,
    precision_option,
    print_json,
)

if TYPE_CHECKING:
    from zoo.plugins import Precision

__all__ = ["command"]


@click.command(short_help="Measure PSNR and SSIM on a folder of pictures.")
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--weights", type=click.Path(), help="Weights of the network.")
@click.option("--scale", type=click.IntRange(1, 16), help="Enlargement, for bicubic.")
@click.option("--backend", help="Kernels to use (`zoo plugins` lists them).")
@device_option
@precision_option
@click.option("-j", "--threads", type=int, help="Threads to use.")
@json_option
def command(
    model: str,
    folder: Path,
    weights: str | None,
    scale: int | None,
    backend: str | None,
    device: str | None,
    precision: Precision,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure a MODEL on the pictures of a FOLDER.

    MODEL is a cfg file, a name (`zoo list`), or the word bicubic. FOLDER holds
    large pictures, from which MATLAB's bicubic makes the small ones, or two
    folders HR and LR with pictures of the same names.

    The protocol is that of the literature: luma of BT.601, as many border
    pixels cut off as the scale says, 8 bits, mean over the pictures.
    """
    from zoo.errors import UsageError
    from zoo.evaluate import bicubic, cases_in, enlarger, evaluate, scale_of
    from zoo.progress import bar

    if model == "bicubic":
        scale = scale or scale_of(folder)
        if scale is None:
            raise UsageError("bicubic needs --scale, for the folder does not tell it")
        enlarge = bicubic(scale)
    else:
        from zoo import load

        net = load(
            model,
            weights,
            backend=on_device(backend, device),
            threads=threads,
            precision=precision,
        )
        net.network.require_weights()
        if scale not in (None, net.scale):
            raise UsageError(f"{model} enlarges {net.scale:g} times, not {scale} times")
        if net.scale != int(net.scale):
            raise UsageError(f"{model} enlarges {net.scale:g} times, no whole number")
        scale = int(net.scale)
        enlarge = enlarger(net)
    cases, count, origin = cases_in(folder, scale)
    with bar(total=count, unit="picture") as progress:
        scores = evaluate(
            enlarge, cases, scale, origin, report=lambda _: progress.update(1)
        )
    if as_json:
        print_json(
            {
                "model": model,
                "folder": str(folder),
                "scale": scale,
                "protocol": scores.protocol,
                "psnr": scores.psnr,
                "ssim": scores.ssim,
                "pictures": [
                    {"name": s.name, "psnr": s.psnr, "ssim": s.ssim}
                    for s in scores.scores
                ],
            }
        )
        return
    from zoo.tables import table

    rows = [(s.name, f"{s.psnr:.2f}", f"{s.ssim:.4f}") for s in scores.scores]
    rows.append(("mean", f"{scores.psnr:.2f}", f"{scores.ssim:.4f}"))
    click.echo(table(("picture", "PSNR dB", "SSIM"), rows, "lrr"))
    click.echo(f"x{scale}; {scores.protocol}")
