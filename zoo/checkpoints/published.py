"""Cards of files that others have published: what they are and where they lie."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

from zoo.cache import cache_folder
from zoo.checkpoints.plain_yaml import read_yaml
from zoo.errors import ReaderError, UnknownNetworkError, did_you_mean

__all__ = [
    "Published",
    "facts_beside",
    "fetched",
    "find_published",
    "published",
    "read_published",
]

_FILE: Final = Path(__file__).parents[1] / "weights" / "published.yaml"
_URL = re.compile(r"https?://[^\s/@]+(/\S*)?")
_HASH = re.compile(r"[0-9a-f]{64}")
_BEGIN = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Published:
    """One file.

    Attributes
    ----------
    name : str
        What ``zoo fetch`` takes.
    about : str
        One line for people.
    file : str
        Its name.
    family : str
    scale : int
        0 if it holds several.
    license : str
        SPDX identifier, or "unknown".
    page : str
        Where its publisher describes it.
    urls : tuple of str
        Where it lies, the first one first.
    sha256 : str
        "" if nobody here has seen the file.
    sha256_begins : str
        The first digits of it, where the publisher says these.
    size : int
        In bytes; 0 if not known.
    """

    name: str
    about: str
    file: str
    family: str
    scale: int
    license: str
    page: str
    urls: tuple[str, ...]
    sha256: str = ""
    sha256_begins: str = ""
    size: int = 0


@cache
def published() -> dict[str, Published]:
    """All cards, by name."""
    return read_published(_FILE)


def read_published(path: Path) -> dict[str, Published]:
    """Read a file of cards.

    Raises
    ------
    ReaderError
        If it is none, or a card lacks something or has something else.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ReaderError(f"{path} is no mapping of names to cards")
    return {str(name): _card(path, str(name), value) for name, value in values.items()}


def _card(path: Path, name: str, values: Any) -> Published:
    known = {field.name for field in fields(Published)} - {"name"}
    needed = known - {"sha256", "sha256_begins", "size"}
    if not isinstance(values, dict) or not needed <= values.keys() <= known:
        raise ReaderError(
            f"{path}: {name[:60]!r} is no card; a card has {', '.join(sorted(needed))}"
        )
    numbers = {"scale", "size"}
    for key, value in values.items():
        kind = int if key in numbers else list if key == "urls" else str
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ReaderError(f"{path}: {key} of {name[:60]!r} is of the wrong kind")
    urls = values["urls"]
    if not urls or not all(
        isinstance(url, str) and _URL.fullmatch(url) for url in urls
    ):
        raise ReaderError(f"{path}: a place of {name[:60]!r} is no http address")
    if Path(values["file"]).name != values["file"] or values["file"][:1] in ("", "."):
        raise ReaderError(f"{path}: the file of {name[:60]!r} is no name of a file")
    for key, pattern in (("sha256", _HASH), ("sha256_begins", _BEGIN)):
        if values.get(key) and not pattern.fullmatch(values[key]):
            raise ReaderError(f"{path}: {key} of {name[:60]!r} is no SHA-256")
    return Published(name=name, **{**values, "urls": tuple(urls)})


def find_published(name: str) -> Published:
    """The card of a name.

    Raises
    ------
    UnknownNetworkError
        If there is none, with the nearest name.
    """
    cards = published()
    if name.lower() in cards:
        return cards[name.lower()]
    by_file = {card.file.lower(): card for card in cards.values()}
    if name.lower() in by_file:
        return by_file[name.lower()]
    hint = did_you_mean(name, cards)
    raise UnknownNetworkError(
        f"nothing is known of a published file {name!r}{hint} (`zoo fetch --list` shows "
        f"those that are)"
    )


def fetched(card: Published) -> Path | None:
    """The file in the cache, if it is there; it was checked when it came."""
    path = cache_folder("fetched", card.name, make=False) / card.file
    return path if path.is_file() and facts_beside(path) else None


def facts_beside(path: Path) -> dict[str, Any]:
    """What was written beside a file when it came; empty if nothing was."""
    try:
        facts = json.loads(path.with_name(f"{path.name}.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    is_whole = isinstance(facts, dict) and {"sha256", "size"} <= facts.keys()
    return facts if is_whole else {}
