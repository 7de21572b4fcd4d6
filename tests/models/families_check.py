"""Hold a family against a function in PyTorch: what tests of families share."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch_functions import evaluate
from torch_modules import IMAGE, assert_same, run_zoo

from zoo.models.base import Family, Recognition
from zoo.models.identify import identify
from zoo.parsers.base import Checkpoint

__all__ = ["check"]


def check(
    function: Any,
    expected: dict[str, Any],
    *,
    image: np.ndarray = IMAGE,
    rename: Any = None,
    overrides: dict[str, Any] | None = None,
    layout: str = "",
    **options: Any,
) -> tuple[type[Family], Recognition]:
    """Convert what a function drew; results and hyper-parameters must be its own."""
    state, theirs = evaluate(function, image, **options)
    if rename is not None:
        state = {rename(name): tensor for name, tensor in state.items()}
    checkpoint = Checkpoint("torch", state)
    family, known = identify(checkpoint, "x")[:2]
    if overrides:
        known = known.override(overrides)
    assert {name: known.options[name] for name in expected} == expected
    if layout:
        assert known.layout == layout
    assert_same(run_zoo(family, checkpoint, known, image), theirs)
    return family, known
