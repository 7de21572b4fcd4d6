"""A network as a drawing.

folding   blocks of layers that repeat become one, with a number
layout    rows and columns, and what links them
svg       the drawing
"""

from zoo.diagram.svg import draw_network

__all__ = ["draw_network"]
