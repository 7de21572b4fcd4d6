"""Families of networks: each writes cfg text and recognises its checkpoints."""

from zoo.models.base import (
    Assumption,
    Conversion,
    Family,
    Mismatch,
    Recognition,
    TensorUse,
)

__all__ = [
    "Assumption",
    "Conversion",
    "Family",
    "Mismatch",
    "Recognition",
    "TensorUse",
]
