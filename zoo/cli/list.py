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

_SIDE = 128  # zoo.bench.installed.SIDE, which is slow to import


@click.command(short_help="List the networks there are.")
@click.argument("pattern", required=False)
@click.option(
    "--time",
    "timed",
    is_flag=True,
    help=f"Also run each network on a {_SIDE}x{_SIDE} picture and say how long it takes.",
)
@json_option
def command(pattern: str | None, timed: bool, as_json: bool) -> int:
    """List the networks that are installed.

    PATTERN selects by name, as in 'edsr*' or 'x2'; without a wildcard it may
    stand anywhere in the name. GFLOP are floating-point operations in thousands
    of millions, per megapixel of the input, a multiply-add counting two. Below the
    table stand the best networks for each kind of pictures, at each scale.

    Times hold for this machine, by its best back end, with random weights: values
    do not change them. `zoo bench net` measures at other sizes, and beside other programs.
    """
    from tqdm import tqdm

    from zoo.bench.installed import facts_of, scores_of, seconds_of_picture
    from zoo.catalog import networks
    from zoo.errors import ZooError
    from zoo.network import Network

    entries = [entry for entry in networks() if _matches(entry.name, pattern)]
    rows: list[dict[str, Any]] = []
    # None: no bar where standard error is no terminal, nor for what is soon done.
    for entry in tqdm(entries, "timing", disable=None if timed else True, leave=False):
        row: dict[str, Any] = {"name": entry.name, "family": entry.family}
        try:
            network = Network.read(entry.cfg)
            row |= facts_of(network)
            if timed:
                row["seconds"] = seconds_of_picture(network)
        except ZooError as error:
            # One broken cfg of a third party must not hide the others.
            say(f"warning: {error}")
            continue
        row["weights"] = str(entry.weights) if entry.weights else None
        row["scores"], row["pictures"] = scores_of(entry.weights)
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


def _print_table(rows: list[dict[str, Any]]) -> None:
    from zoo.bench.installed import best_known
    from zoo.tables import count, table

    timed = any("seconds" in row for row in rows)
    told = ("for",) if any(row["pictures"] for row in rows) else ()
    clock = (f"ms for {_SIDE}x{_SIDE}",) if timed else ()
    print_text(
        table(
            (
                "name",
                "family",
                "scale",
                "parameters",
                "GFLOP/MP",
                *clock,
                "weights",
                "Y-PSNR",
                *told,
            ),
            [
                (
                    row["name"],
                    row["family"],
                    f"x{row['scale']:g}",
                    count(row["parameters"]),
                    f"{row['gflop_per_input_megapixel']:,.0f}",
                    *((f"{1e3 * row['seconds']:,.1f}",) if timed else ()),
                    "yes" if row["weights"] else "no",
                    best_known(row["scores"]),
                    *((row["pictures"],) if told else ()),
                )
                for row in rows
            ],
            align="llrrr" + "r" * timed + "ll" + "l" * len(told),
        )
    )
    for kind in sorted({row["pictures"] for row in rows} - {""}):
        print_text(f"{kind}: {_recommended(kind, rows)}")


def _recommended(kind: str, rows: list[dict[str, Any]]) -> str:
    """The best networks for a kind of pictures: ``edsr_x2 (fast: edsr_r8f32_x2)``."""
    best: dict[float, list[dict[str, Any]]] = {}
    for row in rows:
        if row["pictures"] == kind:
            best.setdefault(row["scale"], []).append(row)
    texts = []
    for _, found in sorted(best.items()):
        found.sort(key=_mean_psnr, reverse=True)
        fastest = min(found, key=lambda row: row["gflop_per_input_megapixel"])
        is_much = (
            2 * fastest["gflop_per_input_megapixel"]
            < found[0]["gflop_per_input_megapixel"]
        )
        fast = f" (fast: {fastest['name']})" if is_much else ""
        texts.append(found[0]["name"] + fast)
    return ", ".join(texts)


def _mean_psnr(row: dict[str, Any]) -> float:
    """By what networks of one kind are compared: the mean over what they have."""
    found = [score["psnr"] for n, score in row["scores"].items() if n != "protocol"]
    return float(sum(found)) / max(1, len(found))
