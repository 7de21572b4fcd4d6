"""What each operator does to pictures: a table of functions, by ONNX's names."""

from __future__ import annotations

from zoo.graphs.operators import (
    activations,
    arithmetic,
    axes,
    convolutions,
    indexing,
    joining,
    matrices,
    normalization,
    pooling,
    resize,
)
from zoo.graphs.trace import Operator

__all__ = ["OPERATORS"]

OPERATORS: dict[str, Operator] = {
    **activations.OPERATORS,
    **arithmetic.OPERATORS,
    **axes.OPERATORS,
    **indexing.OPERATORS,
    **convolutions.OPERATORS,
    **joining.OPERATORS,
    **matrices.OPERATORS,
    **normalization.OPERATORS,
    **pooling.OPERATORS,
    **resize.OPERATORS,
}
"""Those of our own have the prefix ``zoo.``."""
