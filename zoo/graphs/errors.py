"""Why a graph does not become a network."""

from __future__ import annotations

from zoo.errors import WeightsError

__all__ = ["Damaged", "Untranslatable", "WrongSize"]


class Untranslatable(WeightsError):
    """No layer does what a node does; the message is a phrase to count by."""


class WrongSize(WeightsError):
    """What a node gets does not fit it, at the size that is tried."""


class Damaged(WeightsError):
    """The graph contradicts itself, whatever the size."""
