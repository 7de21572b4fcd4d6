"""``zoo bench``: how fast it is here, and how fast others are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from zoo.cli import _completion as completion
from zoo.cli._common import (
    SIZE,
    force_option,
    json_option,
    lenient_option,
    precision_option,
    print_json,
    print_text,
    say,
    threads_option,
)
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.bench.cases import LayerCase
    from zoo.bench.kept import Kept
    from zoo.network import Network

__all__ = ["command"]

_plot_option = click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw a chart into this file (.png).",
)


def _kept_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options --save and --compare."""
    path = click.Path(path_type=Path, dir_okay=False)
    function = click.option(
        "--compare", type=path, help="Compare with what --save kept in this file."
    )(function)
    return click.option("--save", type=path, help="Keep the results in this file.")(
        function
    )


def _earlier(
    kind: str,
    save: Path | None,
    compare: Path | None,
    plot: Path | None,
    force: bool,
) -> Kept | None:
    """What is compared with; wrong files are found before hours of measuring."""
    from zoo.bench.kept import Kept
    from zoo.files import refuse_existing

    for path in (save, plot):
        if path is not None and not force:
            refuse_existing(path)
    return Kept.read(compare, kind) if compare is not None else None


def _finish(
    kept: Kept, text: str, save: Path | None, earlier: Kept | None, as_json: bool
) -> None:
    """Keep and print what was measured, and what became of what was compared."""
    from zoo.bench.report import machine_line

    if save is not None:
        kept.save(save)
        say(f"wrote {save}")
    if as_json:
        compared = {} if earlier is None else {"compared": kept.changes(earlier)}
        print_json({"machine": kept.machine, **kept.details, **compared})
        return
    print_text(text)
    print_text(machine_line(kept.machine))
    if earlier is not None:
        print_text(kept.compared(earlier))


@click.group(short_help="Measure speed and memory, against other engines too.")
def command() -> None:
    """Measure speed and memory on this machine, against other engines too.

    What is compared runs in turn; only ratios of one such run mean something.
    Other engines are measured if they are installed: pip install onnx onnxruntime
    openvino ncnn torch.
    """


