"""What names and shapes of tensors leave open, decided by a picture.

Networks with the same tensors may differ in what no tensor tells: the value of white
they were trained with, a dilation, whether the enlarged picture is added. A family
lists such hyper-parameters with the values that published files have
(:attr:`zoo.models.base.Family.undecided`). Each combination enlarges a drawn picture
whose large original is known. Another value than the usual one is taken only where it
comes nearer to the original than the usual one does, and nearer than a bilinear filter
comes: that is what training achieves, and what chance does not.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zoo.checkpoints.drawn import BETTER, MOST_PARAMETERS, TRAINED, gain
from zoo.models.base import Assumption, Family, Recognition
from zoo.network import Network
from zoo.parsers.base import Checkpoint

__all__ = ["decide", "open_options"]

Build = Callable[[Recognition], Network]


def open_options(
    family: type[Family], assumptions: tuple[Assumption, ...], checkpoint: Checkpoint
) -> dict[str, tuple[Any, ...]]:
    """The values to try of each assumed option, the assumed one first.

    None for large networks, which would take long.
    """
    shapes = map(checkpoint.shape, checkpoint.tensors)
    if sum(map(math.prod, shapes)) > MOST_PARAMETERS:
        return {}
    return {
        item.option: (
            item.value,
            *(v for v in family.undecided[item.option] if v != item.value),
        )
        for item in assumptions
        if item.option in family.undecided
    }


def decide(
    recognition: Recognition, options: Mapping[str, tuple[Any, ...]], build: Build
) -> Recognition:
    """Replace what was assumed where a picture tells better.

    Parameters
    ----------
    recognition : Recognition
    options : mapping of str to tuple
        From :func:`open_options`.
    build : callable
        The network with its weights, for a recognition.

    Returns
    -------
    Recognition
        Its assumptions say what the picture told.
    """
    if not options:
        return recognition
    gains: dict[tuple[Any, ...], float] = {}
    for values in itertools.product(*options.values()):
        chosen = dict(zip(options, values, strict=True))
        known = replace(recognition, options={**recognition.options, **chosen})
        gains[values] = gain(build(known), int(known.options["scale"]))
    usual = next(iter(gains))
    highest = max(gains.values())
    if highest < max(gains[usual] + BETTER, TRAINED):
        return recognition
    # Of values that do nearly as well, those with the fewest that are not usual.
    best = min(
        (values for values, each in gains.items() if each > highest - BETTER),
        key=lambda values: sum(map(operator.ne, values, usual)),
    )
    chosen = dict(zip(options, best, strict=True))
    changed = {name for name, value in chosen.items() if value != options[name][0]}
    reason = (
        f"so a drawn picture comes out {gains[best]:.1f} dB better than by a bilinear "
        f"filter; by the usual value {gains[usual]:.1f} dB"
    )
    return replace(
        recognition,
        options={**recognition.options, **chosen},
        assumptions=tuple(
            Assumption(item.option, chosen[item.option], reason)
            if item.option in changed
            else item
            for item in recognition.assumptions
        ),
    )
