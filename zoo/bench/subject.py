"""What a worker has loaded and runs; one subclass for networks, one for layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["Subject"]


class Subject(ABC):
    """Something that can be run again and again.

    Attributes
    ----------
    ready : dict
        The worker's first answer.
    """

    ready: dict[str, Any]

    @abstractmethod
    def run(self) -> None:
        """Run once and keep the result. What was kept before may be dropped."""

    @abstractmethod
    def clear(self) -> None:
        """Drop the last result; not timed."""

    @abstractmethod
    def save(self, path: str) -> None:
        """Write the last result."""

    def build(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Load something else; returns what to say about it."""
        raise NotImplementedError

    def drop(self) -> None:
        """Free all that was loaded."""
        raise NotImplementedError
