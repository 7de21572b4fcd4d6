"""What may be chosen: installed networks with weights, and those that were named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.bench.installed import SIDE, best_known, facts_of, scores_of
from zoo.catalog import networks
from zoo.run.files import NetworkFile
from zoo.tables import printable

__all__ = ["Choice", "choices"]


@dataclass
class Choice:
    """A network on the page.

    Attributes
    ----------
    name : str
        What the page says, and what is asked for.
    file : NetworkFile
    scale : float
    parameters : int
    quality : str
        Of its card.
    pictures : str
        What they are for, by the card.
    seconds_per_pixel : float or None
        Of the input, once it is known.
    is_timed : bool
        Whether that was tried.
    """

    name: str
    file: NetworkFile
    scale: float
    parameters: int
    quality: str
    pictures: str = ""
    seconds_per_pixel: float | None = None
    is_timed: bool = False

    def as_json(self) -> dict[str, Any]:
        """What the page is told."""
        names = (
            "name",
            "scale",
            "parameters",
            "quality",
            "pictures",
            "seconds_per_pixel",
            "is_timed",
        )
        return {name: getattr(self, name) for name in names}

    def measure(self) -> None:
        """Find out how long it takes, with a small picture."""
        from zoo.bench.installed import seconds_of_picture

        try:
            seconds = seconds_of_picture(self.file.load().network)
            self.seconds_per_pixel = seconds / SIDE**2
        finally:
            self.is_timed = True

    def took(self, seconds: float, pixels: int) -> None:
        """Learn from a real run."""
        self.seconds_per_pixel = seconds / pixels


def choices(named: Sequence[str], threads: int | None) -> dict[str, Choice]:
    """Networks by the name that the page says; those that were named come first.

    Raises
    ------
    ZooError
        If one that was named cannot be loaded or has no weights.
    """
    found: dict[str, Choice] = {}

    def add(name: str, asked: str, weights: str | None) -> None:
        file = NetworkFile(asked, threads=threads)
        facts = facts_of(file.load().network)
        scores, pictures = scores_of(None if weights is None else Path(weights))
        found[name] = Choice(
            name,
            file,
            facts["scale"],
            facts["parameters"],
            best_known(scores),
            pictures,
        )

    for asked in named:
        name = printable(Path(asked).name)
        add(
            printable(asked) if name in found else name,
            asked,
            NetworkFile(asked).origin,
        )
    for entry in networks():
        if entry.weights is not None and entry.name not in found:
            add(entry.name, entry.name, str(entry.weights))
    return found
