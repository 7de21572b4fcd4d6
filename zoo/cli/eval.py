"""``zoo eval``: PSNR, SSIM and other metrics by the protocol of the literature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli._common import (
    backend_option,
    device_option,
    json_option,
    lenient_option,
    on_device,
    precision_option,
    print_json,
    print_text,
    say,
    threads_option,
    weights_option,
)

if TYPE_CHECKING:
    from zoo.errors import ZooError
    from zoo.plugins import Precision

__all__ = ["command"]


# Heading and format of the metrics that have a usual one.
_COLUMNS = {"psnr": ("PSNR dB", ".2f"), "ssim": ("SSIM", ".4f")}


@click.command(short_help="Measure PSNR and SSIM on a folder of pictures.")
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@weights_option
@click.option("--scale", type=click.IntRange(1, 16), help="Enlargement, for bicubic.")
@click.option(
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    default=("psnr", "ssim"),
    show_default=True,
    help="What to measure (`zoo plugins` lists them); may be repeated.",
)
@backend_option
@device_option
@precision_option
@threads_option
@lenient_option
@json_option
def command(
    model: str,
    folder: Path,
    weights: str | None,
    scale: int | None,
    metrics: tuple[str, ...],
    backend: str | None,
    device: str | None,
    precision: Precision,
    threads: int | None,
    lenient: bool,
    as_json: bool,
) -> int:
    """Measure a MODEL on the pictures of a FOLDER.

    MODEL is a cfg file, a name (`zoo list`), or the word bicubic. FOLDER holds
    large pictures, from which MATLAB's bicubic makes the small ones, or two
    folders HR and LR with pictures of the same names.

    A picture that cannot be read or is too small is reported and left out of the
    means; the exit code is 1 then.

    The protocol is that of the literature: luma of BT.601, as many border
    pixels cut off as the scale says, 8 bits, mean over the pictures. It holds
    for every --metric, which gets those luma planes.
    """
    from zoo.errors import ImageError, UsageError
    from zoo.evaluate.pairs import whole_scale
    from zoo.evaluate.protocol import bicubic, cases_in, enlarger, evaluate, scale_of
    from zoo.progress import bar

    if model == "bicubic":
        for name, given in (
            ("weights", weights),
            ("backend", backend),
            ("device", device),
            ("threads", threads),
        ):
            if given is not None:
                raise UsageError(f"bicubic has no --{name}; leave it out")
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
            lenient=lenient,
        )
        net.network.require_weights()
        if scale not in (None, net.scale):
            raise UsageError(f"{model} enlarges {net.scale:g} times, not {scale} times")
        scale = whole_scale(net.network)
        enlarge = enlarger(net)
    left_out: dict[str, str] = {}

    def leave_out(name: str, error: ZooError) -> None:
        left_out[name] = str(error)
        progress.update(1)

    cases, count, origin = cases_in(folder, scale, leave_out)
    with bar(total=count, unit="picture") as progress:
        try:
            scores = evaluate(
                enlarge,
                cases,
                scale,
                origin,
                report=lambda _: progress.update(1),
                metrics=metrics,
                leave_out=leave_out,
            )
        except ImageError:
            reason = next(iter(left_out.values()), "none is left")
            raise ImageError(
                f"none of {count} pictures could be measured: {reason}"
            ) from None
    for reason in left_out.values():
        say(f"{reason}; left out")
    if as_json:
        print_json(
            {
                "model": model,
                "folder": str(folder),
                "scale": scale,
                "protocol": scores.protocol,
                "is_complete": not left_out,
                **scores.means,
                "pictures": [{"name": s.name, **s.values} for s in scores.scores],
                "left_out": [{"name": n, "reason": r} for n, r in left_out.items()],
            }
        )
        return int(bool(left_out))
    from zoo.tables import table

    columns = {name: _COLUMNS.get(name, (name, ".6g")) for name in scores.means}
    heads = ["picture", *(head for head, _ in columns.values())]
    mean = f"mean of {count - len(left_out)} of {count}" if left_out else "mean"
    rows = [
        [picture, *(format(values[name], columns[name][1]) for name in columns)]
        for picture, values in (
            *((s.name, s.values) for s in scores.scores),
            (mean, scores.means),
        )
    ]
    print_text(table(heads, rows, "l" + "r" * len(columns)))
    incomplete = "; incomplete, pictures were left out" if left_out else ""
    print_text(f"x{scale}; {scores.protocol}{incomplete}")
    return int(bool(left_out))
