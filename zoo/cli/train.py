"""``zoo train``: learn a network from pictures."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import _completion as completion
from zoo.cli._common import (
    backend_option,
    device_option,
    lenient_option,
    on_device,
    pair_options,
    print_json,
    print_text,
    say,
    threads_option,
)
from zoo.train.options import TrainingOptions

if TYPE_CHECKING:
    from zoo.train.loop import Report
    from zoo.train.session import Session

__all__ = ["command"]

_every = partial(click.option, type=click.IntRange(min=1))


@click.command(short_help="Train a network on a folder of pictures.")
@click.argument("cfg", required=False, shell_complete=completion.networks)
@click.option("--data", multiple=True, type=click.Path(), help="Folder of pictures.")
@click.option("-o", "--output", type=click.Path(), help="Folder of the run.")
@click.option("--validate", type=click.Path(), help="Folder to measure PSNR on.")
@pair_options
@click.option("--resume", type=click.Path(), help="Continue the run of this folder.")
@click.option("--from", "from_weights", type=click.Path(), help="Start from weights.")
@click.option("--from-cfg", type=click.Path(), help="Their cfg, if another one.")
@click.option("--updates", type=int, help="Steps of the optimizer in all.")
@click.option("--batch", type=int, help="Patches per update.")
@click.option("--subdivisions", type=int, help="Parts of a batch; saves memory.")
@click.option("--patch", type=int, help="Side of a low-resolution patch.")
@click.option("--cost", help="mae, mse, charbonnier, ...")
@click.option("--optimizer", help="adam, adamw, sgd, ...")
@click.option("--learning-rate", type=float, help="Step size.")
@click.option("--policy", help="constant, step, steps, poly, sgdr, ...")
@click.option("--decay", type=float, help="Weight decay.")
@click.option("--clip-gradient", type=float, help="Largest norm of the gradient.")
@click.option("--average", type=float, help="Share of an update in the mean weights.")
@click.option("--burn-in", type=int, help="Updates of warm-up.")
@click.option(
    "--precision",
    type=click.Choice(("f32", "bf16")),
    help="bf16: products in bfloat16, with --device.",
)
@click.option("--seed", type=int, help="Of first weights and patches.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any key of [net]."
)
@_every("--validate-every", help="Updates between two validations [1000].")
@_every("--save-every", help="Between two checkpoints [200].")
@_every("--log-every", help="Between two lines of the log [50].")
@click.option("--minutes", type=float, help="Stop, resumable, after so long.")
@backend_option
@device_option
@threads_option
@lenient_option
@click.option("--json", "as_json", is_flag=True, help="Print the log as JSON lines.")
def command(
    cfg: str | None,
    data: tuple[str, ...],
    output: str | None,
    validate: str | None,
    high: str | None,
    low: str | None,
    low_name: str | None,
    resume: str | None,
    from_weights: str | None,
    from_cfg: str | None,
    settings: tuple[str, ...],
    validate_every: int | None,
    save_every: int | None,
    log_every: int | None,
    minutes: float | None,
    backend: str | None,
    device: str | None,
    threads: int | None,
    lenient: bool,
    as_json: bool,
    **recipe: Any,
) -> None:
    """Train the network CFG on pictures, or go on with a run.

    The pictures of --data are the large ones; small ones are made from them by
    MATLAB's bicubic. The run's folder holds the cfg, the last state (to resume
    from), the best weights, a log and a picture of the learning curve.

    The recipe can be written in the cfg's [net] section; options override it,
    and --set reaches the keys that have no option of their own. A resumed run
    remembers all but --minutes and --threads.

    With --json stdout gets what log.jsonl gets, and a last object with the result.
    """
    from zoo.errors import UsageError
    from zoo.train.run_folder import plain_entry
    from zoo.train.session import Session

    if minutes is not None and not 0 <= minutes < math.inf:
        raise UsageError(f"--minutes is {minutes:g}; it must be 0 or more, and finite")
    if high is not None and data:
        raise UsageError("give --data or --hr, not both")
    options = TrainingOptions(
        data=data if high is None else (high,),
        validate=validate,
        low=low,
        low_name=low_name,
        is_high=high is not None,
        changes=recipe,  # the other options are called like its fields
        settings=settings,
        backend=on_device(backend, device),
        threads=threads,
        validate_every=validate_every,
        save_every=save_every,
        log_every=log_every,
    )
    if resume is not None:
        for given, what in (
            (cfg, "cfg"),
            (output, "folder"),
            (from_weights or from_cfg, "weights"),
        ):
            if given:
                raise UsageError(f"a resumed run has its {what} already; leave it out")
        session = Session.resume(Path(resume), options)
    elif cfg and options.data and output:
        session = Session.start(
            cfg,
            output,
            options,
            from_weights=from_weights,
            from_cfg=from_cfg,
            lenient=lenient,
            say=say,
        )
    else:
        raise UsageError("training needs CFG, --data and --output, or --resume")

    def put(entry: dict[str, Any]) -> None:
        print_json(plain_entry(entry), indent=None)

    with closing(session):
        session.prepare(say, put if as_json else None)
        try:
            with _display(session) as show:
                session.trainer.report = show
                session.trainer.run(seconds=None if minutes is None else 60 * minutes)
        except KeyboardInterrupt:
            say(session.conclusion())
            if as_json:
                put(session.summary())
            raise
        conclusion = session.conclusion()
        if as_json:
            say(conclusion)
            put(session.summary())
        else:
            print_text(f"{conclusion} ({session.protocol})")


@contextmanager
def _display(session: Session) -> Iterator[Callable[[Report], None]]:
    """Progress on stderr: loss, PSNR, speed, time left.

    A bar on a terminal; elsewhere a line now and then, for ``nohup`` and logs.
    """
    from zoo.progress import bar

    shown = sys.stderr is not None and sys.stderr.isatty()
    total, done = session.recipe.updates, session.trainer.update
    every = session.settings.log_every
    with bar(total, "update", shown=shown, done=done) as progress:

        def show(report: Report) -> None:
            if shown:
                progress.note(", ".join(_figures(report)))
                progress.reach(report.update)
            elif report.update % every == 0 or report.update == total:
                left = (total - report.update) * report.seconds_per_update
                figures = [*_figures(report), f"{_duration(left)} left"]
                say(f"{report.update}/{total} updates: {', '.join(figures)}")

        yield show


def _figures(report: Report) -> list[str]:
    figures = [f"loss {report.loss:.4g}", f"rate {report.rate:.3g}"]
    if report.psnr is not None:
        figures.append(f"PSNR {report.psnr:.2f} dB")
    if report.best is not None:
        figures.append(f"best {report.best:.2f} dB")
    if report.skipped:
        figures.append(f"{report.skipped} left out")
    return [*figures, _speed(report.seconds_per_update)]


def _speed(seconds: float) -> str:
    if 0 < seconds < 0.5:
        return f"{1 / seconds:.1f} updates/s"
    return f"{seconds:.2f} s/update"


def _duration(seconds: float) -> str:
    minutes = round(seconds) // 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return (
        f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{minutes} min"
    )
