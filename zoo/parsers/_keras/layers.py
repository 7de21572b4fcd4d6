"""What each of Keras's layers is in TensorFlow's operations."""

from __future__ import annotations

from typing import Final

from zoo.parsers._keras.activations import ACTIVATIONS
from zoo.parsers._keras.arithmetic import ARITHMETIC
from zoo.parsers._keras.convolutions import CONVOLUTIONS
from zoo.parsers._keras.functions import FUNCTIONS
from zoo.parsers._keras.layer import Writers
from zoo.parsers._keras.shapes import SHAPES

__all__ = ["LAYERS"]

LAYERS: Final[Writers] = {
    **ACTIVATIONS,
    **ARITHMETIC,
    **CONVOLUTIONS,
    **FUNCTIONS,
    **SHAPES,
}
"""Layers by the name of their class; of third parties', those met in published files."""
