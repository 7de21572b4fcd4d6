"""``zoo list``: the networks there are."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

import click

from zoo.cli._common import (
    json_option,
    print_json,
    print_text,
    say,
)

__all__ = ["command"]


@click.command(short_help="List the networks there are.")
@click.argument("pattern", required=False)
@json_option
def command(pattern: str | None, as_json: bool) -> int:
    """List the networks that are installed.

    PATTERN selects by name, as in 'edsr*' or 'x2'; without a wildcard it may
    stand anywhere in the name. GFLOP are floating-point operations in thousands
    of millions, per megapixel of the input, a multiply-add counting two.
    """
    from zoo.catalog import networks
    from zoo.errors import ZooError

    entries = [entry for entry in networks() if _matches(entry.name, pattern)]
    rows: list[dict[str, Any]] = []
    for entry in entries:
        row: dict[str, Any] = {"name": entry.name, "family": entry.family}
        try:
            row |= _measure(entry.cfg)
        except ZooError as error:
            # One broken cfg of a third party must not hide the others.
            say(f"warning: {error}")
            continue
        row["weights"] = str(entry.weights) if entry.weights else None
        row["scores"] = _scores(entry.weights)
        row["cfg"] = str(entry.cfg)
        row["distribution"] = entry.distribution
        rows.append(row)
    if as_json:
        print_json(rows)
    elif rows:
        _print_table(rows)
    if not rows:
        what = "no network is installed" if pattern is None else "no network matches"
        say(f"{what} {pattern or ''}".rstrip())
    return int(not rows)


def _matches(name: str, pattern: str | None) -> bool:
    if pattern is None:
        return True
    if not any(mark in pattern for mark in "*?["):
        pattern = f"*{pattern}*"
    return fnmatch(name.lower(), pattern.lower())


def _measure(cfg: Any) -> dict[str, Any]:
    """Scale, parameters and work of a cfg file."""
    from zoo.network import Network

    network = Network.read(cfg)
    height, width = network.nominal_size
    operations = sum(network.operations(height, width))
    return {
        "scale": network.scale,
        "parameters": network.parameter_count,
        "gflop_per_input_megapixel": operations / (height * width) / 1e3,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    from zoo.tables import count, table

    print_text(
        table(
            ("name", "family", "scale", "parameters", "GFLOP/MP", "weights", "Y-PSNR"),
            [
                (
                    row["name"],
                    row["family"],
                    f"x{row['scale']:g}",
                    count(row["parameters"]),
                    f"{row['gflop_per_input_megapixel']:,.0f}",
                    "yes" if row["weights"] else "no",
                    _best_known(row["scores"]),
                )
                for row in rows
            ],
            align="llrrrll",
        )
    )


def _best_known(scores: dict[str, Any]) -> str:
    """The first set that a card has: ``37.50 dB on Set5 (bicubic 33.67)``."""
    for name, score in scores.items():
        if name != "protocol":
            return f"{score['psnr']:.2f} dB on {name} (bicubic {score['bicubic']:.2f})"
    return ""


def _scores(weights: Any) -> dict[str, Any]:
    """What the card beside some weights says of them, with its protocol."""
    from zoo.checkpoints.cards import card_of, read_card
    from zoo.errors import ZooError

    card = card_of(weights) if weights is not None else None
    if card is None:
        return {}
    try:
        found = read_card(card)
    except ZooError as error:
        say(f"warning: {error}")
        return {}
    return {**found.scores, "protocol": found.protocol}
