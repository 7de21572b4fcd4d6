"""Activation functions: one table of formulas and derivatives.

Back ends and layers look names up with :func:`activation`; cfg keys take their
choices from :data:`NAMES`. All functions keep the dtype of their argument and
act on the last axis as channels where they look across channels. They are
stable: no finite value overflows on the way to a finite result. NaN passes
through; infinities give what the formula gives in the limit or, where the
formula is infinity times zero, NaN.
"""

from zoo.activations.function import ActivationFunction
from zoo.activations.table import (
    ACTIVATIONS,
    LEAKY_SLOPE,
    NAMES,
    PARAMETER_FREE,
    activation,
    with_numbers,
)

__all__ = [
    "ACTIVATIONS",
    "LEAKY_SLOPE",
    "NAMES",
    "PARAMETER_FREE",
    "ActivationFunction",
    "activation",
    "with_numbers",
]
