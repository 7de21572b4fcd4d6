"""What there is to know of a network before it runs: size, work, scores, time."""

from __future__ import annotations

import warnings
from pathlib import Path
from statistics import median
from typing import Any

from zoo.network import Network

__all__ = ["SIDE", "best_known", "facts_of", "scores_of", "seconds_of_picture"]

SIDE = 128
"""Rows and columns of the picture that is timed."""


def facts_of(network: Network) -> dict[str, Any]:
    """Scale, parameters and work of a network."""
    height, width = network.nominal_size
    operations = sum(network.operations(height, width))
    return {
        "scale": network.scale,
        "parameters": network.parameter_count,
        "gflop_per_input_megapixel": operations / (height * width) / 1e3,
    }


def seconds_of_picture(network: Network) -> float:
    """How long a small picture takes: the median of three runs after a first one.

    Of one run where that takes long: noise is then a small part of it. A network
    without weights gets random ones, for no value changes the time.
    """
    from zoo.api import Model
    from zoo.bench.net import sample_picture
    from zoo.bench.timing import quiet, seconds_of
    from zoo.plugins import select

    if not network.trained:
        network.initialize()
    model = Model(network, select(None, None))
    picture = sample_picture(SIDE, SIDE, network.pixels.channels)
    with quiet():
        first = seconds_of(lambda: model(picture))
        if first > 2:
            return first
        return median(seconds_of(lambda: model(picture)) for _ in range(3))


def scores_of(weights: Path | None) -> tuple[dict[str, Any], str]:
    """What the card beside some weights says: scores with their protocol, what for.

    A card that cannot be read costs a warning.
    """
    from zoo.checkpoints.cards import card_of, read_card
    from zoo.errors import ZooError

    card = card_of(weights) if weights is not None else None
    if card is None:
        return {}, ""
    try:
        found = read_card(card)
    except ZooError as error:
        warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        return {}, ""
    return {**found.scores, "protocol": found.protocol}, found.pictures


def best_known(scores: dict[str, Any]) -> str:
    """The first set that a card has: ``37.50 dB on Set5 (bicubic 33.67)``."""
    for name, score in scores.items():
        if name != "protocol":
            return f"{score['psnr']:.2f} dB on {name} (bicubic {score['bicubic']:.2f})"
    return ""
