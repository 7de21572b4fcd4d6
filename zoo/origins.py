"""Which distribution a network's layers come from, so that a missing one has a name.

Weights and run folders outlive what was installed when they were made. Weights carry
the origins of layers that are not zoo's own as JSON in their metadata
(``zoo.layers``), the cfg of a run as comments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from zoo.catalog import RUN_CFG, find_weights
from zoo.errors import ReaderError
from zoo.parsers.safetensors import read_metadata
from zoo.registry import OWN_DISTRIBUTION, distribution_of, registry, version_of

__all__ = ["METADATA", "comments", "origins_beside", "origins_of"]

METADATA: Final = "zoo.layers"
_COMMENT = re.compile(r"# \[([\w./-]{1,80})\] comes from ([\w. +!-]{1,120})")
_HEAD: Final = 1 << 16


def origins_of(kinds: Iterable[str]) -> dict[str, str]:
    """Name and version of the distribution of each layer that is not zoo's own."""
    known = registry("zoo.layers")
    found = {}
    for kind in sorted(set(kinds)):
        for entry in known.entries_of(kind)[:1]:
            name = distribution_of(entry)
            if name not in (OWN_DISTRIBUTION, "unknown"):
                found[kind] = f"{name} {version_of(entry)}"
    return found


def comments(origins: Mapping[str, str]) -> str:
    """Lines for the top of a cfg; none where all layers are zoo's own."""
    return "".join(
        f"# [{kind}] comes from {name}\n" for kind, name in sorted(origins.items())
    )


def origins_beside(cfg: str | Path) -> dict[str, str]:
    """What a cfg file and the weights beside it say of where layers come from.

    What cannot be read says nothing: the question comes up in an error already.
    """
    path = Path(cfg)
    found: dict[str, str] = {}
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except (OSError, ValueError):
        return found
    weights = [find_weights(path)]
    if path.name == RUN_CFG:
        weights.append(path.with_name("last.safetensors"))
    for place in weights:
        if place is not None and place.suffix == ".safetensors" and place.is_file():
            with suppress(ReaderError, ValueError, RecursionError):
                found |= _checked(json.loads(read_metadata(place).get(METADATA, "{}")))
    return found | dict(_COMMENT.findall(head))


def _checked(values: object) -> dict[str, str]:
    """Only what may be names: it comes from a file and goes into a sentence."""
    if not isinstance(values, dict):
        return {}
    return {
        str(kind): str(name)
        for kind, name in list(values.items())[:100]
        if _COMMENT.fullmatch(f"# [{kind}] comes from {name}")
    }