@command.command(short_help="Measure a network against other engines.")
@click.argument("network", metavar="CFG", shell_complete=completion.networks)
@click.option(
    "--size",
    type=SIZE,
    default="256x256",
    show_default=True,
    help="Size of the picture.",
)
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
@precision_option
@click.option(
    "--runs", type=click.IntRange(1, 10_000), default=7, show_default=True,
    help="Warm runs of each.",
)  # fmt: skip
@click.option(
    "--cold", "cold_runs", type=click.IntRange(0, 1000), default=3, show_default=True,
    help="Whole processes of each, picture file to picture file.",
)  # fmt: skip
@threads_option
@lenient_option
@_plot_option
@_kept_options
@force_option
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
    lenient: bool,
    plot: Path | None,
    save: Path | None,
    compare: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Measure a network in zoo and, with the same weights, in other engines.

    "warm" is the median of runs of the loaded network, "cold" that of whole
    processes that read a picture and write the result. "spread" lies between the
    quartiles of the warm runs, as a part of the median. "MiB" is the most that a
    process had in memory. "error" is the largest difference from zoo's output, as
    a part of its range.
    """
    from zoo.bench.kept import Kept, timed_net
    from zoo.bench.machine import describe
    from zoo.bench.net import measure
    from zoo.bench.peers import OURS
    from zoo.bench.report import net_panels, net_text, save_plot
    from zoo.bench.results import Entrant
    from zoo.machine.threads import thread_count

    earlier = _earlier("net", save, compare, plot, force)
    entrants = [Entrant(OURS, backend) for backend in (backends or ("",))]
    entrants += _peers(against)
    built, origin = _network(network, weights, lenient)
    with _progress() as tell:
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
    if plot is not None:
        save_plot(net_panels(report), plot)
    kept = Kept("net", describe(), timed_net(report), details=report.as_dict())
    _finish(kept, net_text(report), save, earlier, as_json)
    return 0 if all(result.agrees for result in report.results) else 1


@contextmanager
def _progress() -> Iterator[Callable[[float, str], None]]:
    """A bar; it is told the part of the work done, from 0 to 1, and what is done."""
    from zoo.progress import bar

    with bar(total=100, unit="%") as progress:

        def tell(part: float, what: str) -> None:
            progress.note(what)
            progress.reach(100 * part)

        yield tell


def _peers(names: str) -> list[Any]:
    """The entrants that a list of names means: each with all of its settings."""
    from zoo.bench.peers import PEERS, installed, load
    from zoo.bench.results import Entrant

    entrants = []
    for name in _words(names):
        if name not in PEERS:
            _unknown("engine", name, [*PEERS, "none"])
        # What is not installed is said once, in the report.
        variants = load(name).variants if installed(name) else ("",)
        entrants += [Entrant(name, variant) for variant in variants]
    return entrants


def _network(name: str, weights: str | None, lenient: bool) -> tuple[Network, str]:
    """A network with weights, and where they came from."""
    from zoo.catalog import find_weights
    from zoo.checkpoints.files import load_weights
    from zoo.checkpoints.passing import find_network
    from zoo.network import Network

    path = find_network(name)
    network = Network.read(path, lenient=lenient)
    found = None
    if weights != "random":
        found = Path(weights) if weights else find_weights(path)
    if found is None:
        network.initialize()
        return network, "random"
    load_weights(network, found)
    return network, str(found)


@command.command(short_help="Measure single layers against PyTorch and TensorFlow.")
@click.option("--case", "names", multiple=True, help="Only this case; may be repeated.")
@click.option(
    "--direction",
    type=click.Choice(["forward", "backward", "both"]),
    default="both",
    show_default=True,
)
@click.option(
    "--against",
    metavar="NAMES",
    default="torch,tensorflow",
    show_default=True,
    help="Engines, separated by commas; none measures zoo alone.",
)
@click.option("--backend", "backends", multiple=True, help="Kernels of zoo.")
@click.option(
    "--thesis", is_flag=True, help="The thesis's cases, drawn as its figures 2.10-2.14."
)
@click.option("--batch", type=click.IntRange(1, 4096), default=16, show_default=True)
@click.option("--size", type=SIZE, default="512x512", show_default=True)
@click.option(
    "--runs", type=click.IntRange(1, 10_000), default=30, show_default=True,
    help="Runs of each.",
)  # fmt: skip
@click.option(
    "-j", "--threads", "scan", help="Threads to try, as in 1,2,4; by default 1 to all."
)
@_plot_option
@_kept_options
@force_option
@json_option
def layers(
    names: tuple[str, ...],
    direction: str,
    against: str,
    backends: tuple[str, ...],
    batch: int,
    size: tuple[int, int],
    runs: int,
    scan: str | None,
    thesis: bool,
    plot: Path | None,
    save: Path | None,
    compare: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Measure single layers, forward and backward, on several numbers of threads.

    The cases are those of the thesis from which zoo comes: 3x3 convolutions with
    100 filters, stride 1 and 2, maximum over windows of 3 and 30, and pixel
    shuffles, on 16 images of 512x512. What does not fit into memory is left out,
    with a sentence. Backward is the gradient of the input and of all weights.
    --case also knows the convolutions, pooling and shuffles of "zoo bench kernels".
    """
    from zoo.bench.cases import CASES, THESIS
    from zoo.bench.kept import Kept, timed_layers
    from zoo.bench.layer_peers import OURS, VARIANTS
    from zoo.bench.layers import measure
    from zoo.bench.machine import describe
    from zoo.bench.report import layers_panels, layers_text, save_plot
    from zoo.bench.results import Entrant

    if thesis:
        if names:
            raise UsageError("--thesis chooses the cases; leave --case out")
        plot = plot or Path("thesis_layers.png")
    earlier = _earlier("layers", save, compare, plot, force)
    chosen = _picked(names, CASES, THESIS, "case")
    entrants = [Entrant(OURS, backend) for backend in (backends or ("",))]
    for name in _words(against):
        if name not in VARIANTS:
            _unknown("engine", name, [*VARIANTS, "none"])
        entrants += [Entrant(name, variant) for variant in VARIANTS[name]]
    with _progress() as tell:
        rows = list(
            measure(
                [case.sized(batch, *size) for case in chosen],
                ["forward", "backward"] if direction == "both" else [direction],
                _scan(scan),
                entrants,
                runs,
                tell,
            )
        )
    if plot is not None and any(row.seconds for row in rows):
        save_plot(layers_panels(rows), plot)
        say(f"wrote {plot}")
    details = {"rows": [row.as_dict() for row in rows]}
    kept = Kept("layers", describe(), timed_layers(rows), details=details)
    _finish(kept, layers_text(rows), save, earlier, as_json)
    return 0 if all(row.agrees for row in rows) else 1


