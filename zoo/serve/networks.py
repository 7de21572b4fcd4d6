"""What may be chosen: installed networks with weights, and those that were named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.bench.installed import SIDE, best_known, facts_of, scores_of
from zoo.catalog import networks
from zoo.run.files import NetworkFile

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
    seconds_per_pixel : float or None
        Of the input, once it is known.
    """

    name: str
    file: NetworkFile
    scale: float
    parameters: int
    quality: str
    pictures: str = ""
    seconds_per_pixel: float | None = None
    failed: bool = field(default=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """What the page is told."""
        names = (
            "name",
            "scale",
            "parameters",
            "quality",
            "pictures",
            "seconds_per_pixel",
        )
        return {name: getattr(self, name) for name in names}

    def measure(self) -> None:
        """Find out how long it takes, with a small picture."""
        from zoo.bench.installed import seconds_of_picture

        seconds = seconds_of_picture(self.file.load().network)
        self.seconds_per_pixel = seconds / SIDE**2

    def took(self, seconds: float, pixels: int) -> None:
        """Learn from a real run."""
        self.seconds_per_pixel = seconds / pixels


def choices(named: Sequence[str], threads: int | None) -> dict[str, Choice]:
    """Networks by name; those that were named come first.

    Raises
    ------
    ZooError
        If one that was named cannot be loaded or has no weights.
    """
    found: dict[str, Choice] = {}
    for name in named:
        file = NetworkFile(name, threads=threads)
        found[name] = _choice(name, file, file.origin)
    for entry in networks():
        if entry.weights is not None and entry.name not in found:
            file = NetworkFile(entry.name, threads=threads)
            found[entry.name] = _choice(entry.name, file, str(entry.weights))
    return found


def _choice(name: str, file: NetworkFile, weights: str | None) -> Choice:
    facts = facts_of(file.load().network)
    scores, pictures = scores_of(None if weights is None else Path(weights))
    return Choice(
        Path(name).name,
        file,
        facts["scale"],
        facts["parameters"],
        best_known(scores),
        pictures,
    )
