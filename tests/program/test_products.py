"""Which convolutions feed products that would multiply their rounding."""

from __future__ import annotations

import pytest
from networks import network

from zoo.engine.lowering import lower
from zoo.models.plksr import PLKSR
from zoo.models.rrdbnet import RRDBNet
from zoo.models.span import SPAN
from zoo.plugins import select
from zoo.program.fusion import fuse
from zoo.program.operations import Conv
from zoo.program.products import amplified


def convolutions(text: str) -> tuple[int, int]:
    """How many there are, and how many are amplified."""
    program = fuse(lower(network(text), 16, 16, select("numpy")))
    found = amplified(program)
    ours = [
        at for at, step in enumerate(program.steps) if isinstance(step.operation, Conv)
    ]
    return len(ours), sum(at in found for at in ours)


def test_blocks_that_multiply_features_do() -> None:
    total, careful = convolutions(SPAN.write(blocks=6, filters=8))
    assert 6 < careful < total  # not what comes behind the last products
    assert convolutions(SPAN.write(blocks=2, filters=8))[1] == 0


@pytest.mark.parametrize(
    "text", [RRDBNet.write(blocks=2, filters=8), PLKSR.write(blocks=6, filters=16)]
)
def test_sums_and_gates_do_not(text: str) -> None:
    assert convolutions(text)[1] == 0
