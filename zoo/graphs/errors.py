"""Why a graph does not become a network."""

from __future__ import annotations

from zoo.errors import WeightsError

__all__ = ["Damaged", "Refused", "Untranslatable", "WrongSize"]


class Untranslatable(WeightsError):
    """No layer does what a node does; the message is a phrase to count by."""


class Refused(WeightsError):
    """The file is not what zoo takes; the message says all of it."""


class WrongSize(WeightsError):
    """What a node gets does not fit it, at the size that is tried."""


class Damaged(WeightsError):
    """The graph contradicts itself, whatever the size."""
