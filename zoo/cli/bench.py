"""``zoo bench``: how fast it is here, and how fast others are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._common import SIZE, json_option, print_json

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["command"]

_threads_option = click.option(
    "-j", "--threads", type=click.IntRange(1, 1024), help="Threads of each engine."
)
_plot_option = click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw a chart into this file (.png).",
)


@click.group(short_help="Measure speed and memory, against other engines too.")
def command() -> None:
    """Measure speed and memory on this machine, against other engines too.

    What is compared runs in turn; only ratios of one such run mean something.
    Other engines are measured if they are installed: pip install 'cfgzoo[bench]'.
    """


@command.command(short_help="Measure a network against other engines.")
@click.argument("network", metavar="CFG")
@click.option("--size", type=SIZE, required=True, help="Size of the picture.")
@click.option(
    "--weights",
    help="Weights of the network, or the word random; by default what is found "
    "beside the cfg, else random.",
)
@click.option(
    "--against",
    metavar="NAMES",
    default="torch,onnxruntime,openvino,ncnn",
    show_default=True,
    help="Engines, separated by commas (opencv too); none measures zoo alone.",
)
@click.option(
    "--backend",
    "backends",
    multiple=True,
    help="Kernels of zoo; given more than once, each is measured.",
)
@click.option(
    "--precision", type=click.Choice(["f32", "bf16"]), default="f32", show_default=True
)
@click.option(
    "--runs", type=click.IntRange(1, 10_000), default=7, show_default=True,
    help="Warm runs of each.",
)  # fmt: skip
@click.option(
    "--cold", "cold_runs", type=click.IntRange(0, 1000), default=3, show_default=True,
    help="Whole processes of each, picture file to picture file.",
)  # fmt: skip
@_threads_option
@_plot_option
@json_option
def net(
    network: str,
    size: tuple[int, int],
    weights: str | None,
    against: str,
    backends: tuple[str, ...],
    precision: str,
    runs: int,
    cold_runs: int,
    threads: int | None,
    plot: Path | None,
    as_json: bool,
) -> int:
    """Measure a network in zoo and, with the same weights, in other engines.

    "warm" is the median of runs of the loaded network, "cold" that of whole
    processes that read a picture and write the result. "spread" lies between the
    quartiles of the warm runs, as a part of the median. "MiB" is the most that a
    process had in memory. "error" is the largest difference from zoo's output, as
    a part of its range.
    """
    from zoo.bench.machine import describe
    from zoo.bench.net import Entrant, measure
    from zoo.bench.peers import OURS
    from zoo.bench.report import machine_line, net_panels, net_text, save_plot
    from zoo.plugins.threads import thread_count
    from zoo.progress import bar

    entrants = [Entrant(OURS, backend) for backend in (backends or ("",))]
    entrants += _peers(against)
    built, origin = _network(network, weights)
    with bar(total=100, unit="%") as progress:

        def tell(part: float, what: str) -> None:
            progress.note(what)
            progress.reach(100 * part)

        report = measure(
            built,
            entrants,
            *size,
            threads=thread_count(threads),
            precision=precision,
            runs=runs,
            cold_runs=cold_runs,
            weights=origin,
            report=tell,
        )
    machine = describe()
    if plot is not None:
        save_plot(net_panels(report), plot)
    if as_json:
        print_json({"machine": machine, **report.as_dict()})
    else:
        click.echo(net_text(report))
        click.echo(machine_line(machine))
    return 0 if all(result.agrees for result in report.results) else 1


def _peers(names: str) -> list[Any]:
    """The entrants that a list of names means: each with all of its settings."""
    from zoo.bench.net import Entrant
    from zoo.bench.peers import PEERS, installed, load
    from zoo.errors import UsageError

    entrants = []
    for name in dict.fromkeys(part.strip() for part in names.split(",")):
        if name in ("", "none"):
            continue
        if name not in PEERS:
            raise UsageError(
                f"there is no engine {name!r}; there are {', '.join(PEERS)}, and none"
            )
        # What is not installed is said once, in the report.
        variants = load(name).variants if installed(name) else ("",)
        entrants += [Entrant(name, variant) for variant in variants]
    return entrants


def _network(name: str, weights: str | None) -> tuple[Network, str]:
    """A network with weights, and where they came from."""
    from zoo.catalog import find_cfg, find_weights
    from zoo.network import Network
    from zoo.state import load_weights

    path = find_cfg(name)
    network = Network.read(path)
    found = None
    if weights != "random":
        found = Path(weights) if weights else find_weights(path)
    if found is None:
        network.initialize()
        return network, "random"
    load_weights(network, found)
    return network, str(found)
