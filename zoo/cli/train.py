"""``zoo train``: learn a network from pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["command"]

_RECIPE = "Recipe (each overrides the key of [net])"


@click.command(short_help="Train a network on a folder of pictures.")
@click.argument("cfg", required=False)
@click.option("--data", multiple=True, type=click.Path(), help="Folder of pictures.")
@click.option("-o", "--output", type=click.Path(), help="Folder of the run.")
@click.option("--validate", type=click.Path(), help="Folder to measure PSNR on.")
@click.option("--resume", type=click.Path(), help="Continue the run of this folder.")
@click.option("--from", "from_weights", type=click.Path(), help="Start from weights.")
@click.option("--from-cfg", type=click.Path(), help="Their cfg, if another one.")
@click.option("--updates", type=int, help="Steps of the optimizer in all.")
@click.option("--batch", type=int, help="Patches per update.")
@click.option("--patch", type=int, help="Side of a low-resolution patch.")
@click.option("--cost", help="mae, mse, charbonnier, ...")
@click.option("--optimizer", help="adam, adamw, sgd, ...")
@click.option("--learning-rate", type=float, help="Step size.")
@click.option("--policy", help="constant, step, steps, poly, sgdr, ...")
@click.option("--decay", type=float, help="Weight decay.")
@click.option("--clip-gradient", type=float, help="Largest norm of the gradient.")
@click.option("--average", type=float, help="Share of an update in the mean weights.")
@click.option("--burn-in", type=int, help="Updates of warm-up.")
@click.option("--seed", type=int, help="Of first weights and patches.")
@click.option("--validate-every", type=int, default=1000, show_default=True)
@click.option("--save-every", type=int, default=200, show_default=True)
@click.option("--log-every", type=int, default=50, show_default=True)
@click.option("--minutes", type=float, help="Stop, resumable, after so long.")
@click.option("--backend", help="Kernels to use (`zoo plugins` lists them).")
@click.option("-j", "--threads", type=int, help="Threads to use.")
@click.option("--device", help="Of the torch back end: cpu or cuda.")
def command(**options: Any) -> None:
    """Train the network CFG on pictures, or go on with a run.

    The pictures of --data are the large ones; small ones are made from them by
    MATLAB's bicubic. The run's folder holds the cfg, the last state (to resume
    from), the best weights, a log and a picture of the learning curve. The
    recipe can be written in the cfg's [net] section; options override it.
    """
    from zoo.errors import UsageError

    resume = options["resume"]
    if resume is None and not (
        options["cfg"] and options["data"] and options["output"]
    ):
        raise UsageError("training needs CFG, --data and --output, or --resume")
    if resume is not None and options["cfg"]:
        raise UsageError("a resumed run has its cfg already; leave CFG out")

    from zoo.train.session import Session

    session = Session.resume(Path(resume)) if resume else Session.start(options)
    session.prepare(options)
    with _Display(session.recipe.updates, session.trainer.update) as display:
        session.trainer.report = display
        minutes = options["minutes"]
        session.trainer.run(seconds=None if minutes is None else 60 * minutes)
    click.echo(session.conclusion())


class _Display:
    """Progress on stderr: loss, PSNR, speed, time left."""

    def __init__(self, updates: int, done: int) -> None:
        from zoo.progress import bar

        self._bar = bar(total=updates, initial=done, unit="update")

    def __enter__(self) -> _Display:  # noqa: PYI034
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def __call__(self, report: Any) -> None:
        figures = {"loss": f"{report.loss:.4g}"}
        if report.psnr is not None:
            figures |= {"dB": f"{report.psnr:.2f}", "best": f"{report.best:.2f}"}
        if report.skipped:
            figures["skipped"] = str(report.skipped)
        self._bar.set_postfix(figures, refresh=False)
        self._bar.update(1)
