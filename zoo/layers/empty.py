"""A layer that does nothing."""

from __future__ import annotations

from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.passing import PassThrough

__all__ = ["Empty"]


class Empty(PassThrough):
    """y = x. Darknet's [empty] and [silence], which end a branch or hold an index."""

    summary = "passes everything through"
    keys = COMMON_KEYS
