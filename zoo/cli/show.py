"""``zoo show``: a network, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zoo.cli import _completion as completion
from zoo.cli._common import (
    LARGEST_SIDE,
    SIZE,
    backend_option,
    json_option,
    lenient_option,
    precision_option,
    print_json,
    print_text,
    threads_option,
)
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.network import Network
    from zoo.plugins import Precision

__all__ = ["command"]


@click.command(short_help="Show a network layer by layer.")
@click.argument("network", metavar="NAME_OR_CFG", shell_complete=completion.networks)
@click.option(
    "--size",
    type=SIZE,
    help="Size of the picture; that of [net] by default, 96x96 where it is open.",
)
@lenient_option
@click.option("--plan", is_flag=True, help="Show what a back end really executes.")
@backend_option
@threads_option
@click.option("--max-memory", metavar="SIZE", help="Of the plan, as in 500M.")
@precision_option
@json_option
def command(
    network: str,
    size: tuple[int, int] | None,
    lenient: bool,
    plan: bool,
    backend: str | None,
    threads: int | None,
    max_memory: str | None,
    precision: Precision,
    as_json: bool,
) -> None:
    """Show the layers of a network, with what they make and cost.

    "from" names the layers that feed a layer, where that is not the one before.
    "output" is rows x columns x channels. "sees" is how many rows x columns of
    the picture one output pixel depends on, at most. "MiB" are the activations
    alive while the layer runs, in float32.

    With --plan: the operations that the layers become on this machine, how each
    is computed, how many rows at a time, and what is kept of its output. The
    picture itself is read, and its enlargement written, in full.
    """
    from zoo.catalog import find_weights
    from zoo.checkpoints.cards import card_of, read_card
    from zoo.checkpoints.passing import find_network
    from zoo.network import Network
    from zoo.summary import summarize
    from zoo.tables import printable

    path = find_network(network)
    built = Network.read(path, lenient=lenient)
    height, width = size or built.nominal_size
    if plan:
        if max(height, width) > LARGEST_SIDE:
            raise UsageError(
                f"{network} is for pictures of {width}x{height} pixels; give a --size "
                f"of at most {LARGEST_SIDE} a side for its plan"
            )
        limits = max_memory, precision
        _show_plan(built, height, width, backend, threads, *limits, as_json)
        return
    summary = summarize(built, height, width)
    weights = find_weights(path)
    if as_json:
        origin: dict[str, Any] = {"weights_file": str(weights) if weights else None}
        known = card_of(weights) if weights is not None else None
        if known is not None:
            found_card = read_card(known)
            origin |= {
                "scores": found_card.scores,
                "protocol": found_card.protocol,
                "license": found_card.license,
            }
        print_json(_with_floats(summary.as_dict(), built) | origin)
        return
    print_text(str(summary))
    found = printable(str(weights)) if weights else "none found beside the cfg"
    print_text(f"trained weights: {found}")
    card = card_of(weights) if weights is not None else None
    if card is not None:
        print_text(printable(str(read_card(card))))


def _with_floats(summary: dict[str, Any], network: Network) -> dict[str, Any]:
    """The summary, and how many numbers a Darknet .weights file of it holds."""
    from zoo.checkpoints.darknet_order import float_counts
    from zoo.errors import WeightsError

    try:
        counts = float_counts(network)
    except WeightsError:  # Darknet has no place for them
        return {**summary, "darknet_floats": None}
    layers = [
        {**layer, "darknet_floats": count}
        for layer, count in zip(summary["layers"], counts, strict=True)
    ]
    return {**summary, "darknet_floats": sum(counts), "layers": layers}


def _show_plan(
    network: Network,
    height: int,
    width: int,
    backend: str | None,
    threads: int | None,
    max_memory: str | None,
    precision: Precision,
    as_json: bool,
) -> None:
    """What a back end executes for pictures of one size; weights do not matter."""
    from zoo.engine import Plan
    from zoo.machine.memory import default_limit, parse_size
    from zoo.plugins import select
    from zoo.tables import mebibytes, printable, table

    network.trained = True
    limit = default_limit() if max_memory is None else parse_size(max_memory)
    kernels = select(backend, threads)
    plan = Plan(network, height, width, kernels, memory=limit, precision=precision)
    steps = plan.steps()
    if as_json:
        print_json(
            {
                "network": network.source,
                "height": height,
                "width": width,
                "backend": kernels.name,
                "instruction_set": kernels.instruction_set,
                "threads": kernels.threads,
                "precision": precision,
                "cutting": plan.cutting,
                "memory": plan.memory,
                "memory_limit": limit,
                "operations": sum(step.operations for step in steps),
                "steps": [step._asdict() for step in steps],
            }
        )
        return
    rows = [
        (
            "+".join(map(str, step.layers)),
            step.operation,
            step.algorithm,
            str(step.rows_at_a_time),
            mebibytes(step.buffer),
            mebibytes(step.packed) if step.packed else "",
            f"{step.operations / 1e9:.3f}" if step.operations else "",
        )
        for step in steps
    ]
    header = ("layers", "operation", "algorithm", "rows", "MiB", "weights", "GFLOP")
    print_text(table(header, rows, "lllrrrr"))
    plural = "s" if kernels.threads != 1 else ""
    print_text(
        f"\n{printable(network.source)}: {width}x{height} on {kernels.name}, "
        f"{kernels.instruction_set}, {kernels.threads} thread{plural}, {precision}: "
        f"{plan.cutting}"
    )
    print_text(
        f"{sum(step.operations for step in steps) / 1e9:,.1f} GFLOP in {len(steps)} "
        f"steps; {mebibytes(plan.memory)} MiB beside the weights, the picture and the "
        f"result, which are held in full ({mebibytes(limit)} MiB allowed)"
    )
