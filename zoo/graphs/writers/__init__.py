"""From steps to layers: a function for each kind of step."""

from __future__ import annotations

from zoo.graphs.sections import Writer
from zoo.graphs.writers import convolutions, others, products

__all__ = ["WRITERS"]

WRITERS: dict[str, Writer] = {
    **convolutions.WRITERS,
    **others.WRITERS,
    **products.WRITERS,
}
