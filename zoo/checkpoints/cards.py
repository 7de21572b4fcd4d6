"""Cards: what a set of trained weights is, where it comes from, how good it is.

A card is a YAML file beside the weights, with their stem. It is for people and
programs; nothing that runs depends on it.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from zoo.checkpoints.plain_yaml import read_yaml
from zoo.errors import ReaderError, WeightsError
from zoo.files import atomic_write

__all__ = ["Card", "card_of", "digest", "read_card", "write_card"]


@dataclass(frozen=True)
class Card:
    """What is known of a set of weights.

    Attributes
    ----------
    network : str
        Name of the network, the stem of cfg, weights and card.
    scale : int
    parameters : int
    dtype : str
        In which the weights are stored.
    license : str
        SPDX identifier of the licence of the weights.
    sha256 : str
        Of the file of weights.
    training : dict
        Data, how low resolution was made, updates, recipe, hours, machine.
    protocol : str
        How the scores were measured.
    scores : dict of str to dict
        For each test set: psnr in dB, ssim, and the same of bicubic.
    repeat : list of str
        Commands that make such weights.
    pictures : str
        The kind of pictures that they are for, in a few words.
    """

    network: str
    scale: int
    parameters: int
    dtype: str
    license: str
    sha256: str
    training: dict[str, Any]
    protocol: str
    scores: dict[str, dict[str, float]]
    repeat: list[str] = field(default_factory=list)
    pictures: str = ""

    def __str__(self) -> str:
        scores = ", ".join(
            f"{name} {score['psnr']:.2f} dB (bicubic {score['bicubic']:.2f})"
            for name, score in self.scores.items()
        )
        return (
            f"{self.network}: {scores} ({self.protocol}); "
            f"{self.training['updates']} updates on {self.training['data']}; "
            f"{self.license}"
        )


def digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def card_of(weights: str | Path) -> Path | None:
    """The card beside a file of weights; None if there is none."""
    path = Path(weights).with_suffix(".yaml")
    return path if path.is_file() else None


def read_card(path: str | Path, weights: str | Path | None = None) -> Card:
    """Read a card.

    Parameters
    ----------
    path : str or Path
    weights : str or Path, optional
        Check that these are the weights that the card describes.

    Raises
    ------
    ReaderError
        If the file is no card.
    WeightsError
        If the card belongs to other weights.
    """
    path = Path(path)
    values = read_yaml(path)
    names = {item.name for item in fields(Card)}
    needed = names - {"repeat", "pictures"}
    if not isinstance(values, dict) or not needed <= values.keys() <= names:
        known = ", ".join(sorted(names))
        raise ReaderError(f"{path} is no card; a card has the keys {known}")
    for name, kind in _KINDS.items():
        if name in values and not _is(values[name], kind):
            raise ReaderError(
                f"{path} is no card: {name} is {str(values[name])[:40]!r}, not {kind}"
            )
    _check_nested(path, values)
    card = Card(**values)
    if weights is not None and digest(weights) != card.sha256:
        raise WeightsError(
            f"{path} describes other weights than {weights}; their SHA-256 differ"
        )
    return card


# What each field is, in words and as a type.
_KINDS = {
    "network": "a text",
    "scale": "a number",
    "parameters": "a number",
    "dtype": "a text",
    "license": "a text",
    "sha256": "a text",
    "training": "a mapping",
    "protocol": "a text",
    "scores": "a mapping",
    "repeat": "a list",
    "pictures": "a text",
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "a text": str,
    "a number": int,
    "a mapping": dict,
    "a list": list,
}


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and not isinstance(value, bool)


def _check_nested(path: Path, values: dict[str, Any]) -> None:
    """Refuse a card whose training or scores lack what is shown of them."""
    lacking = {"updates", "data"} - values["training"].keys()
    if lacking:
        raise ReaderError(f"{path} is no card: training has no {lacking.pop()!r}")
    for name, score in values["scores"].items():
        if not isinstance(score, dict) or not all(
            isinstance(score.get(key), (int, float)) for key in ("psnr", "bicubic")
        ):
            raise ReaderError(
                f"{path} is no card: the scores of {str(name)[:40]!r} have no psnr and "
                f"bicubic, in dB"
            )


def write_card(card: Card, path: str | Path) -> None:
    """Write a card.

    Raises
    ------
    ZooError
        If the file cannot be written.
    """
    import yaml  # slow to import

    text = yaml.safe_dump(asdict(card), sort_keys=False, allow_unicode=True, width=88)
    with atomic_write(path) as file:
        file.write(text.encode())