@command.command(short_help="Measure zoo's own operations, in every way it has.")
@click.option(
    "--operation", "names", multiple=True, help="Only this one; may be repeated."
)
@click.option("--size", type=SIZE, default="256x256", show_default=True)
@click.option("--isa", "isas", multiple=True, help="Instruction sets; all by default.")
@click.option(
    "--algorithm", "algorithms", multiple=True, help="Of convolutions; all by default."
)
@click.option("--no-numpy", is_flag=True, help="Leave the NumPy back end out.")
@click.option("--runs", type=click.IntRange(1, 10_000), default=9, show_default=True)
@click.option("-j", "--threads", "scan", help="Threads to try, as in 1,2,4.")
@_plot_option
@_kept_options
@force_option
@json_option
def kernels(
    names: tuple[str, ...],
    size: tuple[int, int],
    isas: tuple[str, ...],
    algorithms: tuple[str, ...],
    no_numpy: bool,
    runs: int,
    scan: str | None,
    plot: Path | None,
    save: Path | None,
    compare: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Measure zoo's operations by algorithm, instruction set and threads.

    The rate of a convolution counts the operations of a direct one, whatever the
    algorithm; that of the others counts bytes read and written.
    """
    from zoo.bench.cases import OPERATIONS
    from zoo.bench.kept import Kept, timed_kernels
    from zoo.bench.kernels import choices, measure
    from zoo.bench.machine import describe
    from zoo.bench.report import kernels_panels, kernels_text, save_plot

    earlier = _earlier("kernels", save, compare, plot, force)
    chosen = _picked(names, OPERATIONS, OPERATIONS, "operation")
    there, ways = choices()
    for kind, wanted, known in (
        ("instruction set", isas, there),
        ("algorithm", algorithms, ways),
    ):
        for name in wanted:
            if name not in known:
                _unknown(kind, name, known)
    with _progress() as tell:
        rows = list(
            measure(
                [case.sized(1, *size) for case in chosen],
                isas=isas or there,
                algorithms=algorithms or ways,
                threads=_scan(scan),
                runs=runs,
                with_numpy=not no_numpy,
                report=tell,
            )
        )
    if plot is not None:
        save_plot(kernels_panels(rows), plot)
    details = {"rows": [row.as_dict() for row in rows]}
    kept = Kept("kernels", describe(), timed_kernels(rows), details=details)
    _finish(kept, kernels_text(rows), save, earlier, as_json)


def _words(text: str) -> list[str]:
    """The words of a list with commas, each once; "none" means none."""
    words = (part.strip() for part in text.split(","))
    return [word for word in dict.fromkeys(words) if word not in ("", "none")]


def _picked(
    names: tuple[str, ...],
    known: Mapping[str, LayerCase],
    default: Iterable[str],
    kind: str,
) -> list[LayerCase]:
    """What the names mean, or without names the default ones."""
    for name in names:
        if name not in known:
            _unknown(kind, name, list(known))
    return [known[name] for name in dict.fromkeys(names or default)]


def _unknown(kind: str, name: str, known: list[str]) -> NoReturn:

    there = ", ".join(known) if known else "none here"
    raise UsageError(f"there is no {kind} {name!r}; there are: {there}")


def _scan(text: str | None) -> list[int]:
    """Numbers of threads to try: 1, 2, 4, ... and all there are, or what is given."""
    from zoo.machine.threads import MAX_THREADS, available_threads

    if text is None:
        most = available_threads()
        return [2**n for n in range(most.bit_length()) if 2**n < most] + [most]
    words = _words(text)
    if not words or not all(w.isascii() and w.isdigit() for w in words):
        raise UsageError(f"{text!r} are no numbers of threads; write them as in 1,2,4")
    if not all(len(w) <= 9 and 1 <= int(w) <= MAX_THREADS for w in words):
        raise UsageError(f"{text!r}: numbers of threads are 1 to {MAX_THREADS}")
    return [int(word) for word in words]
